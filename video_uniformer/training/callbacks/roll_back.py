"""Going back to the last good checkpoint, or to the start of the training where there is none."""

from pathlib import Path
from typing import Any

import torch
from lightning import Trainer


class RollBack:
    """Put weights, buffers and optimiser state back, and lower the learning rate.

    Data, schedule and counters go on from where they are. Until this run has written its first
    checkpoint, the state at its start is kept in the memory of the processor.

    Args:
        checkpoint: The file to go back to.
    """

    def __init__(self, checkpoint: str | Path) -> None:
        self.checkpoint = Path(checkpoint)
        self._start: dict[str, Any] | None = None
        self._of_another_run: int | None = None

    def remember(self, trainer: Trainer) -> None:
        """Keep the state at the start of a training, unless there is a checkpoint of it already."""
        # What lies in the folder of a training that begins was written by another one.
        self._of_another_run = None if trainer.ckpt_path else self._written()
        self._start = None
        if self._is_written(trainer):
            return
        strategy = trainer.strategy
        self._start = {
            "state_dict": _to_cpu(strategy.lightning_module_state_dict()),
            "optimizer_states": [_to_cpu(each.state_dict()) for each in trainer.optimizers],
        }

    def forget_when_written(self, trainer: Trainer) -> None:
        """Free the memory once there is a checkpoint; all processes have to ask."""
        if self._start is not None and self._is_written(trainer):
            self._start = None

    def __call__(self, trainer: Trainer, lr_factor: float) -> str:
        """Go back, in all processes, and multiply every learning rate by `lr_factor`.

        Returns:
            Where to, in words.
        """
        self.forget_when_written(trainer)
        if self._start is not None:
            # An optimiser takes the tensors that it is given and trains on in them.
            state, place = _to_cpu(self._start), "the start of the training"
        else:
            place = str(self.checkpoint)
            state = trainer.strategy.load_checkpoint(self.checkpoint, weights_only=True)
        settings = [
            [_settings(group) for group in each.param_groups] for each in trainer.optimizers
        ]
        # Validation may run in inference mode, whose tensors could not be trained.
        with torch.inference_mode(False), torch.no_grad():
            trainer.strategy.load_model_state_dict(state)
            trainer.strategy.load_optimizer_state_dict(state)
        for optimizer, groups in zip(trainer.optimizers, settings, strict=True):
            for group, now in zip(optimizer.param_groups, groups, strict=True):
                lower = {key: now[key] * lr_factor for key in ("lr", "initial_lr") if key in now}
                group.update(now | lower)
        for config in trainer.lr_scheduler_configs:
            scheduler: Any = config.scheduler  # a plateau scheduler has no base rates
            if rates := getattr(scheduler, "base_lrs", None):
                scheduler.base_lrs = [rate * lr_factor for rate in rates]
        return place

    def _written(self) -> int | None:
        """When the file was written, nanoseconds; None where it is absent."""
        return self.checkpoint.stat().st_mtime_ns if self.checkpoint.exists() else None

    def _is_written(self, trainer: Trainer) -> bool:
        """Whether this training has a checkpoint, as the main process sees it."""
        return trainer.strategy.broadcast(self._written() not in (None, self._of_another_run))


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def _to_cpu(value: Any) -> Any:
    """A copy of nested dicts and lists whose tensors lie in the memory of the processor."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _to_cpu(each) for key, each in value.items()}
    return [_to_cpu(each) for each in value] if isinstance(value, list) else value
