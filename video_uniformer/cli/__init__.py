"""The commands, one file each."""

PROGRAM = "video-uniformer"
