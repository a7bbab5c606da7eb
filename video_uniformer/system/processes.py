"""Work in forked processes that can be killed.

A damaged file may hang a decoder in C code that holds the interpreter, where neither a signal
handler nor another thread gets a turn, or may abort its process. So such work is done by a child
process, which is killed when it is late, and made anew; whatever else is going on goes on.
`ForkedChild` is one such process; `run_killable` does many pieces of work with several.

In a process with several threads a fork leaves the child with their locks as they were. A child
does nothing but its work, with objects that it makes itself and on one thread, so the locks to fear
are the decoders' own: no other thread should decode at the moment when a child is made.
"""

import faulthandler
import functools
import gc
import math
import os
import signal
import socket
import struct
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from video_uniformer.system.signals import die_with_parent, ignore_group_signals

_REAP_SECONDS = 0.5
_WAIT_SECONDS = 3600.0  # at a time, as the system's waiting takes no number of any size


class Ending(NamedTuple):
    """How a process ended.

    Attributes:
        reason: In words.
        is_killed: Somebody else has ended it, as the system does when memory runs out.
    """

    reason: str
    is_killed: bool


class ForkedChild:
    """A forked process that ends with its parent and can be killed at any moment.

    It ends too when its object is collected, however its parent dies (on Linux; elsewhere one that
    hangs at that moment stays), and when its parent ends as a worker of `multiprocessing`, which
    allows such daemons no children of its own. What it writes on standard error is dropped:
    libraries write there about every damaged file, across the progress bar.

    Args:
        live: Called in the child with its end of the line; the process ends when that returns,
            raises, or finds the line's other end closed.
        keeps_files: Leave the parent's files open in the child. Pipes and sockets then look open to
            whoever waits for their end.

    Attributes:
        parent: Number of the process that made it; no other can use it.
        pid: Its own process number.
        line: The parent's end of the line.
    """

    def __init__(self, live: Callable[[Connection], None], *, keeps_files: bool = False) -> None:
        self.parent = os.getpid()
        ours, theirs = socket.socketpair()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads, as every process with torch has them; see above.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            _live_as_child(self.parent, Connection(theirs.detach()), live, keeps_files)
        theirs.close()
        self.line = Connection(ours.detach())
        # Also called when a worker of `multiprocessing` ends, where `atexit` is not.
        self._finish = Finalize(self, _kill, args=(self.pid, self.line), exitpriority=10)

    def limit_waits(self, seconds: float) -> None:
        """Have reading from the line raise `BlockingIOError` when nothing comes for so long."""
        # The system's own clock; waiting with a selector would take a third of a request's time.
        limit = struct.pack("ll", *divmod(math.ceil(1e6 * min(seconds, 1e9)), 10**6))
        line = socket.socket(fileno=self.line.fileno())
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        line.detach()

    def end(self) -> Ending:
        """Kill it, if it has not ended by itself, and tell how it ended."""
        code = self._finish()
        if code is None:
            return Ending("the decoder ended its process", False)
        if -code == signal.SIGKILL:
            reason = f"killed from outside (signal {-code}), as happens when memory runs out"
            return Ending(f"the decoder was {reason}", True)
        if code < 0:
            return Ending(f"the decoder crashed (signal {-code})", False)
        return Ending(f"the decoder ended its process (status {code})", False)


def _kill(pid: int, line: Connection) -> int | None:
    """End a child; return its exit code, negative for a signal, where it can be had."""
    line.close()
    give_up = time.monotonic() + _REAP_SECONDS
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)  # what has died already keeps its exit code
        # With a bound, as a process that waits for a stalled disk dies only when that answers.
        while time.monotonic() < give_up:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
    return None


def _live_as_child(
    parent: int, line: Connection, live: Callable[[Connection], None], keeps_files: bool
) -> None:
    """Live, and never return into what the parent was doing."""
    try:
        _leave_parent(parent)
        if not keeps_files:
            _close_files(line.fileno())
        live(line)
        os._exit(0)
    except (EOFError, ConnectionError):
        os._exit(0)
    finally:
        os._exit(1)


def _leave_parent(parent: int) -> None:
    die_with_parent(parent)
    faulthandler.disable()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    ignore_group_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    gc.freeze()  # a collection would touch the parent's objects, and so copy their pages
    torch.set_num_threads(1)  # there is a child for each processor


def _close_files(line: int) -> None:
    for entry in list(Path("/dev/fd").iterdir()):
        descriptor = int(entry.name)
        if descriptor > 2 and descriptor != line:
            with suppress(OSError):  # the listing's own
                os.close(descriptor)


Failure = Literal["", "hung", "crashed", "killed", "failed"]


