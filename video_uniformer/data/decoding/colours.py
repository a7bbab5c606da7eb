"""High dynamic range and wide colours, as phones and televisions record them, to plain BT.709.

The numbers of such a frame mean other light than those of other videos: read as they are, they look
washed out. Here they become light, the light becomes that of BT.709's primaries, highlights beyond
a plain screen's are rolled off, and the result is coded as usual.

Sources: ITU-R BT.2100-2, tables 4 (PQ) and 5 (HLG) and the OOTF of a screen of 1000 cd/m2; BT.1886,
the plain screen, here of 100 cd/m2; BT.2087-0, the primaries. What is below 0.9 of plain white
keeps its value, so that a plain video that was converted to HDR comes back nearly as it was.
"""

import functools
import logging
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

_logger = logging.getLogger(__name__)

_TRANSFERS = {16: "pq", 18: "hlg"}  # ITU-T H.273, table 3
_PRIMARIES = {9: "bt2020"}  # table 2

_PLAIN_WHITE = 100.0  # cd/m2
_HDR_WHITE = 1000.0
_GAMMA = 2.4  # BT.1886
_SCREEN_GAMMA = 1.2  # HLG's OOTF; of each channel alone, as FFmpeg's zscale has it
_ROWS = 32  # at a time, so that what is made of them stays small
_DROPPED_BITS = 14  # of a float32's mantissa
_KNEE = 0.9  # of the plain code value, from where on highlights are rolled off
_TO_BT709 = np.array(
    ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    np.float32,
)

Light = npt.NDArray[np.float32]


class Colours(NamedTuple):
    """What a frame's numbers mean.

    Attributes:
        transfer: "hlg" or "pq" of HDR; empty for others.
        primaries: "bt2020" of wide colours; empty for others.
    """

    transfer: str
    primaries: str

    @property
    def are_plain(self) -> bool:
        """Whether the numbers mean what those of any other video do."""
        return not self.transfer and not self.primaries


def colours_from_codes(transfer: int, primaries: int) -> Colours:
    """What the code points of ITU-T H.273 say of colours."""
    return Colours(_TRANSFERS.get(transfer, ""), _PRIMARIES.get(primaries, ""))


def colours_of(frame: VideoFrame) -> Colours:
    """What a decoded frame says of its colours."""
    return colours_from_codes(int(frame.color_trc), int(frame.color_primaries))


def to_plain(rgb: npt.NDArray[np.uint16], colours: Colours) -> npt.NDArray[np.uint8]:
    """Map HDR or wide colours to those of a plain screen.

    Args:
        rgb: uint16 (H, W, 3), the frame's own numbers over the whole range.
        colours: What they mean.

    Shape:
        (H, W, 3) -> uint8 (H, W, 3), BT.709 by the gamma of BT.1886.

    Example:
        >>> grey = np.full((1, 1, 3), 16962, np.uint16)  # HLG for a plain screen's 99 of 255
        >>> to_plain(grey, Colours("hlg", "bt2020")).tolist()
        [[[99, 99, 99]]]
    """
    _tell_once(colours)
    plain = np.empty(rgb.shape, np.uint8)
    for start in range(0, len(rgb), _ROWS):
        rows = slice(start, start + _ROWS)
        light = _light_table(colours.transfer)[rgb[rows]]  # (rows, W, 3); 1 is plain white
        if colours.primaries == "bt2020":
            light = light @ _TO_BT709.T
        np.maximum(light, 0, out=light)
        brightness = light.view(np.uint32) >> _DROPPED_BITS
        plain[rows] = _code_table(bool(colours.transfer))[brightness]
    return plain


@functools.cache
def _light_table(transfer: str) -> Light:
    """Light for each of 65536 numbers; 1 is plain white."""
    code = np.linspace(0, 1, 1 << 16)
    if transfer == "hlg":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
        light = _HDR_WHITE / _PLAIN_WHITE * scene**_SCREEN_GAMMA
    elif transfer == "pq":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * 10000 / _PLAIN_WHITE
    else:
        light = code**_GAMMA
    return light.astype(np.float32)


@functools.cache
def _code_table(is_hdr: bool) -> npt.NDArray[np.uint8]:
    """Plain codes for light by the first bits of its float32; powers of each value take longer.

    The bits of a float, read as an integer, rise with it: 8 of the exponent and 9 of the mantissa
    tell light apart to 0.1 %, a tenth of a level.
    """
    bits = np.arange(1 << (31 - _DROPPED_BITS), dtype=np.uint32) << _DROPPED_BITS
    light = (bits + (1 << (_DROPPED_BITS - 1))).view(np.float32)
    brightest = _HDR_WHITE / _PLAIN_WHITE
    codes = np.nan_to_num(light, nan=brightest).clip(0, brightest) ** np.float32(1 / _GAMMA)
    if is_hdr:
        codes = _roll_off(codes)
    return np.rint(255 * np.minimum(codes, 1)).astype(np.uint8)


def _roll_off(codes: Light) -> Light:
    """Bend plain code values above the knee so that the brightest become 1, smoothly."""
    room = 1 - _KNEE
    most = ((_HDR_WHITE / _PLAIN_WHITE) ** (1 / _GAMMA) - _KNEE) / room
    above = np.maximum(codes - _KNEE, 0) / room  # 0 to `most`, which becomes 1
    return np.minimum(codes, _KNEE) + room * above / (1 + above * (most - 1) / most)


@functools.cache
def _tell_once(colours: Colours) -> None:
    what = " and ".join(filter(None, (colours.transfer.upper(), colours.primaries.upper())))
    _logger.warning("videos of %s are mapped to the colours of a plain screen (BT.709)", what)
