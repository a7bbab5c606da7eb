"""Pictures with their label maps to the network's input: the training pipeline of token labels.

In the published order: horizontal flip and RandAugment of the whole picture with its map, random
resized crop that records its box; `batches` then normalises and erases. Source: official
`token_labeling/tlt/data`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import AugmentOp
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from video_uniformer.clip import INTERPOLATIONS, ImageSpec
from video_uniformer.data.image.batches import drawn_erasing
from video_uniformer.data.image.label_maps import LabelMaps
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.quick_policy import Augment, operations_of
from video_uniformer.data.image.train_transforms import (
    TrainTransform,
    augmentation,
    check_ranges,
    random_box,
    random_erasing,
)
from video_uniformer.data.image.transforms import planes

OUTSIDE = -1  # where a place of the augmented picture shows none of the map


class LabelledPicture(NamedTuple):
    """A picture, and which cell of its label map each place of it shows.

    Attributes:
        image: 8-bit RGB.
        cells: Numbers of the map's cells, row by row, or `OUTSIDE`; as large as the map.
    """

    image: Image.Image
    cells: Image.Image


LabelledAugment = Callable[[LabelledPicture], LabelledPicture]


def token_label_transform(
    spec: ImageSpec,
    labels: LabelMaps,
    *,
    augment: str | None = "rand-m9-mstd0.5-inc1",
    color_jitter: float = 0.4,
    flip_prob: float = 0.5,
    erase_prob: float = 0.25,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (0.75, 1.3333333333333333),
    scaled_decoding: bool = False,
) -> TrainTransform:
    """Augment a picture and its label map as published.

    What turns or shifts the picture does so with the map, whose nearest cells it takes; where
    nothing is left of the map, it holds zeros. Interpolation is drawn anew for every picture.

    Args:
        spec: Size, normalisation and channel order.
        labels: Finds the map of a picture.
        augment: As in `train_transform`, and so are those that follow.
        color_jitter: Takes part only without a policy.
        flip_prob: Of the horizontal flip.
        erase_prob: Of random erasing.
        scale: Of the crop.
        ratio: Of the crop.
        scaled_decoding: False: a policy augments the whole picture, which is decoded as it is.

    Returns:
        A picklable callable, picture -> `image`, uint8 (3, size, size), and `erased` (5,), as by
        `train_transform`; `label_map` (2, k, n, n) of the whole augmented picture, zeros where
        there is none, `label_box` (4,), top, left, height and width of the crop as shares of the
        picture, and `has_label_map` (); float32 and bool.

    Raises:
        ValueError: An argument is out of range, or there is no such policy.
    """
    if scaled_decoding:
        raise ValueError("scaled_decoding is True, expected False with token labels")
    check_ranges(flip_prob=flip_prob, erase_prob=erase_prob, scale=scale, ratio=ratio)
    plain = augmentation(augment, color_jitter, spec, draws_interpolation=True)
    return partial(
        _labelled_view,
        spec=spec,
        labels=labels,
        scale=list(scale),
        ratio=list(ratio),
        flip_prob=flip_prob,
        augment=None if plain is None else with_cells(plain),
        erase=random_erasing(erase_prob),
    )


def with_cells(augment: Augment) -> LabelledAugment:
    """Let what augments a picture move the cells of its map too, with the same draws.

    timm's operations draw their arguments themselves, and hand on what they are given: each gets
    here a function of a `LabelledPicture` in place of its own. Any other augmentation is taken for
    one of colours.
    """
    operations = operations_of(augment)
    if not operations:
        return partial(_on_colours, augment)
    for operation in operations:
        operation.aug_fn = partial(_apply, operation.aug_fn, _scaling(operation))
    return cast(LabelledAugment, augment)


def _on_colours(augment: Augment, picture: LabelledPicture) -> LabelledPicture:
    return picture._replace(image=augment(picture.image))


def _scaling(operation: AugmentOp) -> str:
    """How the argument of an operation of the picture becomes one of its cells."""
    name: str = operation.name
    if name in ("TranslateX", "TranslateY"):
        return "width" if name.endswith("X") else "height"  # pixels
    return "same" if name.startswith(("Shear", "Translate", "Rotate")) else "none"


def _apply(
    operation: Callable[..., Image.Image],
    scaling: str,
    picture: LabelledPicture,
    *level: float,
    fillcolor: tuple[int, int, int],
    resample: Any,
) -> LabelledPicture:
    """An operation of timm's on a picture and, if it is geometric, on its cells."""
    image, cells = picture
    done = operation(image, *level, fillcolor=fillcolor, resample=resample)
    if scaling == "none":
        return LabelledPicture(done, cells)
    if scaling != "same":
        level = (level[0] * getattr(cells, scaling) / getattr(image, scaling),)
    nearest = Image.Resampling.NEAREST
    return LabelledPicture(done, operation(cells, *level, fillcolor=OUTSIDE, resample=nearest))


def cell_numbers(size: int) -> Image.Image:
    """The cells of a map of `size` rows and columns before anything moves them."""
    return Image.fromarray(np.arange(size * size, dtype=np.int32).reshape(size, size))


def moved(label_map: Tensor, cells: Image.Image) -> Tensor:
    """A map (2, k, n, n) whose places show other cells of it, or zeros."""
    numbers = torch.from_numpy(np.array(cells)).long()
    padded = torch.nn.functional.pad(label_map.flatten(2), (0, 1))  # OUTSIDE is the last, a zero
    return padded[:, :, numbers]


def _labelled_view(
    picture: Picture,
    *,
    spec: ImageSpec,
    labels: LabelMaps,
    scale: list[float],
    ratio: list[float],
    flip_prob: float,
    augment: LabelledAugment | None,
    erase: RandomErasing,
) -> dict[str, Tensor]:
    label_map = None if picture.path is None else labels.read(picture.path)
    shown = LabelledPicture(picture.rgb(), cell_numbers(labels.shape[1]))
    if torch.rand(()) < flip_prob:
        mirror = Image.Transpose.FLIP_LEFT_RIGHT
        shown = LabelledPicture(shown.image.transpose(mirror), shown.cells.transpose(mirror))
    if augment is not None:
        shown = augment(shown)
    top, left, height, width = random_box(picture, scale, ratio)
    crop = shown.image.crop((left, top, left + width, top + height))
    interpolation = INTERPOLATIONS[int(torch.randint(len(INTERPOLATIONS), ()))]
    crop = crop.resize((spec.size, spec.size), Image.Resampling[interpolation.upper()])
    tall, wide = picture.height, picture.width
    return {
        "image": planes(crop, spec),
        "erased": drawn_erasing(erase, spec.size),
        "label_map": labels.empty() if label_map is None else moved(label_map, shown.cells),
        "label_box": torch.tensor([top / tall, left / wide, height / tall, width / wide]),
        "has_label_map": torch.tensor(label_map is not None),
    }
