"""How stored pictures have to be mirrored and turned to stand upright.

There are eight ways, and files say which: videos with a matrix of display, pictures with a tag.

Sources: ISO/IEC 14496-12 section 6.2.2, the matrix; CIPA DC-008 (Exif 2.32) section 4.6.4,
Orientation; FFmpeg's `autorotate` in `fftools/ffmpeg_filter.c`, which this agrees with on all
eight. FFmpeg turns by odd angles as well and fills the corners; here the nearest quarter is taken.
"""

import struct
from contextlib import suppress
from typing import Any, NamedTuple

import numpy.typing as npt
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame

_MATRIX = struct.Struct("=9i")


class Orientation(NamedTuple):
    """One of the eight ways to make a stored picture stand upright.

    Attributes:
        transposed: Rows become columns, before the following.
        flipped_x: Left and right change places.
        flipped_y: Top and bottom change places.
    """

    transposed: bool = False
    flipped_x: bool = False
    flipped_y: bool = False

    @property
    def is_mirrored(self) -> bool:
        """Whether writing in the stored picture reads backwards."""
        return self.transposed ^ self.flipped_x ^ self.flipped_y

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise: 0, 90, -90 or -180; after left and right changed places."""
        if self.transposed:
            return -90 if self.flipped_x else 90
        return -180 if self.flipped_y else 0

    def apply(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Make an image stand upright; a view of it.

        Shape:
            image (H, W, C) -> (H, W, C), or (W, H, C) where it is transposed.
        """
        image = image.swapaxes(0, 1) if self.transposed else image
        image = image[:, ::-1] if self.flipped_x else image
        return image[::-1] if self.flipped_y else image


UPRIGHT = Orientation()

_EXIF = {
    2: Orientation(flipped_x=True),
    3: Orientation(flipped_x=True, flipped_y=True),
    4: Orientation(flipped_y=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, flipped_x=True),
    7: Orientation(transposed=True, flipped_x=True, flipped_y=True),
    8: Orientation(transposed=True, flipped_y=True),
}
# By FFmpeg's angle, degrees.
_TURNS = {90: _EXIF[8], -90: _EXIF[6], 180: _EXIF[3], -180: _EXIF[3]}


def orientation_from_exif(value: object) -> Orientation:
    """The orientation that a picture's Exif tag 274 names; upright where it names none."""
    return _EXIF.get(value, UPRIGHT) if isinstance(value, int) else UPRIGHT


def orientation_from_matrix(a: int, b: int, c: int, d: int) -> Orientation:
    """The orientation nearest to a matrix of display: x' = a x + c y, y' = b x + d y."""
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(flipped_x=a < 0, flipped_y=d < 0)
    return Orientation(transposed=True, flipped_x=c < 0, flipped_y=b < 0)


def orientation_of(frame: VideoFrame) -> Orientation:
    """The orientation that a decoded frame carries, be it from its container or its codec.

    FFmpeg makes a matrix of the Exif tag of coded pictures as well.
    """
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        return _orientation_among_unknown(frame)
    return _read_matrix(matrix)


def _orientation_among_unknown(frame: VideoFrame) -> Orientation:
    """The orientation of a frame that carries data of a kind that PyAV has no name for.

    FFmpeg 8 attaches Exif, as kind 31, which makes PyAV 18.1 raise on collecting what a frame
    carries. What it collected by then can still be asked for, and the matrix goes before the Exif
    that it was made of. Behind other such kinds only the angle is known, not any mirroring.
    """
    collected: Any = SideDataContainer.__new__(SideDataContainer)
    with suppress(ValueError):
        collected.__init__(frame)
    matrix = collected.get("DISPLAYMATRIX")
    return _read_matrix(matrix) if matrix else _TURNS.get(frame.rotation, UPRIGHT)


def _read_matrix(matrix: object) -> Orientation:
    if not isinstance(matrix, SideData) or matrix.buffer_size < _MATRIX.size:
        return UPRIGHT
    a, b, _, c, d = _MATRIX.unpack_from(matrix)[:5]
    return orientation_from_matrix(a, b, c, d)
