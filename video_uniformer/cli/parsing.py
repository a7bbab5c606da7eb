"""The argument parser of the commands: what is wrong with a command line is one line."""

import argparse
import re
from typing import NoReturn

from video_uniformer.cli import PROGRAM
from video_uniformer.system.suggestions import did_you_mean

_UNKNOWN = "unrecognized arguments: "


class CommandParser(argparse.ArgumentParser):
    """A parser whose refusals are one line, with the nearest right option.

    Args:
        command: The command's name.
        description: What it does, in a sentence.
        epilog: Examples, and what the exit status means, printed as they stand.
        add_help: Whether the parser prints the help itself.
    """

    def __init__(
        self, command: str, *, description: str, epilog: str, add_help: bool = True
    ) -> None:
        super().__init__(
            prog=f"{PROGRAM} {command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=add_help,
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with status 2."""
        hint = ""
        if message.startswith(_UNKNOWN):
            word = message.removeprefix(_UNKNOWN).split("=")[0].split()[0]
            hint = did_you_mean(word, re.findall(r"--[\w-]+", self.format_usage()))
        self.exit(2, f"error: {message}{hint or f'; `{self.prog} --help` explains'}\n")
