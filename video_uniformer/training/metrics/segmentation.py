"""Scores of segmented pictures: pixels counted over the whole set, each picture counted once."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from video_uniformer.outcomes import OK, SKIPPED
from video_uniformer.training.callbacks.bad_samples import gather_items

IGNORED = 255
_COLUMNS = ("sample_index", "status", "num_cells", "cells", "counts")


class SegmentationTable(NamedTuple):
    """One row per picture that was met, ordered by `sample_index`, and the pixels of all.

    Attributes:
        sample_index: (N,) position of the picture in its list.
        status: (N,) place in `outcomes.STATUSES`.
        problem: N texts, what is wrong with each picture; "" where nothing is.
        confusion: (K, K) int64 pixels of the pictures that were not skipped: row label, column
            prediction. Pixels whose label is 255 are in none.
    """

    sample_index: Tensor
    status: Tensor
    problem: tuple[str, ...]
    confusion: Tensor

    @property
    def num_evaluated(self) -> int:
        """How many of the N pictures were not skipped."""
        return int((self.status != SKIPPED).sum())

    def class_iou(self) -> Tensor:
        """Intersection over union (K,) float64; NaN for classes in neither labels nor predictions.

        Official: mmsegmentation's `mean_iou`, over the pixels of the whole set.
        """
        hits, union = self.confusion.diag(), self.confusion.sum(0) + self.confusion.sum(1)
        return hits.double() / (union - hits)

    def class_accuracy(self) -> Tensor:
        """Share of a class's pixels that are found (K,) float64; NaN for classes in no label."""
        return self.confusion.diag().double() / self.confusion.sum(1)

    def summary(self) -> dict[str, Tensor]:
        """Float32, 0 to 1: `miou`, `mean_accuracy` over classes, `accuracy` over pixels.

        A mean leaves out the classes that `class_iou` and `class_accuracy` give as NaN.

        Raises:
            ValueError: no picture was evaluated, the message says what was wrong with the first;
                or all pixels of all are ignored.
        """
        num_listed, num_evaluated = len(self.status), self.num_evaluated
        if not num_evaluated:
            first = next(filter(None, self.problem), "no sample was met")
            raise ValueError(
                f"evaluated 0 of {num_listed} samples, expected at least one; the first: {first}"
            )
        num_pixels = self.confusion.sum()
        if not num_pixels:
            raise ValueError(
                f"the labels of the {num_evaluated} samples evaluated are {IGNORED} (ignored) "
                "throughout, expected classes"
            )
        means = {
            "miou": self.class_iou().nanmean(),
            "mean_accuracy": self.class_accuracy().nanmean(),
            "accuracy": self.confusion.diag().sum().double() / num_pixels,
        }
        return {name: value.float() for name, value in means.items()}


