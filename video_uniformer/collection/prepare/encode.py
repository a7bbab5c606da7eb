"""One video, encoded anew: the same frames, smaller, with key frames close together."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from video_uniformer.collection.scan.inspection import OK, FileReport, inspect_file
from video_uniformer.collection.scan.walk import walk_frames
from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.interface import VideoError
from video_uniformer.data.decoding.opening import open_video
from video_uniformer.data.decoding.orientation import orientation_of
from video_uniformer.data.decoding.pyav_reader import PyAVVideo, read_pixels
from video_uniformer.data.decoding.scaling import scaled_size
from video_uniformer.data.decoding.streams import open_container, prepare_stream

_TIMES = Fraction(1, 90000)  # unit of the times of a variable rate, seconds
_MOST_DIFFERENCE = 16.0  # grey levels, on average; another frame differs by more, noise by less
_GREY = np.array((0.299, 0.587, 0.114), dtype=np.float32)

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Encoding:
    """How videos are encoded: H.264, 8 bit 4:2:0, without sound.

    Attributes:
        short_side: Pixels of the shorter side of larger frames; smaller ones keep their size, but
            for an odd row or column.
        gop: Largest number of frames from a key frame to the next.
        crf: Quality, 0 to 51; lower is better and larger.

    Raises:
        ValueError: A field is outside what is said above.
    """

    short_side: int = 320
    gop: int = 12
    crf: int = 20

    def __post_init__(self) -> None:
        if self.short_side < 2:
            raise ValueError(f"short_side is {self.short_side}, expected at least 2 pixels")
        if self.gop < 1:
            raise ValueError(f"gop is {self.gop}, expected at least 1 frame")
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf is {self.crf}, expected 0 to 51")


@dataclass(frozen=True)
class Prepared:
    """What became of a video; all plain values.

    Attributes:
        problem: Why it was not encoded; empty where it was.
        num_frames: Frames, as many as in the source.
        source_bytes: Length of the source.
        target_bytes: Length of the new file.
    """

    problem: str = ""
    num_frames: int = 0
    source_bytes: int = 0
    target_bytes: int = 0


def part_path(target: Path) -> Path:
    """Where a new file is written before it appears under its own name."""
    return target.with_name(f".{target.name}.part")


def prepare_file(source: Path, target: Path, encoding: Encoding) -> Prepared:
    """Encode a video anew and verify the result; the target appears whole or not at all.

    The new file has the playable frames of the source, one for one, turned upright, at the same
    times up to rounding.

    Args:
        source: A video file or a folder of pictures. A damaged one is not encoded.
        target: A path that ends in .mp4; its folder is made.
        encoding: How.
    """
    report = inspect_file(source)
    if report.status != OK:
        return Prepared(f"{report.status}: {report.reason}", source_bytes=report.size_bytes)
    part = part_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        ends = _encode(source, part, encoding, report)
        _verify(part, report.num_frames, ends)
        os.replace(part, target)  # noqa: PTH105
    except Exception as error:  # encoders raise many types
        with suppress(OSError):
            part.unlink()
        reason = str(error).removeprefix(f"{part}: ")
        return Prepared(f"not encoded: {reason}", source_bytes=report.size_bytes)
    return Prepared("", report.num_frames, report.size_bytes, target.stat().st_size)


class _Clock(NamedTuple):
    """When the frames of a video are shown.

    Attributes:
        stamps: One a frame, rising, in units of `time_base`.
        time_base: Seconds.
        rate: Frames per second; the mean where it varies.
    """

    stamps: list[int]
    time_base: Fraction
    rate: Fraction


def _encode(
    source: Path, part: Path, encoding: Encoding, report: FileReport
) -> tuple[Image, Image]:
    """Write all frames; return the first and the last as they should look."""
    clock = _clock(source, report)
    images = _upright_frames(source, encoding.short_side)
    first = last = next(images)
    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=clock.rate, options={"crf": f"{encoding.crf}"}
        )
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        encoder = stream.codec_context
        encoder.time_base, encoder.gop_size = clock.time_base, encoding.gop
        encoder.thread_count = 1  # there is a process for each processor
        for stamp, last in zip(clock.stamps, chain([first], images), strict=True):
            frame = VideoFrame.from_ndarray(last, format="rgb24")
            frame.pts, frame.time_base = stamp, clock.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return first, last


def _clock(source: Path, report: FileReport) -> _Clock:
    rate = Fraction(report.fps or 30).limit_denominator(1001)
    if report.rate != "variable":
        return _Clock(list(range(report.num_frames)), 1 / rate, rate)
    with PyAVVideo(source) as video:
        stamps = (video.times / float(_TIMES)).round().long().tolist()
    return _Clock(stamps, _TIMES, rate)


def _upright_frames(source: Path, short_side: int) -> Iterator[Image]:
    """The playable frames, scaled, of even size: uint8 RGB (H, W, 3)."""
    if source.is_dir():
        with FrameFolder(source, short_side=short_side) as folder:
            for number in range(len(folder)):
                image = folder.frames([number])[0].numpy()
                yield image[: _even(image.shape[0]), : _even(image.shape[1])]
        return
    video = PyAVVideo(source)
    with video:
        playable = set(video.table.frames) if video.table else None
    reformatter = VideoReformatter()
    with open_container(source) as container:
        stream = prepare_stream(container, source)
        decoder = stream.codec_context
        width, height = map(_even, scaled_size(decoder.width, decoder.height, short_side))
        for frame in container.decode(stream):
            if playable is None or frame.pts in playable:
                pixels = read_pixels(frame, reformatter, (width, height))
                yield np.ascontiguousarray(orientation_of(frame).apply(pixels))


def _even(length: int) -> int:
    """The length less an odd pixel: colours are stored for two by two pixels."""
    return max(2, length - length % 2)


def _verify(part: Path, num_frames: int, ends: tuple[Image, Image]) -> None:
    """Read the new file as training does.

    Raises:
        VideoError: It does not have the frames that it should.
    """
    walk = walk_frames(part, ())
    if walk.problem or walk.num_frames != num_frames:
        found = walk.problem or f"{walk.num_frames} frames"
        raise VideoError(f"{part}: the new file has {found}, expected {num_frames} frames")
    with open_video(part) as video:
        if len(video) != num_frames:
            raise VideoError(f"{part}: {len(video)} frames are played, expected {num_frames}")
        found_ends = video.frames([0, num_frames - 1]).numpy()
    for name, found_end, expected in zip(("first", "last"), found_ends, ends, strict=True):
        difference = np.abs(found_end @ _GREY - expected @ _GREY).mean()
        if difference > _MOST_DIFFERENCE:
            raise VideoError(f"{part}: its {name} frame is off by {difference:.0f} grey levels")
