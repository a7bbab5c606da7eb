"""`video-uniformer completion`: what a shell offers, asked in a real bash."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from video_uniformer.cli.completion import SHELLS, complete_override, default_keys, main
from video_uniformer.cli.config_groups import config_folder, config_groups
from video_uniformer.cli.main import COMMANDS

Run = Callable[..., Any]

# Asks as readline does when TAB is pressed at the end of the line `$1`.
ASK = """
eval "$(video-uniformer completion bash)"
complete -p video-uniformer
COMP_LINE="$1"; COMP_POINT=${#1}; COMP_TYPE=9; COMP_KEY=9
_python_argcomplete video-uniformer
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offers(line: str, console_script: Path) -> list[str]:
    """What bash offers behind a line; a space at the end says that the word is complete."""
    path = f"{console_script.parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", line],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    registered, *words = ran.stdout.splitlines()
    assert registered.endswith("-F _python_argcomplete video-uniformer")
    return words


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("video-uniformer ", list(COMMANDS)),
        ("video-uniformer tr", ["train "]),
        ("video-uniformer --ver", ["--version "]),
        ("video-uniformer zoo --ta", ["--task "]),
        ("video-uniformer zoo --task ", ["image", "video", "segmentation", "pose"]),
        ("video-uniformer info --attention w", ["window "]),
        ("video-uniformer scan --de", ["--deadline", "--decode"]),
        ("video-uniformer completion ", list(SHELLS)),
        ("video-uniformer train experiment=mo", ["motions "]),
        ("video-uniformer train data=hm", ["hmdb51 "]),
        ("video-uniformer train exp", ["experiment="]),
        ("video-uniformer test --cfg ", ["job", "hydra", "all"]),
        ("video-uniformer test seed=1 trainer.max_", ["trainer.max_epochs=", "trainer.max_steps="]),
        ("video-uniformer test ckpt_path=", [""]),  # nothing: bash goes on with files
    ],
)
def test_bash_offers(line: str, words: list[str], console_script: Path) -> None:
    assert offers(line, console_script) == words


@pytest.mark.parametrize("shell", SHELLS)
def test_script_of_each_shell_names_the_program(run: Run, shell: str) -> None:
    ran = run(main, shell)
    assert (ran.status, ran.err) == (0, "")
    assert "video-uniformer" in ran.out


def test_experiments_offered_are_those_that_can_be_chosen() -> None:
    offered = complete_override("experiment=")
    assert offered == [f"experiment={name}" for name in config_groups()["experiment"]]
    assert not [name for name in offered if "=_" in name]  # what recipes share is no recipe


def test_keys_offered_are_those_of_the_composed_config() -> None:
    composed = yaml.safe_load((config_folder() / "model" / "uniformer.yaml").read_text())
    keys = default_keys(config_groups())
    expected = sorted(f"model.{key}" for key in composed if not key.startswith("_"))
    assert [key for key in keys if key.startswith("model.")] == expected
    assert {"seed", "ckpt_path", "clip.num_frames", "data.batch_size"} <= set(keys)
