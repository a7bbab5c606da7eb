"""What the progress bar shows and how throughput is measured."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn

from video_uniformer.training.callbacks.progress import ProgressBar
from video_uniformer.training.callbacks.throughput import Throughput

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)


class Task(lightning.LightningModule):
    """Logs what the classification task logs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        self.log("train/loss", 1.23456, prog_bar=True, batch_size=2)
        self.log("train/top1", 0.5, prog_bar=True, batch_size=2)
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(tmp_path: Path, *callbacks: lightning.Callback, num_steps: int = 3) -> lightning.Trainer:
    batches = [{"video": torch.zeros(2, 3, 1)} for _ in range(num_steps)]
    trainer = lightning.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        max_epochs=1,
    )
    trainer.fit(Task(), torch.utils.data.DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return trainer


class Clock:
    """Time that passes as the test says: seconds of waiting and of work, in turns."""

    def __init__(self, seconds: Iterator[float]) -> None:
        self.now, self.seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += next(self.seconds)
        return self.now


def measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: list[float], window: int = 20
) -> dict[str, float]:
    """Metrics of steps that wait and work for these seconds, on 2 videos with 3 views each."""
    monkeypatch.setattr(
        "video_uniformer.training.callbacks.throughput.time.perf_counter", Clock(iter(seconds))
    )
    trainer = fit(tmp_path, Throughput(window), ProgressBar(), num_steps=len(seconds) // 2)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_throughput_counts_clips_and_the_share_of_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The first step is left out: nobody knows when its wait began.
    metrics = measured(monkeypatch, tmp_path, [9, 9, 1, 3, 2, 2])
    assert metrics["train/clips_per_second"] == pytest.approx(2 * 6 / 8)
    assert metrics["train/data_wait"] == pytest.approx(3 / 8)


def test_throughput_forgets_what_is_older_than_its_window(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    metrics = measured(monkeypatch, tmp_path, [9, 9, 1, 3, 2, 2], window=1)
    assert metrics["train/clips_per_second"] == pytest.approx(6 / 4)
    assert metrics["train/data_wait"] == pytest.approx(2 / 4)


def test_throughput_is_silent_about_a_single_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "train/data_wait" not in measured(monkeypatch, tmp_path, [1, 1])


def test_window_below_one_step_is_refused() -> None:
    with pytest.raises(ValueError, match="window is 0, expected at least 1 step"):
        Throughput(0)


def test_progress_bar_shows_short_names_three_digits_and_percent(tmp_path: Path) -> None:
    shown: list[dict[str, Any]] = []

    class Watch(ProgressBar):
        def get_metrics(self, *args: Any) -> Any:
            shown.append(super().get_metrics(*args))
            return shown[-1]

    fit(tmp_path, Throughput(), Watch(log_every_seconds=0))
    assert set(shown[-1]) == {"loss", "top1", "clips/s", "waiting"}
    assert (shown[-1]["loss"], shown[-1]["top1"]) == ("1.23", "50.0%")
