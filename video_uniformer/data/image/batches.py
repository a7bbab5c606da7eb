"""What is left to do to training pictures once they are a batch: normalise, erase.

Pixels travel as bytes from the process that decodes to the one that trains, and to its device, for
which floating point takes four times the memory. Official: pictures are normalised and erased one
by one; the result is the same.
"""

from collections.abc import Mapping
from typing import Any

import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.transforms import factors_and_offsets

_NUM_SEEDS = 2**62


def drawn_erasing(erase: RandomErasing, size: int) -> Tensor:
    """The box that timm erases, int64 (5,): top, left, height, width and the seed of its pixels.

    Args:
        erase: Draws the box, of a picture that it is to fill with a constant.
        size: Height and width of the picture, pixels.

    Returns:
        Zeros where nothing is erased.
    """
    kept = erase(torch.ones(1, size, size, dtype=torch.uint8))[0]
    if kept.all():
        return torch.zeros(5, dtype=torch.int64)
    rows, columns = (kept.amin(axis).logical_not().nonzero() for axis in (1, 0))
    top, left = rows[0], columns[0]
    seed = torch.randint(_NUM_SEEDS, (1,))
    return torch.cat([top, left, rows[-1] - top + 1, columns[-1] - left + 1, seed])


def network_input(batch: Mapping[str, Any], spec: ImageSpec) -> Tensor:
    """The pictures of a batch, float32 (B, 3, H, W), normalised.

    Args:
        batch: `image` (B, 3, H, W), normalised, or of bytes that are not; with bytes there may be
            `erased` (B, 5), as `drawn_erasing` gives it: these boxes become normal noise.
        spec: Normalisation.
    """
    image: Tensor = batch["image"]
    if image.dtype != torch.uint8:
        return image
    factors, offsets = (values.to(image.device) for values in factors_and_offsets(spec))
    normalised = torch.empty(image.shape, device=image.device)
    for filled, picture in zip(normalised, image, strict=True):  # they stay in the cache
        filled.copy_(picture).mul_(factors).add_(offsets)
    if "erased" in batch:
        _erase(normalised, batch["erased"].tolist())
    return normalised


def _erase(images: Tensor, boxes: list[list[int]]) -> None:
    """Fill a box of each picture with noise, drawn on the processor: on all devices the same."""
    for image, (top, left, height, width, seed) in zip(images, boxes, strict=True):
        if height:
            source = torch.Generator().manual_seed(seed)
            noise = torch.randn(len(image), height, width, generator=source)
            image[:, top : top + height, left : left + width] = noise
