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
_SIZES = (188, 192, 204)
_PROVEN_PACKETS = 5  # so many syncs at equal distances are no chance
_HEAD_BYTES = 1 << 19
_JUDGED_FRAMES = 8


class _Packet(NamedTuple):
    pid: int
    begins_frame: bool
    is_scrambled: bool


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


def _find_packets(head: bytes) -> tuple[int, int]:
    """Where the sync of the first packet stands, and the size of all; the end if there is none."""
    for size in _SIZES:
        for start in range(size):
            syncs = head[start::size][:_PROVEN_PACKETS]
            if syncs == bytes([_SYNC]) * _PROVEN_PACKETS:
                return start, size
    return len(head), _SIZES[0]


def _packets(data: bytes, start: int, size: int) -> Iterator[_Packet]:
    """Read headers from one sync to the next; up to a packet out of step."""
    place = start
    while 0 <= place <= len(data) - _HEADER_BYTES - 1 and data[place] == _SYNC:
        flags = data[place + 3]
        payload = place + _HEADER_BYTES + (1 + data[place + _HEADER_BYTES] if flags & 0x20 else 0)
        is_readable = data[payload : payload + len(_START_CODE)] == _START_CODE
        yield _Packet(
            pid=(data[place + 1] & 0x1F) << 8 | data[place + 2],
            begins_frame=bool(data[place + 1] & 0x40),
            is_scrambled=bool(flags & 0x80) and not is_readable,
        )
        place += size
