"""torchcodec: an extra decoder, for files on which it is known to be exact.

It is held to the files that decord reads, which are those on which the two and PyAV agree bit for
bit; of others it refuses some, and makes RGB of odd sizes and deep colours in its own way.
"""

import os
from pathlib import Path

from torch import Tensor
from torchcodec.decoders import VideoDecoder

from video_uniformer.data.decoding.guard.ffmpeg_stderr import heard, is_listening
from video_uniformer.data.decoding.library_reader import PlainVideo
from video_uniformer.data.decoding.mp4 import UnsuitableError, read_plain_track


def open_with_torchcodec(path: Path) -> PlainVideo:
    """Open a plain mp4 or mov file for reading with torchcodec on one thread.

    Args:
        path: A file that `read_plain_track` accepts.

    Raises:
        UnsuitableError: torchcodec cannot be trusted with the file, or cannot open it.
    """
    track = read_plain_track(path)
    if is_listening():  # else it says nothing
        os.environ["TORCHCODEC_FFMPEG_LOG_LEVEL"] = "ERROR"
    try:
        reader = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1)
    except Exception as error:  # RuntimeError and ValueError have been seen
        raise UnsuitableError("mp4 files that it cannot open") from error

    def read(indices: list[int]) -> Tensor | None:
        try:
            images: Tensor = reader.get_frames_at(indices).data  # (N, H, W, 3)
        except Exception:  # damage raises several types
            return None
        return None if heard() else images.contiguous()

    return PlainVideo(
        path,
        decoder="torchcodec",
        choice="asked for, and a plain mp4 or mov file, which torchcodec reads exactly",
        track=track,
        num_listed=len(reader),
        read=read,
    )
