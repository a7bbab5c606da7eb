"""`video-uniformer COMMAND`: the table of commands; each is imported when it is called."""

import importlib
import os
import sys
from collections.abc import Sequence

import video_uniformer
from video_uniformer.cli import PROGRAM, module_of

# A command's name, also that of its module here (with _ for -), and what it does. In the order of a
# user's way: what there is, a first answer, videos of one's own, a network of one's own.
COMMANDS = {
    "zoo": "list the released checkpoints",
    "info": "count a network's parameters, multiply-adds and memory",
    "predict": "name what happens in videos, or what pictures show",
    "probe": "tell what video files are, which decoder reads them, and why",
    "scan": "decode a whole collection, and tell what is wrong with it",
    "prepare": "re-encode a collection once, for fast training",
    "token-labels": "write what an image network sees at each place of pictures, to train on",
    "train": "train a network from a recipe",
    "test": "evaluate a checkpoint on pictures, or several views of videos",
    "convert": "turn a checkpoint into one file that says what it is, or back",
    "completion": "print what makes bash, zsh or fish complete these words",
}


def usage() -> str:
    """The help of the program itself."""
    width = max(map(len, COMMANDS))
    rows = (f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return "\n".join(
        (
            f"usage: {PROGRAM} COMMAND ...",
            "",
            "UniFormer on videos and images: use released networks, train and test your own.",
            "",
            "commands, in the order of a first walk:",
            *rows,
            "",
            f"`{PROGRAM} COMMAND --help` explains one; `{PROGRAM} --version` tells the version.",
        )
    )


def run(arguments: Sequence[str]) -> None:
    """Do what a command line asks for.

    Args:
        arguments: The words after the program's name.
    """
    if not arguments:
        print(usage(), file=sys.stderr)
        raise SystemExit(2)
    name, *rest = arguments
    if name in ("-h", "--help", "help"):
        print(usage())
    elif name == "--version":
        print(f"{PROGRAM} {video_uniformer.__version__}")
    elif name not in COMMANDS:
        from video_uniformer.system.suggestions import did_you_mean

        kind = "option" if name.startswith("-") else "command"
        hint = did_you_mean(name, (*COMMANDS, "--help", "--version"))
        print(
            f"error: {kind} is {name!r}, expected one of {', '.join(COMMANDS)}{hint}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    else:
        importlib.import_module(module_of(name)).main(rest)


def main() -> None:
    """Entry point of the program."""
    try:
        if "_ARGCOMPLETE" in os.environ:
            # Late, as only a shell that completes needs it.
            from video_uniformer.cli.completion import complete

            complete(COMMANDS)
        run(sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit(130) from None
