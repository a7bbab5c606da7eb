"""The one way to open a video: by path, whatever it is and whichever decoder reads it."""

import importlib.util
import stat
from pathlib import Path

from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.library_reader import open_instead
from video_uniformer.data.decoding.mp4 import UnsuitableError
from video_uniformer.data.decoding.pyav_reader import PyAVVideo
from video_uniformer.data.decoding.salvage import salvage_video
from video_uniformer.data.decoding.scaling import check_short_side
from video_uniformer.system.suggestions import did_you_mean

__all__ = ["DECODERS", "Video", "VideoError", "open_video"]

DECODERS = ("auto", "decord", "pyav", "torchcodec")

_CHOICES_OF_PYAV = {"auto": "the default, exact for every file", "pyav": "asked for"}


def open_video(
    path: str | Path,
    decoder: str = "auto",
    *,
    salvage: bool = False,
    short_side: int | None = None,
    num_frames: int | None = None,
) -> Video:
    """Open a video file, or a folder of numbered pictures, for reading frames by number.

    Args:
        path: A folder is read as pictures, whatever the decoder.
        decoder: `auto` takes the fastest reader that is exact for the file, which is PyAV for every
            file; `pyav` asks for it by name. `decord` reads with decord where it is installed and
            a look at the file's index says that it is exact, and with PyAV otherwise; it logs,
            once per kind of file and process, what goes to PyAV, and so does `torchcodec`, which
            is an extra. `video.decoder` and `video.choice` tell what reads the file, and why.
        salvage: Open a damaged file as the video of its intact frames, numbered from 0 on;
            `video.salvaged` says what was lost. The whole file is decoded to find them.
        short_side: Pixels that the shorter side of larger frames is scaled down to, with the
            aspect ratio kept. PyAV does that while it converts to RGB, so it reads these.
        num_frames: Playable frames, where a scan has counted them. It spares decoding the few
            kinds of file that cannot be counted otherwise; all others are counted by their index.

    Raises:
        ValueError: There is no such decoder, it is not installed, or `short_side` is no number of
            pixels.
        VideoError: The path is missing, or not a readable video.

    Example:
        >>> from tempfile import mkdtemp
        >>> from PIL import Image
        >>> folder = Path(mkdtemp())
        >>> for number in range(8):
        ...     Image.new("L", (64, 48), number).save(folder / f"{number}.png")
        >>> with open_video(folder) as video:
        ...     frames = video.frames([[0, 2, 4], [1, 3, 5]])
        >>> frames.shape, frames[1, 2, 0, 0].tolist()
        (torch.Size([2, 3, 48, 64, 3]), [5, 5, 5])
    """
    if decoder not in DECODERS:
        names = f"{', '.join(DECODERS[:-1])} or {DECODERS[-1]}"
        raise ValueError(
            f"decoder is {decoder!r}, expected {names}{did_you_mean(decoder, DECODERS, cutoff=0.4)}"
        )
    check_short_side(short_side)
    if decoder == "torchcodec":
        _check_torchcodec()
    path = Path(path)
    if _is_folder(path):
        return FrameFolder(path, short_side=short_side)
    if salvage:
        return salvage_video(path, short_side=short_side)
    if decoder in _CHOICES_OF_PYAV:
        video = PyAVVideo(path, short_side=short_side, num_frames=num_frames)
        video.choice = _CHOICES_OF_PYAV[decoder]
        return video
    if short_side is not None:  # other decoders scale with differences that can be seen
        kind = "frames to be scaled down"
        return open_instead(path, decoder, kind, short_side=short_side, num_frames=num_frames)
    if decoder == "torchcodec":
        return _open_with_torchcodec(path, num_frames)
    return _open_with_decord(path, num_frames)


def _is_folder(path: Path) -> bool:
    """Tell a folder from a file; refuse what is neither, or empty."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise VideoError(f"{path}: {reason}, expected a video or a folder of frames") from error
    if stat.S_ISDIR(status.st_mode):
        return True
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
        raise VideoError(f"{path}: not a file, expected a video or a folder of frames")
    if status.st_size == 0:
        raise VideoError(f"{path}: the file is empty, expected a video")
    return False


def _open_with_decord(path: Path, num_frames: int | None) -> Video:
    if importlib.util.find_spec("decord") is None:
        kind = "all files, as it is not installed"
        return open_instead(path, "decord", kind, num_frames=num_frames)
    # Here and not above: decord has wheels for Linux on x86-64 only, and PyAV serves elsewhere.
    from video_uniformer.data.decoding.decord_reader import open_with_decord

    try:
        return open_with_decord(path)
    except UnsuitableError as reason:
        return open_instead(path, "decord", str(reason), num_frames=num_frames)


def _check_torchcodec() -> None:
    if importlib.util.find_spec("torchcodec") is None:
        raise ValueError(
            "decoder is 'torchcodec', which is not installed, expected it beside FFmpeg's shared "
            "libraries: pip install torchcodec"
        )


def _open_with_torchcodec(path: Path, num_frames: int | None) -> Video:
    # Here and not above: it is an extra, and loads FFmpeg's shared libraries when imported.
    try:
        from video_uniformer.data.decoding.torchcodec_reader import open_with_torchcodec
    except RuntimeError as error:
        raise ValueError(
            "decoder is 'torchcodec', but FFmpeg's shared libraries are missing, expected those "
            "of FFmpeg 4 to 9"
        ) from error
    try:
        return open_with_torchcodec(path)
    except UnsuitableError as reason:
        return open_instead(path, "torchcodec", str(reason), num_frames=num_frames)
