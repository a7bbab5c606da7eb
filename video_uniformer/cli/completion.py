"""`video-uniformer completion`: what makes a shell complete commands, options and overrides.

The shell calls the program itself for each answer, so only what a command's help needs is imported.
"""

import argparse
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence

from video_uniformer.cli import PROGRAM, module_of
from video_uniformer.cli.config_groups import config_folder, config_groups
from video_uniformer.cli.errors import checked_output
from video_uniformer.cli.hydra_options import override_parser
from video_uniformer.cli.parsing import CommandParser

EXAMPLES = """examples:
  eval "$(video-uniformer completion bash)"                in ~/.bashrc
  eval "$(video-uniformer completion zsh)"                 in ~/.zshrc, behind compinit
  video-uniformer completion fish | source                 in ~/.config/fish/config.fish

Then <TAB> completes commands, options and their choices, and for train and test the groups of
configs, their choices and the keys of a config: experiment=<TAB>, data.<TAB>."""
SHELLS = ("bash", "zsh", "fish")
OVERRIDDEN = ("train", "test")  # the commands that take overrides of a config


def parser() -> CommandParser:
    """The command's options."""
    parser = CommandParser(
        "completion",
        description="Print the script with which a shell completes command lines of this program.",
        epilog=EXAMPLES,
    )
    parser.add_argument("shell", choices=SHELLS)
    return parser


def complete(commands: Mapping[str, str]) -> None:
    """Answer the question that a shell asks in environment variables, and end the process.

    Args:
        commands: What each command does.
    """
    import argcomplete

    program = argparse.ArgumentParser(prog=PROGRAM)
    program.add_argument("--version", action="store_true")
    subparsers = program.add_subparsers()
    asked = os.environ["COMP_LINE"].split()[1:2]
    for name, summary in commands.items():
        known = [_options(name)] if [name] == asked else []
        subparsers.add_parser(name, help=summary, parents=known, add_help=not known)
    argcomplete.autocomplete(program, always_complete_options=False)


def _options(command: str) -> argparse.ArgumentParser:
    if command not in OVERRIDDEN:
        found: argparse.ArgumentParser = importlib.import_module(module_of(command)).parser()
        return found
    options = override_parser(command)
    [overrides] = (action for action in options._actions if action.dest == "overrides")
    overrides.completer = complete_override  # type: ignore[attr-defined]
    return options


def complete_override(prefix: str, **_: object) -> list[str]:
    """The overrides that begin so: group=choice, or the keys of the default config.

    Args:
        prefix: The word so far.
    """
    groups = config_groups()
    group, assigned, _value = prefix.partition("=")
    if assigned:
        return [f"{group}={name}" for name in groups.get(group, ())]
    first = [f"{name}=" for name in groups if name != "hydra"]
    keys = [f"{key}=" for key in default_keys(groups)]
    first += [key for key in keys if "." not in key]
    return [word for word in first if word.startswith(prefix)] or [
        word for word in keys if word.startswith(prefix)
    ]


def default_keys(groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The keys of `config.yaml` and of the choices that it makes, as an override names them."""
    import yaml

    def read(*parts: str) -> dict[str, object]:
        content = yaml.safe_load(config_folder().joinpath(*parts).read_text("utf-8"))
        return content if isinstance(content, dict) else {}

    config = read("config.yaml")
    defaults = config.pop("defaults", [])
    nodes = [config]
    for entry in defaults if isinstance(defaults, list) else []:
        for group, choice in entry.items() if isinstance(entry, dict) else ():
            if choice in groups.get(group, ()) and group != "hydra":
                nodes.append({group: read(group, f"{choice}.yaml")})
    return sorted({key for node in nodes for key in _leaves(node)})


def _leaves(node: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        if key.startswith("_") or key == "defaults":
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    # Late, as help needs none of it.
    from argcomplete.shell_integration import shellcode

    print(shellcode([PROGRAM], shell=options.shell))
