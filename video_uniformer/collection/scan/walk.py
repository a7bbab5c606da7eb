"""Decoding a file once from start to end, with a decoder that complains of everything."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av.logging
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from video_uniformer.collection.scan.pictures import Picture
from video_uniformer.data.decoding.full_decode import COMPLAIN, SequentialDecoding
from video_uniformer.data.decoding.orientation import orientation_of

PICTURE_HEIGHT = 64
"""Pixels; the width keeps the aspect."""

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
    reformatter = VideoReformatter()
    decoding = SequentialDecoding(path, COMPLAIN)
    count = 0
    with _listening() as log:
        for frame, _ in decoding:
            # Ahead of the first key frame stand frames that lack another; they are not counted.
            if frame.is_corrupt and count == 0:
                continue
            if count in wanted:
                pictures[count] = _picture(frame, reformatter)
            count += 1
        said = [text.strip() for _, speaker, text in log if speaker == decoding.container]
    complaint = said[0] if said and decoding.container in _COMPLAINING else ""
    problem = "".join(decoding.complaints[:1])
    return Walk(count, problem, complaint, decoding.has_marks, pictures)


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


def _picture(frame: VideoFrame, reformatter: VideoReformatter) -> Picture:
    width = max(1, frame.width * PICTURE_HEIGHT // frame.height)
    small = reformatter.reformat(
        frame, width=width, height=PICTURE_HEIGHT, format="rgb24", interpolation="AREA", threads=1
    )
    return np.ascontiguousarray(orientation_of(frame).apply(small.to_ndarray()))
