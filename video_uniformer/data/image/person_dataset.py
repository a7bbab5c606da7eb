"""Persons of a list as tensors."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from video_uniformer.data.annotations.coco_keypoints import PersonAnnotations
from video_uniformer.data.image.person_transforms import PersonTransform
from video_uniformer.data.image.picture import BlackPicture, Picture
from video_uniformer.data.image.quick_crop import jpeg_header
from video_uniformer.data.image.seeding import generators_kept, reseed
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.policy_reading import Outcome, PolicyReading, read_or_substitute


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
        self.seed = seed
        policy = BadSamplePolicy() if bad_samples is None else bad_samples
        self._reading = PolicyReading(policy)
        self._substitutes = policy.on_bad_sample == "substitute"

    def __len__(self) -> int:
        """Number of persons."""
        return len(self.samples)

    def __getitem__(self, item: int | tuple[int, ...]) -> dict[str, Any]:
        """The person at an index, or (index, epoch[, copy]); what is not given is 0."""
        index, epoch, copy = (*((item,) if isinstance(item, int) else item), 0, 0)[:3]
        place = (self.seed, epoch, index, copy)
        with generators_kept():
            if self._substitutes:
                (entries, status, problem), shown = read_or_substitute(
                    self._read, index, place=place, num_samples=len(self)
                )
            else:
                (entries, status, problem), shown = self._read(index, place), index
            if entries is None:
                reseed(*place)
                unlabelled = self.samples[index]._replace(keypoints=None)
                entries = self.transform(BlackPicture(), unlabelled)
        person = self.samples[shown]
        return {
            **entries,
            "score": torch.tensor(person.score, dtype=torch.float32),
            "image_id": torch.tensor(person.image_id),
            "image_index": torch.tensor(index),
            "status": torch.tensor(status),
            "problem": problem,
        }

    def _read(self, index: int, place: tuple[int, ...]) -> Outcome[Mapping[str, Tensor]]:
        person = self.samples[index]

        def attempt(*, salvage: bool) -> tuple[Mapping[str, Tensor], str]:
            reseed(*place)  # so that every try at a picture draws the same
            picture = Picture(person.path, salvage=salvage, jpeg_header=jpeg_header)
            return self.transform(picture, person), picture.lost

        return self._reading(person.path, attempt)
