"""Decoded frames to normalised views: the test pipeline, and what training shares with it.

Torch alone, as inference should start without torchvision, which PyTorchVideo's transforms import;
`short_side_scale` and `uniform_crop` are theirs to the last bit, as a test shows.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F

from video_uniformer.clip import ClipSpec

VideoTransform = Callable[[torch.Tensor], torch.Tensor]
"""From uint8 (clips, T, H, W, 3) to float32 (V, C, T, H, W)."""


def eval_transform(spec: ClipSpec, *, num_crops: int | None = None) -> VideoTransform:
    """Scale the short side to `spec.size` and take one or three crops, as published.

    Source: official `slowfast/datasets/transform.py`, `random_short_side_scale_jitter` and
    `uniform_crop`.

    Args:
        spec: Size, crops, normalisation and channel order.
        num_crops: Instead of `spec.num_crops`; validation takes 1.

    Returns:
        A picklable callable, uint8 (clips, T, H, W, 3) -> float32 (V, 3, T, size, size) with
        V = clips x crops, the crops of a clip side by side: the centre; or left,
        centre, right; or top, centre, bottom where the frame is higher than wide.

    Raises:
        ValueError: `num_crops` is neither 1 nor 3; from the callable: frames of another type or
            shape.

    Example:
        >>> transform = eval_transform(ClipSpec(num_frames=4, stride=2, size=32, num_crops=3))
        >>> transform(torch.zeros(2, 4, 48, 64, 3, dtype=torch.uint8)).shape
        torch.Size([6, 3, 4, 32, 32])
    """
    return partial(
        _eval_views, spec=spec if num_crops is None else replace(spec, num_crops=num_crops)
    )


def _eval_views(frames: torch.Tensor, *, spec: ClipSpec) -> torch.Tensor:
    clips = channels_first(frames, spec)
    views = empty_views(clips, spec.num_crops, spec)
    positions = (1,) if spec.num_crops == 1 else (0, 1, 2)
    for clip, crops in zip(clips, views.unflatten(0, (-1, spec.num_crops)), strict=True):
        # Frame by frame, as a clip of large frames would take four times its memory as float32.
        pixels = torch.cat([_scaled_to_fit(frame[None], spec.size) for frame in clip], dim=1)
        for position, view in zip(positions, crops, strict=True):
            # Official: normalises before resizing; the same up to rounding, as in training.
            normalise(uniform_crop(pixels, spec.size, position), spec, out=view)
    return views


def _scaled_to_fit(frame: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 (1, 3, H, W) -> float32 (3, 1, H', W') whose shorter side is `size`."""
    pixels = to_float(frame)
    # Official: frames that fit stay as they are; scaled, the long side could lose a pixel.
    return pixels if min(pixels.shape[-2:]) == size else short_side_scale(pixels, size)


def short_side_scale(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Scale (C, T, H, W) bilinearly so that the shorter side is `size`, the longer rounded down."""
    height, width = pixels.shape[-2:]
    if width < height:
        height, width = math.floor(height / width * size), size
    else:
        height, width = size, math.floor(width / height * size)
    return F.interpolate(pixels, (height, width), mode="bilinear", align_corners=False)


def uniform_crop(pixels: torch.Tensor, size: int, position: int) -> torch.Tensor:
    """The square of `size` at the start (0), middle (1) or end (2) of the longer side.

    Shape:
        (..., H, W) -> (..., size, size); across the longer side it lies in the middle.
    """
    height, width = pixels.shape[-2:]
    top, left = math.ceil((height - size) / 2), math.ceil((width - size) / 2)
    if height > width:
        top = (0, top, height - size)[position]
    else:
        left = (0, left, width - size)[position]
    return pixels[..., top : top + size, left : left + size]


def channels_first(frames: torch.Tensor, spec: ClipSpec) -> torch.Tensor:
    """The frames as (clips, T, 3, H, W), in the network's channel order."""
    shape = tuple(frames.shape)
    if frames.dtype != torch.uint8 or len(shape) != 5 or shape[-1] != 3 or 0 in shape:
        raise ValueError(
            f"frames={frames.dtype} {shape}: expected torch.uint8 (clips, T, H, W, 3), none empty"
        )
    # Official: these networks' frames were BGR from the reader on, so RandAugment saw BGR too.
    ordered = frames.flip(-1) if spec.channel_order == "bgr" else frames
    return ordered.permute(0, 1, 4, 2, 3)


def empty_views(clips: torch.Tensor, views_per_clip: int, spec: ClipSpec) -> torch.Tensor:
    """Room for the normalised views of all clips, (V, 3, T, size, size)."""
    num_clips, num_frames = clips.shape[:2]
    return torch.empty(num_clips * views_per_clip, 3, num_frames, spec.size, spec.size)


def to_float(clip: torch.Tensor) -> torch.Tensor:
    """(T, 3, H, W) -> contiguous float32 (3, T, H, W), values 0 to 255."""
    return clip.transpose(0, 1).to(torch.float32, memory_format=torch.contiguous_format)


def normalise(pixels: torch.Tensor, spec: ClipSpec, *, out: torch.Tensor) -> None:
    """Write (pixels / 255 - mean) / std into `out`, both (3, T, H, W), in one pass."""
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (spec.mean, spec.std))
    torch.addcmul(-mean / std, pixels, 1 / (255 * std), out=out)
