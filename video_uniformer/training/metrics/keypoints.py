"""Found joints against annotated ones: COCO's evaluation of key points.

Persons are scored and thinned out as in mmpose 0.16, `topdown_coco_dataset.py` and
`core/post_processing/nms.py`; pycocotools then compares them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from video_uniformer.data.annotations.coco_persons import CocoPersons, read_coco_persons
from video_uniformer.outcomes import SKIPPED
from video_uniformer.skeleton import Skeleton
from video_uniformer.system.atomic import replacing
from video_uniformer.training.callbacks.bad_samples import gather_items
from video_uniformer.training.metrics.coco_comparison import check_installed, compare
from video_uniformer.training.metrics.scores import first_of_each

_COLUMNS = ("sample_index", "image_id", "keypoints", "score", "area", "status")
_SHOWN_SCORE = 0.2  # of joints that count for a person's score


def person_scores(box_scores: Tensor, joint_scores: Tensor) -> Tensor:
    """Scores of persons: of the box, times the mean over the joints that score above 0.2.

    Shape:
        (N,) and (N, J) -> (N,); 0 where there is no such joint.
    """
    counts = joint_scores > _SHOWN_SCORE
    total = joint_scores.masked_fill(~counts, 0).sum(1)
    return box_scores * total / counts.sum(1).clamp(min=1)


def keypoint_similarities(points: Tensor, areas: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Object keypoint similarity (OKS) of every two of several found persons, 0 to 1.

    Args:
        points: x and y of the joints, pixels.
        areas: Of the persons, square pixels; of two, the mean counts.
        sigmas: As `Skeleton.sigmas`.

    Shape:
        (N, J, 2) and (N,) -> float64 (N, N).
    """
    points, areas = points.double(), areas.double()
    variances = (2 * torch.tensor(sigmas, dtype=torch.float64, device=points.device)).square()
    squared = (points[:, None] - points[None]).square().sum(-1)  # (N, N, J)
    mean_areas = (areas[:, None] + areas[None]) / 2 + torch.finfo(torch.float64).eps
    return torch.exp(-squared / variances / mean_areas[..., None] / 2).mean(-1)


def oks_nms(
    points: Tensor,
    areas: Tensor,
    scores: Tensor,
    *,
    sigmas: Sequence[float],
    threshold: float = 0.9,
) -> Tensor:
    """Leave out persons of a picture that are too like one of a higher score.

    Args:
        points: As in `keypoint_similarities`.
        areas: As there.
        scores: Of the persons.
        sigmas: As there.
        threshold: The largest similarity of two that are kept.

    Shape:
        (N, J, 2), (N,) and (N,) -> int64 (M,), the places of those kept, of falling scores.
    """
    is_alike = keypoint_similarities(points, areas, sigmas) > threshold
    is_left = torch.ones(len(scores), dtype=torch.bool, device=scores.device)
    kept = []
    for place in scores.argsort(descending=True, stable=True).tolist():
        if is_left[place]:
            kept.append(place)
            is_left &= ~is_alike[place]
    return torch.tensor(kept, dtype=torch.int64, device=scores.device)


class FoundPersons(NamedTuple):
    """One row per sample that was met, ordered by `sample_index`.

    Attributes:
        sample_index: (N,) position of the person in its list.
        image_id: (N,) number of the picture in the annotation file.
        keypoints: (N, J, 3) x and y in pixels, and score.
        score: (N,) see `person_scores`.
        area: (N,) of the crop, square pixels.
        status: (N,) place in `outcomes.STATUSES`.
        problem: N texts, what is wrong with each sample; "" where nothing is.
    """

    sample_index: Tensor
    image_id: Tensor
    keypoints: Tensor
    score: Tensor
    area: Tensor
    status: Tensor
    problem: tuple[str, ...]


class KeypointTable(NamedTuple):
    """What an evaluation found.

    Attributes:
        persons: One row per sample that was met.
        entries: Who is left of them, in COCO's results format.
        statistics: COCO's numbers by name, `STATISTICS`.
    """

    persons: FoundPersons
    entries: list[dict[str, object]]
    statistics: dict[str, float]

    @property
    def num_evaluated(self) -> int:
        """How many persons were not skipped."""
        return int((self.persons.status != SKIPPED).sum())

    def summary(self) -> dict[str, Tensor]:
        """COCO's numbers, 0 to 1, in small letters, but those of sizes that nobody has."""
        known = {name: value for name, value in self.statistics.items() if value == value}
        return {name.lower(): torch.tensor(value) for name, value in known.items()}


