"""Persons of a list as tensors."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from video_uniformer.data.annotations.coco_keypoints import PersonAnnotations, PersonSample
from video_uniformer.data.image.item_reading import ItemReading, item_numbers
from video_uniformer.data.image.person_transforms import PersonTransform
from video_uniformer.data.image.picture import BlackPicture, Picture
from video_uniformer.data.image.quick_crop import jpeg_header
from video_uniformer.data.policy import BadSamplePolicy


class PersonDataset(Dataset[dict[str, Any]]):
    """The persons of an annotation list, each cut out of its picture.

    Every item is seeded by (seed, epoch, index, copy) alone: it does not depend on workers, batches
    or processes. So is the person that stands in for one whose picture is bad.

    Args:
        annotations: (root=, class_names=) -> samples and the joints' names.
        root: Folder that relative paths start from.
        transform: (picture, person) -> entries of the same shapes for every person, `image` among
            them.
        class_names: The joints' names, or None to take the list's own.
        seed: Seed of the random draws.
        bad_samples: What to do with a picture that cannot be read, as `BadSamplePolicy.for_split`
            gives it for this list; None raises.

    Shape:
        items hold the transform's entries, `image` (3, H, W), `heatmaps` (J, H / 4, W / 4),
        `weights` (J,), `center` (2,) and `scale` (2,); `score` () of the box and `image_id` () of
        the annotation file; `image_index` (), the person's place in the list; `status` () is a
        place in `outcomes.STATUSES` and `problem` says what is wrong, "" where nothing is. A
        skipped person is black, with weights of 0; a substituted one has all but its index and its
        problem from the person that stands in.

    Raises:
        ValueError: the list is unreadable; at access, the picture is, where that is to raise.
    """

    def __init__(
        self,
        annotations: Callable[..., PersonAnnotations],
        *,
        root: str | Path,
        transform: PersonTransform,
        class_names: Sequence[str] | None = None,
        seed: int = 0,
        bad_samples: BadSamplePolicy | None = None,
    ) -> None:
        self.samples, self.class_names = annotations(root=root, class_names=class_names)
        self.transform = transform
        self._items = ItemReading(
            self.samples, self._attempt, self._blank, seed=seed, bad_samples=bad_samples
        )

    def __len__(self) -> int:
        """Number of persons."""
        return len(self._items)

    def __getitem__(self, item: int | tuple[int, ...]) -> dict[str, Any]:
        """The person at an index, or (index, epoch[, copy]); what is not given is 0."""
        entries, index, shown, status, problem = self._items(item_numbers(item))
        person = self.samples[shown]
        return {
            **entries,
            "score": torch.tensor(person.score, dtype=torch.float32),
            "image_id": torch.tensor(person.image_id),
            "image_index": torch.tensor(index),
            "status": torch.tensor(status),
            "problem": problem,
        }

    def _attempt(self, person: PersonSample, salvage: bool) -> tuple[Mapping[str, Tensor], str]:
        picture = Picture(person.path, salvage=salvage, jpeg_header=jpeg_header)
        return self.transform(picture, person), picture.lost

    def _blank(self) -> Mapping[str, Tensor]:
        black = BlackPicture()
        box = (0.0, 0.0, float(black.width), float(black.height))
        return self.transform(black, self.samples[0]._replace(box=box, keypoints=None))
