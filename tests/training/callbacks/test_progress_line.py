"""What stands on the progress line of a terminal, and in the log file of a job."""

import io
import re
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from video_uniformer.training.callbacks.progress import ProgressBar

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)

USUAL = {"loss": 1.23456, "top1": 0.5231, "clips_per_second": 1234.5, "data_wait": 0.1234}


class Clock:
    """Stands still but where it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Task(lightning.LightningModule):
    """Logs these numbers; the first step takes some seconds, the others five."""

    def __init__(self, numbers: dict[str, float], clock: Clock, first_seconds: float) -> None:
        super().__init__()
        self.numbers, self.clock, self.first_seconds = numbers, clock, first_seconds
        self.weight = nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Any, batch_index: int) -> torch.Tensor:
        self.clock.now += 5 if batch_index else self.first_seconds
        for name, number in self.numbers.items():
            self.log(f"train/{name}", number, prog_bar=True, batch_size=1)
        return self.weight.sum()

    def validation_step(self, batch: Any, batch_index: int) -> None:
        self.clock.now += 5

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Terminal(lightning.Callback):
    """Keeps what the terminal shows after the second step of training and of validation.

    Args:
        width: Of the terminal, in columns.
        steps: Done and in all, which the line is to show in place of the true ones.
    """

    def __init__(self, width: int, steps: tuple[int, int] | None = None) -> None:
        kwargs = {"width": width, "force_terminal": True, "file": io.StringIO()}
        self.bar, self.steps = ProgressBar(console_kwargs=kwargs), steps
        self.frames: dict[str, list[str]] = {}

    def on_train_batch_end(self, *args: Any) -> None:
        self.look("train", self.bar.train_progress_bar_id, args[-1])

    def on_validation_batch_end(self, *args: Any) -> None:
        self.look("validation", self.bar.val_progress_bar_id, args[-1])

    def look(self, name: str, task: Any, batch_idx: int) -> None:
        progress = self.bar.progress
        assert progress is not None
        if self.steps is not None:
            progress.update(task, completed=self.steps[0], total=self.steps[1])
        file = progress.console.file
        assert isinstance(file, io.StringIO)
        file.truncate(0)
        progress.refresh()
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00\r]", "", file.getvalue())
        if batch_idx == 1:
            self.frames[name] = [line.rstrip() for line in text.split("\n")]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of the progress bar."""
    time = Clock()
    monkeypatch.setattr("video_uniformer.training.callbacks.progress.monotonic", time)
    return time


def fit(tmp_path: Path, task: Task, *callbacks: lightning.Callback, **settings: Any) -> None:
    """Train the last of some epochs: three steps, and two of validation."""
    trainer = lightning.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=2,
        **settings,
    )
    trainer.fit_loop.epoch_progress.current.processed = max(settings["max_epochs"] - 1, 0)
    loader: Any = torch.utils.data.DataLoader([torch.zeros(1)] * 3, batch_size=None)
    trainer.fit(task, loader, loader)


def usual(tmp_path: Path, clock: Clock, width: int) -> dict[str, list[str]]:
    """What a terminal shows of a short training."""
    terminal = Terminal(width)
    fit(tmp_path, Task(USUAL, clock, 5), terminal.bar, terminal, max_epochs=8)
    return terminal.frames


def longest(tmp_path: Path, clock: Clock, width: int) -> list[str]:
    """What it shows of one with a hundred epochs of ten hours, and of a metric more."""
    terminal = Terminal(width, (7499, 7500))
    numbers = {**USUAL, "loss": 0.0123456, "skipped_steps": 1234.0}
    fit(tmp_path, Task(numbers, clock, 45240), terminal.bar, terminal, max_epochs=110)
    return terminal.frames["train"]


def test_usual_line_of_80_columns_gives_up_the_bar_alone(tmp_path: Path, clock: Clock) -> None:
    line = "Epoch 7/7 2/3 0:10<0:05  loss 1.23  top1 52.3%  clips/s 1234  waiting 12%"
    assert usual(tmp_path, clock, 80)["train"] == [line]


