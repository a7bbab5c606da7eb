"""The decode guard: a deadline that holds against a decoder that holds the interpreter."""

import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
import torch
from trouble import Stub, is_gone, numbers, open_stub

from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.decoding.guard.deadline import DeadlineError, DecodeGuard

PATIENCE = 30  # far less than the thousand seconds of a hang
DEADLINE = 3  # a busy machine takes part of it to begin


@pytest.fixture
def guard() -> Iterator[DecodeGuard]:
    with DecodeGuard(30) as guard:
        yield guard


@pytest.fixture
def strict() -> Iterator[DecodeGuard]:
    """A guard with little patience, and an opener that hangs when told to."""
    with DecodeGuard(DEADLINE, opener=open_stub) as guard:
        yield guard


@pytest.fixture
def patient() -> Iterator[DecodeGuard]:
    """A guard that waits, and an opener that crashes when told to."""
    with DecodeGuard(PATIENCE, opener=open_stub) as guard:
        yield guard


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_a_guarded_video_is_the_video(
    decoder: str, guard: DecodeGuard, video_file: Callable
) -> None:
    path = video_file()
    with open_video(path, decoder) as plain, guard.open(path, decoder) as guarded:
        assert (guarded.path, len(guarded), guarded.fps) == (path, len(plain), plain.fps)
        assert torch.equal(guarded.times, plain.times)
        assert guarded.times.dtype == torch.float64
        assert (guarded.decoder, guarded.choice) == (plain.decoder, plain.choice)
        assert guarded.salvaged == plain.salvaged == ""
        for indices in ([31, 0, 17, 17, 3], torch.tensor([[[0, 4]], [[8, 4]]]), torch.tensor(7)):
            assert torch.equal(guarded.frames(indices), plain.frames(indices))


