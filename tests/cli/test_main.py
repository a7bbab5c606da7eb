"""`video-uniformer COMMAND`: the table of commands, and what is no command."""

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra._internal.utils
import pytest

import video_uniformer
from video_uniformer.cli.hydra_options import override_parser
from video_uniformer.cli.main import COMMANDS, main

Run = Callable[..., Any]
ROOT = Path(__file__).parents[2]


def test_there_is_one_console_script() -> None:
    [table] = re.findall(
        r"\[project\.scripts\]\n((?:.+\n)*)", (ROOT / "pyproject.toml").read_text()
    )
    assert table == 'video-uniformer = "video_uniformer.cli.main:main"\n'


def test_help_lists_every_command_in_its_order(run: Run) -> None:
    ran = run(main, "--help")
    assert (ran.status, ran.err) == (0, "")
    assert re.findall(r"^  ([\w-]+) +\w", ran.out, re.MULTILINE) == list(COMMANDS)


def test_no_command_is_an_error_that_shows_the_help(run: Run) -> None:
    ran = run(main)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == run(main, "--help").out


def test_version_is_that_of_the_package(run: Run) -> None:
    ran = run(main, "--version")
    assert (ran.status, ran.out) == (0, f"video-uniformer {video_uniformer.__version__}\n")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("trian", "; did you mean 'train'?"),
        ("--verison", "; did you mean '--version'?"),
        ("xyzzy", ""),
        ("errors", ""),
    ],
)
def test_unknown_command_is_one_line_and_status_two(run: Run, word: str, hint: str) -> None:
    ran = run(main, word, "--json")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {'option' if word[0] == '-' else 'command'} is {word!r}, ")
    assert ran.err.count("\n") == 1
    assert hint in ran.err
    assert ("did you mean" in ran.err) == bool(hint)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_its_whole_name(run: Run, name: str) -> None:
    ran = run(main, name, "--help")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"usage: video-uniformer {name} ")


@pytest.mark.parametrize("name", COMMANDS)
def test_unknown_option_is_one_line_and_status_two(run: Run, name: str) -> None:
    needed = {"predict": ["a.mp4", "--checkpoint=b"], "info": ["small"], "convert": ["a", "b"]}
    needed |= {"scan": ["a"], "prepare": ["a", "b"], "probe": ["a"], "completion": ["bash"]}
    needed |= {"token-labels": ["a", "--checkpoint=b", "--output=c"]}
    ran = run(main, name, *needed.get(name, []), "--xyzzy")
    assert (ran.status, ran.out) == (2, "")
    asked = f"`video-uniformer {name} --help` explains"
    assert ran.err == f"error: unrecognized arguments: --xyzzy; {asked}\n"


@pytest.mark.parametrize(
    "name", ["info", "predict", "probe", "scan", "prepare", "token-labels", "convert"]
)
def test_missing_argument_is_one_line_and_status_two(run: Run, name: str) -> None:
    ran = run(main, name)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: the following arguments are required: ")
    assert ran.err.count("\n") == 1


def test_misspelt_option_is_told_the_nearest(run: Run) -> None:
    ran = run(main, "scan", "videos", "--worker=3", "--decod=ends", "--dedline", "3")
    assert ran.err == ("error: unrecognized arguments: --dedline 3; did you mean '--deadline'?\n")


@pytest.mark.parametrize("name", ["train", "test"])
def test_options_of_hydra_are_all_known(name: str) -> None:
    """Ours are listed by hand, so that a completing shell need not wait for Hydra."""

    def facts(parser: Any) -> dict[tuple[str, ...], Any]:
        return {
            tuple(sorted(action.option_strings)): action.choices and list(action.choices)
            for action in parser._actions
        }

    hydras = hydra._internal.utils.get_args_parser()
    assert facts(override_parser(name)) == facts(hydras)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_package_runs_as_a_module(name: str) -> None:
    line = [sys.executable, "-m", "video_uniformer", *filter(None, [name]), "--help"]
    ran = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: video-uniformer {name or 'COMMAND'} ")


def test_every_row_has_a_module_and_every_command_a_row() -> None:
    folder = Path(importlib.import_module("video_uniformer.cli").__path__[0])
    modules = [
        importlib.import_module(f"video_uniformer.cli.{p.stem}") for p in folder.glob("*.py")
    ]
    entries = {m.__name__.rpartition(".")[2] for m in modules if "main" in vars(m)}
    assert entries - {"main"} == {name.replace("-", "_") for name in COMMANDS}