class KeypointEvaluation(Metric):
    """Collect found persons over batches and processes, and compare them with an annotation file.

    A distributed sampler hands out some twice to give every process the same number; a person
    counts once here, by its `sample_index`. Persons that were skipped are left out, and so are
    their pictures with all who are annotated there. Pictures of which there was no sample count:
    who is annotated there was not found.

    Args:
        annotations: COCO's file, read when the first summary is asked for; a relative one is looked
            for below `root`, and if it is not there, as given.
        skeleton: Tells the joints, and their sigmas.
        root: Folder of the data.
        nms_threshold: As in `oks_nms`.

    Raises:
        ModuleNotFoundError: pycocotools is not installed.
    """

    full_state_update = False
    sample_index: list[Tensor]
    image_id: list[Tensor]
    keypoints: list[Tensor]
    score: list[Tensor]
    area: list[Tensor]
    status: list[Tensor]

    def __init__(
        self,
        annotations: str | Path,
        skeleton: Skeleton,
        *,
        root: str | Path = ".",
        nms_threshold: float = 0.9,
    ) -> None:
        super().__init__()
        check_installed()
        for name in _COLUMNS:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        below = Path(root) / annotations
        self._annotations = below if below.exists() else Path(annotations)
        self._skeleton = skeleton
        self._nms_threshold = nms_threshold
        self._problems: dict[int, str] = {}
        self._content: CocoPersons | None = None

    def update(
        self,
        sample_index: Tensor,
        *,
        image_id: Tensor,
        keypoints: Tensor,
        scores: Tensor,
        box_score: Tensor,
        scale: Tensor,
        status: Tensor | None = None,
        problem: Sequence[str] = (),
    ) -> None:
        """Add B persons.

        Args:
            sample_index: (B,) position of each in the list.
            image_id: (B,) number of its picture.
            keypoints: (B, J, 2) x and y in the picture, pixels.
            scores: (B, J) of the joints.
            box_score: (B,) of the person's box.
            scale: (B, 2) width and height of the crop, pixels of the picture.
            status: (B,) place in `outcomes.STATUSES`; None: all are well.
            problem: B texts, or none.
        """
        status = torch.zeros_like(sample_index) if status is None else status
        # A network that fails gives scores that are no numbers: JSON knows none.
        scores = scores.detach().float().nan_to_num(nan=0.0)
        points = keypoints.detach().float()
        self.sample_index.append(sample_index.detach())
        self.image_id.append(image_id.detach())
        self.keypoints.append(torch.cat([points, scores.unsqueeze(2)], 2))
        self.score.append(person_scores(box_score.detach().float(), scores))
        self.area.append(scale.detach().float().prod(1))
        self.status.append(status.detach())
        if any(problem):
            self._problems.update(zip(sample_index.tolist(), problem, strict=True))

    def reset(self) -> None:
        """Forget all persons."""
        super().reset()
        self._problems = {}

    def compute(self) -> tuple[Tensor, ...]:
        """The columns of `persons` but the last, with a shape of () for one sample."""
        sample_index, *others = (dim_zero_cat(getattr(self, name)) for name in _COLUMNS)
        unique, first = first_of_each(sample_index)
        return unique, *(column[first] for column in others)

    def persons(self) -> FoundPersons:
        """All persons, of all processes, seen since the last reset; all processes have to ask."""
        columns = [column.cpu() for column in self.compute()]
        # torchmetrics takes the axes off whatever has one element.
        sample_index, image_id, keypoints, score, area, status = (
            column if column.ndim == 3 else column.reshape(-1) for column in columns
        )
        problems = {
            index: text for index, text in gather_items(list(self._problems.items())) if text
        }
        texts = tuple(problems.get(index, "") for index in sample_index.tolist())
        return FoundPersons(sample_index, image_id, keypoints, score, area, status, texts)

    def table(self) -> KeypointTable:
        """Who was found, and what COCO says of it; all processes have to ask, and get the same.

        Raises:
            OSError: A file cannot be read.
            ValueError: No person was evaluated, the annotation file is of another format, or a
                person's picture is not in it.
            ModuleNotFoundError: pycocotools is not installed.
        """
        persons = self.persons()
        is_skipped = persons.status == SKIPPED
        if is_skipped.all():
            first = next(filter(None, persons.problem), "no sample was met")
            raise ValueError(
                f"evaluated 0 of {len(is_skipped)} persons, expected at least one; the first: "
                f"{first}"
            )
        content = self._annotated(persons)
        entries = self._kept(persons, content.category_id)
        left_out = set(persons.image_id[is_skipped].tolist())
        image_ids = [number for number in content.pictures if number not in left_out]
        statistics = compare(content, entries, image_ids, self._skeleton.sigmas)
        return KeypointTable(persons, entries, statistics)

    def summary(self, results: str | Path | None = None) -> dict[str, float]:
        """COCO's ten numbers, `STATISTICS`, 0 to 1; NaN where nobody of a size is annotated.

        Args:
            results: File to write the persons to, in COCO's results format; None writes none.

        Raises:
            OSError: As of `table`, or the file cannot be written.
            ValueError: As of `table`.
            ModuleNotFoundError: As of `table`.
        """
        table = self.table()
        if results is not None:
            with replacing(results) as temporary:
                temporary.write_text(json.dumps(table.entries))
        return table.statistics

    def _annotated(self, persons: FoundPersons) -> CocoPersons:
        """The annotations, which have to have every person's picture."""
        if self._content is None:
            self._content = read_coco_persons(self._annotations, self._skeleton)
        for image_id in set(persons.image_id.tolist()).difference(self._content.pictures):
            raise ValueError(
                f"{self._annotations}: no picture with id {image_id}, expected one of each person"
            )
        return self._content

    def _kept(self, persons: FoundPersons, category_id: int) -> list[dict[str, object]]:
        """Whom OKS-NMS leaves of each picture, as COCO's results have them."""
        entries: list[dict[str, object]] = []
        is_evaluated = persons.status != SKIPPED
        for image_id in persons.image_id[is_evaluated].unique().tolist():
            rows = (is_evaluated & (persons.image_id == image_id)).nonzero()[:, 0]
            kept = oks_nms(
                persons.keypoints[rows, :, :2],
                persons.area[rows],
                persons.score[rows],
                sigmas=self._skeleton.sigmas,
                threshold=self._nms_threshold,
            )
            for row in rows[kept].tolist():
                entries.append(
                    {
                        "image_id": image_id,
                        "category_id": category_id,
                        "keypoints": persons.keypoints[row].flatten().tolist(),
                        "score": float(persons.score[row]),
                    }
                )
        return entries
