"""Pictures to the network's input: the test pipeline.

Pillow resizes, as timm does, so that inference needs neither timm nor torchvision.
"""

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from video_uniformer.clip import ImageSpec, InputSpec
from video_uniformer.data.image.picture import Box, Picture

_LONG = 16  # times the shorter side; scaled as a whole, a line of pixels would be gigabytes

ImageTransform = Callable[[Picture], Tensor]
"""From a picture to float32 (C, size, size)."""


def eval_transform(spec: ImageSpec) -> ImageTransform:
    """Scale the shorter side to `spec.size / spec.crop_share` and take the square in the middle.

    Source: official `image_classification/datasets.py`, `build_transform`; timm's
    `create_transform` gives the same.

    Args:
        spec: Size, share, interpolation, normalisation and channel order.

    Returns:
        A picklable callable, picture -> float32 (3, size, size); it raises `PictureError`.
    """
    return partial(_eval_view, spec=spec)


def _eval_view(picture: Picture, *, spec: ImageSpec) -> Tensor:
    sides = picture.height, picture.width
    if max(sides) > _LONG * min(sides):
        return normalised(_middle(picture, spec), spec)
    return normalised(centre_crop(scaled_to_fit(picture, spec), spec.size), spec)


def scaled_to_fit(picture: Picture, spec: ImageSpec) -> Image.Image:
    """The whole picture with its shorter side as `eval_transform` scales it."""
    whole = Box(0, 0, picture.height, picture.width)
    return picture.resized(whole, *_scaled_size(picture, spec), spec.interpolation)


def _scaled_size(picture: Picture, spec: ImageSpec) -> tuple[int, int]:
    short = math.floor(spec.size / spec.crop_share)
    height, width = picture.height, picture.width
    if width <= height:
        return int(short * height / width), short
    return short, int(short * width / height)


def _middle(picture: Picture, spec: ImageSpec) -> Image.Image:
    """The square of `centre_crop`, alone computed: the same but for rounding and overshoot."""
    height, width = _scaled_size(picture, spec)
    top, left = round((height - spec.size) / 2), round((width - spec.size) / 2)
    down, across = picture.height / height, picture.width / width
    box = (left * across, top * down, (left + spec.size) * across, (top + spec.size) * down)
    resampling = Image.Resampling[spec.interpolation.upper()]
    return picture.rgb().resize((spec.size, spec.size), resampling, box=box)


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """The square of `size` in the middle, which lies inside; torchvision's rounding."""
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return image.crop((left, top, left + size, top + size))


def normalised(image: Image.Image, spec: ImageSpec) -> Tensor:
    """(pixels / 255 - mean) / std as float32 (3, H, W), in the network's channel order."""
    factors, offsets = factors_and_offsets(spec)
    return planes(image, spec).float().mul_(factors).add_(offsets)


def planes(image: Image.Image, spec: ImageSpec) -> Tensor:
    """Pixels of RGB as bytes (3, H, W), in the network's channel order."""
    colours = image.split()[:: -1 if spec.channel_order == "bgr" else 1]
    return torch.from_numpy(np.stack([np.asarray(colour) for colour in colours]))


@cache
def factors_and_offsets(spec: InputSpec) -> tuple[Tensor, Tensor]:
    """(3, 1, 1) each: what 0-255 is multiplied by, and what is added then."""
    mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (spec.mean, spec.std))
    return (1 / (255 * std)).float(), (-mean / std).float()
