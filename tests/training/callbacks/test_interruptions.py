"""A signal in this process: what the training does about it, and when."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from tiny_task import Data, make_task, make_trainer

from video_uniformer.training.callbacks.interruptions import Interrupted, Interruptions
from video_uniformer.training.callbacks.last_checkpoint import LastCheckpoint
from video_uniformer.training.checkpoint_files import CheckpointFiles

pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")


class Sender(Callback):
    """Send signals to this process as a batch begins, in training or in validation."""

    def __init__(self, *names: str, batch: int = 0, in_validation: bool = False) -> None:
        self.names, self.batch, self.in_validation = names, batch, in_validation
        self.num_begun = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._send(in_validation=False)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        self._send(in_validation=True)

    def _send(self, *, in_validation: bool) -> None:
        if in_validation == self.in_validation:
            if self.num_begun == self.batch:
                for name in self.names:
                    os.kill(os.getpid(), signal.Signals[name])
            self.num_begun += 1


def train(tmp_path: Path, *callbacks: Callback, is_saved: bool = True, **settings: Any) -> Trainer:
    kept = [LastCheckpoint(tmp_path / "last.ckpt")] if is_saved else []
    trainer = make_trainer(
        tmp_path,
        max_epochs=2,
        callbacks=[*callbacks, Interruptions(), *kept],
        **{"enable_checkpointing": is_saved, "plugins": [CheckpointFiles()], **settings},
    )
    trainer.fit(make_task(), Data())
    return trainer


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT"])
def test_training_ends_and_is_saved_when_its_step_is_complete(name: str, tmp_path: Path) -> None:
    before = signal.getsignal(signal.Signals[name])
    with pytest.raises(Interrupted, match=f"stopped by {name} after step 3 of epoch 1") as raised:
        train(tmp_path, Sender(name, batch=2))
    assert raised.value.signal == signal.Signals[name]
    assert raised.value.path == tmp_path / "last.ckpt"
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3
    assert signal.getsignal(signal.Signals[name]) == before


def test_step_that_accumulates_batches_is_brought_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="after step 1 of epoch 0"):
        train(tmp_path, Sender("SIGTERM"), accumulate_grad_batches=2)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    batches = saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert batches["current"]["processed"] == 2


def test_validation_is_left_at_its_next_batch(tmp_path: Path) -> None:
    sender = Sender("SIGTERM", in_validation=True)
    with pytest.raises(Interrupted, match="in the validation after step 2 of epoch 0"):
        train(tmp_path, sender)
    assert sender.num_begun == 1


def test_sanity_check_is_not_interrupted(tmp_path: Path) -> None:
    sender = Sender("SIGTERM", in_validation=True)
    with pytest.raises(Interrupted, match="stopped by SIGTERM after step 1 of epoch 0"):
        train(tmp_path, sender, num_sanity_val_steps=1)


def test_training_without_a_last_checkpoint_says_that_it_keeps_none(tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as raised:
        train(tmp_path, Sender("SIGTERM"), is_saved=False)
    assert raised.value.path is None


def test_second_interrupt_from_the_keyboard_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as raised:
        train(tmp_path, Sender("SIGINT", "SIGINT"))
    # By which the command tells it from other exits.
    assert isinstance(raised.value.__context__, KeyboardInterrupt)
    assert not (tmp_path / "last.ckpt").exists()


def test_signal_that_is_ignored_from_outside_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert train(tmp_path, Sender("SIGHUP")).global_step == 4
    finally:
        signal.signal(signal.SIGHUP, before)


def test_training_that_is_left_alone_ends_with_the_handlers_it_found(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert train(tmp_path).global_step == 4
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("names", [("SIGUSR1", "SIGTERM"), ("SIGTERM", "SIGUSR1")])
def test_request_of_slurm_counts_where_several_signals_came(
    names: tuple[str, str], tmp_path: Path
) -> None:
    with pytest.raises(Interrupted, match="stopped by SIGUSR1 after step 1"):
        train(tmp_path, Sender(*names))


def test_one_interrupt_after_another_signal_does_not_end_at_once(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="stopped by SIGTERM after step 1"):
        train(tmp_path, Sender("SIGTERM", "SIGINT"))
    assert (tmp_path / "last.ckpt").exists()
