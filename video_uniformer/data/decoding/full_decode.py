"""Decoding a file from its start to its end, past all damage, and telling what is damaged."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from video_uniformer.data.decoding.joints import Step, watch_joints
from video_uniformer.data.decoding.packets import is_expendable
from video_uniformer.data.decoding.streams import describe_error, open_container, prepare_stream

# These say of a frame, or show by what they conceal, where it is damaged. For the others it must be
# enough that the container calls a packet damaged, although it may mean a neighbour.
_CONCEALING = ("h264", "mpeg1video", "mpeg2video", "mpeg4")

LEAVE_OUT = MappingProxyType({"ec": "0"})
"""Have the decoder leave out what it would otherwise conceal."""
COMPLAIN = MappingProxyType({"err_detect": "crccheck+bitstream+buffer+explode"})
"""Have the decoder complain of everything."""

_MARKED = "a packet is damaged"
_CORRUPT = "a frame is corrupt"


class SequentialDecoding:
    """All frames that decoding a file from its start gives, each with a verdict.

    The verdict is false for a frame that the decoder calls corrupt, and for one that may build on a
    packet that is lost as a whole: all up to the next key frame do, unless that packet held a
    picture that no other builds on.

    Args:
        path: The file. It is opened anew by every iteration.
        options: Of the decoder: `LEAVE_OUT`, `COMPLAIN`, or none for its usual ways.

    Attributes:
        problem: The first damage met so far that tells of a frame, in words; empty if there was
            none.
        complaints: All that the decoder and the container complained of so far, in words.
        has_marks: Whether the container calls a packet damaged, which may mean a neighbour.
        container: FFmpeg's name of the container's format.
        num_frames: Playable frames in the container's index, or met so far if that is more.
        is_short: Whether packets are missing that the index lists.
        time_base: Seconds per unit of a frame's time stamp.
    """

    def __init__(self, path: Path, options: Mapping[str, str] = MappingProxyType({})) -> None:
        self.problem = ""
        self.complaints: list[str] = []
        self.has_marks = False
        self.container = ""
        self.num_frames = 0
        self.is_short = False
        self.time_base = Fraction(1)
        self._path = path
        self._size = (0, 0)
        self._options = dict(options)
        self._unsound: set[int | None] = set()  # time stamps of frames that build on a loss
        self._unsound_before: set[int | None] = set()  # those of the recording that is ending
        self._joints: set[int | None] = set()  # time stamps of key frames not yet met
        self._is_after_loss = False
        self._resumed_at = -math.inf  # time stamp of the key frame after a loss
        self._has_begun = False

    def __iter__(self) -> Iterator[tuple[VideoFrame, bool]]:
        with open_container(self._path) as container:
            stream = prepare_stream(container, self._path)
            stream.codec_context.options = self._options
            self.container = container.format.name
            self._size = stream.codec_context.width, stream.codec_context.height
            self.time_base = stream.time_base or self.time_base
            packets = self._packets(container, stream)
            for step in watch_joints(packets, self._path, self.container, stream):
                for frame in self._decode(step, stream.codec_context):
                    yield frame, self._is_sound(frame)

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> "Iterator[Packet[VideoStream] | None]":
        """All packets that can be read, then None, which tells the decoder to finish."""
        count = discarded = 0
        try:
            for packet in container.demux(stream):
                if packet.size:
                    count += 1
                    discarded += packet.is_discard
                    yield packet
        except Exception as error:  # damaged files raise many types
            self.complaints.append(describe_error(error))
            self._note(f"unreadable after {count} frames, {describe_error(error)}")
        listed = sum(entry.size > 0 for entry in stream.index_entries)
        self.is_short = count < listed
        if self.is_short:
            # It explains the broken frame at the end, which was met before.
            self.problem = f"cut short, holds {count} of its {listed} frames"
        self.num_frames = max(count, listed) - discarded
        yield None

    def _decode(self, step: Step, decoder: VideoCodecContext) -> list[VideoFrame]:
        packet = step.packet
        if packet:
            self._follow(packet, is_joint=step.is_joint)
        if step.is_damaged:
            self.has_marks = True
            self.complaints.append(_MARKED)
        frames: list[VideoFrame] = []
        is_damaged = step.is_damaged and decoder.name not in _CONCEALING
        problem = _MARKED if is_damaged else ""
        try:
            frames = decoder.decode(packet)
        except Exception as error:
            self.complaints.append(describe_error(error))
            problem = f"a frame cannot be decoded, {describe_error(error)}"
        if problem:
            self._note(problem)
        if problem and packet:
            self._unsound.add(packet.pts)
            header = decoder.extradata or b""
            self._is_after_loss |= not is_expendable(decoder.name, bytes(packet), header)
        return frames

    def _follow(self, packet: "Packet[VideoStream]", *, is_joint: bool) -> None:
        """Note whether the packet's frame may build on one that is lost."""
        if is_joint:  # its clock is another: time stamps from before say nothing of it
            self._resumed_at = -math.inf
            self._unsound_before |= self._unsound
            self._unsound = set()
            self._joints.add(packet.pts)
        if packet.is_keyframe and self._is_after_loss:
            self._is_after_loss = False
            self._resumed_at = -math.inf if packet.pts is None else packet.pts
        leads = packet.pts is not None and packet.pts < self._resumed_at
        if self._is_after_loss or leads:
            self._unsound.add(packet.pts)

    def _is_sound(self, frame: VideoFrame) -> bool:
        if frame.key_frame and frame.pts in self._joints:
            self._joints.remove(frame.pts)
            self._unsound_before = set()
            self._size = frame.width, frame.height  # that of a recording is its own
        is_unsound = frame.pts in self._unsound or frame.pts in self._unsound_before
        has_right_size = (frame.width, frame.height) == self._size  # damage to a header changes it
        is_sound = has_right_size and not frame.is_corrupt and not is_unsound
        # Ahead of the first key frame stand frames that lack another; that is no damage.
        if frame.is_corrupt and self._has_begun:
            self.complaints.append(_CORRUPT)
            self._note(_CORRUPT)
        self._has_begun |= is_sound
        return is_sound

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem
