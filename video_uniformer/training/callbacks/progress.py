"""The progress of a run: a line that fits the terminal, or plain lines in a log file."""

import math
from collections.abc import Mapping
from time import monotonic
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import ProgressColumn, Task
from rich.text import Text

Metrics = dict[str, int | str | float | dict[str, float]]

_SHORT = {
    "clips_per_second": "clips/s",
    "images_per_second": "images/s",
    "data_wait": "waiting",
    "skipped_steps": "skipped",
}
_SHARES = {"top1": 1, "top5": 1, "waiting": 0}  # -> decimals of the percentage
_NARROWEST_BAR = 8
_GAP = "  "


class ProgressBar(RichProgressBar):
    """Epoch, bar, steps, time passed < time left, and the logged metrics, none of which is cut.

    Where the terminal has no room for all on one line, the bar goes first; then the metrics move to
    lines of their own; then the time passed goes, then the time left. Output that is no terminal
    gets a plain line from time to time, and one at the end of each training epoch.

    Args:
        log_every_seconds: Time from one plain line to the next.
        console_kwargs: Arguments of rich's `Console`.

    Raises:
        ValueError: a negative time.
    """

    def __init__(
        self, log_every_seconds: float = 60, console_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        if log_every_seconds < 0:
            raise ValueError(f"log_every_seconds is {log_every_seconds}, expected at least 0")
        # Ten times a second are enough for the eye.
        super().__init__(refresh_rate=10, console_kwargs=dict(console_kwargs or {}))
        self.log_every_seconds = log_every_seconds
        self._paces = {name: _Pace() for name in ("train", "validation", "test")}
        self._num_batches: float = 0
        self._shown: dict[str, str] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the line out where nobody would see it move."""
        super().setup(trainer, pl_module, stage)
        console = Console(**self._console_kwargs)
        if not console.is_jupyter and (not console.is_terminal or console.is_dumb_terminal):
            self.disable()

    def configure_columns(self, trainer: Trainer) -> list[ProgressColumn]:
        """One column that lays the whole line out: rich cuts columns that do not fit."""
        return [_LineColumn(self)]

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> Metrics:
        """The logged metrics as they are shown: short names, three digits, shares as percent."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        names = {name: name.removeprefix("train/") for name in metrics}
        names = {name: _SHORT.get(short, short.replace("_", " ")) for name, short in names.items()}
        # Kept for the thread that draws, which must not ask devices for numbers.
        self._shown = {names[name]: _format(names[name], metrics[name]) for name in metrics}
        return {**self._shown}

    def line_of(self, task: Task) -> tuple["_Pace", dict[str, str]]:
        """The pace of a pass, and what is shown beside it: the metrics beside the training's."""
        if task.id == self.train_progress_bar_id:
            return self._paces["train"], self._shown
        return self._paces["test" if task.id == self.test_progress_bar_id else "validation"], {}

    @property
    def total_train_batches(self) -> int | float:
        """Batches of the epoch, or those left until the last step of the training."""
        trainer = self.trainer
        if trainer.max_steps == -1:
            return trainer.num_training_batches
        # Lightning's own takes optimiser steps for batches.
        left = (trainer.max_steps - trainer.global_step) * trainer.accumulate_grad_batches
        return min(trainer.num_training_batches, left)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with an epoch that was resumed in its middle."""
        super().on_train_start(trainer, pl_module)
        self._begin_epoch()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the epoch's line."""
        super().on_train_epoch_start(trainer, pl_module)
        self._begin_epoch()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Show the step; in a log, if it is time, or the epoch's last."""
        self._paces["train"].note(batch_idx + 1)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        label = self._get_train_description(trainer.current_epoch)
        self._log(pl_module, "train", label, batch_idx + 1, self._num_batches)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the pass."""
        super().on_validation_epoch_start(trainer, pl_module)
        self._paces["validation"] = _Pace()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the step; in a log, if it is time."""
        self._paces["validation"].note(batch_idx + 1)
        super().on_validation_batch_end(
            trainer, pl_module, outputs, batch, batch_idx, dataloader_idx
        )
        if not trainer.sanity_checking:
            total = trainer.num_val_batches[dataloader_idx]
            self._log(pl_module, "validation", self.validation_description, batch_idx + 1, total)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the pass."""
        super().on_test_epoch_start(trainer, pl_module)
        self._paces["test"] = _Pace()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the step; in a log, if it is time."""
        self._paces["test"].note(batch_idx + 1)
        super().on_test_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)
        total = trainer.num_test_batches[dataloader_idx]
        self._log(pl_module, "test", self.test_description, batch_idx + 1, total)

    def _begin_epoch(self) -> None:
        self._paces["train"], self._num_batches = _Pace(), self.total_train_batches

    def _log(
        self, pl_module: LightningModule, name: str, label: str, step: int, total: float
    ) -> None:
        if self.is_enabled or not self.trainer.is_global_zero:
            return
        pace = self._paces[name]
        is_epoch_done = name == "train" and step == total
        if not is_epoch_done and not pace.is_line_due(self.log_every_seconds):
            return
        times = f"{_clock(pace.passed)} passed, {_clock(pace.left(total))} left"
        self.get_metrics(self.trainer, pl_module)
        metrics = [" ".join(item) for item in self._shown.items() if name == "train"]
        parts = (f"step {step}/{_count(total)}", times, *metrics)
        # Flushed: whoever follows a log wants to see it now.
        pl_module.print(f"{label.lower()}: {', '.join(parts)}", flush=True)

    def _init_progress(self, trainer: Trainer) -> None:
        super()._init_progress(trainer)
        if self.progress is not None:  # Lightning appends a column of metrics to those configured
            self.progress.columns = self.progress.columns[:1]

    def _get_train_description(self, current_epoch: int) -> str:
        num_epochs = self.trainer.max_epochs
        if num_epochs is None or num_epochs < 1:  # -1: as many as it takes
            return f"Epoch {current_epoch}"
        return f"Epoch {current_epoch}/{num_epochs - 1}"


