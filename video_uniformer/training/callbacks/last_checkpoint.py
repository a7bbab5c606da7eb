"""The checkpoint that a training goes on from: when it is saved, and that it is exact."""

import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from video_uniformer.system.atomic import UNFINISHED
from video_uniformer.training.agreement import Agreement
from video_uniformer.training.callbacks.finite_steps import FiniteSteps
from video_uniformer.training.checkpoint_files import CheckpointFiles
from video_uniformer.training.loggers import CSVLog
from video_uniformer.training.loop_state import (
    add_to_step_limit,
    awaits_validation,
    is_step_end,
    settle,
    start_anew_at_epoch,
)
from video_uniformer.training.resuming import LOGGED, STOPPED_WITHIN, limits_of

_NOTHING, _SAVE, _FAIL = range(3)


class LastCheckpoint(Checkpoint):
    """Save a training at the end of every epoch and at times in between, always under one name.

    A training that goes on from it, wherever in an epoch it was saved, does what it would have done
    without the interruption. Every checkpoint of the training is made exact in this way, those of
    other callbacks too. Where one could not be written, the training ends, on all processes.

    Args:
        path: The file.
        every_minutes: Longest time between two savings, in minutes; None: any.
        every_n_train_steps: Save after so many optimiser steps too; None: at no such time.

    Raises:
        ValueError: a number that is not above 0.
        OSError: in a training, a checkpoint could not be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        every_minutes: float | None = None,
        every_n_train_steps: int | None = None,
    ) -> None:
        for name, value in {
            "every_minutes": every_minutes,
            "every_n_train_steps": every_n_train_steps,
        }.items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}, expected a number above 0, or null")
        self.path = Path(path)
        self.every_minutes, self.every_n_train_steps = every_minutes, every_n_train_steps
        self.best_model_path = ""  # where Lightning's callbacks tell what they wrote
        self._saved_at = 0.0
        self._saved_step = -1
        self._begins_with_validation = False
        self._stopped_within: tuple[int | None, int] | None = None
        self._agreement = Agreement()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Clear away what a process that was killed while saving may have left."""
        if stage == "fit" and trainer.is_global_zero and self.path.parent.is_dir():
            for file in self.path.parent.glob(f".*{UNFINISHED}"):
                file.unlink()

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note what the training is to begin with."""
        self._begins_with_validation = awaits_validation(checkpoint["loops"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let a validation follow the last step too."""
        if self._begins_with_validation:
            add_to_step_limit(trainer, 1)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let no step follow that validation."""
        if self._begins_with_validation:
            add_to_step_limit(trainer, -1)
            self._begins_with_validation = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count the time."""
        start_anew_at_epoch(trainer)
        self._saved_at = time.monotonic()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Have any checkpoint tell exactly where the training stands."""
        settle(checkpoint["loops"], trainer)
        logs = [logger for logger in trainer.loggers if isinstance(logger, CSVLog)]
        if self._stopped_within is not None:
            checkpoint[STOPPED_WITHIN] = self._stopped_within
        checkpoint[LOGGED] = logs[0].num_rows if logs else 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save, where it is time."""
        if not is_step_end(trainer):
            return
        decision = self._agreement.largest(self._decide(trainer))
        if decision == _FAIL:
            _end_with_failure(trainer)
        if decision == _SAVE:
            self.save_step(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that a training came to its end before its limits, as early stopping has it."""
        if trainer.should_stop:
            self._stopped_within = limits_of(trainer)
            self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save."""
        self.save(trainer)

    def save_step(self, trainer: Trainer) -> None:
        """Save the training at the end of a step, from `on_train_batch_end` of all processes."""
        # Lightning logs a step after its callbacks, and does not repeat that when it resumes.
        trainer._logger_connector.update_train_step_metrics()
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Save the training as it is, at the end of an epoch or in a validation."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, FiniteSteps):
                callback.settle(trainer, trainer.lightning_module)  # what it has not judged yet
        for logger in trainer.loggers:
            logger.save()  # what was logged before is kept with it
        trainer.save_checkpoint(self.path)
        self.best_model_path = str(self.path)
        self._saved_at = time.monotonic()
        self._saved_step = trainer.global_step

    def _decide(self, trainer: Trainer) -> int:
        files = trainer.strategy.checkpoint_io
        if isinstance(files, CheckpointFiles) and files.failure is not None:
            return _FAIL
        steps = self.every_n_train_steps
        is_time = steps is not None and trainer.global_step % steps == 0
        if self.every_minutes is not None and trainer.is_global_zero:
            # The clock of one process counts; the others follow it.
            is_time |= time.monotonic() - self._saved_at > 60 * self.every_minutes
        return _SAVE if is_time and trainer.global_step != self._saved_step else _NOTHING


def _end_with_failure(trainer: Trainer) -> None:
    """Raise what the process that writes has met; the others end without a word."""
    trainer.strategy.checkpoint_io.teardown()
    raise SystemExit(0)
