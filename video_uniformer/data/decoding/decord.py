"""decord: decodes only the frames asked for, of files on which it is known to be exact."""

from pathlib import Path

import decord
import torch
from torch import Tensor

from video_uniformer.data.decoding.fallback import open_instead
from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.mp4 import UnsuitableError, read_plain_track
from video_uniformer.data.decoding.pyav import PyAVVideo


class DecordVideo(Video):
    """A plain mp4 or mov file read with decord on one thread.

    decord 0.6.0 counts frames that an edit list hides and returns wrong frames, in silence, where
    groups of pictures are open, the first frame is not at time zero, or the container is
    fragmented, a transport stream or AVI. Such files are refused here. What it fails to decode is
    read once more with PyAV.

    Args:
        path: A file that `read_plain_track` accepts.
        asked_for: The name by which it was asked for, `decord` or `auto`.

    Raises:
        UnsuitableError: decord cannot be trusted with the file, or cannot open it.
    """

    decoder = "decord"

    def __init__(self, path: Path, *, asked_for: str = "decord") -> None:
        super().__init__(path)
        self.choice = "a plain mp4 or mov file, which decord reads exactly"
        self._asked_for = asked_for
        self._track = read_plain_track(path)
        self._substitute: PyAVVideo | None = None
        decord.logging.set_level(decord.logging.QUIET)  # errors are raised, and name the file
        try:
            # One thread: workers decode side by side, and decord is faster per core with it.
            self._reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        except Exception as error:  # DECORDError, RuntimeError and AssertionError have been seen
            raise UnsuitableError("mp4 files that it cannot open") from error
        if len(self._reader) != self._track.num_frames:
            raise UnsuitableError("mp4 files whose frames it counts otherwise than their index")

    def __len__(self) -> int:
        return self._track.num_frames

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._track.fps

    def _release(self) -> None:
        self._reader = None  # decord frees it with its last reference
        if self._substitute:
            self._substitute.close()

    def _read(self, indices: list[int]) -> Tensor:
        if self._substitute is None:
            images = self._try_decord(indices)
            if images is not None:
                return images
            kind = "frames that it cannot decode"
            self._substitute = open_instead(self.path, self._asked_for, kind)
            self.decoder, self.choice = self._substitute.decoder, self._substitute.choice
        if len(self._substitute) != len(self):  # its numbers mean other frames
            raise VideoError(
                f"{self.path}: {len(self._substitute)} of its {len(self)} frames can be decoded"
            )
        return self._substitute.frames(torch.tensor(indices))

    def _try_decord(self, indices: list[int]) -> Tensor | None:
        try:
            # PyTorchVideo switches decord's output to tensors for the whole process. Asking for
            # tensors here makes that irrelevant, and spares a copy.
            with decord.bridge.use_torch():
                images: Tensor = self._reader.get_batch(indices)
        except Exception:  # DECORDError is no more than an Exception
            return None
        # At a few narrow widths it returns more than three channels.
        return images if images.shape[-1] == 3 else None
