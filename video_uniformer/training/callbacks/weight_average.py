"""An exponential moving average of the weights, validated beside them and saved with them."""

from typing import Any, cast

import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from video_uniformer.training.tasks.network_task import NetworkTask

# The published checkpoints' own key: what is saved is read as theirs is.
KEY = "model_ema"


class WeightAverage(Callback):
    """Average weights and buffers over the optimiser's steps, and validate the average too.

    Logs its metrics, such as `val/ema_top1`. A checkpoint FILE holds the average under
    the authors' key; `FILE@ema` names it wherever weights are named. Official: timm's `ModelEma`,
    which averages buffers as well.

    Args:
        decay: Share of the average that each step keeps, 0 to below 1; None averages nothing.

    Raises:
        ValueError: `decay` is out of range.
    """

    def __init__(self, decay: float | None = None) -> None:
        if decay is not None and not 0 <= decay < 1:
            raise ValueError(f"decay is {decay!r}, expected 0 to below 1, or null")
        self.decay = decay
        self._average: AveragedModel | None = None
        self._state: dict[str, Any] | None = None  # of a checkpoint, until there is a network
        self._scores: Any = None  # as the task makes them
        self._step = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the average at the weights, or at that of the checkpoint."""
        if self.decay is None:
            return
        average = AveragedModel(
            _network(pl_module), multi_avg_fn=get_ema_multi_avg_fn(self.decay), use_buffers=True
        )
        average.n_averaged.fill_(1)  # torch's first update would copy the weights
        if self._state is not None:
            average.module.load_state_dict(self._state)
            self._state = None
        self._average = average.eval().requires_grad_(False)
        self._scores = cast(NetworkTask, pl_module).new_scores().to(pl_module.device)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count steps from where the training stands."""
        self._step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Average, where the batch ended a step."""
        if self._average is not None and trainer.global_step != self._step:
            self._step = trainer.global_step
            self._average.update_parameters(_network(pl_module))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the scores of the last validation."""
        if self._average is not None:
            self._scores.reset()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score the batch with the average."""
        if self._average is not None:
            cast(NetworkTask, pl_module).score(batch, self._average.module, self._scores)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the average's metrics over all samples."""
        if self._average is None:
            return
        summary = self._scores.table().summary()
        for name, value in summary.items():
            pl_module.log(f"val/ema_{name}", value, rank_zero_only=True)
        shown = {name: 100 * float(value) for name, value in summary.items() if name != "loss"}
        name = next(iter(shown))
        pl_module.print(f"averaged weights: {name} {shown[name]:.2f} %")

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average beside the weights, under the same names."""
        if self._average is not None:
            state = self._average.module.state_dict()
            checkpoint[KEY] = {f"network.{name}": value for name, value in state.items()}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the average of a checkpoint; without one, it starts at the weights."""
        saved = checkpoint.get(KEY)
        if self.decay is not None and saved is not None:
            self._state = {
                name.removeprefix("network."): torch.as_tensor(value)
                for name, value in saved.items()
            }


def _network(pl_module: LightningModule) -> nn.Module:
    return cast(nn.Module, pl_module.network)
