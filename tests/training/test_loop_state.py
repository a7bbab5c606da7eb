"""A training that is saved at any moment goes on as if it had not been interrupted."""

import logging
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from video_uniformer.training.callbacks.last_checkpoint import LastCheckpoint
from video_uniformer.training.datamodule import DataModule
from video_uniformer.training.loop_state import is_step_end

Event = tuple[Any, ...]
BY_STEPS = {"max_epochs": -1, "check_val_every_n_epoch": None, "val_check_interval": 3}


class Numbers:
    """Numbers instead of videos; an item is its index and epoch."""

    class_names = ("a", "b")

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: Any) -> dict[str, Tensor]:
        return {"item": torch.tensor(item, dtype=torch.float64)}


class Witness(lightning.LightningModule):
    """A task that notes what happens, and where Lightning stands then."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1, dtype=torch.float64)
        self.events: list[Event] = []

    def note(self, *what: Any) -> None:
        loop = self.trainer.fit_loop.epoch_loop
        place = self.current_epoch, self.global_step, loop._batches_that_stepped
        self.events.append((*what, *place))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        [group] = self.optimizers().param_groups  # type: ignore[union-attr]
        self.note("train", batch_idx, tuple(batch["item"].flatten().tolist()), group["lr"])
        return self.layer(batch["item"]).square().mean()

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        pass

    def on_validation_epoch_start(self) -> None:
        self.note("val", self.layer.weight.sum().item())

    def on_train_epoch_start(self) -> None:
        self.note("epoch starts")

    def on_train_epoch_end(self) -> None:
        self.note("epoch ends")

    def configure_optimizers(self) -> Any:
        _ = self.trainer.estimated_stepping_batches  # builds the loader early, as a schedule does
        optimizer = torch.optim.AdamW(self.parameters(), 1e-2)
        schedule = LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Stopped(Exception):
    pass


class Stop(LastCheckpoint):
    """Save at the moment of that number, and stop."""

    def __init__(self, moment: int, path: Path) -> None:
        super().__init__(path)
        self.left = moment

    def pass_by(self, trainer: lightning.Trainer) -> None:
        if self.left == 0:
            self.save(trainer)
            raise Stopped
        self.left -= 1

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if is_step_end(trainer):
            self.pass_by(trainer)

    def on_validation_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.pass_by(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.pass_by(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.pass_by(trainer)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    loggers = [logging.getLogger(f"lightning.pytorch{name}") for name in ("", ".utilities")]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    yield
    for logger in loggers:
        logger.setLevel(logging.NOTSET)


def fit(tmp_path: Path, moment: int, *, resume: bool, **settings: Any) -> tuple[list[Event], bool]:
    """What happened, up to the moment, and whether the training came to its end."""
    datamodule = DataModule(
        root=tmp_path,
        datasets={"train": lambda **_: Numbers(13), "val": lambda **_: Numbers(4)},
        batch_size=settings.pop("batch_size", 3),
        eval_batch_size=2,
        num_workers=0,
    )
    path, task = tmp_path / "saved.ckpt", Witness()
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=[Stop(moment, path)],
        **settings,
    )
    try:
        trainer.fit(task, datamodule, ckpt_path=path if resume else None, weights_only=True)
    except Stopped:
        return task.events, False
    return [*task.events, ("weights", task.layer.weight.tolist())], True


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*ended before the epoch ended")
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")
@pytest.mark.parametrize(
    "settings",
    [
        {"max_epochs": 2},
        {"max_epochs": 2, "val_check_interval": 0.5},
        {"max_epochs": 2, "accumulate_grad_batches": 2, "batch_size": 4},
        {"max_epochs": 2, "limit_train_batches": 2},
        {"max_steps": 7, "max_epochs": -1},
        {"max_epochs": 4, "check_val_every_n_epoch": 2},
        {"max_steps": 7, **BY_STEPS},
        {"max_steps": 6, **BY_STEPS},  # the last step is followed by a validation
    ],
    ids=str,
)
def test_training_goes_on_from_every_moment(settings: dict[str, Any], tmp_path: Path) -> None:
    whole, _ = fit(tmp_path, -1, resume=False, **settings)
    for moment in count():
        before, is_whole = fit(tmp_path, moment, resume=False, **settings)
        if is_whole:
            break
        after, _ = fit(tmp_path, -1, resume=True, **settings)
        if before[-1] == after[0]:  # a validation that began anew
            before.pop()
        assert is_same([*before, *after], whole), moment


def is_same(events: list[Event], whole: list[Event]) -> bool:
    """Whether the events are all; a limit of steps that was reached ends no epoch any more."""
    if events == whole:
        return True
    *head, last_epoch, weights = whole
    return last_epoch[0] == "epoch ends" and events == [*head, weights]
