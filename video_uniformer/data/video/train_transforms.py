"""Decoded frames to normalised views: the training pipeline.

In the published order: RandAugment on the uint8 frames at their stored size, normalisation, random
resized crop, horizontal flip, random erasing. Every random number is drawn once per view and holds
for all its frames, except the noise of erasing.
Source: official `slowfast/datasets/kinetics.py`, `_aug_frame`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torchvision.transforms import RandomErasing, RandomResizedCrop

from video_uniformer.clip import ClipSpec
from video_uniformer.data.video.rand_augment import create_rand_augment
from video_uniformer.data.video.transforms import (
    VideoTransform,
    channels_first,
    empty_views,
    normalise,
    to_float,
)

_KINETICS: Mapping[str, Any] = MappingProxyType(
    {"num_ops": 4, "magnitude": 7, "std": 0.5, "increasing": True}
)


def train_transform(
    spec: ClipSpec,
    *,
    num_views: int = 2,
    rand_augment: Mapping[str, Any] | None = _KINETICS,
    flip_prob: float = 0.5,
    erase_prob: float = 0.25,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (0.75, 1.3333),
) -> VideoTransform:
    """Augment as published; `num_views` above 1 is repeated augmentation, from one decoding.

    Args:
        spec: Size, normalisation and channel order.
        num_views: Views per clip, each with its own draws.
        rand_augment: Arguments of `create_rand_augment`, or None to leave it out.
        flip_prob: Probability of the horizontal flip; 0 where classes differ in left and right.
        erase_prob: Probability of random erasing.
        scale: Smallest and largest area of the crop, as a share of the frame.
        ratio: Smallest and largest width / height of the crop.

    Returns:
        A picklable callable, uint8 (clips, T, H, W, 3) -> float32 (V, 3, T, size, size) with
        V = clips x `num_views`, the views of a clip side by side. It draws from torch's global
        generator.

    Raises:
        ValueError: An argument is out of range; from the callable: frames of another type or shape.
    """
    _check_ranges(num_views, flip_prob, erase_prob, scale, ratio)
    return partial(
        _train_views,
        spec=spec,
        num_views=num_views,
        augment=None if rand_augment is None else _create_checked(rand_augment),
        crop=partial(RandomResizedCrop.get_params, scale=list(scale), ratio=list(ratio)),
        flip_prob=flip_prob,
        # Official: 100 tries to place the box; torchvision's 10 all fail once in 10**20 clips.
        erase=RandomErasing(erase_prob, (0.02, 1 / 3), (0.3, 1 / 0.3), "random", inplace=True),
    )


def _check_ranges(
    num_views: int,
    flip_prob: float,
    erase_prob: float,
    scale: Sequence[float],
    ratio: Sequence[float],
) -> None:
    if type(num_views) is not int or num_views < 1:
        raise ValueError(f"num_views is {num_views!r}, expected a whole number >= 1")
    for name, prob in (("flip_prob", flip_prob), ("erase_prob", erase_prob)):
        if not 0 <= prob <= 1:
            raise ValueError(f"{name} is {prob!r}, expected 0 to 1")
    if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale is {scale!r}, expected two shares, 0 < smallest <= largest <= 1")
    if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio is {ratio!r}, expected two numbers, 0 < smallest <= largest")


def _create_checked(settings: Mapping[str, Any]) -> VideoTransform:
    """`create_rand_augment` from a mapping, such as a config holds."""
    known = ("num_ops", "magnitude", "std", "increasing", "prob")
    if not isinstance(settings, Mapping) or not set(settings) <= set(known):
        raise ValueError(
            f"rand_augment is {settings!r}, expected None or a mapping with keys {known}"
        )
    return create_rand_augment(**settings)


def _train_views(
    frames: torch.Tensor,
    *,
    spec: ClipSpec,
    num_views: int,
    augment: VideoTransform | None,
    crop: Callable[[torch.Tensor], tuple[int, int, int, int]],
    flip_prob: float,
    erase: VideoTransform,
) -> torch.Tensor:
    clips = channels_first(frames, spec)
    if augment is not None:
        clips = clips.contiguous()
    views = empty_views(clips, num_views, spec)
    for index, view in enumerate(views):
        clip = clips[index // num_views]
        if augment is not None:
            clip = augment(clip)
        top, left, height, width = crop(clip)
        pixels = to_float(clip[..., top : top + height, left : left + width])
        # Official: normalises before cropping. The resize is linear with weights that sum to one,
        # so normalising the fewer pixels after it is the same up to rounding.
        pixels = F.interpolate(pixels, (spec.size, spec.size), mode="bilinear")
        if torch.rand(()) < flip_prob:
            pixels = pixels.flip(-1)
        normalise(pixels, spec, out=view)
        # As one image of 3 x T channels, so that each frame gets its own noise.
        erase(view.flatten(0, 1))
    return views
