"""Scores of whole videos, each counted once however the videos were dealt out."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_accuracy
from torchmetrics.utilities.data import dim_zero_cat

from video_uniformer.outcomes import SKIPPED
from video_uniformer.training.callbacks.bad_videos import gather_items

_COLUMNS = ("video_index", "label", "scores", "status")


class ScoreTable(NamedTuple):
    """One row per video that was met, ordered by `video_index`.

    Attributes:
        video_index: (N,) position of the video in its list.
        label: (N,) class.
        scores: (N, K) float32, fused over views; a softmax makes them probabilities. NaN for videos
            that were skipped.
        status: (N,) place in `outcomes.STATUSES`.
        problem: N texts, what is wrong with each video; "" where nothing is.
    """

    video_index: Tensor
    label: Tensor
    scores: Tensor
    status: Tensor
    problem: tuple[str, ...]

    def evaluated(self) -> "ScoreTable":
        """The rows of the videos that were not skipped."""
        kept = self.status != SKIPPED
        return ScoreTable(
            self.video_index[kept],
            self.label[kept],
            self.scores[kept],
            self.status[kept],
            tuple(itertools.compress(self.problem, kept.tolist())),
        )

    def summary(self) -> dict[str, Tensor]:
        """Mean loss (to 4 decimals), top-1 and top-5 accuracy (0 to 1) over the videos evaluated.

        Raises:
            ValueError: there are none; the message says what was wrong with the first.
        """
        _, label, scores, _, _ = self.evaluated()
        if not len(label):
            first = next(filter(None, self.problem), "no video was met")
            raise ValueError(
                f"evaluated 0 of {len(self.label)} videos, expected at least one; the first: "
                f"{first}"
            )
        num_classes = scores.shape[1]
        accuracy = {
            f"top{k}": multiclass_accuracy(scores, label, num_classes, top_k=k, average="micro")
            for k in (1, 5)
            if k <= num_classes
        }
        loss = F.cross_entropy(scores.double(), label)
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
    status: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in _COLUMNS:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self._problems: dict[int, str] = {}

    def update(
        self,
        video_index: Tensor,
        label: Tensor,
        scores: Tensor,
        status: Tensor | None = None,
        problem: Sequence[str] = (),
    ) -> None:
        """Add B videos: (B,), (B,) and (B, K); without `status` (B,) and B texts all are well."""
        status = torch.zeros_like(label) if status is None else status
        skipped = (status == SKIPPED).unsqueeze(1)
        self.video_index.append(video_index.detach())
        self.label.append(label.detach())
        self.scores.append(scores.detach().float().masked_fill(skipped, torch.nan))
        self.status.append(status.detach())
        if any(problem):
            self._problems.update(zip(video_index.tolist(), problem, strict=True))

    def reset(self) -> None:
        """Forget all videos."""
        super().reset()
        self._problems = {}

    def table(self) -> ScoreTable:
        """The table of all videos, of all processes, seen since the last reset."""
        video_index, label, scores, status = self.compute()
        # torchmetrics takes the axes off whatever has one element, as the table of one video has.
        num_videos = video_index.numel()
        video_index, status = video_index.reshape(num_videos), status.reshape(num_videos)
        # Of a video that was dealt out twice, one process may know what the other does not.
        problems = {
            index: text for index, text in gather_items(list(self._problems.items())) if text
        }
        texts = [problems.get(index, "") for index in video_index.tolist()]
        return ScoreTable(
            video_index,
            label.reshape(num_videos),
            scores.reshape(num_videos, -1),
            status,
            tuple(text if bad else "" for text, bad in zip(texts, status.tolist(), strict=True)),
        )

    def compute(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The columns of `table` but the last, with a shape of () for one video."""
        video_index, *others = (dim_zero_cat(getattr(self, name)) for name in _COLUMNS)
        unique, inverse = torch.unique(video_index, return_inverse=True)  # sorted
        first = torch.full_like(unique, len(video_index)).scatter_reduce(
            0, inverse, torch.arange(len(video_index), device=unique.device), "amin"
        )
        label, scores, status = (column[first] for column in others)
        return unique, label, scores, status
