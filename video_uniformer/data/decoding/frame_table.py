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


class FrameTable(NamedTuple):
    """What tells the frames of a file apart.

    Attributes:
        frames: Time stamps of the playable frames, rising, in units of the stream's time base.
        key_frames: Those of key frames, rising; also of those that an edit list hides, as decoding
            may have to start there.
    """

    frames: list[int]
    key_frames: list[int]


def read_frame_table(
    path: Path, container: InputContainer, stream: VideoStream
) -> FrameTable | None:
    """List the playable frames; None where time stamps do not tell them apart.

    Args:
        path: The file, opened anew where its first frames have to be decoded.
        container: Open and not yet read from; read to its end.
        stream: The one that is the video.

    Raises:
        VideoError: The file is damaged or cut short.
    """
    decoder = stream.codec_context
    if container.format.name == "avi" and decoder.has_b_frames:
        return None  # AVI stores no times of display, and those that FFmpeg makes up are off
    frames: list[int] = []
    key_frames: list[int] = []
    codec = decoder.codec.canonical_name
    for packet in _walk_packets(path, container, stream):
        shown = is_shown(codec, memoryview(packet))
        if packet.pts is None or shown is None:
            return None
        if packet.is_keyframe:
            key_frames.append(packet.pts)
        is_playable = shown and not packet.is_discard
        # Ahead of the first key frame, in decoding or display, stand frames that lack another.
        if key_frames and packet.pts >= key_frames[0] and is_playable:
            frames.append(packet.pts)
    if len(set(frames)) < len(frames):
        return None
    in_order = all(a < b for a, b in pairwise(frames))
    if in_order and decoder.has_b_frames and not _is_shown_in_order(path):
        return None
    return FrameTable(sorted(frames), sorted(key_frames))


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
