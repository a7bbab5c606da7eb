"""What training and evaluating any network has in common; the tasks say what differs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from video_uniformer.clip import InputSpec
from video_uniformer.description import (
    KEY,
    Description,
    NetworkArguments,
    plain_values,
    read_description,
    said_in,
    task_of,
)
from video_uniformer.outcomes import SKIPPED, SUBSTITUTED
from video_uniformer.training.callbacks.bad_samples import problems_of
from video_uniformer.training.resuming import check_resumable
from video_uniformer.training.sync_batch_norm import has_synchronised

Batch = Mapping[str, Any]


class Table(Protocol):
    """What an evaluation found, one row per sample that was met."""

    @property
    def num_evaluated(self) -> int:
        """Samples that were not skipped."""

    def summary(self) -> dict[str, Tensor]:
        """Metrics over the samples evaluated, by name.

        Raises:
            ValueError: there are none.
        """


class NetworkTask(LightningModule):
    """Train a network, and evaluate it over whole lists of samples.

    Evaluation runs in float32, as published. Samples that were skipped take part in nothing; every
    metric is logged with `evaluated` and `listed`, the numbers of samples that it rests on and that
    there are.

    Args:
        network: Its `config` rebuilds it.
        optimizer: network -> optimiser.
        schedule: (optimiser, total_steps=, steps_per_epoch=) -> scheduler, stepped at every step.
        input: How a file becomes the network's input; stored in every checkpoint.
        init: Weights to start from: a file or a published name; None starts at random.
        load_weights: (network, init, class_names=) -> a report of what was loaded.

    Raises:
        ValueError: in evaluation, a sample was substituted or none could be evaluated.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Callable[..., LRScheduler],
        input: InputSpec,
        init: str | None = None,
        load_weights: Callable[..., object] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.input = input
        self.class_names: list[str] = []
        self.tables: dict[str, Any] = {}  # by split, as `new_scores` makes them
        self._optimizer, self._schedule = optimizer, schedule
        self._init, self._load_weights = init, load_weights
        self._scores = self.new_scores()

    def new_scores(self) -> Metric:
        """What collects the scores of samples; its `table` is a `Table`."""
        raise NotImplementedError

    def score(self, batch: Batch, network: nn.Module, scores: Any) -> None:
        """Add a batch to scores, as answered by this network or by one with other weights."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Take the class names from the data and, at the start of a training, the weights."""
        datamodule = getattr(self.trainer, "datamodule", None)
        if datamodule is not None:
            self.class_names = list(datamodule.class_names)
        if stage == "fit" and self._init and self._load_weights:
            names = self.class_names or None
            report = self._load_weights(self.network, self._init, class_names=names)
            self.print(f"weights from {self._init}: {report}")
            self._init = None  # a second fit goes on from where the first ended

    def forward(self, inputs: Tensor) -> Any:
        """What the network gives of its inputs."""
        return self.network(inputs)

    def log_step(
        self, metrics: Mapping[str, Tensor], *, num_inputs: int, evaluated: int, listed: int
    ) -> None:
        """Log a training step's metrics, and on how many of how many samples they rest."""
        for name, value in metrics.items():
            self.log(f"train/{name}", value, prog_bar=True, batch_size=num_inputs)
        for name, number in {"evaluated": evaluated, "listed": listed}.items():
            self.log(f"train/{name}", float(number), batch_size=num_inputs)

    def loss_of_nothing(self, inputs: Tensor) -> Tensor:
        """Zero, with the gradients, and the batch norms' talk, that other processes wait for."""
        parts = [0 * p.sum() for p in self.parameters() if p.requires_grad]
        if has_synchronised(self.network):
            outputs = self(inputs)
            parts += [0 * o.sum() for o in (outputs if isinstance(outputs, tuple) else [outputs])]
        return torch.stack(parts).sum()

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the last validation."""
        self._scores.reset()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score the batch's samples."""
        self._score(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics over all samples."""
        self._log_scores("val")

    def on_test_epoch_start(self) -> None:
        """Forget earlier scores."""
        self._scores.reset()

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Score the batch's samples."""
        self._score(batch)

    def on_test_epoch_end(self) -> None:
        """Log the metrics over all samples."""
        self._log_scores("test")

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimiser, and the schedule stepped at every optimiser step."""
        optimizer = self._optimizer(self.network)
        self.trainer.fit_loop.setup_data()  # a training that is limited by steps has not yet
        total_steps = self.trainer.estimated_stepping_batches
        per_epoch = self.trainer.num_training_batches / self.trainer.accumulate_grad_batches
        schedule = self._schedule(optimizer, total_steps=total_steps, steps_per_epoch=per_epoch)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the network in plain values, so that the file needs no config."""
        checkpoint[KEY] = plain_values(self.description())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on from a checkpoint of another network.

        Raises:
            ValueError: the checkpoint's network is not this one, or it says nothing of a network.
        """
        said = read_description(said_in(checkpoint) or {}, str(self.trainer.ckpt_path))
        check_resumable(said, self.description(), str(self.trainer.ckpt_path))

    def description(self) -> Description:
        """What is known of the network."""
        arguments = cast(NetworkArguments, self.network.config)  # a module's have no types
        return Description(
            task=task_of(arguments),
            network=arguments,
            input=self.input,
            class_names=tuple(self.class_names) or None,
        )

    def _score(self, batch: Batch) -> None:
        for problem in problems_of(batch):
            if problem.status == SUBSTITUTED:
                raise ValueError(
                    f"sample {problem.sample_index} was substituted ({problem.reason}), expected "
                    "an evaluation of the listed samples alone"
                )
        self.score(batch, self.network, self._scores)

    def _log_scores(self, split: str) -> None:
        table: Table = cast(Any, self._scores).table()
        self.tables[split] = table
        metrics = table.summary()
        for name, value in metrics.items():
            self.log(f"{split}/{name}", value, rank_zero_only=True)
        loader = getattr(self.trainer, f"{split}_dataloaders")
        num_listed = len(loader.dataset)  # whether or not a limited pass reaches them
        for name, number in {"evaluated": table.num_evaluated, "listed": num_listed}.items():
            self.log(f"{split}/{name}", float(number), rank_zero_only=True)
        if split == "val":
            shown = ", ".join(_show(name, float(value)) for name, value in metrics.items())
            self.print(
                f"epoch {self.current_epoch}: evaluated {table.num_evaluated} of {num_listed}: "
                f"{shown}"
            )


def without_skipped(batch: Batch) -> Batch:
    """The batch without the samples that could not be read, where it holds tensors."""
    if not any(problem.status == SKIPPED for problem in problems_of(batch)):
        return batch
    kept = batch["status"] != SKIPPED
    tensors = {key: value for key, value in batch.items() if isinstance(value, Tensor)}
    return {key: value[kept] for key, value in tensors.items()}


def accounts_of(batch: Batch) -> tuple[Tensor | None, Sequence[str]]:
    """What became of the batch's samples: `status` (B,), and B texts `problem`, where told."""
    return batch.get("status"), batch.get("problem", ())


def _show(name: str, value: float) -> str:
    return f"{name} {value:.4f}" if name == "loss" else f"{name} {100 * value:.2f} %"
