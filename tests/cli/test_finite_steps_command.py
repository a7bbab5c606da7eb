"""NaN in a training that is started by its command, in one process and in one of two."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import launch_ranks
from spoilt_training import SPOILT_PLACE

from video_uniformer.cli.train import main

# Measuring coverage, a worker warns at its start; as an error that would end it.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Module video_uniformer was previously imported"),
]

Run = Callable[..., Any]
SPOILT = (
    "data.datasets.train._target_=spoilt_training.SpoiltVideos",
    "+callbacks.weights._target_=spoilt_training.TellWeights",
    "optim.optimizer.lr_per_32_videos=1e-3",
    "trainer.max_epochs=3",
)
TWO_PROCESSES = ("trainer.devices=2", "trainer.strategy=ddp")


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "skipped_steps.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def are_finite(checkpoint: Path) -> bool:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    return all(torch.isfinite(value).all() for value in state.values())


def sums(out: str) -> list[str]:
    """What is said of its weights at the end of the training."""
    return [line for line in out.splitlines() if line.startswith("ends with ")]


def test_input_that_is_not_finite_costs_one_step(
    run: Run, tiny: Sequence[str], videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = run(main, *tiny, *SPOILT, f"output_dir={out}")
    assert (ran.status, ran.err) == (0, "")
    [row] = rows(out)
    assert (row["step"], row["epoch"], row["rank"]) == ("3", "1", "0")
    assert row["samples"] == str(videos / f"train{SPOILT_PLACE}.mp4")
    lines = ran.out.replace("\n", " ")
    assert "skipped step 3: the loss is nan: the input is not finite, from" in lines
    for checkpoint in ("best", "last"):
        assert are_finite(out / "checkpoints" / f"{checkpoint}.ckpt")
    with (out / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        logged = [row["train/skipped_steps"] for row in csv.DictReader(file)]
    assert [float(value) for value in logged if value] == [0, 1, 1]


def test_diverged_training_ends_in_one_line_of_advice(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    wild = (
        "optim.optimizer.lr_per_32_videos=1e30",
        "trainer.gradient_clip_val=null",
        "callbacks.finite_steps.budget=0",
        "callbacks.finite_steps.then=stop",
    )
    ran = run(main, *tiny, f"output_dir={tmp_path / 'out'}", "trainer.max_epochs=4", *wild)
    assert ran.status == 1
    assert ran.err.startswith("error: 1 of the last 100 steps were skipped (the loss is nan at st")
    assert "a lower learning rate" in ran.err
    assert ran.err.count("\n") == 1


def test_input_of_one_process_costs_both_the_same_step(
    tiny: Sequence[str], videos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ranks = launch_ranks(main, *tiny, *SPOILT, *TWO_PROCESSES, f"output_dir={out}", cwd=tmp_path)
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * 2
    [row] = rows(out)
    assert (row["step"], row["rank"]) == ("3", "1")
    assert row["samples"] == str(videos / f"train{SPOILT_PLACE}.mp4")
    assert are_finite(out / "checkpoints" / "last.ckpt")
    assert sums(ranks[0].out) == sums(ranks[1].out) != []
