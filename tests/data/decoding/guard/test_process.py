"""The decode guard's children: made where they are needed, and never left behind."""

import gc
import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset
from trouble import is_gone, numbers, open_stub

from video_uniformer.data.decoding import VideoError
from video_uniformer.data.decoding.guard.deadline import DecodeGuard

DEADLINE = 3  # a busy machine takes part of it to begin


@pytest.fixture
def strict() -> Iterator[DecodeGuard]:
    """A guard whose opener hangs when told to."""
    with DecodeGuard(DEADLINE, opener=open_stub) as guard:
        yield guard


def test_close_leaves_no_child(strict: DecodeGuard) -> None:
    strict.open("good")
    pid = strict.child_pid
    strict.close()
    strict.close()
    assert strict.child_pid is None
    assert is_gone(pid)


def test_a_guard_that_is_dropped_leaves_no_child() -> None:
    guard = DecodeGuard(30, opener=open_stub)
    guard.open("good")
    pid = guard.child_pid
    del guard
    gc.collect()
    assert is_gone(pid)


def test_a_guard_makes_its_child_on_first_use(strict: DecodeGuard) -> None:
    assert strict.child_pid is None


def test_a_pickled_guard_makes_its_own_child(strict: DecodeGuard) -> None:
    strict.open("good")
    with pickle.loads(pickle.dumps(strict)) as copy:
        assert copy.deadline_seconds == DEADLINE
        assert copy.child_pid is None
        assert len(copy.open("good")) == 8
        assert copy.child_pid != strict.child_pid


class Guarded(Dataset):
    """Reads a frame of each path through one guard; the error in place of that."""

    def __init__(self, guard: DecodeGuard, paths: list[Path]) -> None:
        self.guard = guard
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, int | str]:
        try:
            with self.guard.open(self.paths[index]) as video:
                (number,) = numbers(video.frames([3]))
        except VideoError as error:
            return 0, str(error)
        return self.guard.child_pid or 0, number


def load(guard: DecodeGuard, paths: list[Path]) -> list[tuple[int, int | str]]:
    loader = DataLoader(
        Guarded(guard, paths), batch_size=None, num_workers=2, multiprocessing_context="fork"
    )
    return list(loader)


def test_loader_workers_survive_hangs_and_crashes(
    strict: DecodeGuard, video_file: Callable
) -> None:
    good = video_file()
    paths = [good, Path("hangs while opening"), good, Path("aborts while reading"), good, good]
    items = load(strict, paths)
    assert [item for _, item in items] == [
        3,
        "hangs while opening: no answer within 3 s while opening it",
        3,
        "aborts while reading: the decoder crashed (signal 6)",
        3,
        3,
    ]


def test_loader_workers_leave_no_child(strict: DecodeGuard, video_file: Callable) -> None:
    pids = {pid for pid, _ in load(strict, [video_file()] * 4)}
    assert len(pids) == 2  # one for each worker
    assert all(is_gone(pid) for pid in pids)


def test_loader_workers_make_children_of_their_own(
    strict: DecodeGuard, video_file: Callable
) -> None:
    path = video_file()
    with strict.open(path) as video:
        pid = strict.child_pid
        assert pid not in {other for other, _ in load(strict, [path] * 4)}
        assert strict.child_pid == pid
        assert numbers(video.frames([3])) == [3]


def hang_under_guard(line: Connection) -> None:
    guard = DecodeGuard(1000, opener=open_stub)
    video = guard.open("hangs while reading")
    line.send(guard.child_pid)
    video.frames([0])


def test_a_child_that_hangs_dies_with_its_parent() -> None:
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    parent = fork.Process(target=hang_under_guard, args=(theirs,))
    parent.start()
    pid = ours.recv()
    time.sleep(0.2)
    parent.kill()
    parent.join()
    assert is_gone(pid)
