"""PyAV in place of a decoder that is not exact on a file, and the log line that says so."""

import functools
import logging
from pathlib import Path

from video_uniformer.data.decoding.pyav import PyAVVideo

_logger = logging.getLogger(__name__)


def open_instead(
    path: Path,
    passed_over: str,
    kind: str,
    *,
    short_side: int | None = None,
    num_frames: int | None = None,
) -> PyAVVideo:
    """Open a file with PyAV, and note why.

    Args:
        path: The video file.
        passed_over: The decoder that was to read it; `auto` makes no claim on any, so nothing is
            logged for it, else once per kind and process.
        kind: The files that it is not used for, in the plural: "fragmented mp4 files".
        short_side: As for `open_video`.
        num_frames: As for `open_video`.

    Raises:
        VideoError: PyAV cannot read it either.
    """
    video = PyAVVideo(path, short_side=short_side, num_frames=num_frames)
    name = "decord" if passed_over == "auto" else passed_over
    video.choice = f"{name} is passed over for {kind}"
    if passed_over != "auto":
        _warn_once(passed_over, kind)
    _logger.debug("%s: %s", path, video.choice)
    return video


@functools.cache
def _warn_once(decoder: str, kind: str) -> None:
    _logger.warning("%s is passed over for %s; PyAV reads them", decoder, kind)