def test_a_folder_of_pictures_is_read_too(guard: DecodeGuard, tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image").new("L", (8, 6), 50).save(tmp_path / "1.png")
    with guard.open(tmp_path) as video:
        assert video.frames([0]).unique().tolist() == [50]


def test_the_options_of_opening_arrive() -> None:
    def opener(*arguments: object, **options: object) -> Video:
        raise VideoError(f"{arguments} {options}")

    with DecodeGuard(30, opener=opener) as guard, pytest.raises(VideoError) as caught:
        guard.open("a b", "pyav", salvage=True, short_side=256, num_frames=9)
    assert (
        str(caught.value) == "('a b', 'pyav') {'salvage': True, 'short_side': 256, 'num_frames': 9}"
    )


def test_one_child_serves_many_videos(guard: DecodeGuard, video_file: Callable) -> None:
    path = video_file()
    pids = set()
    for index in range(20):
        with guard.open(path) as video:
            assert numbers(video.frames([index])) == [index]
            pids.add(guard.child_pid)
    assert len(pids) == 1
    assert None not in pids


def test_frames_that_are_kept_are_not_overwritten(guard: DecodeGuard, video_file: Callable) -> None:
    with guard.open(video_file()) as video:
        kept = [video.frames([index]) for index in range(12)]
        view = video.frames([20, 21])[1:]
        video.frames([30, 31])
    assert [numbers(clip) for clip in kept] == [[index] for index in range(12)]
    assert numbers(view) == [21]


def test_frames_that_are_kept_hold_no_descriptors(guard: DecodeGuard, video_file: Callable) -> None:
    with guard.open(video_file()) as video:
        kept = [video.frames([index]) for index in range(5)]
        num_descriptors = len(list(Path("/proc/self/fd").iterdir()))
        kept += [video.frames([index]) for index in range(20)]
        assert len(list(Path("/proc/self/fd").iterdir())) == num_descriptors


def test_frames_of_any_size_follow_each_other(guard: DecodeGuard, video_file: Callable) -> None:
    small, large = video_file(name="a.mp4"), video_file(width=640, height=480, name="b.mp4")
    for _ in range(3):
        for path, shape in ((small, (32, 48, 64, 3)), (large, (32, 480, 640, 3))):
            with guard.open(path) as video:
                images = video.frames(range(32))
                assert images.shape == shape
                assert numbers(images) == list(range(32))


class HalfRead(Stub):
    """Takes the memory for as many frames as its name says, and fails when it has the first."""

    def _read(self, indices: list[int]) -> torch.Tensor:
        self.allocate((int(self.path.name), 48, 64, 3))
        raise VideoError(f"{self.path}: frame 1 cannot be decoded")


def open_half_or_whole(
    path: str, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
) -> Video:
    return HalfRead(Path(path)) if path.isdecimal() else open_video(path)


@pytest.mark.parametrize("num_frames", [1, 8, 32, 3000])
def test_what_fails_half_way_does_not_spoil_the_next_video(
    num_frames: int, video_file: Callable
) -> None:
    path = video_file()
    with DecodeGuard(30, opener=open_half_or_whole) as guard:
        for first in (None, [5, 6, 7], range(32)):
            if first is not None:
                assert numbers(guard.open(path).frames(first)) == list(first)
            with pytest.raises(VideoError, match="frame 1 cannot be decoded"):
                guard.open(str(num_frames)).frames([0, 1])
        for second in ([9], range(20), range(32)):
            assert numbers(guard.open(path).frames(second)) == list(second)


def test_frames_can_be_written_to(guard: DecodeGuard, video_file: Callable) -> None:
    with guard.open(video_file()) as video:
        video.frames([1, 2]).zero_()
        assert numbers(video.frames([1])) == [1]


def test_frames_outlive_the_guard(video_file: Callable) -> None:
    with DecodeGuard(30) as guard:
        frames = guard.open(video_file()).frames([5])
    assert numbers(frames) == [5]


# Errors of the video and of the user


@pytest.mark.parametrize("name", ["missing.mp4", "empty.mp4", "text.mp4"])
def test_a_file_that_is_no_video_gives_the_usual_error(
    name: str, guard: DecodeGuard, tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoError) as plain:
        open_video(tmp_path / name)
    with pytest.raises(VideoError) as guarded:
        guard.open(tmp_path / name)
    assert str(guarded.value) == str(plain.value)
    assert type(guarded.value) is VideoError


def test_an_unknown_decoder_is_the_users_error(guard: DecodeGuard, video_file: Callable) -> None:
    with pytest.raises(ValueError, match="decoder is 'decrod', expected") as caught:
        guard.open(video_file(), "decrod")
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("indices", [[32], [], torch.tensor([0.5])])
def test_indices_that_are_no_frames_give_the_usual_error(
    indices: object, guard: DecodeGuard, video_file: Callable
) -> None:
    path = video_file()
    with open_video(path) as video, pytest.raises(ValueError, match="expected") as plain:
        video.frames(indices)
    with guard.open(path) as video, pytest.raises(ValueError, match="expected") as guarded:
        video.frames(indices)
    assert str(guarded.value) == str(plain.value)


def test_a_closed_video_is_refused(guard: DecodeGuard, video_file: Callable) -> None:
    with guard.open(video_file()) as video:
        pass
    with pytest.raises(ValueError, match=r"a\.mp4 is closed, expected an open video"):
        video.frames([0])


def test_a_video_is_closed_by_the_next(guard: DecodeGuard, video_file: Callable) -> None:
    first, second = guard.open(video_file()), guard.open(video_file(name="b.mp4"))
    with pytest.raises(ValueError, match=r"a\.mp4 is closed, as its guard .* another video"):
        first.frames([0])
    first.close()
    assert second.frames([0]).shape == (1, 48, 64, 3)


def test_a_video_is_closed_with_its_guard(guard: DecodeGuard, video_file: Callable) -> None:
    video = guard.open(video_file())
    guard.close()
    with pytest.raises(ValueError, match=r"a\.mp4 is closed, as its guard was"):
        video.frames([0])
    video.close()


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_the_deadline_must_be_a_positive_number(seconds: float) -> None:
    with pytest.raises(ValueError, match=f"deadline_seconds is {seconds}, expected a positive"):
        DecodeGuard(seconds)


# Trouble


def test_a_hang_while_opening_ends_at_the_deadline(strict: DecodeGuard) -> None:
    start = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        strict.open("/x/hangs while opening")
    assert time.monotonic() - start < PATIENCE
    message = "/x/hangs while opening: no answer within 3 s while opening it"
    assert str(caught.value) == message


def test_a_hang_while_reading_ends_at_the_deadline(strict: DecodeGuard) -> None:
    with strict.open("/x/hangs while reading") as video:
        start = time.monotonic()
        with pytest.raises(DeadlineError, match=r"within 3 s while decoding frames 2 to 7$"):
            video.frames([[2, 7], [3, 4]])
        assert time.monotonic() - start < PATIENCE


def test_a_hang_while_asked_for_times_ends_at_the_deadline(strict: DecodeGuard) -> None:
    with (
        strict.open("hangs while timing") as video,
        pytest.raises(DeadlineError, match=r"within 3 s while listing its frames$"),
    ):
        _ = video.times


def test_a_late_decoder_is_killed_and_replaced(strict: DecodeGuard, video_file: Callable) -> None:
    with strict.open(video_file()):
        pid = strict.child_pid
    with pytest.raises(DeadlineError):
        strict.open("hangs while opening")
    assert is_gone(pid)
    with strict.open(video_file()) as video:
        assert numbers(video.frames([3])) == [3]
        assert strict.child_pid not in (None, pid)


@pytest.mark.parametrize("moment", ["opening", "reading"])
def test_a_crash_is_reported_with_its_signal(moment: str, patient: DecodeGuard) -> None:
    with pytest.raises(VideoError) as caught:
        patient.open(f"/x/aborts while {moment}").frames([0])
    assert str(caught.value) == f"/x/aborts while {moment}: the decoder crashed (signal 6)"
    assert not isinstance(caught.value, DeadlineError)
    patient.open("good").frames([0])


def test_an_exit_is_reported_with_its_status(patient: DecodeGuard) -> None:
    with pytest.raises(VideoError, match=r"the decoder ended its process \(status 3\)"):
        patient.open("exits while opening")


def test_an_exception_that_no_decoder_should_raise_names_the_file(patient: DecodeGuard) -> None:
    message = r"^/x/errs while opening: the decoder failed \(RuntimeError: out of luck\)"
    with pytest.raises(VideoError, match=message):
        patient.open("/x/errs while opening")


@pytest.mark.parametrize("trouble", ["hangs", "aborts", "exits", "errs"])
def test_trouble_with_closing_is_not_the_next_videos(trouble: str, strict: DecodeGuard) -> None:
    with strict.open(f"{trouble} while closing") as video:
        video.frames([0])
    with strict.open("good") as video:
        assert video.frames([0]).shape == (1, 2, 2, 3)


def test_a_child_that_was_killed_meanwhile_is_replaced(patient: DecodeGuard) -> None:
    with patient.open("good"):
        pass
    os.kill(patient.child_pid or 0, signal.SIGKILL)
    with patient.open("good") as video:
        video.frames([0])


def test_an_interrupted_wait_leaves_the_guard_usable() -> None:
    parent = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def opener(path: str, decoder: str, **options: object) -> Video:
        if path == "hangs":
            os.kill(parent, signal.SIGALRM)  # not by a clock, which may strike before the wait
            time.sleep(1000)
        return Stub(Path(path))

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with DecodeGuard(PATIENCE, opener=opener) as guard:
            guard.open("good").close()
            with pytest.raises(KeyboardInterrupt):
                guard.open("hangs")
            with guard.open("good") as video:
                assert len(video) == 8
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_the_child_logs_is_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("video_uniformer.data.decoding.pyav_reader")

    def opener(
        path: str, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
    ) -> Video:
        logger.warning("%s is odd", path)
        return Stub(Path(path))

    with DecodeGuard(30, opener=opener) as guard, caplog.at_level(logging.WARNING):
        guard.open("a %s")
        guard.open("b")
    assert caplog.messages == ["a %s is odd", "b is odd"]


def test_the_child_holds_none_of_its_parents_files(tmp_path: Path) -> None:
    def opener(
        path: str, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
    ) -> Video:
        open_files = [file.resolve() for file in Path("/proc/self/fd").iterdir()]
        raise VideoError(f"{[str(file) for file in open_files if file.name == 'held']}")

    with (
        (tmp_path / "held").open("w"),
        DecodeGuard(30, opener=opener) as guard,
        pytest.raises(VideoError, match=r"^\[\]$"),
    ):
        guard.open("x")
