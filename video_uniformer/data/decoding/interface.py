"""What every decoder offers, and the one error that all of them raise."""

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import torch
from av.error import FFmpegError
from torch import Tensor

from video_uniformer.outcomes import SampleError

Allocate = Callable[[tuple[int, ...]], npt.NDArray[np.uint8]]


def allocate_pixels(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Make an array of a shape, uninitialised."""
    return np.empty(shape, dtype=np.uint8)


class VideoError(SampleError):
    """A video that cannot be read: the message is its path, a colon and the reason."""


def system_errno(error: BaseException) -> int:
    """Number of the system's error that an error is, or comes from; 0 if there is none.

    FFmpeg's lack of memory is none: a damaged header may ask for more than there can be.
    """
    for link in (error, error.__cause__):
        if isinstance(link, FFmpegError):
            return 0 if link.errno == errno.ENOMEM else int(link.errno or 0)
        if isinstance(link, MemoryError):
            return errno.ENOMEM
        if isinstance(link, OSError) and link.errno:
            return link.errno
    return 0


class Video(ABC):
    """A video as a row of frames, any of which can be asked for by its number.

    Open one in the process that reads it, and share it with no other thread: a decoder opened
    before a fork may hang after it.

    Args:
        path: The file or folder, named in messages.

    Attributes:
        decoder: What reads it: `decord`, `pyav`, `torchcodec`, or `pictures` for a folder.
        choice: Why that decoder reads it, in words.
        salvaged: What a damaged file has lost, in words; empty where nothing is known to be lost.
        allocate: Makes the array that frames (N, H, W, 3) are put in, for one who wants them in a
            certain place; a decoder that brings its own memory passes over it.
    """

    decoder = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.choice = ""
        self.salvaged = ""
        self.allocate: Allocate = allocate_pixels
        self._is_closed = False

    @abstractmethod
    def __len__(self) -> int:
        """Number of playable frames: those that decoding from start to end shows."""

    @property
    @abstractmethod
    def fps(self) -> float:
        """Frames per second; the mean where the rate varies."""

    @property
    def times(self) -> Tensor:
        """When each frame is shown, float64 (len), rising seconds from 0 for the first frame."""
        return torch.arange(len(self), dtype=torch.float64) / self.fps

    @abstractmethod
    def _read(self, indices: list[int]) -> Tensor:
        """Decode distinct, rising, valid frame numbers (N) to uint8 (N, H, W, 3)."""

    @abstractmethod
    def _release(self) -> None:
        """Give back the file."""

    def frames(self, indices: Tensor | Sequence[int]) -> Tensor:
        """Decode frames by number; one that is asked for twice is decoded once.

        Args:
            indices: Integers in 0 ... len - 1, in any order.

        Shape:
            indices (*any) -> (*any, H, W, 3), uint8 RGB, turned upright where the file says how.

        Raises:
            ValueError: No indices, no integers, a number that is no frame, or a closed video.
            VideoError: The file is damaged at one of the frames, or where that builds on.
        """
        wanted = torch.as_tensor(indices)
        self._check(wanted)
        distinct, places = torch.unique(wanted, return_inverse=True)
        images = self._read(distinct.tolist())
        if torch.equal(distinct, wanted.flatten()):  # the usual case; spares a copy of the clip
            return images.view(*wanted.shape, *images.shape[1:])
        return images[places]  # (*any, H, W, 3)

    def close(self) -> None:
        """Give back the file; harmless when called again."""
        if not self._is_closed:
            self._is_closed = True
            self._release()

    def _check(self, indices: Tensor) -> None:
        if self._is_closed:
            raise ValueError(f"{self.path} is closed, expected an open video")
        if indices.numel() == 0:
            raise ValueError(f"indices is empty, expected at least one frame of {self.path}")
        if indices.is_floating_point() or indices.is_complex() or indices.dtype == torch.bool:
            raise ValueError(f"indices has dtype {indices.dtype}, expected integers")
        for index in (int(indices.min()), int(indices.max())):
            if not 0 <= index < len(self):
                raise ValueError(
                    f"index {index} is outside {self.path} with its {len(self)} frames, "
                    f"expected 0 to {len(self) - 1}"
                )

    def __repr__(self) -> str:
        decoder = f", {self.decoder}" if self.decoder else ""
        if self._is_closed:
            return f"Video({str(self.path)!r}{decoder}, closed)"
        return f"Video({str(self.path)!r}, {len(self)} frames, {self.fps:.6g} fps{decoder})"

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
