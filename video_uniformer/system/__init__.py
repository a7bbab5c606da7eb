"""What the operating system asks of every room: processes, files, names for people."""
