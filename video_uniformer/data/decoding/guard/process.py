"""A process that decodes for its parent, under a deadline; `messages` shows their talk.

It is a `ForkedChild`: a fork has all imports done.
"""

import logging
import math
import mmap
import os
import pickle
import sys
import tempfile
import weakref
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from video_uniformer.data.decoding.guard.ffmpeg_stderr import heard, listen
from video_uniformer.data.decoding.guard.messages import (
    Answer,
    Close,
    Content,
    Failure,
    Frames,
    Open,
    Opened,
    Origin,
    Read,
    ReadTimes,
    Request,
    Times,
)
from video_uniformer.data.decoding.interface import Video, VideoError, system_errno
from video_uniformer.system.processes import Ending, ForkedChild

_NUM_SLOTS = 3  # one being written, one that the parent works on, one that it is about to drop
_SPARE_BYTES = 1 << 26  # memory beyond this and beyond four times the need is given back


class DecodeChild:
    """A child process that decodes, and the parent's end of the line to it.

    Args:
        opener: Called in the child with the fields of `Open`.
        deadline_seconds: The longest wait for an answer.

    Attributes:
        parent: Number of the process that made it; no other can use it.
        pid: Its own process number.
    """

    def __init__(self, opener: Callable[..., Video], deadline_seconds: float) -> None:
        self._num_requests = 0
        self._progress = memoryview(mmap.mmap(-1, 8)).cast("Q")  # shared with the child
        self._child = ForkedChild(partial(_serve, self._progress, opener))
        self._child.limit_waits(deadline_seconds)
        self.parent, self.pid, self._line = self._child.parent, self._child.pid, self._child.line
        self._memory: dict[int, mmap.mmap] = {}
        self._lent: dict[int, Callable[[], object]] = dict.fromkeys(range(_NUM_SLOTS), lambda: None)

    def end(self) -> Ending:
        """Kill it, if it has not ended by itself, and tell how it ended."""
        return self._child.end()

    def send(self, request: Request) -> None:
        """Send a request.

        Raises:
            ConnectionError: The child has ended.
        """
        self._num_requests += 1
        _send(self._line, request)

    def has_begun(self) -> bool:
        """Whether it has done what was asked before, and come to the last request."""
        return self._progress[0] == self._num_requests

    def receive(self) -> Answer:
        """Wait for the answer to the last request.

        Raises:
            BlockingIOError: There is none in time.
            EOFError, OSError: The child has ended.
        """
        answer: Answer = pickle.loads(self._line.recv_bytes())
        if isinstance(answer.content, Frames) and answer.content.new_bytes:
            descriptor = recv_handle(self._line)
            self._memory[answer.content.slot] = mmap.mmap(descriptor, answer.content.new_bytes)
            os.close(descriptor)
        return answer

    def free_slot(self) -> int:
        """A slot whose frames no tensor refers to any more."""
        return self._free_slots()[0]

    def take(self, frames: Frames) -> Tensor:
        """The frames of an answer, uint8; copied only where no other slot is free."""
        pixels = np.frombuffer(self._memory[frames.slot], np.uint8, math.prod(frames.shape))
        images = torch.from_numpy(pixels).view(frames.shape)
        if self._free_slots() == [frames.slot]:
            return images.clone()
        self._lent[frames.slot] = weakref.ref(pixels)  # the tensor's storage keeps it alive
        return images

    def _free_slots(self) -> list[int]:
        return [slot for slot, frames in self._lent.items() if frames() is None]


def _send(line: Connection, message: Request | Answer) -> None:
    # Its own `send` knows more types, and takes thrice the time.
    line.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


class _LogList(logging.Handler):
    """Keeps what is logged for the parent to log, whose files the child has not open."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, record.levelno, record.getMessage()))


def _serve(progress: memoryview, opener: Callable[..., Video], line: Connection) -> None:
    """Answer requests until the line ends, which raises `EOFError` or `ConnectionError`."""
    listen()
    session = _DecodingSession(opener)
    log = _LogList()
    decoding = logging.getLogger("video_uniformer.data.decoding")
    decoding.handlers, decoding.propagate = [log], False
    while True:
        request = pickle.loads(line.recv_bytes())
        progress[0] += 1
        if isinstance(request, Close):
            session.close()
            continue
        try:
            content: Content = session.answer(request)
        except Exception as error:  # whatever it is, the parent is to know
            kind = VideoError if isinstance(error, VideoError) else type(error)
            content = Failure(kind.__name__, str(error), system_errno(error))
        _send(line, Answer(content, log.lines))
        log.lines = []
        if isinstance(content, Frames) and content.new_bytes:
            session.hand_over_memory(line)


class _DecodingSession:
    """What the child holds: one open video, and the memory that its frames are put in."""

    def __init__(self, opener: Callable[..., Video]) -> None:
        self._opener = opener
        self._video: Video | None = None
        self._memory: dict[int, mmap.mmap] = {}
        self._descriptor = -1
        self._slot = self._new_bytes = 0

    def answer(self, request: Open | Read | ReadTimes) -> Content:
        if isinstance(request, Open):
            return self.open(request)
        assert self._video
        if isinstance(request, ReadTimes):
            return Times(self._video.times.numpy().tobytes())
        return self.read(self._video, request)

    def open(self, request: Open) -> Opened:
        self.close()
        heard()  # what other files gave cause for is forgotten
        self._video = video = self._opener(
            request.path,
            request.decoder,
            salvage=request.salvage,
            short_side=request.short_side,
            num_frames=request.num_frames,
        )
        return Opened(len(video), video.fps, _origin(video))

    def read(self, video: Video, request: Read) -> Frames:
        self._slot, self._new_bytes = request.slot, 0
        try:
            shape = self._fill_slot(video, request.indices)
        except BaseException:
            if self._new_bytes:  # of which the parent will not hear
                os.close(self._descriptor)
                del self._memory[self._slot]
            raise
        return Frames(request.slot, shape, self._new_bytes, _origin(video))

    def _fill_slot(self, video: Video, indices: list[Any]) -> tuple[int, ...]:
        video.allocate = self._allocate  # spares a copy with the decoders that heed it
        images = video.frames(indices).numpy()
        memory = self._memory.get(self._slot)
        if memory is None or not np.may_share_memory(images, np.frombuffer(memory, np.uint8)):
            np.copyto(self._allocate(images.shape), images)
        return images.shape

    def _allocate(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """The start of the slot's memory, which is replaced where its size does not suit."""
        needed, size = math.prod(shape), len(self._memory.get(self._slot, b""))
        if not needed <= size <= max(4 * needed, _SPARE_BYTES):
            if self._new_bytes:
                os.close(self._descriptor)
            self._descriptor, self._new_bytes = _reserve(needed), needed
            self._memory[self._slot] = mmap.mmap(self._descriptor, needed)
        return np.frombuffer(self._memory[self._slot], np.uint8, needed).reshape(shape)

    def close(self) -> None:
        if self._video:
            self._video.close()
            self._video = None

    def hand_over_memory(self, line: Connection) -> None:
        send_handle(line, self._descriptor, os.getppid())
        os.close(self._descriptor)


def _origin(video: Video) -> Origin:
    return Origin(video.decoder, video.choice, video.salvaged)


def _reserve(size: int) -> int:
    """Make memory of a size in bytes that has a descriptor and no name."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("frames")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
