"""Pictures and masks to what a segmentation network sees: the training pipeline.

In the published order: resize, random crop, flip, photometric distortion, normalise, pad. Source:
official `semantic_segmentation`, train pipelines of ADE20K, and mmsegmentation 0.13.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.masks import IGNORED, Labels
from video_uniformer.data.image.picture import Box, Picture
from video_uniformer.data.image.quick_crop import decode_jpeg
from video_uniformer.data.image.scene_colours import distorted
from video_uniformer.data.image.scene_scaling import rescaled_size, resized
from video_uniformer.data.image.scene_transforms import SceneTransform, normalised_scene

_NUM_REDRAWS = 10


def segmentation_train_transform(
    spec: SceneSpec,
    *,
    ratio: Sequence[float] = (0.5, 2.0),
    max_class_share: float = 0.75,
    flip_prob: float = 0.5,
    photometric: bool = True,
) -> SceneTransform:
    """Augment a picture and its mask as published.

    Args:
        spec: Sizes, normalisation and channel order.
        ratio: Smallest and largest factor of `spec.long_side` and `spec.short_side`, into which the
            picture is scaled.
        max_class_share: A crop is drawn anew, up to ten times, until it shows two classes or more,
            of which none has this share of the labelled pixels; 1 takes any crop.
        flip_prob: Probability of the horizontal flip; 0 where classes differ in left and right.
        photometric: Change colours; see `scene_colours.distorted`.

    Returns:
        A picklable callable, (picture, mask) -> `image`, float32 (3, S, S), and `mask`, int64
        (S, S), with S = `spec.crop_size`. Below and to the right of smaller pictures `image` is 0
        and `mask` `IGNORED`. It raises `PictureError`.

    Raises:
        ValueError: An argument is out of range.
    """
    if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio is {ratio!r}, expected two numbers, 0 < smallest <= largest")
    if not 0 < max_class_share <= 1:
        raise ValueError(f"max_class_share is {max_class_share!r}, expected above 0 and up to 1")
    if not 0 <= flip_prob <= 1:
        raise ValueError(f"flip_prob is {flip_prob!r}, expected 0 to 1")
    return partial(
        _train_scene,
        spec=spec,
        ratio=(ratio[0], ratio[1]),
        max_class_share=max_class_share,
        flip_prob=flip_prob,
        photometric=photometric,
    )


def resized_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """A mask, uint8 (H, W), at another size: the nearest label, as OpenCV chooses it."""
    return F.interpolate(mask[None, None], (height, width), mode="nearest")[0, 0]


def draw_crop(mask: Tensor, size: int, max_class_share: float) -> Box:
    """The box of a random crop that no class fills.

    Args:
        mask: uint8 (H, W), already scaled.
        size: Height and width of the crop, pixels; where the mask is smaller, its own.
        max_class_share: As of `segmentation_train_transform`.
    """
    box = _draw_box(mask, size)
    if max_class_share < 1:
        # Official: mmseg's RandomCrop takes the eleventh crop unseen; the most varied of all
        # would be natural.
        for _ in range(_NUM_REDRAWS):
            if is_varied(crop(mask, box), max_class_share):
                break
            box = _draw_box(mask, size)
    return box


def is_varied(mask: Tensor, max_class_share: float) -> bool:
    """Whether a mask, uint8 (h, w), shows two classes or more, and none has this share of it."""
    counts = torch.bincount(mask.flatten(), minlength=IGNORED)[:IGNORED]
    return bool((counts > 0).sum() > 1 and counts.max() < max_class_share * counts.sum())


def crop(planes: Tensor, box: Box) -> Tensor:
    """A box of (..., H, W)."""
    return planes[..., box.top : box.top + box.height, box.left : box.left + box.width]


def padded(planes: Tensor, size: int, value: float) -> Tensor:
    """(..., h, w) made up to (..., size, size) below and to the right."""
    height, width = planes.shape[-2:]
    return F.pad(planes, (0, size - width, 0, size - height), value=value)


def _draw_box(mask: Tensor, size: int) -> Box:
    height, width = mask.shape
    top = int(torch.randint(max(height - size, 0) + 1, ()))
    left = int(torch.randint(max(width - size, 0) + 1, ()))
    return Box(top, left, min(size, height), min(size, width))


def _train_scene(
    picture: Picture,
    mask: Labels,
    *,
    spec: SceneSpec,
    ratio: tuple[float, float],
    max_class_share: float,
    flip_prob: float,
    photometric: bool,
) -> dict[str, Tensor]:
    factor = ratio[0] + float(torch.rand(())) * (ratio[1] - ratio[0])
    sides = int(spec.long_side * factor), int(spec.short_side * factor)
    size = rescaled_size(picture.height, picture.width, *sides)
    pixels = picture.pixels(decode_jpeg, least_height=picture.height, least_width=picture.width)
    image = resized(torch.from_numpy(pixels).permute(2, 0, 1), *size)
    labels = resized_mask(torch.from_numpy(mask), *size)
    box = draw_crop(labels, spec.crop_size, max_class_share)
    image, labels = crop(image, box), crop(labels, box)
    if torch.rand(()) < flip_prob:
        image, labels = image.flip(-1), labels.flip(-1)
    if photometric:
        image = distorted(image)
    return {
        "image": padded(normalised_scene(image, spec), spec.crop_size, 0.0),
        "mask": padded(labels, spec.crop_size, IGNORED).long(),
    }
