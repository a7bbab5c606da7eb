"""What a video file is, without decoding more of it than its first frame."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from video_uniformer.data.decoding.colours import colours_of
from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.interface import VideoError
from video_uniformer.data.decoding.mp4 import has_edit_list
from video_uniformer.data.decoding.opening import open_video
from video_uniformer.data.decoding.orientation import orientation_of
from video_uniformer.data.decoding.pictures import inspect_picture
from video_uniformer.data.decoding.pyav_reader import PyAVVideo
from video_uniformer.data.decoding.streams import (
    as_video_error,
    open_container,
    prepare_stream,
    video_streams,
)

_ROUNDING_SECONDS = 0.00101  # some containers round times, and so the mean, to the millisecond
_FIELDS = (2, 3, 4, 5)  # FFmpeg's AVFieldOrder: all that are neither unknown nor progressive


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video before its frames are decoded; all plain values.

    Attributes:
        path: As given.
        container: FFmpeg's name of the format, such as "mov,mp4,m4a,3gp,3g2,mj2", or "folder".
        codec: FFmpeg's name of the codec, such as "h264", or the format of a folder's pictures.
        pixel_format: FFmpeg's name, such as "yuv420p", or Pillow's of a picture, such as "RGB".
        width: Pixels of the upright picture.
        height: Pixels of the upright picture.
        rotation: Degrees counter-clockwise by which frames are turned to stand upright.
        mirrored: Whether left and right of frames change places before they are turned.
        fps: Frames per second; the mean where the rate varies.
        rate: Whether all frames are equally far apart, up to the container's rounding.
        num_frames: Playable frames.
        listed_frames: What the container says of itself, or None where it says nothing.
        key_frame_distance: Largest number of frames from a key frame to the next, or to the end.
        num_key_frames: Playable frames at which decoding can start.
        duration_seconds: From the first frame to the end of the last.
        start_seconds: Time of the first frame by the file's own clock.
        has_edit_list: Whether an edit list of an mp4 or mov file cuts or delays the video.
        has_b_frames: Whether frames may be shown in another order than they are stored.
        interlaced: Whether frames are woven of two fields.
        transfer: How light became numbers: "hlg" or "pq" of HDR; empty for others.
        primaries: "bt2020" of wide colours; empty for others.
        bit_depth: Bits per sample of one component.
        num_parts: Recordings joined in the file: one more than its clock goes back.
        num_video_streams: Without pictures attached as covers.
        num_audio_streams: Streams of sound.
        size_bytes: Length of the file.
        decoder: The one that `open_video` chooses.
        choice: Why.
    """

    path: str
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation: int
    mirrored: bool
    fps: float
    rate: Literal["constant", "variable"]
    num_frames: int
    listed_frames: int | None
    key_frame_distance: int
    num_key_frames: int
    duration_seconds: float
    start_seconds: float
    has_edit_list: bool
    has_b_frames: bool
    interlaced: bool
    transfer: str
    primaries: str
    bit_depth: int
    num_parts: int
    num_video_streams: int
    num_audio_streams: int
    size_bytes: int
    decoder: str
    choice: str


def probe_video(path: str | Path) -> VideoFacts:
    """Tell what a video file, or a folder of pictures, is and which decoder reads it.

    The packets of a file are listed and its first frame is decoded; more only where time stamps do
    not tell frames apart, so that they have to be counted. A folder's first picture speaks for all.

    Raises:
        VideoError: The path is missing, or not a readable video.
    """
    path = Path(path)
    with open_video(path) as chosen:
        if isinstance(chosen, FrameFolder):
            return _folder_facts(chosen)
        decoder, choice = chosen.decoder, chosen.choice
    video = PyAVVideo(path)
    with video, open_container(path) as container:
        stream = prepare_stream(container, path)
        keys, first = _key_places(video, container, stream), _first_frame(path)
        times, orientation = video.times, orientation_of(first)
        return VideoFacts(
            path=str(path),
            container=container.format.name,
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=first.format.name,
            width=first.height if orientation.transposed else first.width,
            height=first.width if orientation.transposed else first.height,
            rotation=orientation.rotation,
            mirrored=orientation.is_mirrored,
            fps=video.fps,
            rate="constant" if _is_even(times) else "variable",
            num_frames=len(video),
            listed_frames=stream.frames or None,
            key_frame_distance=max((b - a for a, b in pairwise([*keys, len(video)])), default=0),
            num_key_frames=len(keys),
            duration_seconds=float(times[-1]) + 1 / video.fps,
            start_seconds=_start_seconds(video, stream),
            has_edit_list=has_edit_list(path),
            has_b_frames=bool(stream.codec_context.has_b_frames),
            interlaced=first.interlaced_frame or stream.codec_context.field_order in _FIELDS,
            transfer=colours_of(first).transfer,
            primaries=colours_of(first).primaries,
            bit_depth=max(component.bits for component in first.format.components),
            num_parts=video.num_parts,
            num_video_streams=len(video_streams(container)),
            num_audio_streams=len(container.streams.audio),
            size_bytes=path.stat().st_size,
            decoder=decoder,
            choice=choice,
        )


def _folder_facts(folder: FrameFolder) -> VideoFacts:
    first = folder.pictures[0]
    try:
        facts = inspect_picture(first)
    except Exception as error:
        raise VideoError(f"{first}: not a readable picture ({error})") from error
    return VideoFacts(
        path=str(folder.path),
        container="folder",
        codec=facts.format.lower(),
        pixel_format=facts.mode,
        width=facts.size[0],
        height=facts.size[1],
        rotation=facts.orientation.rotation,
        mirrored=facts.orientation.is_mirrored,
        fps=folder.fps,
        rate="constant",
        num_frames=len(folder),
        listed_frames=None,
        key_frame_distance=1,
        num_key_frames=len(folder),
        duration_seconds=len(folder) / folder.fps,
        start_seconds=0.0,
        has_edit_list=False,
        has_b_frames=False,
        interlaced=False,
        transfer="",
        primaries="",
        bit_depth=facts.bit_depth,
        num_parts=1,
        num_video_streams=1,
        num_audio_streams=0,
        size_bytes=sum(picture.stat().st_size for picture in folder.pictures),
        decoder=folder.decoder,
        choice=folder.choice,
    )


def _first_frame(path: Path) -> VideoFrame:
    """The first frame that decoding from the start gives."""
    try:
        with open_container(path) as container:
            return next(container.decode(prepare_stream(container, path)))
    except Exception as error:
        raise as_video_error(path, "frame 0 cannot be decoded", error) from error


def _key_places(video: PyAVVideo, container: InputContainer, stream: VideoStream) -> list[int]:
    """Places of the playable key frames among the playable frames, rising."""
    if video.table:
        places = {pts: place for place, pts in enumerate(video.table.frames)}
        return [places[pts] for pts in video.table.key_frames if pts in places]
    packets = (packet for packet in container.demux(stream) if packet.size)
    return [place for place, packet in enumerate(packets) if packet.is_keyframe]


def _is_even(times: Tensor) -> bool:
    """Whether times (N) are those of a constant rate, but for rounding."""
    even = torch.linspace(0, float(times[-1]), len(times), dtype=torch.float64)
    return bool(((times - even).abs() <= _ROUNDING_SECONDS).all())


def _start_seconds(video: PyAVVideo, stream: VideoStream) -> float:
    start = video.table.frames[0] if video.table else stream.start_time or 0
    return float(start * (stream.time_base or 0))
