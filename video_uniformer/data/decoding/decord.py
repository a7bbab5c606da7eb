"""decord: decodes only the frames asked for, of files on which it is known to be exact."""

from pathlib import Path

import decord
import torch
from torch import Tensor

from video_uniformer.data.decoding.interface import Video
from video_uniformer.data.decoding.mp4 import UnsuitableError, read_plain_track
from video_uniformer.data.decoding.pyav import PyAVVideo, open_instead_of_decord


class DecordVideo(Video):
    """A plain mp4 or mov file read with decord on one thread.

    decord 0.6.0 counts frames that an edit list hides and returns wrong frames, in silence, where
    groups of pictures are open, the first frame is not at time zero, or the container is
    fragmented, a transport stream or AVI. Such files are refused here. What it fails to decode is
    read once more with PyAV.

    Args:
        path: A file that `read_plain_track` accepts.

    Raises:
        UnsuitableError: decord cannot be trusted with the file, or cannot open it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._track = read_plain_track(path)
        self._substitute: PyAVVideo | None = None
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
            self._substitute = open_instead_of_decord(self.path, "frames that it cannot decode")
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
