"""Damaged files: the video of the frames that are intact.

A decoder conceals damage where it can, and what it shows then is no frame of the video; so are the
frames that build on it, of which it says nothing. They are found by decoding the file twice: once
as usual, and once with a decoder that leaves out what it would have to conceal. A frame that comes
out of both alike does not rest on concealed parts. Where a whole packet is lost, both lack the
same, so all up to the next key frame is left out as well, unless nothing builds on that packet.
"""

import zlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from torch import Tensor

from video_uniformer.data.decoding.full_decode import SequentialDecoding
from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.pyav_reader import Images, PyAVVideo
from video_uniformer.data.decoding.scaling import scaled_size
from video_uniformer.data.decoding.streams import (
    open_container,
    prepare_stream,
    seconds_from_first,
)


class Survey(NamedTuple):
    """What decoding a whole file has shown.

    Attributes:
        places: Of the intact frames among all that decoding gives, rising.
        times: When the intact frames are shown, float64 seconds from the first; None where the file
            does not tell.
        num_frames: Playable frames that the file should hold, as far as it tells.
        problem: The first damage that cost a frame, in words; empty if there is none.
    """

    places: list[int]
    times: Tensor | None
    num_frames: int
    problem: str


def survey_frames(path: Path) -> Survey:
    """Decode a whole file and find its intact frames.

    Raises:
        VideoError: The file is unreadable or has no video stream.
    """
    strict, usual = SequentialDecoding(path, is_strict=True), SequentialDecoding(path)
    clean = [_Seen.of(frame, is_sound) for frame, is_sound in strict]
    seen = [_Seen.of(*pair) for pair in usual]
    same = {(frame.pts, frame.digest) for frame in clean}
    places = [
        place
        for place, frame in enumerate(seen)
        if frame.is_sound and (frame.pts, frame.digest) in same
    ]
    is_whole = len(places) == len(seen) and not usual.problem
    stamps = [seen[place].pts for place in places]
    return Survey(
        places=places,
        times=_seconds(stamps, strict.time_base),
        num_frames=max(strict.num_frames, len(places)),
        problem="" if is_whole else usual.problem or "damage is concealed",
    )


def salvage_video(path: Path, *, short_side: int | None = None) -> Video:
    """Open a file as the video of its intact frames.

    Args:
        path: A file in any container that FFmpeg reads.
        short_side: As for `open_video`.

    Raises:
        VideoError: The file is unreadable, or no frame of it is intact.
    """
    survey = survey_frames(path)
    if not survey.problem:
        video = PyAVVideo(path, short_side=short_side)
        if len(video) == len(survey.places):
            video.choice = "an intact file, decoded once to be sure of it"
            return video
        video.close()
        survey = survey._replace(problem="frames in the container are never decoded")
    return SalvagedVideo(path, survey, short_side=short_side)


class SalvagedVideo(Video):
    """The intact frames of a damaged file, which are numbered from 0 on.

    They are those that decoding from the start gives, and that is how they are read.

    Args:
        path: The file.
        survey: What `survey_frames` found in it.
        short_side: As for `open_video`.

    Raises:
        VideoError: No frame is intact.
    """

    decoder = "pyav"

    def __init__(self, path: Path, survey: Survey, *, short_side: int | None = None) -> None:
        super().__init__(path)
        if not survey.places:
            raise VideoError(f"{path}: no frame is intact ({survey.problem or 'none is there'})")
        lost, total = survey.num_frames - len(survey.places), survey.num_frames
        self.choice = "a damaged file, read from its start for the intact frames"
        self.salvaged = f"{lost} of {total} frames are lost ({survey.problem})"
        self._survey = survey
        self._reformatter = VideoReformatter()
        with open_container(path) as container:
            stream = prepare_stream(container, path)
            size = stream.codec_context.width, stream.codec_context.height
            self._fps = float(stream.average_rate or stream.guessed_rate or 1)
        self._size = scaled_size(*size, short_side)

    def __len__(self) -> int:
        return len(self._survey.places)

    @property
    def fps(self) -> float:
        """Frames per second, as the file says; gaps are not counted."""
        return self._fps

    @property
    def times(self) -> Tensor:
        """When each frame is shown, float64 (len), rising seconds from 0, with the gaps."""
        return super().times if self._survey.times is None else self._survey.times

    def _release(self) -> None:
        """No file stays open."""

    def _read(self, indices: list[int]) -> Tensor:
        images = Images([self._survey.places[i] for i in indices], self._size, self._reformatter)
        images.take(
            (place, frame) for place, (frame, _) in enumerate(SequentialDecoding(self.path))
        )
        if images.missing:
            raise VideoError(f"{self.path}: the file has changed since it was opened")
        return torch.from_numpy(images.rgb)


def _seconds(stamps: list[int | None], time_base: Fraction) -> Tensor | None:
    """Time stamps as seconds from the first; None if one is missing or they do not rise."""
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or not all(a < b for a, b in pairwise(known)):
        return None
    return seconds_from_first(known, time_base)


class _Seen(NamedTuple):
    """A frame that decoding gave, without its pixels."""

    pts: int | None
    digest: int
    is_sound: bool

    @classmethod
    def of(cls, frame: VideoFrame, is_sound: bool) -> "_Seen":
        return cls(frame.pts, zlib.crc32(frame.to_ndarray(format="rgb24").tobytes()), is_sound)
