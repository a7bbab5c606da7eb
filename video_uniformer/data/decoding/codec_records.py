"""What the records of H.264 and HEVC in an mp4 file say of their pictures.

Records: ISO/IEC 14496-15. Parameter sets: ITU-T H.264, section 7.3.2.1.1.
"""

import struct

AVC_BASELINE, _AVC_MAIN, _AVC_HIGH = 66, (77, 88), 100  # profiles
_HEVC_MAIN = 1


def is_plain_hevc(record: bytes) -> bool:
    """Whether an `hvcC` record is of 8 bit 4:2:0, progressive."""
    return record[1] & 0x1F == _HEVC_MAIN and not record[6] & 0x40  # the latter: interlaced


def is_plain_avc(record: bytes) -> bool:
    """Whether an `avcC` record is of 8 bit 4:2:0, progressive, by its first parameter set."""
    (length,) = struct.unpack_from(">H", record, 6)
    bits = _Bits(record[9 : 8 + length].replace(b"\0\0\3", b"\0\0"))
    profile = bits.read(24) >> 16
    if profile not in (AVC_BASELINE, *_AVC_MAIN, _AVC_HIGH):
        return False
    bits.read_golomb()
    # Format 4:2:0, no bits beyond 8 for either, no lossless mode, no scaling matrix.
    if profile == _AVC_HIGH and (
        (bits.read_golomb(), bits.read_golomb(), bits.read_golomb()) != (1, 0, 0) or bits.read(2)
    ):
        return False
    bits.read_golomb()
    order_type = bits.read_golomb()
    if order_type == 1:
        return False  # hardly ever seen, and long to skip
    for _ in range(2 if order_type == 0 else 1):
        bits.read_golomb()  # for type 0 the order's length; then the number of reference frames
    bits.read(1)
    bits.read_golomb()  # width and height
    bits.read_golomb()
    return bits.read(1) == 1  # frames only, no fields


class _Bits:
    """Reads big-endian bits in turn."""

    def __init__(self, data: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in data)
        self._place = 0

    def read(self, count: int) -> int:
        """Read an unsigned integer of `count` bits."""
        text = self._text[self._place : self._place + count]
        self._place += count
        return int(text, 2)

    def read_golomb(self) -> int:
        """Read an unsigned Exp-Golomb code, section 9.1."""
        zeros = self._text.index("1", self._place) - self._place
        self._place += zeros
        return self.read(zeros + 1) - 1
