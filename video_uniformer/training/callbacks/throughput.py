"""How fast a training runs and how much of its time it waits for data."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer


class Throughput(Callback):
    """Log `train/clips_per_second` or `train/images_per_second`, and `train/data_wait`.

    The latter is a share of time, 0 to 1. Both are averages over all devices' inputs and the last
    `window` steps; waiting is the time between the end of one step and the arrival of the next
    batch.

    Args:
        window: Steps to average over.

    Raises:
        ValueError: a window under 1.
    """

    def __init__(self, window: int = 20) -> None:
        if window < 1:
            raise ValueError(f"window is {window}, expected at least 1 step")
        self.window = window
        self._steps: list[tuple[float, float, int]] = []  # seconds waited, seconds in all, inputs
        self._last_end: float | None = None
        self._arrival = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew: the time between epochs is neither work nor waiting."""
        self._last_end = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note when the batch arrived."""
        self._arrival = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Log the averages."""
        now = time.perf_counter()
        if self._last_end is not None:
            name = "clips" if "video" in batch else "images"
            num_inputs = (
                len(batch["image"]) if name == "images" else batch["video"].shape[:2].numel()
            )
            num_inputs *= trainer.world_size
            self._steps.append((self._arrival - self._last_end, now - self._last_end, num_inputs))
            self._steps = self._steps[-self.window :]
            waited, seconds, inputs = (sum(column) for column in zip(*self._steps, strict=True))
            pl_module.log(f"train/{name}_per_second", inputs / seconds, prog_bar=True)
            pl_module.log("train/data_wait", waited / seconds, prog_bar=True)
        self._last_end = now
