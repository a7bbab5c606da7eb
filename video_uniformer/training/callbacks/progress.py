"""The progress bar: loss, top-1, clips per second and the share of time spent waiting for data."""

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

Metrics = dict[str, int | str | float | dict[str, float]]

_SHORT = {
    "train/loss": "loss",
    "train/top1": "top1",
    "train/clips_per_second": "clips/s",
    "train/data_wait": "waiting",
}


class ProgressBar(RichProgressBar):
    """Lightning's rich bar with short names and rounded numbers."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> Metrics:
        """The logged metrics as they are shown."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return {_SHORT.get(name, name): _round(name, value) for name, value in metrics.items()}


def _round(name: str, value: int | str | float | dict[str, float]) -> Any:
    if name == "train/data_wait" and isinstance(value, float):
        return f"{100 * value:.0f} %"
    return f"{value:.3g}" if isinstance(value, float) else value
