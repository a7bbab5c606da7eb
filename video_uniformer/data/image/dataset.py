"""Pictures of a list as tensors."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from video_uniformer.data.annotations import Annotations
from video_uniformer.data.image.picture import BlackPicture, Picture
from video_uniformer.data.image.quick_crop import jpeg_header
from video_uniformer.data.image.seeding import generators_kept, reseed
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.policy_reading import Outcome, PolicyReading, read_or_substitute

SampleTransform = Callable[[Picture], Tensor | Mapping[str, Tensor]]
"""From a picture to `image` (C, H, W), alone or with other entries of its sample."""


class ImageDataset(Dataset[dict[str, Any]]):
    """The pictures of an annotation list.

    Every item is seeded by (seed, epoch, index, copy) alone: it does not depend on workers, batches
    or processes. So is the picture that stands in for a bad one.

    Args:
        annotations: (root=, class_names=) -> samples and class names.
        root: Folder that relative paths start from.
        transform: picture -> (C, H, W), or a mapping that holds this as `image`, with entries of
            the same shapes for every picture: float32, or bytes for `batches.network_input`.
        class_names: Names in the order of the labels, or None to take the list's own.
        seed: Seed of the random draws.
        bad_samples: What to do with a picture that cannot be read, as `BadSamplePolicy.for_split`
            gives it for this list; None raises.

    Shape:
        items hold `image` (C, H, W), `label` () and `image_index` (), the place in the list;
        `status` () is a place in `outcomes.STATUSES` and `problem` says what is wrong, "" where
        nothing is. A skipped picture is black; a substituted one has the label of the picture that
        stands in, and its own index and problem.

    Raises:
        ValueError: the list is unreadable; at access, the picture is, where that is to raise.
    """

    def __init__(
        self,
        annotations: Callable[..., Annotations],
        *,
        root: str | Path,
        transform: SampleTransform,
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
        """Number of pictures."""
        return len(self.samples)

    def __getitem__(self, item: int | tuple[int, ...]) -> dict[str, Any]:
        """The picture at an index, or (index, epoch[, copy]); what is not given is 0."""
        index, epoch, copy = (*((item,) if isinstance(item, int) else item), 0, 0)[:3]
        place = (self.seed, epoch, index, copy)
        with generators_kept():
            if self._substitutes:
                (image, status, problem), shown = read_or_substitute(
                    self._read, index, place=place, num_samples=len(self)
                )
            else:
                (image, status, problem), shown = self._read(index, place), index
            if image is None:
                reseed(*place)
                image = self.transform(BlackPicture())
        return {
            **(image if isinstance(image, Mapping) else {"image": image}),
            "label": torch.tensor(self.samples[shown].label),
            "image_index": torch.tensor(index),
            "status": torch.tensor(status),
            "problem": problem,
        }

    def _read(self, index: int, place: tuple[int, ...]) -> Outcome[Tensor | Mapping[str, Tensor]]:
        path, _, part = self.samples[index]

        def attempt(*, salvage: bool) -> tuple[Tensor | Mapping[str, Tensor], str]:
            reseed(*place)  # so that every try at a picture draws the same
            content = None if part is None else part.read()
            picture = Picture(path, salvage=salvage, content=content, jpeg_header=jpeg_header)
            return self.transform(picture), picture.lost

        return self._reading(path, attempt, file=part and part.file)
