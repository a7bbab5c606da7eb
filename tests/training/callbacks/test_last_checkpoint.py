"""When the checkpoint is saved that a training goes on from."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from tiny_task import Data, make_task, make_trainer

from video_uniformer.training.callbacks.last_checkpoint import LastCheckpoint
from video_uniformer.training.checkpoint_files import CheckpointFiles

pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")


class Saved(Callback):
    """Note the step of every checkpoint."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.steps.append(checkpoint["global_step"])


def steps_saved(tmp_path: Path, last: LastCheckpoint, **settings: Any) -> list[int]:
    """The steps after which a training of two epochs, of two steps each, is saved."""
    saved = Saved()
    trainer = make_trainer(
        tmp_path,
        **{"max_epochs": 2, "enable_checkpointing": True, **settings},
        callbacks=[saved, last],
        plugins=[CheckpointFiles()],
    )
    trainer.fit(make_task(), Data())
    return saved.steps


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [2, 4]),
        ({"every_n_train_steps": 1}, [1, 2, 2, 3, 4, 4]),  # and at the ends of the epochs
        ({"every_n_train_steps": 3}, [2, 3, 4]),
        ({"every_minutes": 1e-9}, [1, 2, 2, 3, 4, 4]),
        ({"every_minutes": 60}, [2, 4]),
    ],
)
def test_training_is_saved_when_it_is_time(
    settings: dict[str, Any], steps: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "kept" / "last.ckpt"
    assert steps_saved(tmp_path, LastCheckpoint(path, **settings)) == steps
    assert torch.load(path, weights_only=True)["global_step"] == 4
    assert list(path.parent.iterdir()) == [path]


def test_step_is_saved_once_all_its_batches_are_accumulated(tmp_path: Path) -> None:
    last = LastCheckpoint(tmp_path / "last.ckpt", every_n_train_steps=1)
    assert steps_saved(tmp_path, last, accumulate_grad_batches=2) == [1, 1, 2, 2]


def test_trial_of_one_batch_saves_nothing(tmp_path: Path) -> None:
    last = LastCheckpoint(tmp_path / "last.ckpt", every_n_train_steps=1)
    assert steps_saved(tmp_path, last, fast_dev_run=True) == []


def test_what_a_killed_process_has_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / ".last.ckpt.unfinished"
    left.write_text("half")
    steps_saved(tmp_path, LastCheckpoint(tmp_path / "last.ckpt"))
    assert not left.exists()


@pytest.mark.parametrize("name", ["every_minutes", "every_n_train_steps"])
@pytest.mark.parametrize("value", [0, -1])
def test_interval_of_nothing_is_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}, expected a number above 0"):
        LastCheckpoint("last.ckpt", **{name: value})
