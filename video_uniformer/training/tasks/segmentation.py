"""The task of naming what every place of a picture shows: loss, metrics, scales and flips."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.masks import IGNORED
from video_uniformer.outcomes import SKIPPED, index_in
from video_uniformer.training.metrics.segmentation import SegmentationScores
from video_uniformer.training.tasks.network_task import (
    Batch,
    NetworkTask,
    accounts_of,
    without_skipped,
)


class Segmentation(NetworkTask):
    """Train and evaluate a segmentation network.

    UniFormer (arXiv 2201.09450), semantic segmentation; official `semantic_segmentation`. Each
    picture is evaluated by itself, at its own size, so that no metric depends on its company.

    Args:
        network: (B, 3, H, W) -> logits (B, K, H/4, W/4); in training it may give a pair, of which
            the second are the logits of an auxiliary classifier. Its `config` rebuilds it.
        optimizer: As for `NetworkTask`, and so are `schedule`, `init` and `load_weights`.
        schedule: Stepped at every step.
        input: How pictures become the network's input; stored in every checkpoint.
        auxiliary_weight: Of the auxiliary loss.
        flips: Whether evaluation sees every picture mirrored too.
        init: Weights to start from.
        load_weights: Puts them into the network.

    Shape:
        batches hold `image`, float32 (B, 3, h, w), `mask`, int64 (B, H, W), 255 where no class is
        meant, and `image_index` (B,); and, unless all is well, `status` (B,), places in
        `outcomes.STATUSES`, with B texts `problem`. In evaluation `image` and `mask` may be lists
        of B of different sizes, and instead of one image there may be a list of one at each of
        several scales, whose probabilities are averaged.

    Raises:
        ValueError: in evaluation, a picture was substituted or none could be evaluated.
    """

    input: SceneSpec

    def __init__(
        self,
        network: nn.Module,
        *,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Callable[..., LRScheduler],
        input: SceneSpec,
        auxiliary_weight: float = 0.4,
        flips: bool = False,
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
        self.auxiliary_weight, self.flips = auxiliary_weight, flips

    def new_scores(self) -> SegmentationScores:
        """Pixels of classes, over the whole set."""
        return SegmentationScores(cast(int, self.network.num_classes))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of the batch's pictures; skipped ones leave the batch the smaller."""
        kept, num_listed = without_skipped(batch), len(batch["mask"])
        images, masks = kept["image"], kept["mask"]
        # The coarsest pool of UperNet has one cell: alone, it has no statistics.
        is_left_alone = len(images) == 1 < num_listed
        if not len(images) or is_left_alone:
            return self.loss_of_nothing(images[:0])
        outputs = self(images)
        logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
        loss, accuracy = _loss_and_accuracy(logits, masks)
        for other in auxiliary:
            loss = loss + self.auxiliary_weight * _loss_and_accuracy(other, masks)[0]
        metrics = {"loss": loss, "accuracy": accuracy}
        self.log_step(metrics, num_inputs=len(images), evaluated=len(images), listed=num_listed)
        return loss

    def score(self, batch: Batch, network: nn.Module, scores: SegmentationScores) -> None:
        """Add a batch to scores, as answered by this network or by one with other weights."""
        status, problem = accounts_of(batch)
        predictions = []
        for place, (image, mask) in enumerate(zip(batch["image"], batch["mask"], strict=True)):
            if status is not None and int(status[place]) == SKIPPED:
                predictions.append(mask)
                continue
            views = image if isinstance(image, Sequence) else [image]
            predictions.append(self._classes(views, network, (mask.shape[0], mask.shape[1])))
        scores.update(index_in(batch), batch["mask"], predictions, status, problem)

    def _classes(
        self, views: Sequence[Tensor], network: nn.Module, size: tuple[int, int]
    ) -> Tensor:
        """The class of every pixel (H, W) of a picture, seen at several scales."""
        flips = (False, True) if self.flips else (False,)
        passes = [(view, mirrored) for view in views for mirrored in flips]
        total: Tensor | None = None
        for view, mirrored in passes:
            scores = self._logits(view.flip(-1) if mirrored else view, network, size)
            if len(passes) == 1:  # the best logit is the best probability
                return scores.argmax(0)
            shares = scores.softmax(0)
            shares = shares.flip(-1) if mirrored else shares
            total = shares if total is None else total.add_(shares)
        assert total is not None
        return total.argmax(0)

    def _logits(self, view: Tensor, network: nn.Module, size: tuple[int, int]) -> Tensor:
        """(K, H, W) of a view (3, h, w), at the picture's own size."""
        # Official: evaluation runs without autocast, whatever the training's precision.
        with torch.autocast(view.device.type, enabled=False):
            logits = network(view[None].float())
        # Official: mmseg resizes to the input's size first; once in all would be natural.
        return _resized(_resized(logits, (view.shape[1], view.shape[2])), size)[0]


def _resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits.float(), size, mode="bilinear", align_corners=False)


def _loss_and_accuracy(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy (), and the share of the labelled pixels that are right."""
    full = _resized(logits, (masks.shape[1], masks.shape[2]))
    # Official: mmseg's cross entropy is the mean over all pixels, of which the ignored count as 0;
    # the mean over labelled pixels would be natural.
    loss = F.cross_entropy(full, masks, ignore_index=IGNORED, reduction="sum") / masks.numel()
    is_labelled = masks != IGNORED
    right = (full.argmax(1) == masks) & is_labelled
    return loss, right.sum() / is_labelled.sum().clamp(min=1)