class Task(NamedTuple):
    """One piece of work.

    Attributes:
        argument: What the work is called with; picklable.
        deadline_seconds: The longest that it may take; finite.
    """

    argument: Any
    deadline_seconds: float


class Outcome(NamedTuple):
    """How a piece of work ended.

    Attributes:
        task: The piece of work.
        result: What it returned; None where it failed.
        failure: How it failed: "hung", its process was killed when late; "crashed", it died;
            "killed", it was ended by others, as happens when memory runs out; "failed", the work
            raised an error. Empty where it did not.
        reason: The same in words.
        seconds: How long it took.
    """

    task: Task
    result: Any
    failure: Failure
    reason: str
    seconds: float


def run_killable(
    work: Callable[[Any], Any], tasks: Iterable[Task], *, num_workers: int
) -> Generator[Outcome, None, None]:
    """Do pieces of work in processes of their own; give the outcomes as they come.

    All processes end when the generator is closed, and when this process dies (on Linux).

    Args:
        work: Called in a worker process, which is forked, with the argument of a task.
        tasks: Taken one by one as workers become free.
        num_workers: How many work side by side.

    Raises:
        ValueError: `num_workers` is less than 1, or a deadline is not above 0 and finite.
    """
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}, expected at least 1")
    queue = iter(tasks)
    workers: list[_Worker] = []
    try:
        for task in queue:
            check_deadline(task.deadline_seconds)
            idle = next((worker for worker in workers if worker.task is None), None)
            if idle is None:
                idle = _Worker(work)
                workers.append(idle)
            idle.start(task)
            while len(workers) == num_workers and all(worker.task for worker in workers):
                yield from _collect(workers)
        while any(worker.task for worker in workers):
            yield from _collect(workers)
    finally:
        for worker in workers:
            worker.end()


def check_deadline(deadline_seconds: float) -> None:
    """Refuse what is no deadline.

    Raises:
        ValueError: `deadline_seconds` is not above 0, or not finite.
    """
    if not 0 < deadline_seconds < math.inf:
        raise ValueError(
            f"deadline_seconds is {deadline_seconds}, expected seconds above 0, and finitely many"
        )


def _collect(workers: "list[_Worker]") -> list[Outcome]:
    """Wait until a worker has answered, died or is late; drop those that are gone."""
    busy = [worker for worker in workers if worker.task]
    seconds = min(worker.seconds_left() for worker in busy)
    ready = wait([worker.line for worker in busy], timeout=min(max(0.0, seconds), _WAIT_SECONDS))
    outcomes = []
    for worker in busy:
        if worker.line in ready:
            outcomes.append(worker.receive())
        elif worker.seconds_left() <= 0:
            outcomes.append(worker.give_up())
        if worker.is_gone:
            workers.remove(worker)
    return outcomes


class _Worker:
    """A process that does one piece of work at a time."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.task: Task | None = None
        self.is_gone = False
        self._began = 0.0
        self._child = ForkedChild(partial(_serve, work), keeps_files=True)
        self.line = self._child.line

    def start(self, task: Task) -> None:
        self.task, self._began = task, time.monotonic()
        with suppress(OSError):  # it has died, which `receive` will find
            self.line.send(task.argument)

    def seconds_left(self) -> float:
        assert self.task
        return self._began + self.task.deadline_seconds - time.monotonic()

    def receive(self) -> Outcome:
        try:
            result, problem = self.line.recv()
        except (EOFError, OSError):
            reason, is_killed = self.end()
            return self._finish(None, "killed" if is_killed else "crashed", reason)
        return self._finish(result, "failed" if problem else "", problem)

    def give_up(self) -> Outcome:
        assert self.task
        self.end()
        limit = f"no answer within {self.task.deadline_seconds:g} s"
        return self._finish(None, "hung", limit)

    def end(self) -> Ending:
        self.is_gone = True
        return self._child.end()

    def _finish(self, result: Any, failure: Failure, reason: str) -> Outcome:
        assert self.task
        outcome = Outcome(self.task, result, failure, reason, time.monotonic() - self._began)
        self.task = None
        return outcome


def _serve(work: Callable[[Any], Any], line: Connection) -> None:
    """Answer each argument with a pair: what the work gives, and its error in words."""
    while True:
        argument = line.recv()
        try:
            answer = work(argument), ""
        except Exception as error:  # whatever it is, the parent is to know
            answer = None, f"{type(error).__name__}: {error}"
        line.send(answer)


@functools.cache
def leave_garbage_to_the_parent() -> None:
    """From now on, no process that is forked from this one collects what this one had.

    To free a decoder, whose threads are not there, would wait for them for ever: so a loader's
    worker must not, and its first collection may come before it runs any code of ours.
    """
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=gc.freeze)
