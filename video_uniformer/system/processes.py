"""Work on many files side by side, each piece of which can be killed.

A damaged file may hang a decoder in code that no signal and no thread can interrupt, or may crash
it. So each piece of work is done by a process that is killed when it is late, and made anew; the
others go on.
"""

import ctypes
import faulthandler
import math
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, NamedTuple

import torch

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_REAP_SECONDS = 0.5
_WAIT_SECONDS = 3600.0  # at a time, as the system's waiting takes no number of any size
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)

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
        context = multiprocessing.get_context("fork")
        self.line, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(work, theirs, self.line, os.getpid()), daemon=True
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of threads, as every process with torch has them; none decodes.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()

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
            self._process.join(_REAP_SECONDS)  # else `end` may kill it while it is dying
            self.end()
            code = self._process.exitcode or 0
            if -code in _FROM_OUTSIDE:
                reason = f"killed from outside (signal {-code}), as happens when memory runs out"
                return self._finish(None, "killed", reason)
            ended = f"signal {-code}" if code < 0 else f"status {code}"
            return self._finish(None, "crashed", f"the decoder crashed ({ended})")
        return self._finish(result, "failed" if problem else "", problem)

    def give_up(self) -> Outcome:
        assert self.task
        self.end()
        limit = f"no answer within {self.task.deadline_seconds:g} s"
        return self._finish(None, "hung", limit)

    def end(self) -> None:
        self.is_gone = True
        self.line.close()
        # What has died already keeps its exit code. One that waits for a stalled disk dies only
        # when that answers, so there is a bound.
        self._process.join(0 if self.task is None else 0.05)
        self._process.kill()
        self._process.join(_REAP_SECONDS)

    def _finish(self, result: Any, failure: Failure, reason: str) -> Outcome:
        assert self.task
        outcome = Outcome(self.task, result, failure, reason, time.monotonic() - self._began)
        self.task = None
        return outcome


def _serve(work: Callable[[Any], Any], line: Connection, theirs: Connection, parent: int) -> None:
    """Answer each argument with a pair: what the work gives, and its error in words."""
    theirs.close()
    _leave_parent(parent)
    with suppress(EOFError, OSError):
        while True:
            argument = line.recv()
            try:
                answer = work(argument), ""
            except Exception as error:  # whatever it is, the parent is to know
                answer = None, f"{type(error).__name__}: {error}"
            line.send(answer)


def _leave_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be said
        os._exit(0)
    faulthandler.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Libraries write there about every damaged file, across the progress bar.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    torch.set_num_threads(1)  # there is a worker for each processor
