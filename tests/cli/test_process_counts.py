"""A training follows the same losses however its steps are shared out to processes."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from ranks import launch_ranks

from video_uniformer.cli.train import main

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NUM_STEPS = 20


class Losses(lightning.Callback):
    """Write down each step's loss, in each process.

    Args:
        folder: Where, as RANK.csv.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.losses: list[float] = []

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        *_: Any,
    ) -> None:
        self.losses.append(float(outputs["loss"]))

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / f"{trainer.global_rank}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([loss] for loss in self.losses)


@pytest.fixture
def steady(tiny: Sequence[str], videos: Path, video_file: Callable[..., Path]) -> Sequence[str]:
    """A training of 8 videos, 4 a step, whose draws are those of the videos alone."""
    lines = []
    for index in range(8):
        grey = 40 + 20 * index
        video_file(num_frames=12, grey=grey, name=f"videos/train{index}.mp4")
        lines.append(f"train{index}.mp4 {index % 2}\n")
    (videos / "train.csv").write_text("".join(lines))
    # Mixing and drop path are seeded by process.
    alone = ("task.mixing=null", "model.drop_path_rate=0")
    length = ("data.batch_size=4", "trainer.max_epochs=10", "trainer.check_val_every_n_epoch=100")
    return (*tiny, *alone, *length, "optim.optimizer.lr_per_32_videos=1e-2")


def settings_of(folder: Path) -> tuple[str, ...]:
    losses = f"{{_target_: {Losses.__module__}.Losses, folder: {folder / 'losses'}}}"
    return (f"output_dir={folder}", f"+callbacks.losses={losses}")


def losses(folder: Path) -> torch.Tensor:
    """(processes, steps)"""
    files = sorted((folder / "losses").iterdir())
    return torch.tensor([[float(line) for line in file.read_text().split()] for file in files])


@pytest.fixture
def one(run: Run, steady: Sequence[str], tmp_path: Path) -> torch.Tensor:
    """The losses of one process."""
    folder = tmp_path / "one"
    ran = run(main, *steady, *settings_of(folder))
    assert (ran.status, ran.err) == (0, "")
    return losses(folder)[0]


def in_two(steady: Sequence[str], folder: Path, is_synchronised: bool) -> torch.Tensor:
    """The mean losses of two processes."""
    two = ("trainer.devices=2", "trainer.strategy=ddp")
    synchronised = f"trainer.sync_batchnorm={str(is_synchronised).lower()}"
    ranks = launch_ranks(main, *steady, *two, synchronised, *settings_of(folder), cwd=folder.parent)
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * 2
    return losses(folder).mean(0)


def test_two_processes_follow_one_with_synchronised_batch_norms(
    one: torch.Tensor, steady: Sequence[str], tmp_path: Path
) -> None:
    two = in_two(steady, tmp_path / "two", is_synchronised=True)
    assert one.shape == two.shape == (NUM_STEPS,)
    assert (one - two).abs().max() < 1e-4
    # They learn something on the way, and without synchronisation they part.
    assert (one[0] - one[-1]).abs() > 0.01
    apart = in_two(steady, tmp_path / "apart", is_synchronised=False)
    assert (one - apart).abs().max() > 1e-2
