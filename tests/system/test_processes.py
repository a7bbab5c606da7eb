"""Workers that can be killed, one file's trouble being no other's."""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import time

import pytest

from video_uniformer.system.processes import Task, leave_garbage_to_the_parent, run_killable

LIBC = ctypes.PyDLL(None)  # its calls keep the interpreter to themselves, as a decoder's may
DEADLINE = 0.5
KILLED = "the decoder was killed from outside (signal {}), as happens when memory runs out"


def work(order: str) -> str:
    match order:
        case "hang":
            LIBC.sleep(1000)
        case "abort":
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            os.abort()
        case "err":
            raise RuntimeError("out of luck")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "SIGTERM" | "SIGINT" | "SIGUSR1":
            os.kill(os.getpid(), signal.Signals[order])
    return f"did {order}"


def outcomes(*orders: str, num_workers: int = 2) -> dict[str, tuple[str, str]]:
    tasks = [Task(order, DEADLINE if order == "hang" else 30) for order in orders]
    ended = run_killable(work, tasks, num_workers=num_workers)
    return {o.task.argument: (o.failure, o.result or o.reason) for o in ended}


def test_each_piece_of_work_gives_its_result() -> None:
    orders = [str(number) for number in range(7)]
    assert outcomes(*orders) == {order: ("", f"did {order}") for order in orders}


def test_more_workers_than_work_do_no_harm() -> None:
    assert outcomes("a", num_workers=5) == {"a": ("", "did a")}


def test_no_work_gives_no_outcome() -> None:
    assert outcomes() == {}


@pytest.mark.parametrize(
    ("order", "failure", "reason"),
    [
        ("hang", "hung", "no answer within 0.5 s"),
        ("abort", "crashed", "the decoder crashed (signal 6)"),
        ("exit", "crashed", "the decoder ended its process (status 3)"),
        ("kill", "killed", KILLED.format(9)),
        ("err", "failed", "RuntimeError: out of luck"),
    ],
)
@pytest.mark.parametrize("num_workers", [1, 2])
def test_trouble_is_told_and_the_rest_is_done(
    order: str, failure: str, reason: str, num_workers: int
) -> None:
    ended = outcomes("a", order, "b", "c", num_workers=num_workers)
    assert ended.pop(order) == (failure, reason)
    assert ended == {name: ("", f"did {name}") for name in "abc"}


@pytest.mark.parametrize("order", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_what_is_sent_to_the_whole_group_is_left_to_the_parent(order: str) -> None:
    assert outcomes(order, num_workers=1) == {order: ("", f"did {order}")}


def test_hanging_costs_its_deadline_and_little_more() -> None:
    began = time.monotonic()
    outcomes("hang", num_workers=1)
    assert time.monotonic() - began < 30  # of the thousand seconds that it hangs


def test_workers_end_when_no_more_is_wanted() -> None:
    ended = run_killable(lambda _: os.getpid(), [Task("", 30), Task("", 30)], num_workers=1)
    pid = next(ended).result
    ended.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="num_workers is 0, expected at least 1"):
        next(run_killable(work, [], num_workers=0))


@pytest.mark.parametrize("deadline", [0, -1, float("inf"), float("nan")])
def test_deadline_that_never_or_always_passes_is_refused(deadline: float) -> None:
    message = f"deadline_seconds is {deadline}, expected seconds above 0, and finitely many"
    with pytest.raises(ValueError, match=message):
        next(run_killable(work, [Task("a", deadline)], num_workers=1))


def test_deadline_may_be_longer_than_any_system_waits() -> None:
    (ended,) = run_killable(work, [Task("a", 1e300)], num_workers=1)
    assert ended.result == "did a"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_workers_die_with_their_parent() -> None:
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.close(reading)

        def tell(_: object) -> None:
            os.write(writing, str(os.getpid()).encode())
            LIBC.sleep(1000)

        next(run_killable(tell, [Task("", 1000)], num_workers=1))
        os._exit(0)
    os.close(writing)
    worker = int(os.read(reading, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(reading, 1) == b""  # the worker held the other end
    os.close(reading)
    assert worker != parent


class Costly:
    """Garbage in a cycle, that tells the process which frees it."""

    def __init__(self, pipe: int) -> None:
        self.pipe, self.itself = pipe, self

    def __del__(self) -> None:
        os.write(self.pipe, str(os.getpid()).encode())


def test_forked_process_does_not_collect_what_its_parent_had() -> None:
    leave_garbage_to_the_parent()
    read, write = os.pipe()
    gc.disable()
    try:
        Costly(write)
        child = multiprocessing.get_context("fork").Process(target=gc.collect)
        child.start()
        child.join()
        assert child.exitcode == 0
        gc.collect()
    finally:
        gc.enable()
    assert os.read(read, 100).decode() == str(os.getpid())
    os.close(read)
    os.close(write)
