"""Boxes of pictures for training: JPEGs decoded, and everything resized, by quicker libraries."""

import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
import torch.nn.functional as F
from PIL import Image

from video_uniformer.data.image.picture import Box, Picture

Pixels = npt.NDArray[np.uint8]
_START, _SCAN, _APP1 = b"\xff\xd8", 0xDA, 0xE1  # markers of JPEG; Exif and XMP are in APP1


def jpeg_header(content: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG of three colours that stands upright, pixels.

    Args:
        content: Of the file.

    Returns:
        None of any other file, of one with damage there, and of one with metadata that may turn it.
    """
    if not _is_upright_jpeg(content):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    return (height, width) if colours in ("YCbCr", "RGB") else None


def _is_upright_jpeg(content: bytes) -> bool:
    """Whether the segments before the first scan are well-formed, and none tells an orientation."""
    if not content.startswith(_START):
        return False
    place = 2
    while len(content) > place + 3 and content[place] == 0xFF and content[place + 1] != _APP1:
        if content[place + 1] == _SCAN:
            return True
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    return False


def decode_jpeg(content: bytes, least_height: int, least_width: int) -> Pixels | None:
    """Decode a JPEG by libjpeg-turbo, at a fraction of its size if that is large enough.

    At its full size the result is that of Pillow, bit for bit.

    Args:
        content: Of the file.
        least_height: Pixels; the result is as large or larger.
        least_width: Likewise.

    Returns:
        RGB (H, W, 3), or None for what has the slightest damage: Pillow is to judge it.
    """
    try:
        return simplejpeg.decode_jpeg(
            content, min_height=least_height, min_width=least_width, min_factor=1, strict=True
        )
    except ValueError:
        return None


def quick_crop(
    picture: Picture, box: Box, size: int, interpolation: str, *, scaled_decoding: bool
) -> Image.Image:
    """A box of a picture as a square, antialiased: `Picture.resized` within a few grey levels.

    Args:
        picture: Whose box.
        box: Which lies inside.
        size: Height and width of the square, pixels.
        interpolation: "bilinear" or "bicubic".
        scaled_decoding: Decode a JPEG at 1/2, 1/4 or 1/8 where the box stays as large as `size`.

    Raises:
        PictureError: It is damaged.
    """
    height, width = picture.height, picture.width
    if scaled_decoding:
        factor = _factor(box, size)
        height, width = -(-height // factor), -(-width // factor)
    pixels = picture.pixels(decode_jpeg, least_height=height, least_width=width)
    top, left, bottom, right = _scaled_edges(box, picture, pixels)
    # A copy with its own first axis: of a window torch takes thrice as long, and gives planes.
    part = pixels[None, top:bottom, left:right].copy()
    square = F.interpolate(
        torch.from_numpy(part).permute(0, 3, 1, 2), (size, size), mode=interpolation, antialias=True
    )
    return Image.fromarray(square[0].permute(1, 2, 0).contiguous().numpy())


def _factor(box: Box, size: int) -> int:
    """The largest fraction of a picture at which a box has `size` pixels at least."""
    return next((n for n in (8, 4, 2) if min(box.height, box.width) >= n * size), 1)


def _scaled_edges(box: Box, picture: Picture, pixels: Pixels) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of a box where the whole picture has become `pixels`."""
    vertical, horizontal = pixels.shape[0] / picture.height, pixels.shape[1] / picture.width
    top, bottom = (round(y * vertical) for y in (box.top, box.top + box.height))
    left, right = (round(x * horizontal) for x in (box.left, box.left + box.width))
    return top, left, bottom, right
