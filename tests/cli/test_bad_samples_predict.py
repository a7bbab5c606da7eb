"""Prediction answers what it can of bad videos, and tells how many it answered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from video_uniformer.cli import predict as predicting

# Measuring coverage, a worker warns at its start; as an error that would end it.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Module video_uniformer was previously imported"),
]

Run = Callable[..., Any]


def test_prediction_tells_how_many_videos_were_answered(
    run: Run, videos: Path, checkpoint: Path
) -> None:
    (videos / "val1.mp4").write_bytes(b"")
    ran = run(predicting.main, "videos/val*.mp4", "--checkpoint", str(checkpoint))
    assert ran.status == 1
    assert "evaluated 2 of 3 videos" in ran.out.splitlines()


ALL_FRAMES = ("--frames", "20", "--stride", "2", "--clips", "1")


def test_prediction_of_a_damaged_video_rests_on_its_intact_frames(
    run: Run, damaged: Path, checkpoint: Path
) -> None:
    arguments = (str(damaged), "--checkpoint", str(checkpoint), *ALL_FRAMES)
    assert run(predicting.main, *arguments).status == 1
    ran = run(predicting.main, *arguments, "--salvage", "--sheet", "sheets")
    assert (ran.status, ran.err) == (0, "")
    assert f"only intact frames of {damaged}: frame 1" in ran.out
    [answer] = json.loads(run(predicting.main, *arguments, "--salvage", "--json").out)
    assert "frames are lost" in answer["salvaged"]


def test_prediction_without_a_deadline_answers_alike(
    run: Run, videos: Path, checkpoint: Path
) -> None:
    arguments = ("videos/val0.mp4", "--checkpoint", str(checkpoint), "--json")
    ran = run(predicting.main, *arguments)
    assert ran.status == 0
    assert run(predicting.main, *arguments, "--deadline", "0").out == ran.out


def test_deadline_before_now_is_one_line(run: Run, videos: Path, checkpoint: Path) -> None:
    arguments = ("videos/val0.mp4", "--checkpoint", str(checkpoint), "--deadline", "-1")
    ran = run(predicting.main, *arguments)
    assert (ran.status, ran.err) == (
        1,
        "error: --deadline is -1, expected seconds, or 0 for none\n",
    )
