"""The commands, one file each."""

PROGRAM = "video-uniformer"


def module_of(command: str) -> str:
    """The module that a command is, by its name."""
    return f"video_uniformer.cli.{command.replace('-', '_')}"
