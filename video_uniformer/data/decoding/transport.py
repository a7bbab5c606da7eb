"""What the packets of a transport stream tell that FFmpeg does not pass on.

Source: ITU-T H.222.0 section 2.4.3, packets of 188 bytes, and 2.4.4.9, the table of a program.
Camcorders put four bytes in front of each packet, and broadcasters sixteen behind.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

_SYNC = 0x47
_HEADER_BYTES = 4
_PACKET_BYTES = 188
_START_CODE = b"\0\0\1"
_TABLE_HEADER_BYTES = 12
_ENTRY_BYTES = 5
_CHECKSUM_BYTES = 4
# Type of a stream -> FFmpeg's name of the codec; one decoder reads both kinds of MPEG.
_CODECS = {
    0x01: "mpeg2video",
    0x02: "mpeg2video",
    0x10: "mpeg4",
    0x1B: "h264",
    0x24: "hevc",
    0x33: "vvc",
    0xEA: "vc1",
}
_IN_FRONT = {188: 0, 192: 4, 204: 0}  # bytes of a packet, and of them ahead of its sync
_PROVEN_PACKETS = 5  # so many syncs at equal distances are no chance
_HEAD_BYTES = 1 << 19
_JUDGED_FRAMES = 8
_TAIL_PACKETS = 4000  # sound and tables may stand between two packets of the video


class _Packet(NamedTuple):
    pid: int
    begins_unit: bool  # a frame or a table
    is_marked: bool  # as scrambled
    is_padded: bool
    payload: bytes

    @property
    def is_scrambled(self) -> bool:
        return self.is_marked and not self.payload.startswith(_START_CODE)


def is_scrambled(path: Path, pid: int) -> bool:
    """Whether a stream can only be read with a key.

    Most of its first frames have to be marked so, as damage marks a few; and what begins them must
    not be readable, as some recorders leave the marks on what they have decrypted.

    Args:
        path: A transport stream.
        pid: The stream's number.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    packets = _packets(head, *_find_packets(head))
    own = (p.is_scrambled for p in packets if p.pid == pid and p.begins_unit)
    verdicts = list(islice(own, _JUDGED_FRAMES))
    return 2 * sum(verdicts) > len(verdicts)


def list_codecs(path: Path, pid: int) -> list[str]:
    """The codecs that the first and the last table of a stream name; one where they agree.

    Args:
        path: A transport stream.
        pid: The stream's number.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        first, size = _find_packets(head)
        file.seek(max(0, path.stat().st_size - _HEAD_BYTES))
        tail = file.read()
    ends = range(len(tail) - size, len(tail) - 3 * size, -1)
    last = next((place for place in ends if _is_in_step(tail, place, -size)), -1)
    walks = (_packets(head, first, size), _packets(tail, last, -size))
    types = (_find_type(walk, pid) for walk in walks)
    return list(dict.fromkeys(_CODECS[kind] for kind in types if kind in _CODECS))


def is_whole_before(path: Path, place: int) -> bool:
    """Whether the frame that ends ahead of a place is all there.

    The last packet of a frame is padded; one that lacks its successor is full. The rare frame that
    needs no padding is taken for one cut short.

    Args:
        path: A transport stream.
        place: Byte at which a packet of the frame's stream begins.
    """
    with path.open("rb") as file:
        _, size = _find_packets(file.read(_HEAD_BYTES))
        start = max(0, place - _TAIL_PACKETS * size)
        file.seek(start)
        data = file.read(place + size - start)
    walk = _packets(data, place - start + _IN_FRONT[size], -size)
    following = next(walk, None)
    own = (p for p in walk if following and p.pid == following.pid and p.payload)
    last = next(own, None)
    return last is not None and last.is_padded


def _find_packets(head: bytes) -> tuple[int, int]:
    """Where the sync of the first packet stands, and the size of all; the end if there is none."""
    for size, in_front in _IN_FRONT.items():
        for start in range(in_front, in_front + size):
            if _is_in_step(head, start, size):
                return start, size
    return len(head), min(_IN_FRONT)


def _is_in_step(data: bytes, start: int, step: int) -> bool:
    places = range(start, start + _PROVEN_PACKETS * step, step)
    return all(0 <= place < len(data) and data[place] == _SYNC for place in places)


def _packets(data: bytes, start: int, step: int) -> Iterator[_Packet]:
    """Read headers from one sync to the next, or the one before; up to a packet out of step."""
    place = start
    while 0 <= place <= len(data) - _HEADER_BYTES - 1 and data[place] == _SYNC:
        flags = data[place + 3]
        start = place + _HEADER_BYTES + (1 + data[place + _HEADER_BYTES] if flags & 0x20 else 0)
        yield _Packet(
            pid=(data[place + 1] & 0x1F) << 8 | data[place + 2],
            begins_unit=bool(data[place + 1] & 0x40),
            is_marked=bool(flags & 0x80),
            is_padded=bool(flags & 0x20),
            payload=data[start : place + _PACKET_BYTES] if flags & 0x10 else b"",
        )
        place += step


def _find_type(packets: Iterator[_Packet], pid: int) -> int:
    """The type that the first table of a program tells of a stream; 0 if none does."""
    for packet in packets:
        table = packet.payload[1 + packet.payload[0] :] if packet.payload else b""
        if packet.begins_unit and table[:1] == b"\2":
            table = table[: 3 + (int.from_bytes(table[1:3], "big") & 0xFFF) - _CHECKSUM_BYTES]
            place = _TABLE_HEADER_BYTES + (int.from_bytes(table[10:12], "big") & 0xFFF)
            while place + _ENTRY_BYTES <= len(table):
                kind, number, about = struct.unpack_from(">BHH", table, place)
                if number & 0x1FFF == pid:
                    return int(kind)
                place += _ENTRY_BYTES + (about & 0xFFF)
    return 0
