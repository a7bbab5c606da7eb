"""The little of a packet that tells whether it shows a picture, and whether others build on it."""

import re
from collections.abc import Callable, Iterator

_NOT_CODED_BYTES = 16  # an MPEG-4 packet that says "as before" takes about seven
_LENGTH_SIZE = 4  # bytes before each unit in mp4 and mkv; other sizes are hardly ever written


def is_shown(codec: str, data: memoryview) -> bool | None:
    """Whether a packet gives a frame to show; None where only decoding it can tell.

    VP8 and VP9 have pictures that others build on and that are never shown themselves. MPEG-4 has
    packets that stand in for a frame left out.

    Sources: RFC 6386 section 9.1, show_frame; VP9 bitstream specification, uncompressed_header.

    Args:
        codec: FFmpeg's name of it.
        data: The packet, not empty.
    """
    if codec == "mpeg4":
        return None if len(data) < _NOT_CODED_BYTES else True
    if codec == "vp8":
        return bool(data[0] & 0x10)
    if codec == "vp9" and data[-1] & 0xE0 != 0xC0 and data[0] & 0x30 != 0x30:
        # No row of pictures, the last of which would be shown; and not of profile 3.
        shows_earlier, is_visible = data[0] & 0x08, data[0] & 0x02
        return bool(shows_earlier or is_visible)
    return True


def is_expendable(codec: str, data: bytes, header: bytes) -> bool:
    """Whether no other picture builds on this one; false where that cannot be told.

    Sources: ITU-T H.264 section 7.4.1, nal_ref_idc; H.265 table 7-1, sub-layer non-reference
    pictures; H.262 section 6.3.9, picture_coding_type; ISO/IEC 14496-2 section 6.3.5,
    vop_coding_type.

    Args:
        codec: FFmpeg's name of it.
        data: A packet.
        header: The codec's extra data, which begins with 1 where units follow their length.
    """
    if codec not in _READERS:
        return False
    verdicts = [verdict for unit in _units(data, header) for verdict in _READERS[codec](unit)]
    return bool(verdicts) and all(verdicts)


def _units(data: bytes, header: bytes) -> Iterator[bytes]:
    """The first bytes, one to three, of each part of a packet."""
    if header[:1] != b"\1":
        yield from (data[place : place + 3] for place in _starts(data) if place < len(data))
        return
    start = 0
    while start + _LENGTH_SIZE < len(data):
        unit = start + _LENGTH_SIZE
        yield data[unit : unit + 3]
        start = unit + int.from_bytes(data[start:unit], "big")


def _starts(data: bytes) -> Iterator[int]:
    return (match.end() for match in re.finditer(rb"\x00\x00\x01", data))


def _is_unused_h264(unit: bytes) -> Iterator[bool]:
    if unit[0] & 0x1F in (1, 5):
        yield unit[0] & 0x60 == 0


def _is_unused_hevc(unit: bytes) -> Iterator[bool]:
    kind = unit[0] >> 1
    if kind < 32:
        yield kind < 16 and kind % 2 == 0


def _is_b_picture_mpeg(unit: bytes) -> Iterator[bool]:
    if unit[0] == 0x00 and len(unit) > 2:
        yield unit[2] >> 3 & 7 == 3


def _is_b_picture_mpeg4(unit: bytes) -> Iterator[bool]:
    if unit[0] == 0xB6 and len(unit) > 1:
        yield unit[1] >> 6 == 2


_READERS: dict[str, Callable[[bytes], Iterator[bool]]] = {
    "h264": _is_unused_h264,
    "hevc": _is_unused_hevc,
    "mpeg1video": _is_b_picture_mpeg,
    "mpeg2video": _is_b_picture_mpeg,
    "mpeg4": _is_b_picture_mpeg4,
}
