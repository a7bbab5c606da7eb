"""A deadline for decoding: videos are opened in a process that can be killed."""

import contextlib
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from video_uniformer.data.decoding.guard.messages import (
    Close,
    Content,
    Failure,
    Frames,
    Open,
    Opened,
    Read,
    ReadTimes,
    Times,
)
from video_uniformer.data.decoding.guard.process import DecodeChild
from video_uniformer.data.decoding.opening import Video, VideoError, open_video

__all__ = ["DeadlineError", "DecodeGuard", "KilledError"]


class DeadlineError(VideoError):
    """A video whose decoder did not answer in time; it has been killed."""


class KilledError(VideoError):
    """A video whose decoder somebody else has killed, as the system does when memory runs out."""


class DecodeGuard:
    """Opens videos in a child process, and kills it when it is late.

    The child is made on first use and after each kill. It ends with the guard or with its process,
    however that dies (on Linux; elsewhere a child that hangs at that moment stays). A guard serves
    one thread, and one video at a time: opening another closes the last. In a process that
    inherits or unpickles a guard, it makes a child of its own.

    Frames arrive in memory shared with the child, which is written again once no tensor refers to
    it. Clone those that a process forked in between is to keep.

    Args:
        deadline_seconds: The longest wait for opening a video, and for each reading of frames.
        opener: Called in the child with the arguments of `open`.

    Raises:
        ValueError: The deadline is not a positive number.
    """

    def __init__(
        self, deadline_seconds: float, *, opener: Callable[..., Video] = open_video
    ) -> None:
        if not 0 < deadline_seconds < math.inf:
            raise ValueError(
                f"deadline_seconds is {deadline_seconds}, expected a positive number of seconds"
            )
        self.deadline_seconds = deadline_seconds
        self._opener = opener
        self._child: DecodeChild | None = None
        self._num_opened = 0  # tells whether a video is still the one that the child holds

    @property
    def child_pid(self) -> int | None:
        """Process number of this process's child; None where there is none."""
        return self._child.pid if self._child and self._child.parent == os.getpid() else None

    def open(
        self,
        path: str | Path,
        decoder: str = "auto",
        *,
        salvage: bool = False,
        short_side: int | None = None,
        num_frames: int | None = None,
    ) -> Video:
        """Open a video as `open_video` does, to be read under the deadline.

        Args:
            path: As for `open_video`.
            decoder: As for `open_video`.
            salvage: As for `open_video`.
            short_side: As for `open_video`, pixels.
            num_frames: As for `open_video`.

        Raises:
            ValueError: As from `open_video`.
            DeadlineError: The decoder did not answer in time.
            VideoError: The video is not readable, or crashed the decoder.
        """
        path = Path(path)
        request = Open(str(path), decoder, salvage, short_side, num_frames)
        child = self._child if self.child_pid is not None else None
        if child is None:
            child = self._start_child()
        try:
            answer = self._ask(child, path, request)
        except VideoError:
            if child.has_begun():
                raise
            # It ended before, or fell over the last video while closing it.
            answer = self._ask(self._start_child(), path, request)
        assert isinstance(answer, Opened)
        self._num_opened += 1
        return _GuardedVideo(path, self, answer)

    def close(self) -> None:
        """End the child; harmless when called again, and the guard can be used again."""
        self._num_opened += 1
        if self._child:
            self._child.end()
        self._child = None

    def _start_child(self) -> DecodeChild:
        self.close()
        self._child = DecodeChild(self._opener, self.deadline_seconds)
        return self._child

    def _held(self, number: int) -> DecodeChild | None:
        """The child, if it holds the video with this number."""
        is_held = self.child_pid is not None and number == self._num_opened
        return self._child if is_held else None

    def _ask(self, child: DecodeChild, path: Path, request: Open | Read | ReadTimes) -> Content:
        answer = None
        try:
            child.send(request)
            answer = child.receive()
        except BlockingIOError as error:
            seconds = f"{self.deadline_seconds:g} s"
            message = f"{path}: no answer within {seconds} while {_describe(request)}"
            raise DeadlineError(message) from error
        except (EOFError, OSError) as error:
            reason, is_killed = child.end()
            raise (KilledError if is_killed else VideoError)(f"{path}: {reason}") from error
        finally:
            if answer is None:  # late, dead, or this process was interrupted: no longer in step
                self.close()
        for name, level, message in answer.log:
            logging.getLogger(name).log(level, "%s", message)
        if isinstance(answer.content, Failure):
            raise _as_error(path, answer.content)
        return answer.content

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_child": None}

    def __enter__(self) -> "DecodeGuard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _describe(request: Open | Read | ReadTimes) -> str:
    if isinstance(request, Open):
        return "opening it"
    if isinstance(request, ReadTimes):
        return "listing its frames"
    indices = torch.as_tensor(request.indices)
    return f"decoding frames {int(indices.min())} to {int(indices.max())}"


def _as_error(path: Path, failure: Failure) -> ValueError:
    if failure.kind == ValueError.__name__:
        return ValueError(failure.message)
    message = f"{path}: the decoder failed ({failure.kind}: {failure.message})"
    error = VideoError(failure.message if failure.kind == VideoError.__name__ else message)
    if failure.errno:
        error.__cause__ = OSError(failure.errno, os.strerror(failure.errno))
    return error


class _GuardedVideo(Video):
    """A video that is open in a guard's child."""

    def __init__(self, path: Path, guard: DecodeGuard, opened: Opened) -> None:
        super().__init__(path)
        self._guard = guard
        self._number = guard._num_opened
        self._opened = opened
        self._times: Tensor | None = None
        self.decoder, self.choice, self.salvaged = opened.origin

    def __len__(self) -> int:
        return self._opened.num_frames

    @property
    def fps(self) -> float:
        """Frames per second; the mean where the rate varies."""
        return self._opened.fps

    @property
    def times(self) -> Tensor:
        """When each frame is shown, float64 (len), rising seconds from 0 for the first frame."""
        if self._times is None:
            answer = self._guard._ask(self._find_child(), self.path, ReadTimes())
            assert isinstance(answer, Times)
            self._times = torch.frombuffer(bytearray(answer.seconds), dtype=torch.float64)
        return self._times

    def frames(self, indices: Tensor | Sequence[int]) -> Tensor:
        """Decode frames by number, as any `Video` does; the child checks the numbers.

        Args:
            indices: Integers in 0 ... len - 1, in any order.

        Shape:
            indices (*any) -> (*any, H, W, 3), uint8 RGB, turned upright where the file says how.

        Raises:
            ValueError: As from any `Video`, or the guard has opened another video or was closed.
            DeadlineError: The decoder did not answer in time.
            VideoError: The file is damaged at one of the frames, or crashed the decoder.
        """
        child = self._find_child()
        request = Read(torch.as_tensor(indices).tolist(), child.free_slot())
        answer = self._guard._ask(child, self.path, request)
        assert isinstance(answer, Frames)
        self.decoder, self.choice, self.salvaged = answer.origin
        return child.take(answer)

    def _find_child(self) -> DecodeChild:
        child = self._guard._held(self._number)
        if self._is_closed or child is None:
            reason = "" if self._is_closed else ", as its guard was or has opened another video"
            raise ValueError(f"{self.path} is closed{reason}, expected an open video")
        return child

    def _read(self, indices: list[int]) -> Tensor:
        return self.frames(indices)

    def _release(self) -> None:
        child = self._guard._held(self._number)
        if child:
            with contextlib.suppress(OSError):  # it has ended, which the next video will notice
                child.send(Close())
