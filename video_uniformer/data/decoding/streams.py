"""Opening a file with FFmpeg's libraries: the container, and the one stream that is the video."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
import torch
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream
from torch import Tensor

from video_uniformer.data.decoding.encryption import is_encrypted
from video_uniformer.data.decoding.interface import VideoError
from video_uniformer.system.file_kinds import is_animated_webp

_WEBP_HEAD_BYTES = 21
_PLAY_LISTS = {"concat", "dash", "hls", "imf", "sdp"}  # texts that name other files


def open_container(path: Path) -> InputContainer:
    """Open a file in any container that FFmpeg reads; no codec is opened yet.

    Raises:
        VideoError: The file is not readable as a video.
    """
    try:
        # The protocol is named so that a colon in a file's name is none, and held to files so
        # that a play list in a video's name does not reach for the network.
        container = av.open(
            f"file:{path}", metadata_errors="ignore", options={"protocol_whitelist": "file"}
        )
    except Exception as error:
        raise as_video_error(path, "not a readable video", error) from error
    if _PLAY_LISTS & set(container.format.name.split(",")):
        container.close()
        raise VideoError(f"{path}: a play list that names other files, expected a video")
    return container


def prepare_stream(container: InputContainer, path: Path) -> VideoStream:
    """Pick the video stream, and have the demuxer pass over all others.

    Of several it is the one that FFmpeg calls the best; a picture attached as the file's cover is
    not a video. It decodes on one thread.

    Args:
        container: Open and not yet read from.
        path: Named in messages.

    Raises:
        VideoError: There is no video stream, no decoder for it, or it is encrypted.
    """
    if container.format.name == "webp_pipe" and _is_animated_webp(path):
        raise VideoError(
            f"{path}: an animated WebP, which FFmpeg does not decode, expected mp4, GIF or PNG"
        )
    streams = video_streams(container)
    if not streams:
        raise VideoError(f"{path}: no video stream, expected one")
    best = container.streams.best("video")
    chosen = next((s for s in streams if best and s.index == best.index), streams[0])
    if is_encrypted(path, container.format.name, chosen.id):
        raise VideoError(f"{path}: encrypted, expected a video that can be seen without a key")
    if chosen.codec_context is None:
        raise VideoError(f"{path}: no decoder for the codec of its video stream")
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    # Workers decode side by side; threads would compete with them and do not survive a fork.
    chosen.codec_context.thread_count = 1
    chosen.codec_context.thread_type = "NONE"
    return chosen


def _is_animated_webp(path: Path) -> bool:
    with path.open("rb") as file:
        return is_animated_webp(file.read(_WEBP_HEAD_BYTES))


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams of a container, without pictures attached as covers."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def as_video_error(path: Path, reason: str, error: Exception) -> VideoError:
    """Name the file and what went wrong; an error that already does so is left as it is."""
    if isinstance(error, VideoError):
        return error
    return VideoError(f"{path}: {reason} ({describe_error(error)})")


def describe_error(error: Exception) -> str:
    """What FFmpeg says, without the numbers and the file that PyAV puts around it."""
    return (error.strerror or "") if isinstance(error, av.error.FFmpegError) else str(error)


def seconds_from_first(stamps: Sequence[int], time_base: Fraction) -> Tensor:
    """Time stamps (N) as float64 seconds (N) from the first of them.

    Args:
        stamps: In units of the time base.
        time_base: Seconds per unit.
    """
    ticks = torch.tensor(stamps, dtype=torch.float64) - (stamps[0] if stamps else 0)
    return ticks * time_base.numerator / time_base.denominator
