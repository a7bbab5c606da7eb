"""A few small pictures of a video: one to show, and all to recognise the video by."""

import base64
import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

NUM_PICTURES = 5
"""Pictures that a perceptual hash is made of."""

HASH_BYTES = 8
"""Bytes of the perceptual hash of one picture."""

_SIDE = 32  # pixels of the square that the hash looks at
_KEPT = 8  # lowest frequencies of each axis
_FLAT = 3.0  # a picture whose grey levels deviate less than this looks like any other
_JPEG_QUALITY = 45

Picture = npt.NDArray[np.uint8]


def picture_places(num_frames: int) -> list[int]:
    """The frames that pictures are taken of: at 10, 30, 50, 70 and 90 % of the video."""
    return [num_frames * (2 * k + 1) // (2 * NUM_PICTURES) for k in range(NUM_PICTURES)]


def hash_pictures(pictures: Mapping[int, Picture], num_frames: int) -> str:
    """A perceptual hash that survives scaling, re-encoding and changes of brightness.

    Of each picture it tells which of the 64 lowest frequencies of its cosine transform are above
    their median. Flat pictures tell nothing.

    Args:
        pictures: uint8 RGB (H, W, 3) by frame number.
        num_frames: Frames of the video.

    Returns:
        One hash a picture, 16 hexadecimal digits or nothing, joined by colons; empty where none of
        the pictures tells anything.
    """
    hashes = [_hash(pictures.get(place)) for place in picture_places(num_frames)]
    return ":".join(hashes) if any(hashes) else ""


def _hash(picture: Picture | None) -> str:
    if picture is None:
        return ""
    image = Image.fromarray(picture).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(image, dtype=np.float64)
    if grey.std() < _FLAT:
        return ""
    waves = np.cos(np.pi * np.outer(np.arange(_KEPT), np.arange(_SIDE) + 0.5) / _SIDE)
    strengths = (waves @ grey @ waves.T).flatten()
    strengths[0] = 0  # the mean grey level
    return np.packbits(strengths > np.median(strengths)).tobytes().hex()


def thumbnail(picture: Picture | None) -> str:
    """A picture as a JPEG in base 64, or nothing for None."""
    if picture is None:
        return ""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(file.getvalue()).decode()
