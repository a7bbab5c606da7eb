"""Where one recording was appended to another."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from av.packet import Packet
from av.video.stream import VideoStream

from video_uniformer.data.decoding.frame_table import clock_of, longest_still
from video_uniformer.data.decoding.transport import is_whole_before

# The parser hands a mark on to the packet before the one that it is meant for.
_MARKED_AHEAD = 2


class Step(NamedTuple):
    """A packet, and what the joints around it say of it.

    Attributes:
        packet: None behind the last, which tells the decoder to finish.
        is_joint: Whether a recording begins with it that was appended to another.
        is_damaged: Whether the container calls it damaged, and not only because a transport
            stream's packets are no longer numbered on at a joint behind it.
    """

    packet: "Packet[VideoStream] | None"
    is_joint: bool
    is_damaged: bool


def watch_joints(
    packets: "Iterable[Packet[VideoStream] | None]",
    path: Path,
    container: str,
    stream: VideoStream,
) -> Iterator[Step]:
    """Tell what is marked at a joint from what is damaged, looking two packets ahead.

    At a joint the clock goes back, or leaps ahead, at a key frame, and the frame ahead of it is all
    there. In a hole the clock goes on, or part of a frame is missing.

    Args:
        packets: All of the video, in the order of the file.
        path: The file.
        container: FFmpeg's name of its format.
        stream: The one that is the video.
    """
    ahead: deque[tuple[Packet[VideoStream] | None, bool]] = deque()
    joints = _find_joints(packets, container, stream)
    for following in joints:
        ahead.append(following)
        if len(ahead) > _MARKED_AHEAD:
            yield _judge(ahead, path, container)
    while ahead:
        yield _judge(ahead, path, container)


def _find_joints(
    packets: "Iterable[Packet[VideoStream] | None]", container: str, stream: VideoStream
) -> "Iterator[tuple[Packet[VideoStream] | None, bool]]":
    clock, longest = clock_of(container), longest_still(container, stream)
    last: int | None = None
    for packet in packets:
        is_joint = False
        if packet and packet.pts is not None:
            leaps = None not in (packet.dts, last) and (packet.dts or 0) - (last or 0) > longest
            is_joint = (clock.goes_back(packet) or leaps) and packet.is_keyframe
            last = packet.dts
        yield packet, is_joint


def _judge(
    ahead: "deque[tuple[Packet[VideoStream] | None, bool]]", path: Path, container: str
) -> Step:
    """Take the first of these packets, the others being those that follow it."""
    packet, is_joint = ahead.popleft()
    is_damaged = packet is not None and packet.is_corrupt
    if is_damaged and container == "mpegts":
        places = [p.pos for p, begins in ahead if begins and p and p.pos is not None]
        is_damaged = not any(is_whole_before(path, place) for place in places)
    return Step(packet, is_joint, is_damaged)
