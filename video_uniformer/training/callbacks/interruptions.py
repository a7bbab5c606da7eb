"""A training that is told to stop: at the end of its step, on all processes, and saved."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning import Callback, LightningModule, Trainer

from video_uniformer.system.signals import TO_GROUP
from video_uniformer.training.agreement import Agreement
from video_uniformer.training.callbacks.last_checkpoint import LastCheckpoint
from video_uniformer.training.checkpoint_files import CheckpointFiles
from video_uniformer.training.loop_state import is_step_end

# Which signal is told of several: SLURM's is the one to be answered, by the job's requeueing.
_BY_WEIGHT = ("", "SIGINT", "SIGHUP", "SIGTERM", "SIGUSR1")


class Interrupted(Exception):
    """A training has stopped as it was told to.

    Attributes:
        signal: What told it.
        path: The checkpoint that it goes on from; None where none is kept.
        place: Where it stopped, in words.
    """

    def __init__(self, number: int, path: Path | None, place: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} {place}")
        self.signal = signal.Signals(number)
        self.path = path
        self.place = place


class Interruptions(Callback):
    """Stop at SIGTERM, SIGHUP, SIGUSR1 (schedulers, terminals) and SIGINT (Ctrl-C).

    The signal's handler does no more than remember it. At the end of the optimiser step, or of the
    batch that is validated, the processes agree whether one of them was told to stop; then the
    training is saved by its `LastCheckpoint`, and ends. A second Ctrl-C ends it at once, unsaved.

    Raises:
        Interrupted: in a training, when it is saved.
    """

    def __init__(self) -> None:
        self._received = 0  # the place of a signal in `_BY_WEIGHT`
        self._num_interrupts = 0
        self._before: dict[int, Any] = {}
        self._agreement = Agreement()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen, instead of Lightning, whose handlers talk to the other processes at once."""
        if stage != "fit" or threading.current_thread() is not threading.main_thread():
            return
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        for number in TO_GROUP:
            # What is ignored from outside stays ignored: nohup.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._remember)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop, where one of the processes was told to and a step is complete."""
        if is_step_end(trainer):
            self._stop_if_told(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop, where one of the processes was told to; the validation will begin anew."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._stop_if_told(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Listen no more."""
        self._restore()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen no more."""
        self._restore()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            self._num_interrupts += 1
            if self._num_interrupts > 1:
                raise KeyboardInterrupt
        self._received = max(self._received, _BY_WEIGHT.index(signal.Signals(number).name))

    def _stop_if_told(self, trainer: Trainer) -> None:
        weight = self._agreement.largest(self._received)
        if not weight:
            return
        path = None
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, LastCheckpoint):
                (callback.save if trainer.validating else callback.save_step)(trainer)
                path = callback.path
        if isinstance(files := trainer.strategy.checkpoint_io, CheckpointFiles):
            files.wait()
        # Launchers end the others when one process has ended: it is to have been written by then.
        trainer.strategy.barrier("Interruptions")
        step = f"after step {trainer.global_step} of epoch {trainer.current_epoch}"
        place = f"in the validation {step}" if trainer.validating else step
        raise Interrupted(signal.Signals[_BY_WEIGHT[weight]], path, place)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
