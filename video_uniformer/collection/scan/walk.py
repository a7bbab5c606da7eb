"""Decoding a file once from start to end, with a decoder that complains of everything."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from video_uniformer.collection.scan.pictures import Picture
from video_uniformer.data.decoding.orientation import orientation_of
from video_uniformer.data.decoding.streams import describe_error, open_container, prepare_stream

PICTURE_HEIGHT = 64
"""Pixels; the width keeps the aspect."""

_MARKED = "a packet is damaged"
_OPTIONS = {"err_detect": "crccheck+bitstream+buffer+explode"}
# They read on behind a hole, and only complain of it. Others complain of more than damage.
_COMPLAINING = ("matroska,webm", "asf")


class Walk(NamedTuple):
    """What decoding a file once has shown.

    Attributes:
        num_frames: That came out.
        problem: The first complaint, in words; empty if there was none.
        complaint: What FFmpeg says of damage to the container itself; empty if nothing.
        has_marks: Whether the container calls a packet damaged.
        pictures: Small upright ones of the wanted frames, uint8 RGB (H, W, 3), by number.
    """

    num_frames: int
    problem: str
    complaint: str
    has_marks: bool
    pictures: dict[int, Picture]


def walk_frames(path: Path, places: Iterable[int]) -> Walk:
    """Decode all frames of a file, past all damage.

    Args:
        path: The file.
        places: The frames to take pictures of.

    Raises:
        VideoError: The file is unreadable or has no video stream.
    """
    wanted = set(places)
    pictures: dict[int, Picture] = {}
    problems: list[str] = []
    reformatter = VideoReformatter()
    count = 0
    with _listening() as log, open_container(path) as container:
        stream = prepare_stream(container, path)
        stream.codec_context.options = _OPTIONS
        for frame in _decode(container, stream, problems):
            # Ahead of the first key frame stand frames that lack another; they are not counted.
            if frame.is_corrupt and count == 0:
                continue
            if frame.is_corrupt:
                problems.append("a frame is corrupt")
            if count in wanted:
                pictures[count] = _picture(frame, reformatter)
            count += 1
        name = container.format.name
        said = [text.strip() for _, speaker, text in log if speaker == name]
    complaint = said[0] if said and name in _COMPLAINING else ""
    return Walk(count, "".join(problems[:1]), complaint, _MARKED in problems, pictures)


@contextmanager
def _listening() -> Iterator[list[tuple[int, str, str]]]:
    """Keep what FFmpeg calls an error: level, speaker and text."""
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as log:
            yield log
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])


def _decode(
    container: InputContainer, stream: VideoStream, problems: list[str]
) -> Iterator[VideoFrame]:
    decoder = stream.codec_context
    for packet in _packets(container, stream, problems):
        if packet and packet.is_corrupt:
            problems.append(_MARKED)
        try:
            yield from decoder.decode(packet)
        except Exception as error:  # damaged files raise many types
            problems.append(describe_error(error))


def _packets(
    container: InputContainer, stream: VideoStream, problems: list[str]
) -> "Iterator[Packet[VideoStream] | None]":
    """All packets that can be read, then None, which tells the decoder to finish."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except Exception as error:
        problems.append(describe_error(error))
    yield None


def _picture(frame: VideoFrame, reformatter: VideoReformatter) -> Picture:
    width = max(1, frame.width * PICTURE_HEIGHT // frame.height)
    small = reformatter.reformat(
        frame, width=width, height=PICTURE_HEIGHT, format="rgb24", interpolation="AREA", threads=1
    )
    return np.ascontiguousarray(orientation_of(frame).apply(small.to_ndarray()))
