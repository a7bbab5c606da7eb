"""What the records of H.264 and HEVC in an mp4 file say of their pictures.

Records: ISO/IEC 14496-15. Parameter sets: ITU-T H.264, sections 7.3.2.1.1 and E.1.1.
"""

import struct

from av.codec.context import CodecContext

from video_uniformer.data.decoding.colours import colours_from_codes

AVC_BASELINE, _AVC_MAIN, _AVC_HIGH = 66, (77, 88), 100  # profiles
_HEVC_MAIN = 1
_ANY_ASPECT = 255  # width and height of a pixel follow


def is_plain_hevc(record: bytes) -> bool:
    """Whether an `hvcC` record is of 8 bit 4:2:0, progressive, in plain colours."""
    if record[1] & 0x1F != _HEVC_MAIN or record[6] & 0x40:  # the latter: interlaced
        return False
    # The colours stand behind tables that are long to skip; FFmpeg takes them from the record.
    decoder = CodecContext.create("hevc", "r")
    decoder.extradata = record
    decoder.open()
    return colours_from_codes(decoder.color_trc, decoder.color_primaries).are_plain


def is_plain_avc(record: bytes) -> bool:
    """Whether an `avcC` record is of 8 bit 4:2:0, progressive, in plain colours.

    Its first parameter set tells.
    """
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
    return bits.read(1) == 1 and _tell_plain_colours(bits)  # the former: no fields


def _tell_plain_colours(bits: "_Bits") -> bool:
    """Whether the rest of a parameter set, behind `frame_mbs_only_flag`, names plain colours."""
    bits.read(1)
    if bits.read(1):  # cropped at four sides
        for _ in range(4):
            bits.read_golomb()
    if not bits.read(1):
        return True  # it says nothing of how pictures are to be shown
    if bits.read(1) and bits.read(8) == _ANY_ASPECT:
        bits.read(32)
    if bits.read(1):  # overscan
        bits.read(1)
    if not bits.read(1) or not bits.read(5) & 1:  # signal type; format, range, whether it has codes
        return True
    primaries, transfer = bits.read(8), bits.read(8)
    return colours_from_codes(transfer, primaries).are_plain


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
