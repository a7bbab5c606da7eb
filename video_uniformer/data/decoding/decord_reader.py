"""decord: decodes only the frames asked for, of files on which it is known to be exact.

decord 0.6.0 counts frames that an edit list hides and returns wrong frames, in silence, where
groups of pictures are open, the first frame is not at time zero, or the container is fragmented, a
transport stream or AVI. Such files are refused here.
"""

from pathlib import Path

import decord
from torch import Tensor

from video_uniformer.data.decoding.guard.ffmpeg_stderr import heard, is_listening
from video_uniformer.data.decoding.library_reader import PlainVideo
from video_uniformer.data.decoding.mp4 import UnsuitableError, read_plain_track


def open_with_decord(path: Path) -> PlainVideo:
    """Open a plain mp4 or mov file for reading with decord on one thread.

    Args:
        path: A file that `read_plain_track` accepts.

    Raises:
        UnsuitableError: decord cannot be trusted with the file, or cannot open it.
    """
    track = read_plain_track(path)
    # Errors are raised, and name the file; the rest is of use to who listens for damage. That it
    # was concealed is sometimes all that FFmpeg says of it, and no more than information.
    level = decord.logging.INFO if is_listening() else decord.logging.QUIET
    decord.logging.set_level(level)
    try:
        # One thread: workers decode side by side, and decord is faster per core with it.
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    except Exception as error:  # DECORDError, RuntimeError and AssertionError have been seen
        raise UnsuitableError("mp4 files that it cannot open") from error

    def read(indices: list[int]) -> Tensor | None:
        try:
            # PyTorchVideo switches decord's output to tensors for the whole process. Asking for
            # tensors here makes that irrelevant, and spares a copy.
            with decord.bridge.use_torch():
                images: Tensor = reader.get_batch(indices)
        except Exception:  # DECORDError is no more than an Exception
            return None
        # At a few narrow widths it returns more than three channels.
        return None if heard() or images.shape[-1] != 3 else images

    return PlainVideo(
        path,
        decoder="decord",
        choice="asked for, and a plain mp4 or mov file, which decord reads exactly",
        track=track,
        num_listed=len(reader),
        read=read,
    )