class SegmentationScores(Metric):
    """Count the pixels of pictures over batches and processes into a `SegmentationTable`.

    A distributed sampler hands out some pictures twice to give every process the same number; a
    picture counts once here, by its `sample_index`, however the sampler pads. To that end the
    counts of each picture are kept apart until all are together: of its confusion matrix only the
    cells that are not zero, a few dozen for a picture of 150 classes where the matrix has 22,500.
    Whole numbers add up to the same in any order, so the scores depend on neither batches nor
    processes.

    Args:
        num_classes: K; labels and predictions are 0 to K - 1, or 255 for pixels to ignore.

    Raises:
        ValueError: `num_classes` is not 1 to 255.
    """

    full_state_update = False
    sample_index: list[Tensor]
    status: list[Tensor]
    num_cells: list[Tensor]  # of each picture
    cells: list[Tensor]  # label * K + prediction, picture after picture
    counts: list[Tensor]  # pixels of each cell

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if not 1 <= num_classes <= IGNORED:
            raise ValueError(f"num_classes is {num_classes}, expected 1 to {IGNORED}")
        self.num_classes = num_classes
        for name in _COLUMNS:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self._problems: dict[int, str] = {}

    def update(
        self,
        sample_index: Tensor,
        label: Tensor | Sequence[Tensor],
        prediction: Tensor | Sequence[Tensor],
        status: Tensor | None = None,
        problem: Sequence[str] = (),
    ) -> None:
        """Add B pictures.

        Args:
            sample_index: (B,).
            label: B maps (H, W) of classes, of any sizes; 255 is ignored.
            prediction: B maps (H, W) of classes, as large as the labels.
            status: (B,); without, all are well. Maps of skipped pictures are not looked at.
            problem: B texts, or none.

        Raises:
            ValueError: a label or a prediction is no class, or the two differ in size.
        """
        status = torch.full_like(sample_index, OK) if status is None else status
        rows = zip(sample_index.tolist(), status.tolist(), label, prediction, strict=True)
        for index, state, label_map, prediction_map in rows:
            cells = counts = torch.empty(0, dtype=torch.int32, device=self.device)
            if state != SKIPPED:
                cells, counts = self._count(index, label_map, prediction_map)
            self.cells.append(cells.to(self.device))
            self.counts.append(counts.to(self.device))
            self.num_cells.append(torch.tensor([len(cells)], device=self.device))
        self.sample_index.append(sample_index.detach().to(self.device))
        self.status.append(status.detach().to(self.device))
        if any(problem):
            self._problems.update(zip(sample_index.tolist(), problem, strict=True))

    def _count(self, index: int, label: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """The cells of a picture's confusion matrix that are not zero, and their counts."""
        if label.shape != prediction.shape:
            raise ValueError(
                f"prediction of sample {index} has shape {tuple(prediction.shape)}, expected "
                f"{tuple(label.shape)} as its label"
            )
        is_counted = label != IGNORED
        found = {"label": label[is_counted].long(), "prediction": prediction[is_counted].long()}
        for name, classes in found.items():
            wrong = classes[(classes < 0) | (classes >= self.num_classes)]
            if len(wrong):
                raise ValueError(
                    f"{name} of sample {index} is {int(wrong[0])} in places, expected 0 to "
                    f"{self.num_classes - 1}" + (f" or {IGNORED}" if name == "label" else "")
                )
        matrix = torch.bincount(
            found["label"] * self.num_classes + found["prediction"],
            minlength=self.num_classes**2,
        )
        cells = matrix.nonzero().flatten()
        return cells.int(), matrix[cells].int()

    def reset(self) -> None:
        """Forget all pictures."""
        super().reset()
        self._problems = {}

    def table(self) -> SegmentationTable:
        """The table of all pictures, of all processes, met since the last reset."""
        # torchmetrics takes the axes off whatever has one element.
        sample_index, status, confusion = self.compute()
        # Of a picture that was dealt out twice, one process may know what the other does not.
        problems = dict(item for item in gather_items(list(self._problems.items())) if item[1])
        rows = zip(sample_index.reshape(-1).tolist(), status.reshape(-1).tolist(), strict=True)
        return SegmentationTable(
            sample_index.reshape(-1),
            status.reshape(-1),
            tuple(problems.get(index, "") if state != OK else "" for index, state in rows),
            confusion.reshape(self.num_classes, self.num_classes),
        )

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """`sample_index`, `status` and `confusion` of `table`; one number has a shape of ()."""
        sample_index, status, num_cells, cells, counts = (
            dim_zero_cat(getattr(self, name)) for name in _COLUMNS
        )
        unique, inverse = torch.unique(sample_index, return_inverse=True)  # sorted
        places = torch.arange(len(sample_index), device=unique.device)
        first = torch.full_like(unique, len(places)).scatter_reduce(0, inverse, places, "amin")
        is_first = torch.zeros_like(places, dtype=torch.bool).index_fill(0, first, True)
        is_kept = is_first.repeat_interleave(num_cells)
        confusion = torch.zeros(self.num_classes**2, dtype=torch.long, device=cells.device)
        confusion.index_add_(0, cells[is_kept].long(), counts[is_kept].long())
        return unique, status[first], confusion.view(self.num_classes, self.num_classes)