class _Pace:
    """How fast a pass goes, in seconds, and when a log last told of it."""

    def __init__(self) -> None:
        self._began = self._now = self._told = monotonic()
        self._step = 0
        self._first = self._now, 0  # end and number of the first step

    @property
    def passed(self) -> float:
        """Time from the beginning to the last step."""
        return self._now - self._began

    def note(self, step: int) -> None:
        """A step, counted from 1, is done."""
        self._now = monotonic()
        # Before the first end nothing is known: that step is slow, and a resumed epoch begins in
        # the middle. A second loader counts anew.
        if self._step == 0 or step < self._step:
            self._first = self._now, step
        self._step = step

    def left(self, total: float | None) -> float | None:
        """Time that the steps to come will take; None if nobody knows."""
        if self._step == total:
            return 0
        start, first = self._first
        if total is None or self._step == first:
            return None
        return (self._now - start) / (self._step - first) * (total - self._step)

    def is_line_due(self, every_seconds: float) -> bool:
        """Whether the last step gets a line in a log."""
        if self._now - self._told < every_seconds:
            return False
        self._told = self._now
        return True


class _LineColumn(ProgressColumn):
    """A row of rich's table that is one cell: the whole line of a pass."""

    def __init__(self, owner: ProgressBar) -> None:
        super().__init__()
        self._owner = owner
        self._widths: dict[str, int] = {}

    def render(self, task: Task) -> "_Line":
        pace, shown = self._owner.line_of(task)
        metrics = []
        for name, value in shown.items():
            # As wide as it ever was, so that what stands behind it stays where it is.
            width = self._widths[name] = max(self._widths.get(name, 0), len(value))
            metrics.append(f"{name} {value:<{width}}")
        times = pace.passed, pace.left(task.total)
        return _Line(task, times, metrics, self._owner.theme.progress_bar)


class _Line:
    """The line of a pass, for whatever width there is.

    Args:
        task: The pass.
        times: Seconds passed and left.
        metrics: Name and value of each metric.
        style: The bar's style.
    """

    def __init__(
        self, task: Task, times: tuple[float, float | None], metrics: list[str], style: Any
    ) -> None:
        self.task, self.metrics, self.style = task, metrics, style
        self.passed, self.left = map(_clock, times)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        head, *shorter = self._heads()
        metrics = _GAP.join(self.metrics).rstrip()
        whole = len(" ".join(head)) + len(_GAP + metrics)
        if self.metrics and whole <= width:
            yield self._first_line(head, options, _GAP + metrics)
            return
        fitting = (parts for parts in (head, *shorter) if len(" ".join(parts)) <= width)
        yield self._first_line(next(fitting, shorter[-1]), options)
        yield from (Text(line, overflow="fold") for line in _wrap(self.metrics, width))

    def _heads(self) -> list[list[str]]:
        """Label, steps and times, from the whole to the least."""
        label, total = self.task.description, _count(self.task.total)
        steps = f"{int(self.task.completed):>{len(total)}}/{total}"
        times = f"{self.passed}<{self.left}"
        return [[label, steps, times], [label, steps, f"{self.left} left"], [label, steps]]

    def _first_line(self, head: list[str], options: ConsoleOptions, tail: str = "") -> Text:
        label, *others = head
        rest = " ".join(others) + tail
        room = options.max_width - len(label) - len(rest) - 2
        total = self.task.total
        if room < _NARROWEST_BAR or not total or math.isinf(total):
            return Text(f"{label} {rest}", overflow="fold")
        # rich's own bar shrinks where there are no colours.
        done, open = ("#", "-") if options.ascii_only else ("━", "─")
        filled = min(room, int(room * self.task.completed / total))
        bar = (done * filled, self.style), (open * (room - filled), "bar.back")
        return Text.assemble(label, " ", *bar, " ", rest)


def _wrap(words: list[str], width: int) -> list[str]:
    """Lines of whole words."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1] + _GAP + word.rstrip()) <= width:
            lines[-1] += _GAP + word
        else:
            lines.append(word)
    return [line.rstrip() for line in lines]


def _format(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    if name in _SHARES:
        return f"{100 * value:.{_SHARES[name]}f}%"
    # Not 1.23e+03 for numbers of a thousand and more.
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def _clock(seconds: float | None) -> str:
    """Minutes and seconds (4:59), or hours and minutes (12h34)."""
    if seconds is None or not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}"


def _count(total: float | None) -> str:
    return "?" if total is None or math.isinf(total) else f"{int(total)}"
