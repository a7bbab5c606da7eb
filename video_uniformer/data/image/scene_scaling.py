"""The size at which a segmentation network sees a picture, and the picture at that size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from video_uniformer.clip import SceneSpec


def rescaled_size(height: int, width: int, long_side: int, short_side: int) -> tuple[int, int]:
    """The largest size of the same aspect that exceeds neither of two sides.

    Source: mmcv's `imrescale`, which the official segmentation calls.

    Args:
        height: Of the picture, pixels.
        width: Of the picture, pixels.
        long_side: Most pixels of the longer side.
        short_side: Most pixels of the shorter side.

    Returns:
        Height and width, at least one pixel each.

    Raises:
        ValueError: A size is below 1.
    """
    sizes = {"height": height, "width": width, "long_side": long_side, "short_side": short_side}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}, expected at least 1 pixel")
    scale = min(long_side / max(height, width), short_side / min(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def scaled(picture: Tensor, spec: SceneSpec, *, ratio: float = 1.0) -> Tensor:
    """A picture at the size of a test.

    Args:
        picture: uint8 RGB.
        spec: Sides, and the multiple to which both are stretched.
        ratio: Both sides of `spec` are multiplied by this first, and rounded down.

    Shape:
        (3, H, W) -> (3, h, w), uint8.

    Raises:
        ValueError: `ratio` leaves a side of no pixel.
    """
    sides = int(spec.long_side * ratio), int(spec.short_side * ratio)
    if min(sides) < 1:
        raise ValueError(f"ratio is {ratio}, expected sides of at least 1 pixel, got {sides}")
    height, width = rescaled_size(picture.shape[1], picture.shape[2], *sides)
    smaller = resized(picture, height, width)
    # Official: align_resize.py scales the scaled picture once more; once in all would be natural.
    return resized(smaller, _rounded_up(height, spec.multiple), _rounded_up(width, spec.multiple))


def _rounded_up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture, uint8 (3, H, W), at another size.

    As OpenCV resizes, up to one grey level: bilinear, and not smoothed before it shrinks.
    """
    if picture.shape[1:] == (height, width):
        return picture
    planes = torch.empty(len(picture), height, width, dtype=torch.uint8, device=picture.device)
    # Of bytes PyTorch rounds the rows before it goes down the columns, OpenCV only at the end. One
    # colour after the other, since floats take four times the memory.
    for plane, target in zip(picture, planes, strict=True):
        values = F.interpolate(plane[None, None].float(), (height, width), mode="bilinear")
        target.copy_(values[0, 0].round_())
    return planes
