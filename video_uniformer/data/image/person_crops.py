"""One person cut out of a picture: which part, by which matrix, and its pixels.

Points are (x, y) with whole numbers at the centres of pixels. Source: mmpose 0.16,
`topdown_coco_dataset.py` `_xywh2cs` and `post_transforms.py` `get_affine_transform`, whose scales
are in units of 200 pixels; here everything is in pixels.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from video_uniformer.clip import PersonSpec
from video_uniformer.data.image.transforms import factors_and_offsets

Pixels = npt.NDArray[np.uint8]


class Region(NamedTuple):
    """An upright rectangle of a picture, pixels; parts of it may lie outside.

    Attributes:
        x: Of the centre.
        y: Of the centre.
        width: Of the rectangle.
        height: Likewise.
    """

    x: float
    y: float
    width: float
    height: float


def person_region(box: tuple[float, float, float, float], spec: PersonSpec) -> Region:
    """What the network sees of a person: the box, widened to the input's aspect, and padded.

    Args:
        box: Left, top, width and height, pixels.
        spec: Height, width and padding.
    """
    left, top, width, height = box
    return padded(Region(left + width / 2, top + height / 2, width, height), spec, spec.padding)


def padded(region: Region, spec: PersonSpec, padding: float) -> Region:
    """A region made wider or higher, to the aspect of the input, and both by a factor."""
    aspect = spec.width / spec.height
    width = max(region.width, region.height * aspect)
    height = max(region.height, region.width / aspect)
    return region._replace(width=width * padding, height=height * padding)


def crop_matrix(region: Region, rotation_degrees: float, *, height: int, width: int) -> Tensor:
    """The affine map from a picture to a crop of it.

    The region's centre comes to (width / 2, height / 2), its width fills the crop's, and a point
    right of its centre turns to above it as the angle grows.

    Args:
        region: What fills the crop where it is not rotated.
        rotation_degrees: Of the crop's frame in the picture, clockwise as seen there.
        height: Of the crop, pixels.
        width: Likewise.

    Shape:
        (2, 3), float64: a point p goes to M[:, :2] p + M[:, 2].

    Raises:
        ValueError: The region has no width.
    """
    if not region.width > 0:
        raise ValueError(f"region is {region}, expected a width above 0")
    angle = math.radians(rotation_degrees)
    cos, sin = (width / region.width * part for part in (math.cos(angle), math.sin(angle)))
    # Official: the centre of the crop's pixels, (width - 1) / 2, would be natural.
    return torch.tensor(
        [
            [cos, sin, width / 2 - cos * region.x - sin * region.y],
            [-sin, cos, height / 2 + sin * region.x - cos * region.y],
        ],
        dtype=torch.float64,
    )


def inverse(matrix: Tensor) -> Tensor:
    """The affine map back, (2, 3)."""
    linear = torch.linalg.inv(matrix[:, :2])
    return torch.cat([linear, -linear @ matrix[:, 2:]], dim=1)


def map_points(points: Tensor, matrix: Tensor) -> Tensor:
    """Points (..., 2) under an affine map (2, 3)."""
    return points.to(matrix) @ matrix[:, :2].T + matrix[:, 2]


def warp(pixels: Pixels, matrix: Tensor, *, height: int, width: int) -> Tensor:
    """The crop of a picture: bilinear, without antialiasing, and black outside.

    Official: OpenCV's `warpAffine`, which rounds places to 1/32 of a pixel; within a few grey
    levels the same.

    Args:
        pixels: RGB (H, W, 3), uint8.
        matrix: (2, 3), from the picture to the crop.
        height: Of the crop, pixels.
        width: Likewise.

    Shape:
        uint8 (3, height, width).
    """
    back = inverse(matrix)
    corners = torch.tensor([(x, y) for x in (0, width - 1) for y in (0, height - 1)])
    places = map_points(corners, back)
    low, high = places.amin(0).floor().tolist(), places.amax(0).ceil().tolist()
    left, top = (int(max(0, value)) for value in low)
    right, bottom = int(min(pixels.shape[1] - 1, high[0])), int(min(pixels.shape[0] - 1, high[1]))
    if right < left or bottom < top:
        return torch.zeros(3, height, width, dtype=torch.uint8)
    # Only what is needed becomes floating point; a black border gives every window two pixels.
    window = torch.from_numpy(pixels[top : bottom + 1, left : right + 1].astype(np.float32))
    window = F.pad(window.permute(2, 0, 1), (1, 1, 1, 1))
    first = torch.tensor([[0, 0, left - 1], [0, 0, top - 1]])  # pixel of the window
    to_grid = (back - first) * (2 / torch.tensor([[right - left + 2.0], [bottom - top + 2]]))
    columns, rows = torch.arange(width), torch.arange(height)[:, None]
    grid = torch.stack([a * columns + b * rows + c - 1 for a, b, c in to_grid], dim=2)
    crop = F.grid_sample(window[None], grid[None].float(), align_corners=True)
    return crop[0].round().to(torch.uint8)


def person_input(pixels: Pixels, matrix: Tensor, spec: PersonSpec) -> Tensor:
    """What a network sees of a person: the crop of a picture, normalised.

    Args:
        pixels: RGB (H, W, 3), uint8.
        matrix: (2, 3), from the picture to the crop.
        spec: Size, normalisation and channel order.

    Shape:
        float32 (3, height, width).
    """
    crop = warp(pixels, matrix, height=spec.height, width=spec.width)
    factors, offsets = factors_and_offsets(spec)
    return (crop.flip(0) if spec.channel_order == "bgr" else crop) * factors + offsets
