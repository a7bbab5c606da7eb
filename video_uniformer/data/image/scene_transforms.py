"""Pictures and masks to what a segmentation network sees: the test pipeline."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.masks import Labels
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.scene_scaling import scaled
from video_uniformer.data.image.transforms import factors_and_offsets

SceneTransform = Callable[[Picture, Labels], dict[str, Tensor]]
"""From a picture and its mask to `image`, float32 (3, h, w), and `mask`, int64 (H, W)."""


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
    pixels = torch.from_numpy(np.array(picture.rgb())).permute(2, 0, 1)
    return normalised_scene(scaled(pixels, spec), spec)


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
