"""Many opens in one process: memory, file handles and threads stay where they are."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.decoding.guard.deadline import DecodeGuard

pytestmark = pytest.mark.slow

NUM_OPENS, SAMPLES = 600, 30
BYTES_PER_OPEN = 2048  # least squares; a leaked decoder takes hundreds of kilobytes


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def num_threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def num_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def falls_to(counts: tuple[int, int], pid: int) -> bool:
    """Wait for threads and open files to be no more than these; a thread takes a while to end."""
    for _ in range(1000):
        if num_threads(pid) <= counts[0] and num_descriptors(pid) <= counts[1]:
            return True
        time.sleep(0.01)
    return False


def growth(
    act: Callable[[], object],
    pid: Callable[[], int],
    num_opens: int = NUM_OPENS,
    hold: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> float:
    """Act so many times; return the bytes by which the process grew per time after the warm-up.

    Args:
        act: What may leak.
        pid: The process to measure.
        num_opens: How often to act.
        hold: Entered while threads and open files are counted.

    Raises:
        AssertionError: Threads or open files have become more.
    """
    for _ in range(num_opens // 4):
        act()
    gc.collect()  # PyAV's objects refer to each other
    with hold():
        counts = num_threads(pid()), num_descriptors(pid())
    sizes = []
    for _ in range(SAMPLES):
        for _ in range(num_opens // SAMPLES):
            act()
        sizes.append(resident_bytes(pid()))
    gc.collect()
    with hold():
        assert falls_to(counts, pid())
    slope, _ = np.polyfit(np.arange(SAMPLES) * (num_opens // SAMPLES), sizes, 1)
    return float(slope)


def read_one(opener: Callable[..., Video], path: Path, decoder: str) -> None:
    with opener(path, decoder) as video:
        video.frames([0, len(video) - 1])


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_opening_a_video_leaves_nothing_behind(decoder: str, video_file: Callable) -> None:
    path = video_file(num_frames=8)
    assert growth(lambda: read_one(open_video, path, decoder), os.getpid) < BYTES_PER_OPEN


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_videos_that_are_not_closed_are_collected(decoder: str, video_file: Callable) -> None:
    path = video_file(num_frames=8)
    open_video(path, decoder).frames([0])
    gc.collect()
    counts = num_threads(os.getpid()), num_descriptors(os.getpid())
    for _ in range(100):
        open_video(path, decoder).frames([0])
    gc.collect()
    assert falls_to(counts, os.getpid())


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_a_file_that_is_refused_leaves_nothing_behind(decoder: str, video_file: Callable) -> None:
    path = video_file(num_frames=8)
    path.write_bytes(path.read_bytes()[:-100])

    def act() -> None:
        with pytest.raises(VideoError):
            open_video(path, decoder)

    assert growth(act, os.getpid) < BYTES_PER_OPEN


@pytest.fixture
def guard() -> Iterator[DecodeGuard]:
    with DecodeGuard(30) as guard:
        yield guard


@pytest.mark.parametrize("whose", ["parent", "child"])
def test_a_guard_that_opens_many_videos_grows_on_neither_side(
    whose: str, guard: DecodeGuard, video_file: Callable
) -> None:
    path = video_file(num_frames=8)
    pid = os.getpid if whose == "parent" else lambda: guard.child_pid or 0

    def act() -> None:
        read_one(guard.open, path, "decord")

    # The child answers no request to close; that it opens another video says that it has closed.
    assert growth(act, pid, hold=lambda: guard.open(path, "decord")) < BYTES_PER_OPEN


def test_children_that_are_replaced_leave_nothing_behind(video_file: Callable) -> None:
    path = video_file(num_frames=8)
    guard, num_threads = DecodeGuard(30), threading.active_count()

    def act() -> None:
        read_one(guard.open, path, "decord")
        guard.close()

    assert growth(act, os.getpid, num_opens=SAMPLES) < 100 * BYTES_PER_OPEN
    assert threading.active_count() <= num_threads
