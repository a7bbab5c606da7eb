"""What the packets of a transport stream tell that FFmpeg does not pass on.

Source: ITU-T H.222.0 section 2.4.3, packets of 188 bytes. Camcorders put four bytes in front of
each, and broadcasters sixteen behind.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

_SYNC = 0x47
_HEADER_BYTES = 4
_START_CODE = b"\0\0\1"
_IN_FRONT = {188: 0, 192: 4, 204: 0}  # bytes of a packet, and of them ahead of its sync
_PROVEN_PACKETS = 5  # so many syncs at equal distances are no chance
_HEAD_BYTES = 1 << 19
_JUDGED_FRAMES = 8
_TAIL_PACKETS = 4000  # sound and tables may stand between two packets of the video


class _Packet(NamedTuple):
    pid: int
    begins_frame: bool
    is_scrambled: bool
    is_padded: bool
    has_payload: bool


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
    own = (p.is_scrambled for p in packets if p.pid == pid and p.begins_frame)
    verdicts = list(islice(own, _JUDGED_FRAMES))
    return 2 * sum(verdicts) > len(verdicts)


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
    own = (p for p in walk if following and p.pid == following.pid and p.has_payload)
    last = next(own, None)
    return last is not None and last.is_padded


def _find_packets(head: bytes) -> tuple[int, int]:
    """Where the sync of the first packet stands, and the size of all; the end if there is none."""
    for size, in_front in _IN_FRONT.items():
        for start in range(in_front, in_front + size):
            syncs = head[start::size][:_PROVEN_PACKETS]
            if syncs == bytes([_SYNC]) * _PROVEN_PACKETS:
                return start, size
    return len(head), min(_IN_FRONT)


def _packets(data: bytes, start: int, step: int) -> Iterator[_Packet]:
    """Read headers from one sync to the next, or the one before; up to a packet out of step."""
    place = start
    while 0 <= place <= len(data) - _HEADER_BYTES - 1 and data[place] == _SYNC:
        flags = data[place + 3]
        payload = place + _HEADER_BYTES + (1 + data[place + _HEADER_BYTES] if flags & 0x20 else 0)
        is_readable = data[payload : payload + len(_START_CODE)] == _START_CODE
        yield _Packet(
            pid=(data[place + 1] & 0x1F) << 8 | data[place + 2],
            begins_frame=bool(data[place + 1] & 0x40),
            is_scrambled=bool(flags & 0x80) and not is_readable,
            is_padded=bool(flags & 0x20),
            has_payload=bool(flags & 0x10),
        )
        place += step
