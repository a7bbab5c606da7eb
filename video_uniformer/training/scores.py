"""Scores of whole videos, each counted once however the videos were dealt out."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_accuracy
from torchmetrics.utilities.data import dim_zero_cat

FUSIONS = ("logits", "probabilities")


def fuse_views(logits_BVK: Tensor, fusion: str) -> Tensor:
    """Fuse the views of each video into one row of scores.

    Args:
        logits_BVK: (B, V, K), V views of each of B videos.
        fusion: "logits" averages logits (published); "probabilities" averages softmax outputs.

    Shape:
        (B, V, K) -> (B, K): logits, or log-probabilities; a softmax makes both probabilities.

    Raises:
        ValueError: an unknown fusion.
    """
    if fusion == "logits":
        return logits_BVK.mean(1)
    if fusion == "probabilities":
        return logits_BVK.softmax(-1).mean(1).log()
    raise ValueError(f"fusion is {fusion!r}, expected one of {', '.join(FUSIONS)}")


class ScoreTable(NamedTuple):
    """One row per video, ordered by `video_index`.

    Attributes:
        video_index: (N,) position of the video in its list.
        label: (N,) class.
        scores: (N, K) float32, fused over views; a softmax makes them probabilities.
    """

    video_index: Tensor
    label: Tensor
    scores: Tensor

    def summary(self) -> dict[str, Tensor]:
        """Mean loss (to 4 decimals), top-1 and top-5 accuracy (0 to 1) over the table's videos."""
        num_classes = self.scores.shape[1]
        accuracy = {
            f"top{k}": multiclass_accuracy(
                self.scores, self.label, num_classes, top_k=k, average="micro"
            )
            for k in (1, 5)
            if k <= num_classes
        }
        loss = F.cross_entropy(self.scores.double(), self.label)
        # float32 kernels round by the number of threads and the company in the batch, which moves
        # the seventh digit of the loss: fewer are told, so that they do not depend on either.
        return {"loss": loss.round(decimals=4).float(), **accuracy}


class VideoScores(Metric):
    """Collect the scores of videos over batches and processes into a `ScoreTable`.

    A distributed sampler hands out some videos twice to give every process the same number; a video
    counts once here, by its `video_index`, so that the metrics do not depend on the batch size or
    on the number of processes.
    """

    full_state_update = False
    video_index: list[Tensor]
    label: list[Tensor]
    scores: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ScoreTable._fields:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, video_index: Tensor, label: Tensor, scores: Tensor) -> None:
        """Add B videos: (B,), (B,) and (B, K)."""
        self.video_index.append(video_index.detach())
        self.label.append(label.detach())
        self.scores.append(scores.detach().float())

    def table(self) -> ScoreTable:
        """The table of all videos, of all processes, seen since the last reset."""
        video_index, label, scores = self.compute()
        # torchmetrics takes the axes off whatever has one element, as the table of one video has.
        num_videos = video_index.numel()
        return ScoreTable(
            video_index.reshape(num_videos),
            label.reshape(num_videos),
            scores.reshape(num_videos, -1),
        )

    def compute(self) -> ScoreTable:
        """As `table`, but with a shape of () for one video's index and label."""
        video_index = dim_zero_cat(self.video_index)
        unique, inverse = torch.unique(video_index, return_inverse=True)  # sorted
        first = torch.full_like(unique, len(video_index)).scatter_reduce(
            0, inverse, torch.arange(len(video_index), device=unique.device), "amin"
        )
        return ScoreTable(unique, dim_zero_cat(self.label)[first], dim_zero_cat(self.scores)[first])
