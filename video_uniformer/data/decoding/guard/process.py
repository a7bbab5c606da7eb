"""A process that decodes for its parent, and that its parent can kill.

A damaged file may hang a decoder inside C code that holds the interpreter, where neither a signal
handler nor another thread gets a turn, or may abort the process. Both then befall a child process,
while its parent waits with a clock. The child is forked: loader workers are daemons, which
`multiprocessing` allows no children, and a fork has all imports done.

In a process with several threads a fork leaves the child with their locks as they were. The child
does nothing but decode, with objects that it makes itself and on one thread, so the locks to fear
are the decoders' own: no other thread should decode at the moment when a child is made.
"""

import contextlib
import ctypes
import faulthandler
import gc
import logging
import math
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from multiprocessing.util import Finalize
from pathlib import Path
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

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_REAP_SECONDS = 0.5
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
        self.parent = os.getpid()
        ours, theirs = socket.socketpair()
        self._num_requests = 0
        self._progress = memoryview(mmap.mmap(-1, 8)).cast("Q")  # shared with the child
        with warnings.catch_warnings():
            # Python 3.12 warns of threads, as every process with torch has them; see above.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            _live_as_child(self.parent, Connection(theirs.detach()), self._progress, opener)
        theirs.close()
        # The system's own clock; waiting with a selector would take a third of a request's time.
        limit = struct.pack("ll", *divmod(math.ceil(1e6 * min(deadline_seconds, 1e9)), 10**6))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._line = Connection(ours.detach())
        self._memory: dict[int, mmap.mmap] = {}
        self._lent: dict[int, Callable[[], object]] = dict.fromkeys(range(_NUM_SLOTS), lambda: None)
        # Also called when a worker of `multiprocessing` ends, where `atexit` is not.
        self._finish = Finalize(self, _kill, args=(self.pid, self._line), exitpriority=10)

    def end(self) -> tuple[str, bool]:
        """Kill it, if it has not ended by itself; say how it ended, and whether it was killed."""
        status = self._finish()
        if status == -signal.SIGKILL:
            return "the decoder was killed, as happens when memory runs out", True
        if status is not None and status < 0:
            return f"the decoder crashed (signal {-status})", False
        return f"the decoder ended its process (status {status})", False

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


def _kill(pid: int, line: Connection) -> int | None:
    """End a child; return its exit code, negative for a signal, where it can be had."""
    line.close()
    give_up = time.monotonic() + _REAP_SECONDS
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)  # what has died already keeps its exit code
        # With a bound, as a process that waits for a stalled disk dies only when that answers.
        while time.monotonic() < give_up:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
    return None


def _live_as_child(
    parent: int, line: Connection, progress: memoryview, opener: Callable[..., Video]
) -> None:
    """Answer requests until the line ends; never return into what the parent was doing."""
    try:
        _leave_parent(parent, line.fileno())
        _serve(line, progress, opener)
    except (EOFError, ConnectionError):
        os._exit(0)
    finally:
        os._exit(1)


def _leave_parent(parent: int, line: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be said
        os._exit(0)
    faulthandler.disable()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent decides
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Pipes and sockets would otherwise look open to whoever waits for their end.
    for entry in list(Path("/dev/fd").iterdir()):
        descriptor = int(entry.name)
        if descriptor > 2 and descriptor != line:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(descriptor)
    listen()
    gc.freeze()  # a collection would touch the parent's objects, and so copy their pages
    torch.set_num_threads(1)


class _LogList(logging.Handler):
    """Keeps what is logged for the parent to log, whose files the child has not open."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, record.levelno, record.getMessage()))


def _serve(line: Connection, progress: memoryview, opener: Callable[..., Video]) -> None:
    """Answer requests until the line ends, which raises `EOFError` or `ConnectionError`."""
    desk = _Desk(opener)
    log = _LogList()
    decoding = logging.getLogger("video_uniformer.data.decoding")
    decoding.handlers, decoding.propagate = [log], False
    while True:
        request = pickle.loads(line.recv_bytes())
        progress[0] += 1
        if isinstance(request, Close):
            desk.close()
            continue
        try:
            content: Content = desk.answer(request)
        except Exception as error:  # whatever it is, the parent is to know
            kind = VideoError if isinstance(error, VideoError) else type(error)
            content = Failure(kind.__name__, str(error), system_errno(error))
        _send(line, Answer(content, log.lines))
        log.lines = []
        if isinstance(content, Frames) and content.new_bytes:
            desk.hand_over_memory(line)


class _Desk:
    """Holds one open video and the memory that its frames are put in."""

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
