"""The task of finding the joints of persons: loss, mirrored test, metrics."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from video_uniformer.clip import PersonSpec
from video_uniformer.description import Description
from video_uniformer.models.heads.pose_decoding import find_joints
from video_uniformer.outcomes import index_in
from video_uniformer.skeleton import Skeleton
from video_uniformer.training.metrics.keypoints import KeypointEvaluation
from video_uniformer.training.tasks.network_task import (
    Batch,
    NetworkTask,
    accounts_of,
    without_skipped,
)


class Pose(NetworkTask):
    """Train and evaluate a pose network.

    UniFormer (arXiv 2201.09450), pose estimation; official `pose_estimation`. Evaluation sees every
    person mirrored too, and averages the heatmaps.

    Args:
        network: (B, 3, H, W) -> heatmaps (B, J, H/4, W/4); its `config` rebuilds it.
        optimizer: As for `NetworkTask`, and so are `schedule`, `init` and `load_weights`.
        schedule: Stepped at every step.
        input: How a person becomes the network's input; stored in every checkpoint.
        skeleton: What the joints are; stored in every checkpoint.
        evaluation: (skeleton=) -> what compares the joints found with the annotated ones.
        flips: Whether evaluation sees every person mirrored too.
        init: Weights to start from.
        load_weights: Puts them into the network.

    Shape:
        batches hold `image`, float32 (B, 3, H, W), `heatmaps` (B, J, H/4, W/4), `weights` (B, J),
        `center` and `scale` (B, 2), `score`, `image_id` and `image_index` (B,); and, unless all is
        well, `status` (B,), places in `outcomes.STATUSES`, with B texts `problem`.

    Raises:
        ValueError: in evaluation, a person was substituted or none could be evaluated.
    """

    input: PersonSpec

    def __init__(
        self,
        network: nn.Module,
        *,
        optimizer: Callable[[nn.Module], Optimizer],
        schedule: Callable[..., LRScheduler],
        input: PersonSpec,
        skeleton: Skeleton,
        evaluation: Callable[..., KeypointEvaluation],
        flips: bool = True,
        init: str | None = None,
        load_weights: Callable[..., object] | None = None,
    ) -> None:
        self._evaluation, self.skeleton, self.flips = evaluation, skeleton, flips
        super().__init__(
            network,
            optimizer=optimizer,
            schedule=schedule,
            input=input,
            init=init,
            load_weights=load_weights,
        )

    def new_scores(self) -> KeypointEvaluation:
        """Joints of persons, for COCO's evaluation."""
        return self._evaluation(skeleton=self.skeleton)

    def description(self) -> Description:
        """What is known of the network, and what its joints are."""
        return replace(super().description(), skeleton=self.skeleton)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of the batch's persons; skipped ones leave the batch the smaller."""
        kept, num_listed = without_skipped(batch), len(batch["weights"])
        images = kept["image"]
        if not len(images):
            return self.loss_of_nothing(images)
        weights = kept["weights"][:, :, None, None]
        difference = (self(images).float() - kept["heatmaps"]) * weights
        # Official: the mean over all cells, those of joints without weight among them, without 1/2.
        loss = difference.square().mean()
        self.log_step(
            {"loss": loss}, num_inputs=len(images), evaluated=len(images), listed=num_listed
        )
        return loss

    def score(self, batch: Batch, network: nn.Module, scores: KeypointEvaluation) -> None:
        """Add a batch to scores, as answered by this network or by one with other weights."""
        images = batch["image"]
        # Official: evaluation runs without autocast, whatever the training's precision.
        with torch.autocast(images.device.type, enabled=False):
            keypoints, joint_scores = find_joints(
                network,
                images.float(),
                batch["center"],
                batch["scale"],
                flip_pairs=self.skeleton.flip_pairs if self.flips else None,
            )
        status, problem = accounts_of(batch)
        scores.update(
            index_in(batch),
            image_id=batch["image_id"],
            keypoints=keypoints,
            scores=joint_scores,
            box_score=batch["score"],
            scale=batch["scale"],
            status=status,
            problem=problem,
        )
