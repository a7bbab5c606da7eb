"""Videos that a library reads on which it is known to be exact, with PyAV behind it."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.mp4 import PlainTrack, UnsuitableError
from video_uniformer.data.decoding.pyav_reader import PyAVVideo

_logger = logging.getLogger(__name__)


class PlainVideo(Video):
    """A plain mp4 or mov file read with a library; what that fails to decode is read with PyAV.

    Args:
        path: The file.
        decoder: The library's name.
        choice: Why it reads the file, in words.
        track: What the file's index says.
        num_listed: How many frames the library counts.
        read: Distinct, rising, valid frame numbers (N) -> uint8 (N, H, W, 3), or None where the
            library fails or complains of damage. Its last reference is dropped when the video is
            closed.

    Raises:
        UnsuitableError: The library counts other frames than the file's index.
    """

    def __init__(
        self,
        path: Path,
        *,
        decoder: str,
        choice: str,
        track: PlainTrack,
        num_listed: int,
        read: Callable[[list[int]], Tensor | None],
    ) -> None:
        super().__init__(path)
        if num_listed != track.num_frames:
            raise UnsuitableError("mp4 files whose frames it counts otherwise than their index")
        self.decoder, self.choice = decoder, choice
        self._track, self._library = track, decoder
        self._try: Callable[[list[int]], Tensor | None] | None = read
        self._substitute: PyAVVideo | None = None

    def __len__(self) -> int:
        return self._track.num_frames

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._track.fps

    def _release(self) -> None:
        self._try = None
        if self._substitute:
            self._substitute.close()

    def _read(self, indices: list[int]) -> Tensor:
        images = self._try(indices) if self._try else None
        if images is not None:
            return images
        if self._substitute is None:
            self._try = None
            kind = "frames that it cannot decode"
            self._substitute = open_instead(self.path, self._library, kind)
            self.decoder, self.choice = self._substitute.decoder, self._substitute.choice
        if len(self._substitute) != len(self):  # its numbers mean other frames
            raise VideoError(
                f"{self.path}: {len(self._substitute)} of its {len(self)} frames can be decoded"
            )
        return self._substitute.frames(indices)


def open_instead(
    path: Path,
    passed_over: str,
    kind: str,
    *,
    short_side: int | None = None,
    num_frames: int | None = None,
) -> PyAVVideo:
    """Open a file with PyAV, and say why: in its `choice`, and once per kind in the log.

    Args:
        path: The video file.
        passed_over: The decoder that was to read it.
        kind: The files that it is not used for, in the plural: "fragmented mp4 files".
        short_side: As for `open_video`.
        num_frames: As for `open_video`.

    Raises:
        VideoError: PyAV cannot read it either.
    """
    video = PyAVVideo(path, short_side=short_side, num_frames=num_frames)
    video.choice = f"{passed_over} is passed over for {kind}"
    _warn_once(passed_over, kind)
    _logger.debug("%s: %s", path, video.choice)
    return video


@functools.cache
def _warn_once(decoder: str, kind: str) -> None:
    _logger.warning("%s is passed over for %s; PyAV reads them", decoder, kind)
