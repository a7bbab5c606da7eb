"""One picture, opened: its size, and any box of it at any size."""

import io
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from video_uniformer.data.decoding.orientation import UPRIGHT
from video_uniformer.data.decoding.pictures import orientation_of, upright_rgb
from video_uniformer.outcomes import SampleError

MOST_PIXELS = 178_956_970  # of a picture, as Pillow's own limit: half a gigabyte as RGB
JpegDecoder = Callable[[bytes, int, int], npt.NDArray[np.uint8] | None]
"""(content, least height, least width) -> RGB (H, W, 3), or None for what it does not decode."""
JpegHeader = Callable[[bytes], tuple[int, int] | None]
"""Content -> height and width of a JPEG of three colours that stands upright; None of others."""
_RESAMPLINGS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class PictureError(SampleError):
    """A picture that cannot be read: the message is its path, a colon and the reason."""


class Box(NamedTuple):
    """A part of an upright picture, pixels."""

    top: int
    left: int
    height: int
    width: int


class Picture:
    """A picture file whose header was read.

    Args:
        path: A file of any kind that Pillow reads.
        salvage: Show what there is of a file that is cut short, black or grey where it ends.
        content: The file's bytes, where they are elsewhere; None reads them.
        jpeg_header: Reads the headers of plain JPEGs, for training: Pillow takes ten times as long,
            and then opens only what it has to decode. None has Pillow open every file at once.

    Attributes:
        path: The file; None of a picture that stands for one.
        height: Of the upright picture, pixels.
        width: Of the upright picture, pixels.
        lost: What a salvaged picture lacks, in words, as far as that is known once it is decoded.

    Raises:
        PictureError: It is no picture, or has more than `MOST_PIXELS`.
        OSError: The file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        salvage: bool = False,
        content: bytes | None = None,
        jpeg_header: JpegHeader | None = None,
    ) -> None:
        self.path: Path | None = path
        self._salvage = salvage
        content = _read(path) if content is None else content
        if not content:
            raise PictureError(f"{path}: empty, expected a picture")
        self._content = content
        self._file: Image.Image | None = None
        self._orientation = UPRIGHT
        self._rgb: Image.Image | None = None
        self.lost = ""
        size = None if jpeg_header is None else jpeg_header(content)
        self._is_plain_jpeg = size is not None
        self.height, self.width = self._opened_size() if size is None else size
        self._check_size(self.height, self.width)

    def _open(self) -> Image.Image:
        """The file as Pillow opens it, once."""
        if self._file is None:
            with self._told():
                self._file = Image.open(io.BytesIO(self._content))
        return self._file

    def _opened_size(self) -> tuple[int, int]:
        """Height and width of the upright picture, by Pillow."""
        file = self._open()
        width, height = file.size
        self._check_size(height, width)
        with self._told():  # a PNG is decoded to its end for its orientation
            self._orientation = orientation_of(file)
        self._is_plain_jpeg = file.format == "JPEG" and file.mode == "RGB"
        return (width, height) if self._orientation.transposed else (height, width)

    def _check_size(self, height: int, width: int) -> None:
        if height * width > MOST_PIXELS:
            raise PictureError(
                f"{self.path}: {width} x {height} pixels, expected at most {MOST_PIXELS} in all"
            )

    def rgb(self) -> Image.Image:
        """The whole picture, upright, as 8-bit RGB; see `decoding.pictures.upright_rgb`.

        Raises:
            PictureError: It is damaged.
        """
        if self._rgb is None:
            file = self._open()
            with self._told():
                self._rgb = upright_rgb(file)
            if self._salvage:
                self.lost = self._find_lost(self._rgb)
        return self._rgb

    def pixels(
        self, decode_jpeg: JpegDecoder, *, least_height: int, least_width: int
    ) -> npt.NDArray[np.uint8]:
        """The picture, upright, as RGB (H, W, 3); for training, whose decoder may be another.

        Args:
            decode_jpeg: Decodes intact JPEGs of three colours; Pillow does where it gives None.
            least_height: Of the upright picture, pixels: a JPEG may come out as small as this.
            least_width: Likewise.

        Raises:
            PictureError: It is damaged.
        """
        if self._rgb is None and self._is_plain_jpeg:
            least = (least_height, least_width)
            decoded = decode_jpeg(
                self._content, *least[:: -1 if self._orientation.transposed else 1]
            )
            if decoded is not None:
                return np.ascontiguousarray(self._orientation.apply(decoded))
        return np.array(self.rgb())

    def resized(self, box: Box, height: int, width: int, interpolation: str) -> Image.Image:
        """A box of the picture at another size, antialiased.

        Args:
            box: What is cut out, which lies inside.
            height: Pixels wanted.
            width: Pixels wanted.
            interpolation: "bilinear" or "bicubic".

        Raises:
            PictureError: It is damaged.
        """
        image = self.rgb()
        if box != (0, 0, self.height, self.width):
            image = image.crop((box.left, box.top, box.left + box.width, box.top + box.height))
        return image.resize((width, height), _RESAMPLINGS[interpolation])

    def _find_lost(self, image: Image.Image) -> str:
        """Tell where the picture ends: what is not decoded is black, or grey in most JPEGs."""
        pixels = np.asarray(image)
        rows = np.flatnonzero((pixels != pixels[-1, -1]).any(axis=(1, 2)))
        if not rows.size:
            raise PictureError(f"{self.path}: nothing of it can be decoded")
        num_rows = int(rows[-1]) + 1
        is_whole = num_rows == image.height or self._orientation != UPRIGHT
        return "" if is_whole else f"of one colour below row {num_rows} of {image.height}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors with the picture's name; Pillow raises many types."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of sizes, which are checked here
            before = ImageFile.LOAD_TRUNCATED_IMAGES
            ImageFile.LOAD_TRUNCATED_IMAGES = self._salvage
            try:
                yield
            except MemoryError:
                raise
            except Exception as error:
                raise PictureError(f"{self.path}: {_reason(error)}") from None
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = before


class BlackPicture(Picture):
    """What a transform makes an input of the usual shape of, for a sample that is skipped."""

    def __init__(self) -> None:
        self.path = None
        self._rgb = Image.new("RGB", (64, 64))
        self._is_plain_jpeg = False
        self.width, self.height = self._rgb.size


def _read(path: Path) -> bytes:
    """The content of a file; of a pipe nothing is awaited. Fewer calls than `Path.read_bytes`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{path}: not a file, expected a picture")
        content = os.read(descriptor, status.st_size)
        while part := os.read(descriptor, 1 << 20) if len(content) < status.st_size else b"":
            content += part
        return content
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture of a known kind"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large, expected at most {MOST_PIXELS} pixels"
    if "truncated" in str(error).lower():
        return "cut short"
    lines = str(error).splitlines()
    return f"damaged ({lines[0] if lines else type(error).__name__})"
