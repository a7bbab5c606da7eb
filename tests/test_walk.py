"""How far a reader has to walk: `docs/design.md` tells what is held here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from drawn_videos import write_video

from video_uniformer.clip import ClipSpec
from video_uniformer.description import KEY, Description, plain_values
from video_uniformer.weights.build import create_uniformer

PROGRAM = Path(__file__).with_name("walks.py")
MOST_RETURNS = 4
MOST_FILES = 8


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Rooms of `load_classifier`, and files from `predict` to the pixels."""
    folder = tmp_path_factory.mktemp("walk")
    size = {"width": 64, "height": 64, "fps": 25, "gop": 10, "grey": None}
    video = write_video(folder / "a.mp4", num_frames=20, **size)
    network = create_uniformer("test", num_classes=2)
    said = Description(
        task="video_classification",
        network=network.config,
        input=ClipSpec(num_frames=4, stride=2, size=32),
        class_names=("sit", "stand"),
    )
    content = {"state_dict": network.state_dict(), KEY: plain_values(said)}
    torch.save(content, folder / "a.ckpt")
    command = [sys.executable, PROGRAM, folder / "a.ckpt", video, folder / "log"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rooms, files = json.loads(ran.stdout.splitlines()[-1])
    return rooms, files


def test_a_classifier_is_loaded_without_going_to_and_fro(
    walks: tuple[list[str], list[str]],
) -> None:
    rooms, _ = walks
    assert len(rooms) - len(set(rooms)) <= MOST_RETURNS, rooms


def test_a_path_becomes_pixels_through_few_files(walks: tuple[list[str], list[str]]) -> None:
    _, files = walks
    assert "cli/predict.py" in files
    assert "data/decoding/pyav_reader.py" in files
    assert len(files) <= MOST_FILES, files
