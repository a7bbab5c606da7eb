"""What tells the frames of a file apart: the time stamps of its packets, without decoding them."""

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from video_uniformer.data.decoding.interface import VideoError
from video_uniformer.data.decoding.packets import is_shown
from video_uniformer.data.decoding.streams import (
    as_video_error,
    open_container,
    prepare_stream,
)

_REORDERING_FRAMES = 32  # within so many frames, one that is shown out of decoding order turns up
_WITHOUT_DECODING_TIMES = ("matroska,webm", "ogg", "avi")
# Where a clock leaps ahead by more seconds than this it was set anew: no frame stood so long. Of
# broadcasts FFmpeg's programs say 10 (-dts_delta_threshold); elsewhere a still may last longer.
_LONGEST_STILL_SECONDS = {"mpegts": 10, "mpeg": 10, "flv": 10}
_LONGEST_STILL_ELSEWHERE = 600
_LEAP_FRAMES = 100  # a time lapse has frames that are minutes apart, all of them


class FrameTable(NamedTuple):
    """What tells the frames of a file apart.

    Attributes:
        frames: Time stamps of the playable frames, rising, in units of the stream's time base.
        key_frames: Those of key frames, rising; also of those that an edit list hides, as decoding
            may have to start there.
    """

    frames: list[int]
    key_frames: list[int]


class Listing(NamedTuple):
    """What a file's packets say of its frames.

    Attributes:
        table: None where time stamps do not tell frames apart: they have to be counted.
        parts: Time stamps of the playable frames, rising within each part. A new part begins where
            the clock goes back, as it does where one recording was appended to another. Empty where
            packets do not tell which frames there are.
        stamps: Those of all parts by one clock that goes on from part to part, and that does not
            leap ahead; of the length of all parts together.
    """

    table: FrameTable | None
    parts: list[list[int]]
    stamps: list[int]


def list_frames(path: Path, container: InputContainer, stream: VideoStream) -> Listing:
    """List the playable frames by their packets, which are not decoded.

    Args:
        path: The file, opened anew where its first frames have to be decoded.
        container: Open and not yet read from; read to its end.
        stream: The one that is the video.

    Raises:
        VideoError: The file is damaged or cut short.
    """
    decoder = stream.codec_context
    if container.format.name == "avi" and decoder.has_b_frames:
        # AVI stores no times of display, and those that FFmpeg makes up are off.
        return Listing(None, [], [])
    parts: list[list[int]] = [[]]
    key_frames: list[int] = []
    clock = clock_of(container.format.name)
    codec = decoder.codec.canonical_name
    for packet in _walk_packets(path, container, stream):
        shown = is_shown(codec, memoryview(packet))
        if packet.pts is None or shown is None:
            return Listing(None, [], [])
        if packet.is_keyframe:
            key_frames.append(packet.pts)
        is_playable = shown and not packet.is_discard
        if is_playable and clock.goes_back(packet):
            parts.append([])
        # Ahead of the first key frame, in decoding or display, stand frames that lack another.
        is_led = len(parts) > 1 or (key_frames and packet.pts >= key_frames[0])
        if is_led and is_playable:
            parts[-1].append(packet.pts)
    in_order = all(a < b for a, b in pairwise(parts[0]))
    parts = [sorted(part) for part in parts]
    stamps = _continue_clock(parts, longest_still(container.format.name, stream))
    is_clear = len(parts) == 1 and len(set(parts[0])) == len(parts[0])
    if is_clear and in_order and decoder.has_b_frames:
        is_clear = _is_shown_in_order(path)
    table = FrameTable(parts[0], sorted(key_frames)) if is_clear else None
    return Listing(table, parts, stamps)


class Clock:
    """Follows the time stamps of packets in the order of the file.

    Args:
        has_decoding_times: Whether the container stores them; those that FFmpeg makes up may go
            back where nothing else does.
    """

    def __init__(self, *, has_decoding_times: bool) -> None:
        self._has_decoding_times = has_decoding_times
        self._last_dts: int | None = None
        self._latest_pts: int | None = None

    def goes_back(self, packet: "Packet[VideoStream]") -> bool:
        """Whether a packet, whose pts is known, belongs to an earlier time than those before it.

        Times of display also go back where frames are reordered, but never to before a key frame:
        all that is decoded before one is shown before it.
        """
        dts, pts = packet.dts, packet.pts or 0
        went_back = packet.is_keyframe and self._latest_pts is not None and pts < self._latest_pts
        if self._has_decoding_times and dts is not None and self._last_dts is not None:
            went_back |= dts < self._last_dts
        self._last_dts = dts
        is_new = went_back or self._latest_pts is None
        self._latest_pts = pts if is_new else max(self._latest_pts or pts, pts)
        return went_back


def clock_of(container: str) -> Clock:
    """A clock for the packets of a container, by FFmpeg's name of its format."""
    return Clock(has_decoding_times=container not in _WITHOUT_DECODING_TIMES)


def longest_still(container: str, stream: VideoStream) -> float:
    """Ticks of the stream that a frame may be shown before the clock is said to have leapt."""
    seconds = _LONGEST_STILL_SECONDS.get(container, _LONGEST_STILL_ELSEWHERE)
    return float(seconds / (stream.time_base or 1))


def _continue_clock(parts: list[list[int]], longest_still: float) -> list[int]:
    """Put parts one behind the other, and take out the leaps ahead.

    In place of each leap, and from part to part, stands the median distance of frames.

        parts   0 1 2 | 0 1 2 90 91    ->    0 1 2 3 4 5 6 7
    """
    distances = sorted(b - a for part in parts for a, b in pairwise(part))
    usual = max(1, distances[len(distances) // 2]) if distances else 1
    longest = max(longest_still, _LEAP_FRAMES * usual)
    stamps: list[int] = []
    for part in parts:
        for place, stamp in enumerate(part):
            if not stamps:
                stamps.append(stamp)
                continue
            distance = stamp - part[place - 1] if place else usual
            stamps.append(stamps[-1] + (distance if distance <= longest else usual))
    return stamps


def _walk_packets(
    path: Path, container: InputContainer, stream: VideoStream
) -> "Iterator[Packet[VideoStream]]":
    """All packets, in decoding order."""
    count = 0
    try:
        for packet in container.demux(stream):
            if packet.size:  # the last one is empty: it tells the decoder to finish
                count += 1
                yield packet
    except Exception as error:  # damaged files raise many types
        raise as_video_error(path, f"damaged after {count} frames", error) from error
    if count < len(stream.index_entries):
        listed = sum(entry.size > 0 for entry in stream.index_entries)
        if count < listed:
            raise VideoError(f"{path}: cut short, holds {count} of its {listed} frames")


def _is_shown_in_order(path: Path) -> bool:
    """Whether the times of the first frames rise as they leave the decoder.

    Some writers put the order of decoding in place of that of display.
    """
    try:
        with open_container(path) as container:
            frames = container.decode(prepare_stream(container, path))
            times = [frame.pts or 0 for frame in islice(frames, _REORDERING_FRAMES)]
    except Exception as error:
        raise as_video_error(path, "frame 0 cannot be decoded", error) from error
    return all(a < b for a, b in pairwise(times))
