"""Pictures and masks to what a segmentation network sees: the test pipeline, and its arithmetic.

Torch resizes, as OpenCV does in the original up to one grey level: bilinear, without antialiasing.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.masks import Labels
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.transforms import factors_and_offsets

SceneTransform = Callable[[Picture, Labels], dict[str, Tensor]]
"""From a picture and its mask to `image`, float32 (3, h, w), and `mask`, int64 (H, W)."""


def rescaled_size(height: int, width: int, long_side: int, short_side: int) -> tuple[int, int]:
    """The size of a picture, aspect kept, that just fits into two sides.

    Source: mmcv's `rescale_size`; a side that would vanish is 1 here.

    Args:
        height: Of the picture, pixels.
        width: Likewise.
        long_side: The most of its longer side.
        short_side: The most of its shorter side.

    Returns:
        Height and width, each to the nearest pixel.
    """
    scale = min(long_side / max(height, width), short_side / min(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def aligned_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """A height and a width, each made up to a multiple.

    Source: official `semantic_segmentation/fpn_seg`, `AlignResize`.
    """
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def resized_image(image: Tensor, height: int, width: int) -> Tensor:
    """A picture, uint8 (3, H, W), at another size: bilinear, without antialiasing."""
    if image.shape[1:] == (height, width):
        return image
    return F.interpolate(image[None], (height, width), mode="bilinear")[0]


def normalised_scene(image: Tensor, spec: SceneSpec) -> Tensor:
    """(pixels / 255 - mean) / std as float32, in the network's channel order.

    Args:
        image: RGB, uint8 (3, H, W).
        spec: Normalisation and channel order.
    """
    ordered = image.flip(0) if spec.channel_order == "bgr" else image
    factors, offsets = factors_and_offsets(spec)
    return ordered.contiguous().float().mul_(factors).add_(offsets)


def scene_input(picture: Picture, spec: SceneSpec) -> Tensor:
    """A whole picture as a test shows it to the network, float32 (3, h, w).

    The picture is scaled to fit `long_side` and `short_side`, and what comes out is stretched until
    both sides are multiples of `multiple`.

    Args:
        picture: Of any size.
        spec: Sizes, normalisation and channel order.

    Raises:
        PictureError: It is damaged.
    """
    size = rescaled_size(picture.height, picture.width, spec.long_side, spec.short_side)
    image = resized_image(torch.from_numpy(np.array(picture.rgb())).permute(2, 0, 1), *size)
    image = resized_image(image, *aligned_size(*size, spec.multiple))
    return normalised_scene(image, spec)


def segmentation_eval_transform(spec: SceneSpec) -> SceneTransform:
    """Show the whole picture as published, and keep the mask at the picture's own size.

    Source: official `semantic_segmentation`, test pipelines; `AlignResize` of `fpn_seg` where
    `spec.multiple` is above 1.

    Args:
        spec: Sizes, normalisation and channel order.

    Returns:
        A picklable callable, (picture, mask) -> `image`, float32 (3, h, w), and `mask`, int64
        (H, W); it raises `PictureError`.
    """
    return partial(_eval_scene, spec=spec)


def _eval_scene(picture: Picture, mask: Labels, *, spec: SceneSpec) -> dict[str, Tensor]:
    return {"image": scene_input(picture, spec), "mask": torch.from_numpy(mask).long()}
