"""Pictures and masks to what a segmentation network sees: the test pipeline."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.masks import Labels
from video_uniformer.data.image.picture import Picture, PictureError
from video_uniformer.data.image.scene_scaling import scaled
from video_uniformer.data.image.transforms import factors_and_offsets

LEAST_SIDE = 32  # pixels, of the coarsest map's cells

SceneTransform = Callable[[Picture, Labels], dict[str, Any]]
"""From a picture and its mask to `image`, float32 (3, h, w), and `mask`, int64 (H, W)."""


def normalised_scene(image: Tensor, spec: SceneSpec) -> Tensor:
    """(pixels / 255 - mean) / std as float32, in the network's channel order.

    Args:
        image: RGB, uint8 (3, H, W).
        spec: Normalisation and channel order.
    """
    ordered = image.flip(0) if spec.channel_order == "bgr" else image
    factors, offsets = (values.to(image.device) for values in factors_and_offsets(spec))
    return ordered.contiguous().float().mul_(factors).add_(offsets)


def scene_input(picture: Picture, spec: SceneSpec, ratio: float = 1.0) -> Tensor:
    """A whole picture as a test shows it to the network, float32 (3, h, w).

    The picture is scaled to fit `long_side` and `short_side`, and what comes out is stretched until
    both sides are multiples of `multiple`.

    Args:
        picture: Of any size.
        spec: Sizes, normalisation and channel order.
        ratio: Both sides of `spec` are multiplied by this first.

    Raises:
        PictureError: It is damaged.
    """
    pixels = torch.from_numpy(np.array(picture.rgb())).permute(2, 0, 1)
    return normalised_scene(scaled(pixels, spec, ratio=ratio), spec)


def segmentation_eval_transform(
    spec: SceneSpec, *, scales: Sequence[float] = (1.0,)
) -> SceneTransform:
    """Show the whole picture as published, and keep the mask at the picture's own size.

    Source: official `semantic_segmentation`, test pipelines; `AlignResize` of `fpn_seg` where
    `spec.multiple` is above 1.

    Args:
        spec: Sizes, normalisation and channel order.
        scales: The picture is shown at each of these times the sides of `spec`; published are 0.5,
            0.75, 1, 1.25, 1.5 and 1.75.

    Returns:
        A picklable callable, (picture, mask) -> `image`, float32 (3, h, w), with several scales a
        list of such, and `mask`, int64 (H, W); it raises `PictureError`.

    Raises:
        ValueError: there is no scale, or one that is not above 0.
    """
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise ValueError(f"scales is {list(scales)}, expected at least one number above 0")
    return partial(_eval_scene, spec=spec, scales=list(scales))


def _eval_scene(
    picture: Picture, mask: Labels, *, spec: SceneSpec, scales: list[float]
) -> dict[str, Any]:
    views = [scene_input(picture, spec, ratio) for ratio in scales]
    least = min(min(view.shape[1:]) for view in views)
    if least < LEAST_SIDE:
        raise PictureError(
            f"{picture.path}: {least} pixels high or wide once it is scaled, expected at least "
            f"{LEAST_SIDE}"
        )
    return {
        "image": views[0] if len(views) == 1 else views,
        "mask": torch.from_numpy(mask).long(),
    }
