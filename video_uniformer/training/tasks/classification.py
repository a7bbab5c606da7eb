"""The task of naming what videos or pictures show: loss, metrics, averaging over views."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.data.image.batches import network_input
from video_uniformer.description import (
    KEY,
    Description,
    NetworkArguments,
    check_fusion,
    plain_values,
    read_description,
    said_in,
    task_of,
)
from video_uniformer.models.view_fusion import fuse_views
from video_uniformer.outcomes import SKIPPED, SUBSTITUTED, index_in
from video_uniformer.training.callbacks.bad_samples import problems_of
from video_uniformer.training.metrics.scores import SampleScores, ScoreTable
from video_uniformer.training.resuming import check_resumable
from video_uniformer.training.sync_batch_norm import has_synchronised

Batch = Mapping[str, Any]
Objective = tuple[Tensor, Tensor, Tensor]
"""Loss (), logits (N, K), and labels (N,) or soft labels (N, K) that these are for."""


class Classification(LightningModule):
    """Train and evaluate a classifier of videos or pictures.

    Training flattens the views of a video into the batch (repeated augmentation) and mixes what the
    network sees; evaluation runs in float32, as published, and fuses the views of each sample; a
    picture has one. Samples that were skipped take part in neither; every metric is logged with
    `evaluated` and `listed`, the numbers of samples that it rests on and that there are.

    Args:
        network: (N, C, [T,] H, W) -> logits (N, K); its `config` rebuilds it. In training it may
            give a pair, of which the second are the logits of an auxiliary classifier: the loss is
            then the mean of both losses.
        optimizer: network -> optimiser.
        schedule: (optimiser, total_steps=, steps_per_epoch=) -> scheduler, stepped at every step.
        input: How videos become clips, or pictures the network's input; stored in every checkpoint.
        mixing: (inputs, labels) -> (inputs, soft labels (N, K)), or None for plain labels.
        token_labels: (network, inputs, batch) -> loss, logits (N, K) and targets of a training with
            token labels, in place of mixing and cross entropy.
        fusion: How the views of a sample are averaged: "logits" (published) or "probabilities".
        init: Weights to start from: a file or a published name; None starts at random.
        load_weights: (network, init, class_names=) -> a report of what was loaded.

    Shape:
        batches hold `video` (B, V, C, T, H, W) with `video_index` (B,), or `image` (B, C, H, W),
        which may be bytes, with `image_index` (B,); `label` (B,); and, unless all is well, `status`
        (B,), places in `outcomes.STATUSES`, with B texts `problem`.

    Raises:
        ValueError: an unknown fusion; in evaluation, a sample was substituted or none could be
            evaluated.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Callable[..., LRScheduler],
        input: ClipSpec | ImageSpec,
        mixing: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        token_labels: Callable[[nn.Module, Tensor, Batch], Objective] | None = None,
        fusion: str = "logits",
        init: str | None = None,
        load_weights: Callable[..., object] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.input = input
        self.fusion = check_fusion(fusion)
        self.class_names: list[str] = []
        self.tables: dict[str, ScoreTable] = {}
        self._optimizer, self._schedule = optimizer, schedule
        self._mixing, self._token_labels = mixing, token_labels
        self._init, self._load_weights = init, load_weights
        self._scores = SampleScores()

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

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N, K) of clips (N, C, T, H, W) or pictures (N, C, H, W)."""
        return self.network(inputs)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of the batch's inputs, mixed; skipped samples leave the batch the smaller."""
        kept = _without_skipped(batch)
        views, label = _views(kept, self.input), kept["label"]  # (B, V, C, ...), (B,)
        if not len(views):
            return self._loss_of_nothing(views)
        inputs = views.flatten(0, 1)
        if self._token_labels is not None:
            loss, logits, targets = self._token_labels(self.network, inputs, kept)
        else:
            labels = label.repeat_interleave(views.shape[1])
            is_left_alone = len(inputs) == 1 and len(views) < len(batch["label"])
            loss, logits, targets = self._mixed_loss(inputs, labels, is_mixed=not is_left_alone)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(inputs))
        self.log("train/top1", _train_top1(logits, targets), prog_bar=True, batch_size=len(inputs))
        for name, number in {"evaluated": len(views), "listed": len(batch["label"])}.items():
            self.log(f"train/{name}", float(number), batch_size=len(inputs))
        return loss

    def _mixed_loss(self, inputs: Tensor, labels: Tensor, *, is_mixed: bool) -> Objective:
        targets = labels
        if self._mixing is not None and is_mixed:
            inputs, targets = self._mixing(inputs, labels)
        outputs = self(inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return _mean_loss(outputs, targets), outputs[0], targets

    def _loss_of_nothing(self, views: Tensor) -> Tensor:
        """Zero, with the gradients, and the batch norms' talk, that other processes wait for."""
        parts = [0 * p.sum() for p in self.parameters() if p.requires_grad]
        if has_synchronised(self.network):
            outputs = self(views.flatten(0, 1))
            parts += [0 * o.sum() for o in (outputs if isinstance(outputs, tuple) else [outputs])]
        return torch.stack(parts).sum()

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the last validation."""
        self._scores.reset()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score the batch's samples."""
        self.score(batch, self.network, self._scores)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics over all samples."""
        self._log_scores("val")

    def on_test_epoch_start(self) -> None:
        """Forget earlier scores."""
        self._scores.reset()

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Score the batch's samples."""
        self.score(batch, self.network, self._scores)

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
        """Describe the classifier in plain values, so that the file needs no config."""
        checkpoint[KEY] = plain_values(self._description())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on from a checkpoint of another network.

        Raises:
            ValueError: the checkpoint's network is not this one, or it says nothing of a network.
        """
        said = read_description(said_in(checkpoint) or {}, str(self.trainer.ckpt_path))
        check_resumable(said, self._description(), str(self.trainer.ckpt_path))

    def _description(self) -> Description:
        return Description(
            task=task_of(self._arguments()),
            network=self._arguments(),
            input=self.input,
            class_names=tuple(self.class_names) or None,
            fusion=self.fusion,
        )

    def _arguments(self) -> NetworkArguments:
        """The network's own; a module's attributes have no types."""
        return cast(NetworkArguments, self.network.config)

    def score(self, batch: Batch, network: nn.Module, scores: SampleScores) -> None:
        """Add a batch to scores, as answered by this network or by one with other weights."""
        views = _views(batch, self.input)
        # Official: evaluation runs without autocast, whatever the training's precision.
        with torch.autocast(views.device.type, enabled=False):
            logits = network(views.flatten(0, 1).float())
        fused = fuse_views(logits.unflatten(0, views.shape[:2]), self.fusion)
        for problem in problems_of(batch):
            if problem.status == SUBSTITUTED:
                raise ValueError(
                    f"sample {problem.sample_index} was substituted ({problem.reason}), expected "
                    "an evaluation of the listed samples alone"
                )
        accounts = batch.get("status"), batch.get("problem", ())
        scores.update(index_in(batch), batch["label"], fused, *accounts)

    def _log_scores(self, split: str) -> None:
        table = self._scores.table()
        self.tables[split] = table
        metrics = table.summary()
        for name, value in metrics.items():
            self.log(f"{split}/{name}", value, rank_zero_only=True)
        num_evaluated, num_listed = len(table.evaluated().label), self._num_listed(split)
        for name, number in {"evaluated": num_evaluated, "listed": num_listed}.items():
            self.log(f"{split}/{name}", float(number), rank_zero_only=True)
        if split == "val":
            shown = ", ".join(_show(name, float(value)) for name, value in metrics.items())
            self.print(
                f"epoch {self.current_epoch}: evaluated {num_evaluated} of {num_listed}: {shown}"
            )

    def _num_listed(self, split: str) -> int:
        """Samples of the list, whether or not a limited pass reaches them."""
        loader = getattr(self.trainer, f"{split}_dataloaders")
        return len(loader.dataset)


def _views(batch: Batch, spec: ClipSpec | ImageSpec) -> Tensor:
    """What the network sees of each sample: (B, V, C, ...); a picture is its only view."""
    if isinstance(spec, ClipSpec):
        return batch["video"]
    return network_input(batch, spec).unsqueeze(1)


def _without_skipped(batch: Batch) -> Batch:
    """The batch without the samples that could not be read."""
    if not any(problem.status == SKIPPED for problem in problems_of(batch)):
        return batch
    kept = batch["status"] != SKIPPED
    tensors = {key: value for key, value in batch.items() if isinstance(value, Tensor)}
    return {key: value[kept] for key, value in tensors.items()}


def _show(name: str, value: float) -> str:
    return f"{name} {value:.4f}" if name == "loss" else f"{name} {100 * value:.2f} %"


def _mean_loss(outputs: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Cross entropy with labels (N,) or soft labels (N, K), averaged over classifiers."""
    return torch.stack([F.cross_entropy(part.float(), targets) for part in outputs]).mean()


def _train_top1(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of inputs (0 to 1) whose prediction is among the classes mixed into them."""
    predicted = logits.argmax(1)
    if targets.ndim == 1:
        return (predicted == targets).float().mean()
    # Official: train_net.py counts the two largest entries of a mixed target as right.
    mass = targets.gather(1, predicted.unsqueeze(1)).squeeze(1)
    return (mass > targets.amin(1)).float().mean()
