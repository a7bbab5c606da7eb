"""The one way to open a video: by path, whatever it is and whichever decoder reads it."""

import difflib
import importlib.util
import stat
from pathlib import Path

from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.mp4 import UnsuitableError
from video_uniformer.data.decoding.pyav import PyAVVideo, open_instead_of_decord

__all__ = ["DECODERS", "Video", "VideoError", "open_video"]

DECODERS = ("decord", "pyav")


def open_video(path: str | Path, decoder: str = "decord") -> Video:
    """Open a video file, or a folder of numbered pictures, for reading frames by number.

    Args:
        path: A folder is read as pictures, whatever the decoder.
        decoder: `pyav` reads every file with PyAV. `decord` reads with decord where it is
            installed and known to be exact, and with PyAV otherwise; the log says so, once per
            kind of file and process.

    Raises:
        ValueError: There is no such decoder.
        VideoError: The path is missing, or not a readable video.
    """
    if decoder not in DECODERS:
        raise ValueError(
            f"decoder is {decoder!r}, expected {' or '.join(DECODERS)}{_hint(decoder)}"
        )
    path = Path(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise VideoError(f"{path}: {reason}, expected a video or a folder of frames") from error
    if stat.S_ISDIR(status.st_mode):
        return FrameFolder(path)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
        raise VideoError(f"{path}: not a file, expected a video or a folder of frames")
    if status.st_size == 0:
        raise VideoError(f"{path}: the file is empty, expected a video")
    return PyAVVideo(path) if decoder == "pyav" else _open_with_decord(path)


def _hint(decoder: str) -> str:
    nearest = difflib.get_close_matches(decoder, DECODERS, n=1, cutoff=0.4)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _open_with_decord(path: Path) -> Video:
    if importlib.util.find_spec("decord") is None:
        return open_instead_of_decord(path, "all files, as it is not installed")
    # Here and not above: decord has wheels for Linux on x86-64 only, and PyAV serves elsewhere.
    from video_uniformer.data.decoding.decord import DecordVideo

    try:
        return DecordVideo(path)
    except UnsuitableError as reason:
        return open_instead_of_decord(path, str(reason))
