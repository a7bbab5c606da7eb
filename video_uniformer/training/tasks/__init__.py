"""Tasks: losses and metrics, one file each."""
