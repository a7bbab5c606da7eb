"""Scores of whole samples, each counted once however they were dealt out."""

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
from video_uniformer.training.callbacks.bad_samples import gather_items

_COLUMNS = ("sample_index", "label", "scores", "status")


class ScoreTable(NamedTuple):
    """One row per sample that was met, ordered by `sample_index`.

    Attributes:
        sample_index: (N,) position of the sample in its list.
        label: (N,) class.
        scores: (N, K) float32, fused over views; a softmax makes them probabilities. NaN for those
            that were skipped.
        status: (N,) place in `outcomes.STATUSES`.
        problem: N texts, what is wrong with each sample; "" where nothing is.
    """

    sample_index: Tensor
    label: Tensor
    scores: Tensor
    status: Tensor
    problem: tuple[str, ...]

    def evaluated(self) -> "ScoreTable":
        """The rows of the samples that were not skipped."""
        kept = self.status != SKIPPED
        return ScoreTable(
            self.sample_index[kept],
            self.label[kept],
            self.scores[kept],
            self.status[kept],
            tuple(itertools.compress(self.problem, kept.tolist())),
        )

    @property
    def num_evaluated(self) -> int:
        """How many of the N samples were not skipped."""
        return int((self.status != SKIPPED).sum())

    def summary(self) -> dict[str, Tensor]:
        """Mean loss (to 4 decimals), top-1 and top-5 accuracy (0 to 1) over the samples evaluated.

        Raises:
            ValueError: there are none; the message says what was wrong with the first.
        """
        _, label, scores, _, _ = self.evaluated()
        if not len(label):
            first = next(filter(None, self.problem), "no sample was met")
            raise ValueError(
                f"evaluated 0 of {len(self.label)} samples, expected at least one; the first: "
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


def first_of_each(sample_index: Tensor) -> tuple[Tensor, Tensor]:
    """The different ones of (N,) indices, sorted, and where each stands first."""
    unique, inverse = torch.unique(sample_index, return_inverse=True)  # sorted
    first = torch.full_like(unique, len(sample_index)).scatter_reduce(
        0, inverse, torch.arange(len(sample_index), device=unique.device), "amin"
    )
    return unique, first


class SampleScores(Metric):
    """Collect the scores of samples over batches and processes into a `ScoreTable`.

    A distributed sampler hands out some twice to give every process the same number; a sample
    counts once here, by its `sample_index`, so that the metrics do not depend on the batch size or
    on the number of processes.
    """

    full_state_update = False
    sample_index: list[Tensor]
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
        sample_index: Tensor,
        label: Tensor,
        scores: Tensor,
        status: Tensor | None = None,
        problem: Sequence[str] = (),
    ) -> None:
        """Add B samples: (B,), (B,) and (B, K); without `status` (B,) and B texts all are well."""
        status = torch.zeros_like(label) if status is None else status
        skipped = (status == SKIPPED).unsqueeze(1)
        self.sample_index.append(sample_index.detach())
        self.label.append(label.detach())
        self.scores.append(scores.detach().float().masked_fill(skipped, torch.nan))
        self.status.append(status.detach())
        if any(problem):
            self._problems.update(zip(sample_index.tolist(), problem, strict=True))

    def reset(self) -> None:
        """Forget all samples."""
        super().reset()
        self._problems = {}

    def table(self) -> ScoreTable:
        """The table of all samples, of all processes, seen since the last reset."""
        sample_index, label, scores, status = self.compute()
        # torchmetrics takes the axes off whatever has one element, as the table of one sample has.
        num_samples = sample_index.numel()
        sample_index, status = sample_index.reshape(num_samples), status.reshape(num_samples)
        # Of a sample that was dealt out twice, one process may know what the other does not.
        problems = {
            index: text for index, text in gather_items(list(self._problems.items())) if text
        }
        texts = [problems.get(index, "") for index in sample_index.tolist()]
        return ScoreTable(
            sample_index,
            label.reshape(num_samples),
            scores.reshape(num_samples, -1),
            status,
            tuple(text if bad else "" for text, bad in zip(texts, status.tolist(), strict=True)),
        )

    def compute(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The columns of `table` but the last, with a shape of () for one sample."""
        sample_index, *others = (dim_zero_cat(getattr(self, name)) for name in _COLUMNS)
        unique, first = first_of_each(sample_index)
        label, scores, status = (column[first] for column in others)
        return unique, label, scores, status
