"""The command line of train and test: Hydra's options, known without importing Hydra."""

from video_uniformer.cli.parsing import CommandParser

FLAGS = {
    "--help": "-h",
    "--hydra-help": None,
    "--version": None,
    "--resolve": None,
    "--run": "-r",
    "--multirun": "-m",
    "--shell-completion": "-sc",
}
TEXTS = {
    "--package": "-p",
    "--config-path": "-cp",
    "--config-name": "-cn",
    "--config-dir": "-cd",
    "--experimental-rerun": None,
}
COMPOSED = ("job", "hydra", "all")
INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def override_parser(command: str) -> CommandParser:
    """Hydra's options and any number of overrides.

    Args:
        command: The command's name.
    """
    parser = CommandParser(command, description="", epilog="", add_help=False)
    for name, short in FLAGS.items():
        parser.add_argument(*filter(None, (name, short)), action="store_true")
    for name, short in TEXTS.items():
        parser.add_argument(*filter(None, (name, short)))
    parser.add_argument("--cfg", "-c", choices=COMPOSED)
    parser.add_argument("--info", "-i", nargs="?", const="all", choices=INFORMATION)
    parser.add_argument("overrides", nargs="*")
    return parser
