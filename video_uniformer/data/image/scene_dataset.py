"""Pictures of a list and their masks as tensors, for segmentation."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from video_uniformer.clip import check_count
from video_uniformer.data.annotations import MaskAnnotations, MaskSample
from video_uniformer.data.image.item_reading import ItemReading, item_numbers
from video_uniformer.data.image.masks import IGNORED, read_mask
from video_uniformer.data.image.picture import BlackPicture, Picture
from video_uniformer.data.image.quick_crop import jpeg_header
from video_uniformer.data.image.scene_transforms import SceneTransform
from video_uniformer.data.policy import BadSamplePolicy

_MOST_CLASSES = IGNORED  # one less where classes are counted from 1


class SceneDataset(Dataset[dict[str, Any]]):
    """The pictures and masks of an annotation list.

    Every item is seeded by (seed, epoch, index, copy) alone: it does not depend on workers, batches
    or processes. So is what stands in for a bad one: a picture whose mask is missing, damaged, of
    another size, or has labels that are no classes, is as bad as one that is damaged itself.

    Args:
        annotations: (root=, class_names=) -> samples and class names.
        root: Folder that relative paths start from.
        transform: (picture, mask) -> `image`, float32 (3, h, w), and `mask`, int64 (H, W).
        class_names: Names in the order of the labels, or None to take the list's own.
        reduce_zero_label: The masks count classes from 1, and 0 is ignored, as in ADE20K.
        seed: Seed of the random draws.
        bad_samples: What to do with a picture that cannot be read, as `BadSamplePolicy.for_split`
            gives it for this list; None raises. What of a picture is salvaged has the whole mask.
        repeats: How often an epoch goes through the list, each time with other random numbers:
            large for short lists, as epochs begin slowly.

    Attributes:
        samples: The list, each picture once.
        class_names: In order of the labels.

    Shape:
        items hold `image` (3, h, w), `mask` (H, W) with `masks.IGNORED` where no class is meant,
        and `image_index` (), the place in `samples`; `status` () is a place in `outcomes.STATUSES`
        and `problem` says what is wrong, "" where nothing is. Of a skipped picture `image` is 0 and
        `mask` is ignored throughout, both of the size that the transform gives a square; a
        substituted one has the mask of the picture that stands in, and its own index and problem.

    Raises:
        ValueError: the list is unreadable, has more classes than masks can tell, or `repeats` is no
            count; at access, the picture or its mask is bad, where that is to raise.
    """

    def __init__(
        self,
        annotations: Callable[..., MaskAnnotations],
        *,
        root: str | Path,
        transform: SceneTransform,
        class_names: Sequence[str] | None = None,
        reduce_zero_label: bool = False,
        seed: int = 0,
        bad_samples: BadSamplePolicy | None = None,
        repeats: int = 1,
    ) -> None:
        check_count("repeats", repeats)
        self.samples, self.class_names = annotations(root=root, class_names=class_names)
        most = _MOST_CLASSES - reduce_zero_label
        if len(self.class_names) > most:
            raise ValueError(
                f"class_names has {len(self.class_names)} names, expected at most {most}: label "
                f"{IGNORED} means ignored"
            )
        self.transform = transform
        self._reduce_zero_label = reduce_zero_label
        self._items = ItemReading(
            self.samples,
            self._attempt,
            self._blank,
            seed=seed,
            bad_samples=bad_samples,
            repeats=repeats,
        )

    def __len__(self) -> int:
        """Number of items: of pictures, times the repeats."""
        return len(self._items)

    def __getitem__(self, item: int | tuple[int, ...]) -> dict[str, Any]:
        """The picture at an index, or (index, epoch[, copy]); what is not given is 0."""
        scene, index, _, status, problem = self._items(item_numbers(item))
        return {
            **scene,
            "image_index": torch.tensor(index),
            "status": torch.tensor(status),
            "problem": problem,
        }

    def _attempt(self, sample: MaskSample, salvage: bool) -> tuple[dict[str, Any], str]:
        picture = Picture(sample.path, salvage=salvage, jpeg_header=jpeg_header)
        mask = read_mask(
            sample.mask,
            height=picture.height,
            width=picture.width,
            num_classes=len(self.class_names),
            reduce_zero_label=self._reduce_zero_label,
        )
        return self.transform(picture, mask), picture.lost

    def _blank(self) -> dict[str, Any]:
        black = BlackPicture()
        ignored = torch.full((black.height, black.width), IGNORED, dtype=torch.uint8)
        shown = self.transform(black, ignored.numpy())["image"]
        image = shown[0] if isinstance(shown, list) else shown
        mask = torch.full(image.shape[1:], IGNORED)
        return {"image": torch.zeros_like(image), "mask": mask}


def collate_scenes(samples: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """A batch of items: `image` and `mask` stacked, or lists where sizes or scales differ."""
    batch: dict[str, object] = {}
    for key in samples[0]:
        values = [sample[key] for sample in samples]
        shapes = {value.shape if isinstance(value, Tensor) else None for value in values}
        alike = len(shapes) == 1 and None not in shapes
        batch[key] = default_collate(values) if alike else values
    return batch
