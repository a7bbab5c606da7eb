"""PyAV: exact on every container, because frames are told apart by their time stamps.

The time stamps come from a walk over the packets, which decodes nothing; what a container says of
itself (number of frames, duration, rate) is not believed. A frame is reached from the last key
frame before it: packets are fed up to the frame's own, then the decoder is drained, so that hardly
a packet is decoded that no wanted frame builds on. Where time stamps do not tell frames apart, or
the clock goes back, frames are counted from the start of the file.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Literal

import av.error
import numpy as np
import numpy.typing as npt
import torch
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from torch import Tensor

from video_uniformer.data.decoding.colours import colours_of, to_plain
from video_uniformer.data.decoding.frame_table import list_frames
from video_uniformer.data.decoding.interface import Allocate, Video, VideoError, allocate_pixels
from video_uniformer.data.decoding.orientation import orientation_of
from video_uniformer.data.decoding.scaling import scaled_size
from video_uniformer.data.decoding.streams import (
    as_video_error,
    open_container,
    prepare_stream,
    seconds_from_first,
)
from video_uniformer.data.decoding.transport import list_codecs


class PyAVVideo(Video):
    """A video file read with PyAV on one thread.

    Of several video streams it takes the one that FFmpeg calls the best; a picture attached as the
    file's cover is not a video.

    Args:
        path: A file in any container that FFmpeg reads.
        short_side: Pixels that larger frames are scaled down to in the conversion to RGB; None
            leaves them as they are.
        num_frames: Playable frames, where they have been counted before; a file that cannot be
            counted without decoding is then not decoded for it.

    Attributes:
        table: The time stamps; None where they do not tell frames apart.
        num_parts: Recordings that the file joins: one more than its clock goes back.

    Raises:
        VideoError: The file is unreadable, cut short, has no video stream, or no frame of it can
            be played.
    """

    decoder = "pyav"

    def __init__(
        self, path: Path, *, short_side: int | None = None, num_frames: int | None = None
    ) -> None:
        super().__init__(path)
        self.choice = "asked for"
        self._reformatter = VideoReformatter()
        self._container = open_container(path)
        try:
            self._stream = prepare_stream(self._container, path)
            # Noted now, as decoding sets them to those of the last frame.
            decoder = self._stream.codec_context
            self._size = scaled_size(decoder.width, decoder.height, short_side)
            self._check_codec()
            listing = list_frames(path, self._container, self._stream)
            self.table, self._stamps = listing.table, listing.stamps
            self.num_parts = max(1, len(listing.parts))
            if self.table:
                self._num_frames = len(self.table.frames)
            else:
                self._num_frames = num_frames or self._count_frames()
            if self._num_frames == 0:
                raise VideoError(f"{path}: no frame can be played, expected a video")
            self._fps = self._measure_fps()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._num_frames

    @property
    def fps(self) -> float:
        """Frames per second; the mean where the rate varies, without jumps of the clock."""
        return self._fps

    @property
    def times(self) -> Tensor:
        """When each frame is shown, float64 (len), rising seconds from 0 for the first frame."""
        # Time stamps that do not tell frames apart tell no times either, but for those of parts.
        is_timed = self.table or self.num_parts > 1
        if not is_timed or len(self._stamps) != self._num_frames:
            return super().times
        return seconds_from_first(self._stamps, self._stream.time_base or Fraction(1))

    def _release(self) -> None:
        self._container.close()

    def _check_codec(self) -> None:
        """Refuse recordings of several codecs in one file, for which there is but one decoder."""
        if self._container.format.name == "mpegts":
            codecs = list_codecs(self.path, self._stream.id)
            if len(codecs) > 1:
                names = " and then ".join(codecs)
                raise VideoError(f"{self.path}: its codec is {names}, expected one throughout")

    def _count_frames(self) -> int:
        count = 0
        try:
            for _ in self._decode_from_start(by_time=False):
                count += 1
        except Exception as error:
            raise as_video_error(self.path, f"undecodable after {count} frames", error) from error
        return count

    def _measure_fps(self) -> float:
        is_timed = self.table or self.num_parts > 1
        if is_timed and len(self._stamps) > 1 and self._stamps[-1] > self._stamps[0]:
            span = self._stamps[-1] - self._stamps[0]
            return float((len(self._stamps) - 1) / (span * (self._stream.time_base or Fraction(1))))
        return float(self._stream.average_rate or self._stream.guessed_rate or 1)

    def _read(self, indices: list[int]) -> Tensor:
        names = [self.table.frames[index] for index in indices] if self.table else indices
        images = Images(names, self._size, self._reformatter, self.allocate)
        try:
            if self.table:
                images.take(self._decode_stretches(names, self.table.key_frames))
            if images.missing:  # no table, or a seek or a decoder that misbehaves
                images.take(self._decode_from_start(by_time=self.table is not None))
        except Exception as error:
            reason = f"frame {indices[images.first_missing]} cannot be decoded"
            raise as_video_error(self.path, reason, error) from error
        if images.missing:
            number = indices[images.first_missing]
            raise VideoError(
                f"{self.path}: frame {number} is in the container, but damaged or lost"
            )
        return torch.from_numpy(images.rgb)

    def _decode_from_start(self, *, by_time: bool) -> Iterator[tuple[int | None, VideoFrame]]:
        """Decode everything; name frames by time stamp, or by number."""
        self._container.close()
        self._container = open_container(self.path)
        self._stream = prepare_stream(self._container, self.path)
        has_begun = False
        for number, frame in enumerate(self._container.decode(self._stream)):
            name = frame.pts if by_time else number
            # Ahead of the first key frame stand frames that lack another; that is no damage.
            has_begun |= not frame.is_corrupt
            if has_begun and frame.is_corrupt:
                name = None  # made up by the decoder, to conceal damage
            yield name, frame

    def _decode_stretches(
        self, targets: list[int], key_frames: list[int]
    ) -> Iterator[tuple[int | None, VideoFrame]]:
        """Decode from the last key frame before each target, once for all that share it."""
        for position, stretch in groupby(targets, lambda pts: bisect_right(key_frames, pts)):
            packets = self._packets_from(key_frames[:position])
            for frame in self._decode_up_to(packets, set(stretch)):
                # After a seek a frame may lack another that it refers to; from the start it won't.
                if not frame.is_corrupt:
                    yield frame.pts, frame

    def _packets_from(self, key_frames: list[int]) -> "Iterator[Packet[VideoStream]]":
        """Walk the packets from the last of these key frames on; none where no seek finds it."""
        goal = key_frames[-1]
        # Some containers seek by time of decoding, and may land behind a key frame.
        for start in dict.fromkeys((goal, key_frames[-2:][0], key_frames[0])):
            try:
                self._container.seek(start, stream=self._stream)
            except av.error.FFmpegError:
                return
            packets = self._container.demux(self._stream)
            at_goal = (p for p in packets if p.is_keyframe and p.pts is not None and p.pts >= goal)
            packet = next(at_goal, None)
            if packet and packet.pts == goal:
                yield packet
                yield from packets
                return

    def _decode_up_to(
        self, packets: "Iterable[Packet[VideoStream]]", targets: set[int | None]
    ) -> Iterator[VideoFrame]:
        """Feed packets until all targets are in, then drain the decoder."""
        decoder = self._stream.codec_context
        # In H.264 alone: HEVC calls frames unreferenced that higher temporal layers refer to.
        unwanted: Literal["NONREF", "DEFAULT"] = "NONREF" if decoder.name == "h264" else "DEFAULT"
        has_input = False
        for packet in packets:
            if not packet.size:
                break
            has_input = True
            decoder.skip_frame = "DEFAULT" if packet.pts in targets else unwanted
            yield from packet.decode()
            targets.discard(packet.pts)
            if not targets:
                break
        if has_input:  # a decoder that is told to finish twice takes it for an error
            yield from decoder.decode(None)


class Images:
    """The wanted frames as RGB in one array; no other frame is converted.

    Args:
        names: What frames are asked for by; distinct, in the order of the result.
        size: Width and height, pixels, that all frames get before they are turned upright; also
            when they change on the way.
        reformatter: Kept between calls; setting one up costs as much as converting a frame.
        allocate: Makes `rgb`.

    Attributes:
        rgb: uint8 (N, H, W, 3).
        missing: The names of frames not yet taken.
    """

    def __init__(
        self,
        names: Sequence[int],
        size: tuple[int, int],
        reformatter: VideoReformatter,
        allocate: Allocate = allocate_pixels,
    ) -> None:
        self.rgb: npt.NDArray[np.uint8] = np.empty((0, 0, 0, 3), dtype=np.uint8)
        self.missing = set(names)
        self._positions = {name: position for position, name in enumerate(names)}
        self._width, self._height = size
        self._reformatter = reformatter
        self._allocate = allocate

    @property
    def first_missing(self) -> int:
        """Position in the result of the first frame not yet taken."""
        return min((self._positions[name] for name in self.missing), default=0)

    def take(self, named_frames: Iterable[tuple[int | None, VideoFrame]]) -> None:
        """Convert the missing ones among these frames; stop when none is missing."""
        for name, frame in named_frames:
            if name in self.missing:
                self._put(self._positions[name], frame)
                self.missing.remove(name)
                if not self.missing:
                    return

    def _put(self, position: int, frame: VideoFrame) -> None:
        rgb = read_pixels(frame, self._reformatter, (self._width, self._height))
        upright = orientation_of(frame).apply(rgb)  # (H, W, 3)
        if not len(self.rgb):
            self.rgb = self._allocate((len(self._positions), *upright.shape))
        self.rgb[position] = upright


def read_pixels(
    frame: VideoFrame, reformatter: VideoReformatter, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """A decoded frame as 8-bit RGB for a plain screen, not yet upright.

    Args:
        frame: As the decoder gave it.
        reformatter: Kept between frames.
        size: Width and height that it is scaled to, pixels.

    Shape:
        uint8 (height, width, 3).
    """
    colours, (width, height) = colours_of(frame), size
    kind = "rgb24" if colours.are_plain else "rgb48le"
    rgb = reformatter.reformat(frame, width=width, height=height, format=kind, threads=1)
    if colours.are_plain:
        return rgb.to_ndarray().view(np.uint8)
    return to_plain(rgb.to_ndarray().view(np.uint16), colours)