def test_wider_terminal_shows_the_bar(tmp_path: Path, clock: Clock) -> None:
    frames = usual(tmp_path, clock, 100)
    bar = "━" * 17 + "─" * 9
    line = f"Epoch 7/7 {bar} 2/3 0:10<0:05  loss 1.23  top1 52.3%  clips/s 1234  waiting 12%"
    assert frames["train"] == [line]
    assert len(line) == 100


def test_validation_has_a_line_under_that_of_the_training(tmp_path: Path, clock: Clock) -> None:
    training, validation = usual(tmp_path, clock, 80)["validation"]
    assert training.startswith("Epoch 7/7 3/3 0:15<0:00  loss 1.23 ")
    assert validation == f"Validation {'━' * 55} 2/2 0:10<0:00"


def test_longest_numbers_fit_at_120_columns_with_a_bar(tmp_path: Path, clock: Clock) -> None:
    metrics = "loss 0.0123  top1 52.3%  clips/s 1234  waiting 12%  skipped 1234"
    bar = "━" * 17 + "─"
    assert longest(tmp_path, clock, 120) == [
        f"Epoch 109/109 {bar} 7499/7500 12h34<10h24  {metrics}"
    ]


@pytest.mark.parametrize(("width", "room"), [(100, 64), (80, 44)])
def test_metrics_without_room_take_a_line_of_their_own(
    tmp_path: Path, clock: Clock, width: int, room: int
) -> None:
    bar = "━" * (room - 1) + "─"
    assert longest(tmp_path, clock, width) == [
        f"Epoch 109/109 {bar} 7499/7500 12h34<10h24",
        "loss 0.0123  top1 52.3%  clips/s 1234  waiting 12%  skipped 1234",
    ]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            36,
            [
                "Epoch 109/109 7499/7500 12h34<10h24",
                "loss 0.0123  top1 52.3%",
                "clips/s 1234  waiting 12%",
                "skipped 1234",
            ],
        ),
        (
            34,
            [
                "Epoch 109/109 7499/7500 10h24 left",
                "loss 0.0123  top1 52.3%",
                "clips/s 1234  waiting 12%",
                "skipped 1234",
            ],
        ),
        (
            24,
            [
                "Epoch 109/109 7499/7500",
                "loss 0.0123  top1 52.3%",
                "clips/s 1234",
                "waiting 12%",
                "skipped 1234",
            ],
        ),
    ],
)
def test_narrow_terminal_loses_times_but_no_metric(
    tmp_path: Path, clock: Clock, width: int, lines: list[str]
) -> None:
    assert longest(tmp_path, clock, width) == lines


def test_log_file_gets_a_plain_line_for_each_epoch(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tmp_path, Task(USUAL, clock, 5), ProgressBar(), max_epochs=8)
    assert capsys.readouterr().out == (
        "epoch 7/7: step 3/3, 0:15 passed, 0:00 left, "
        "loss 1.23, top1 52.3%, clips/s 1234, waiting 12%\n"
    )


def test_log_file_of_a_slow_epoch_gets_a_line_from_time_to_time(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tmp_path, Task({"loss": 2}, clock, 7), ProgressBar(log_every_seconds=6), max_epochs=8)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 7/7: step 1/3, 0:07 passed, -:-- left, loss 2",
        "epoch 7/7: step 3/3, 0:17 passed, 0:00 left, loss 2",
        "validation: step 2/2, 0:10 passed, 0:00 left",
    ]


def test_training_counted_in_steps_shows_the_batches_left_to_them(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = {"max_epochs": -1, "max_steps": 1, "accumulate_grad_batches": 2}
    fit(tmp_path, Task({"loss": 2}, clock, 5), ProgressBar(), **steps)
    assert capsys.readouterr().out == "epoch 0: step 2/2, 0:10 passed, 0:00 left, loss 2\n"


def test_negative_time_between_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="log_every_seconds is -1, expected at least 0"):
        ProgressBar(log_every_seconds=-1)
