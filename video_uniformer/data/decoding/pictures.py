"""A picture file of any kind as upright 8-bit RGB."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ExifTags import Base as ExifTag
from PIL.JpegImagePlugin import JpegImageFile

from video_uniformer.data.decoding.orientation import UPRIGHT, Orientation, orientation_from_exif
from video_uniformer.data.decoding.scaling import scaled_size

_MOST = 0xFFFF  # of 16 bits; 257 times the most of 8 bits


def read_picture(path: Path, *, short_side: int | None = None) -> npt.NDArray[np.uint8]:
    """Read a picture as uint8 RGB (H, W, 3), upright as its Exif orientation says.

    Grey of 16 bits, such as depth, keeps its order: 0 ... 65535 become 0 ... 255. Colours of 16
    bits lose the lower eight. Transparency is left out: colours are those that are stored. CMYK
    becomes RGB without a profile.

    Args:
        path: A file of any kind that Pillow reads; of several pictures the first is taken.
        short_side: Pixels that larger pictures are scaled down to; None leaves them as they are.

    Raises:
        ValueError: The picture's values have no range that could become 0 ... 255.
        Exception: The file is damaged; Pillow raises many types.
    """
    with Image.open(path) as picture:
        size = scaled_size(*picture.size, short_side)
        if size != picture.size:
            # A JPEG is decoded at a fraction of its size where that is large enough.
            picture.draft("RGB", size)
        picture.load()
        if not isinstance(picture, JpegImageFile):  # Pillow turns TIFF upright while it loads
            size = scaled_size(*picture.size, short_side)
        orientation = orientation_of(picture)
        image = _to_rgb(picture)
        if size != image.size:
            image = image.resize(size, Image.Resampling.BILINEAR)
        return np.ascontiguousarray(orientation.apply(np.asarray(image)))


def upright_rgb(picture: Image.Image) -> Image.Image:
    """A whole picture as `read_picture` gives it, as an image of Pillow's.

    Raises:
        ValueError: The picture's values have no range that could become 0 ... 255.
        Exception: The file is damaged; Pillow raises many types.
    """
    picture.load()
    orientation = orientation_of(picture)
    image = _to_rgb(picture)
    if orientation == UPRIGHT:
        return image
    return Image.fromarray(np.ascontiguousarray(orientation.apply(np.asarray(image))))


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height of a picture as it stands upright, from its header, pixels."""
    width, height = picture.size
    return (height, width) if orientation_of(picture).transposed else (width, height)


def orientation_of(picture: Image.Image) -> Orientation:
    """What turns a picture upright, from its header."""
    if isinstance(picture, JpegImageFile) and not {"exif", "xmp"} & picture.info.keys():
        return UPRIGHT  # at once: the search for it takes as long as the rest of opening a file
    return orientation_from_exif(picture.getexif().get(ExifTag.Orientation))


class PictureFacts(NamedTuple):
    """What a picture file says of itself.

    Attributes:
        format: Pillow's name, such as "JPEG".
        mode: Pillow's name, such as "RGB" or "I;16".
        bit_depth: Bits per value of one component.
        size: Width and height of the upright picture, pixels.
        orientation: What turns it upright.
        is_16_bit: Whether the file has 16 bits a value, also where the mode is of 8 bits.
        num_frames: Frames or pages.
    """

    format: str
    mode: str
    bit_depth: int
    size: tuple[int, int]
    orientation: Orientation
    is_16_bit: bool
    num_frames: int


def inspect_picture(path: Path) -> PictureFacts:
    """Tell what a picture file is, from its header.

    Raises:
        Exception: The file is damaged; Pillow raises many types.
    """
    with Image.open(path) as picture:
        # Before its orientation is asked, for which Pillow decodes some formats to their end.
        is_16_bit = "16" in picture.mode or any(";16" in str(tile[3]) for tile in picture.tile)
        return PictureFacts(
            format=picture.format or "",
            mode=picture.mode,
            bit_depth={"1": 1, "I": 16, "F": 32}.get(picture.mode[0], 8),
            size=upright_size(picture),
            orientation=orientation_of(picture),
            is_16_bit=is_16_bit,
            num_frames=getattr(picture, "n_frames", 1),
        )


def _to_rgb(picture: Image.Image) -> Image.Image:
    """Convert a picture of any mode without a look at what is transparent."""
    if picture.mode == "F":
        raise ValueError("its values are floating-point numbers, expected 8 or 16 bits")
    if picture.mode.startswith("I"):
        return Image.fromarray(_from_16_bits(np.asarray(picture))).convert("RGB")
    picture.info.pop("transparency", None)  # Pillow warns of it, and the colours are what counts
    return picture.convert("RGB")


def _from_16_bits(grey: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Map 0 ... 65535 (H, W) to the nearest of 0 ... 255."""
    values = grey.astype(np.int64)
    if values.min() < 0 or values.max() > _MOST:
        raise ValueError(f"its values are {values.min()} to {values.max()}, expected 0 to {_MOST}")
    return ((values + 128) // 257).astype(np.uint8)
