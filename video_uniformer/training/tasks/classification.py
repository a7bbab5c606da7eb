"""The task of naming what videos or pictures show: loss, metrics, averaging over views."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.data.image.batches import network_input
from video_uniformer.description import Description, check_fusion
from video_uniformer.models.view_fusion import fuse_views
from video_uniformer.outcomes import index_in
from video_uniformer.training.metrics.scores import SampleScores
from video_uniformer.training.tasks.network_task import (
    Batch,
    NetworkTask,
    accounts_of,
    without_skipped,
)

Objective = tuple[Tensor, Tensor, Tensor]
"""Loss (), logits (N, K), and labels (N,) or soft labels (N, K) that these are for."""


class Classification(NetworkTask):
    """Train and evaluate a classifier of videos or pictures.

    Training flattens the views of a video into the batch (repeated augmentation) and mixes what the
    network sees; evaluation fuses the views of each sample; a picture has one.

    Args:
        network: (N, C, [T,] H, W) -> logits (N, K); its `config` rebuilds it. In training it may
            give a pair, of which the second are the logits of an auxiliary classifier: the loss is
            then the mean of both losses.
        optimizer: As for `NetworkTask`, and so are `schedule`, `init` and `load_weights`.
        schedule: Stepped at every step.
        input: How videos become clips, or pictures the network's input; stored in every checkpoint.
        mixing: (inputs, labels) -> (inputs, soft labels (N, K)), or None for plain labels.
        token_labels: (network, inputs, batch) -> loss, logits (N, K) and targets of a training with
            token labels, in place of mixing and cross entropy.
        fusion: How the views of a sample are averaged: "logits" (published) or "probabilities".
        init: Weights to start from.
        load_weights: Puts them into the network.

    Shape:
        batches hold `video` (B, V, C, T, H, W) with `video_index` (B,), or `image` (B, C, H, W),
        which may be bytes, with `image_index` (B,); `label` (B,); and, unless all is well, `status`
        (B,), places in `outcomes.STATUSES`, with B texts `problem`.

    Raises:
        ValueError: an unknown fusion; in evaluation, a sample was substituted or none could be
            evaluated.
    """

    input: ClipSpec | ImageSpec

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
        super().__init__(
            network,
            optimizer=optimizer,
            schedule=schedule,
            input=input,
            init=init,
            load_weights=load_weights,
        )
        self.fusion = check_fusion(fusion)
        self._mixing, self._token_labels = mixing, token_labels

    def new_scores(self) -> SampleScores:
        """Scores of classes, a row per sample."""
        return SampleScores()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of the batch's inputs, mixed; skipped samples leave the batch the smaller."""
        kept, num_listed = without_skipped(batch), len(batch["label"])
        views, label = _views(kept, self.input), kept["label"]  # (B, V, C, ...), (B,)
        inputs = views.flatten(0, 1)
        if not len(views):
            return self.loss_of_nothing(inputs)
        if self._token_labels is not None:
            loss, logits, targets = self._token_labels(self.network, inputs, kept)
        else:
            labels = label.repeat_interleave(views.shape[1])
            is_left_alone = len(inputs) == 1 and len(views) < num_listed
            loss, logits, targets = self._mixed_loss(inputs, labels, is_mixed=not is_left_alone)
        metrics = {"loss": loss, "top1": _train_top1(logits, targets)}
        self.log_step(metrics, num_inputs=len(inputs), evaluated=len(views), listed=num_listed)
        return loss

    def _mixed_loss(self, inputs: Tensor, labels: Tensor, *, is_mixed: bool) -> Objective:
        targets = labels
        if self._mixing is not None and is_mixed:
            inputs, targets = self._mixing(inputs, labels)
        outputs = self(inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return _mean_loss(outputs, targets), outputs[0], targets

    def score(self, batch: Batch, network: nn.Module, scores: SampleScores) -> None:
        """Add a batch to scores, as answered by this network or by one with other weights."""
        views = _views(batch, self.input)
        # Official: evaluation runs without autocast, whatever the training's precision.
        with torch.autocast(views.device.type, enabled=False):
            logits = network(views.flatten(0, 1).float())
        fused = fuse_views(logits.unflatten(0, views.shape[:2]), self.fusion)
        scores.update(index_in(batch), batch["label"], fused, *accounts_of(batch))

    def description(self) -> Description:
        """What is known of the network, and how its views are fused."""
        return replace(super().description(), fusion=self.fusion)


def _views(batch: Batch, spec: ClipSpec | ImageSpec) -> Tensor:
    """What the network sees of each sample: (B, V, C, ...); a picture is its only view."""
    if isinstance(spec, ClipSpec):
        return batch["video"]
    return network_input(batch, spec).unsqueeze(1)


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
