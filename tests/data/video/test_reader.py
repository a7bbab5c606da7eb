"""What becomes of bad videos: the policy, and reading by it."""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.decoding.guard.deadline import DeadlineError
from video_uniformer.data.video.reader import (
    OK,
    BadVideoPolicy,
    Quarantine,
    VideoReader,
)
from video_uniformer.outcomes import SALVAGED, SKIPPED


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("on_bad_video", "skp", "on_bad_video is 'skp', expected one of .*; did you mean 'skip'?"),
        ("in_training", "drop", "in_training is 'drop', expected one of raise, skip, substitute,"),
        ("budget", 1.5, "budget is 1.5, expected a share from 0 to 1 of the list"),
        ("budget", -0.1, "budget is -0.1, expected a share"),
        ("budget", "abc", "budget is 'abc', expected a share"),
        ("deadline_seconds", "abc", "deadline_seconds is 'abc', expected seconds above 0, or null"),
        ("deadline_seconds", 0, "deadline_seconds is 0, expected seconds above 0, or null"),
        ("retries", -1, "retries is -1, expected a whole number >= 0"),
        ("retries", 0.5, "retries is 0.5, expected a whole number >= 0"),
    ],
)
def test_policy_that_makes_no_sense_is_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BadVideoPolicy(**{field: value})


@pytest.mark.parametrize(
    ("on_bad_video", "in_training", "split", "expected"),
    [
        ("skip", None, "train", "skip"),
        ("skip", None, "val", "skip"),
        ("skip", "substitute", "train", "substitute"),
        ("skip", "substitute", "test", "skip"),
        ("substitute", "raise", "train", "raise"),
        ("raise", "skip", "val", "raise"),
    ],
)
def test_training_may_have_a_way_of_its_own(
    on_bad_video: str, in_training: str | None, split: str, expected: str
) -> None:
    policy = BadVideoPolicy(on_bad_video, in_training=in_training)
    assert policy.for_split(split).on_bad_video == expected


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_never_substitutes(split: str) -> None:
    with pytest.raises(ValueError, match=f"'substitute' for '{split}', where a video is never"):
        BadVideoPolicy("substitute").for_split(split)


def first_frame(video: Video) -> Tensor:
    return video.frames([0])


def grey(frames: Tensor | None) -> int:
    assert frames is not None
    return int(frames.float().mean().round())


@pytest.fixture
def folder(tmp_path: Path, video_file: Callable[..., Path]) -> Path:
    """A good video, an empty one, and one that is text."""
    video_file(num_frames=8, grey=100, name="good.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video " * 100)
    return tmp_path


CHOICES = ["raise", "skip", "salvage", "substitute"]


@pytest.mark.parametrize("on_bad_video", CHOICES)
@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_good_video_is_read_whatever_the_policy(
    on_bad_video: str, deadline_seconds: float | None, folder: Path
) -> None:
    policy = BadVideoPolicy(on_bad_video, deadline_seconds=deadline_seconds)
    reading = VideoReader(policy).read(folder / "good.mp4", first_frame)
    assert (reading.status, reading.problem) == (OK, "")
    assert grey(reading.frames) == pytest.approx(100, abs=3)


@pytest.mark.parametrize("name", ["empty.mp4", "text.mp4", "absent.mp4"])
@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_bad_video_is_raised_with_its_name(
    name: str, deadline_seconds: float | None, folder: Path
) -> None:
    reader = VideoReader(BadVideoPolicy(deadline_seconds=deadline_seconds))
    with pytest.raises(VideoError, match=f"^{folder / name}: "):
        reader.read(folder / name, first_frame)


@pytest.mark.parametrize("on_bad_video", ["skip", "salvage", "substitute"])
def test_bad_video_is_skipped_with_the_reason_alone(on_bad_video: str, folder: Path) -> None:
    reading = VideoReader(BadVideoPolicy(on_bad_video)).read(folder / "empty.mp4", first_frame)
    assert (reading.frames, reading.status) == (None, SKIPPED)
    assert reading.problem.startswith("the file is empty, expected a video")


def test_bad_video_is_listed(folder: Path) -> None:
    reader = VideoReader(BadVideoPolicy("skip", quarantine=folder / "list.jsonl"))
    reader.read(folder / "empty.mp4", first_frame)
    reason = Quarantine(folder / "list.jsonl").reason_for(folder / "empty.mp4")
    assert reason == "the file is empty, expected a video"


def test_listed_video_is_not_opened_again(folder: Path) -> None:
    Quarantine(folder / "list.jsonl").add(folder / "good.mp4", "it hangs")
    reader = VideoReader(BadVideoPolicy("skip", quarantine=folder / "list.jsonl"))
    assert reader.read(folder / "good.mp4", first_frame) == (None, SKIPPED, "it hangs")


def test_policy_that_raises_asks_every_file_anew(folder: Path) -> None:
    Quarantine(folder / "list.jsonl").add(folder / "good.mp4", "it hung")
    reader = VideoReader(BadVideoPolicy("raise", quarantine=folder / "list.jsonl"))
    assert reader.read(folder / "good.mp4", first_frame).status == OK


def test_absent_video_may_come_back(folder: Path) -> None:
    reader = VideoReader(BadVideoPolicy("skip", quarantine=folder / "list.jsonl"))
    (folder / "good.mp4").rename(folder / "away.mp4")
    assert reader.read(folder / "good.mp4", first_frame).status == SKIPPED
    (folder / "away.mp4").rename(folder / "good.mp4")
    assert reader.read(folder / "good.mp4", first_frame).status == OK


class Flaky:
    """Opens a video at the third try; counts the tries."""

    def __init__(self) -> None:
        self.tries = 0

    def __call__(self, path: Path, decoder: str, *, salvage: bool, num_frames: int | None) -> Video:
        self.tries += 1
        if self.tries < 3:
            raise OSError(5, "Input/output error")
        return open_video(path, decoder, salvage=salvage)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(("retries", "status"), [(0, SKIPPED), (1, SKIPPED), (2, OK), (3, OK)])
def test_disk_that_fails_now_and_then_is_tried_again_as_often_as_asked(
    retries: int, status: int, folder: Path
) -> None:
    opener = Flaky()
    reader = VideoReader(BadVideoPolicy("skip", retries=retries), opener=opener)
    assert reader.read(folder / "good.mp4", first_frame).status == status
    assert opener.tries == min(retries + 1, 3)


def test_error_of_the_disk_is_the_reason(folder: Path) -> None:
    reading = VideoReader(BadVideoPolicy("skip"), opener=Flaky()).read(
        folder / "good.mp4", first_frame
    )
    assert reading.problem == "[Errno 5] Input/output error"


def open_without_handles(
    path: Path,
    decoder: str,
    *,
    salvage: bool,
    short_side: int | None = None,
    num_frames: int | None = None,
) -> Video:
    raise OSError(errno.EMFILE, "Too many open files")


def test_shortage_of_the_machine_is_not_the_videos_fault(folder: Path) -> None:
    policy = BadVideoPolicy("skip", quarantine=folder / "list.jsonl")
    with pytest.raises(OSError, match="Too many open files"):
        VideoReader(policy, opener=open_without_handles).read(folder / "good.mp4", first_frame)
    assert not (folder / "list.jsonl").exists()


def open_damaged(
    path: Path,
    decoder: str,
    *,
    salvage: bool,
    short_side: int | None = None,
    num_frames: int | None = None,
) -> Video:
    """As if the file were damaged, in that only salvaging opens it."""
    if not salvage:
        raise VideoError(f"{path}: damaged at frame 3")
    video = open_video(path, decoder, short_side=short_side)
    video.salvaged = "frames 3 to 4 are lost"
    return video


@pytest.mark.parametrize("on_bad_video", ["skip", "salvage"])
def test_shortage_in_the_process_that_decodes_is_not_the_videos_fault(
    on_bad_video: str, folder: Path
) -> None:
    policy = BadVideoPolicy(on_bad_video, quarantine=folder / "list.jsonl", deadline_seconds=20)
    with pytest.raises(VideoError, match="Too many open files"):
        VideoReader(policy, opener=open_without_handles).read(folder / "good.mp4", first_frame)
    assert not (folder / "list.jsonl").exists()


def be_killed(
    path: Path, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
) -> Video:
    """As if memory had run out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("the signal ends the process")


def test_video_whose_decoder_was_killed_is_skipped_and_not_listed(folder: Path) -> None:
    policy = BadVideoPolicy("skip", quarantine=folder / "list.jsonl", deadline_seconds=20)
    reading = VideoReader(policy, opener=be_killed).read(folder / "good.mp4", first_frame)
    assert reading.problem == "the decoder was killed, as happens when memory runs out"
    assert not (folder / "list.jsonl").exists()


def test_known_damage_is_not_read_as_it_is(folder: Path) -> None:
    path = folder / "good.mp4"
    readings = [
        VideoReader(BadVideoPolicy(choice)).read(path, first_frame, damage="damaged, says x.csv")
        for choice in ("skip", "salvage")
    ]
    assert [reading.status for reading in readings] == [SKIPPED, SALVAGED]
    assert {reading.problem for reading in readings} == {"damaged, says x.csv"}
    with pytest.raises(VideoError, match=r"good\.mp4: damaged, says x\.csv"):
        VideoReader(BadVideoPolicy()).read(path, first_frame, damage="damaged, says x.csv")


def test_what_was_only_skipped_may_still_be_salvaged(folder: Path) -> None:
    path, quarantine = folder / "good.mp4", folder / "list.jsonl"
    for choice, status in (("skip", SKIPPED), ("skip", SKIPPED), ("salvage", SALVAGED)):
        policy = BadVideoPolicy(choice, quarantine=quarantine)
        reader = VideoReader(policy, opener=open_damaged)
        assert reader.read(path, first_frame).status == status
    assert len(quarantine.read_text().splitlines()) == 1


@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_intact_frames_of_a_damaged_video_are_used(
    deadline_seconds: float | None, folder: Path
) -> None:
    quarantine = folder / "list.jsonl"
    policy = BadVideoPolicy("salvage", quarantine=quarantine, deadline_seconds=deadline_seconds)
    reading = VideoReader(policy, opener=open_damaged).read(folder / "good.mp4", first_frame)
    assert reading.status == SALVAGED
    assert reading.problem == "damaged at frame 3; frames 3 to 4 are lost"
    assert grey(reading.frames) == pytest.approx(100, abs=3)
    assert not quarantine.exists()


def test_video_without_intact_frames_is_skipped_and_listed(folder: Path) -> None:
    policy = BadVideoPolicy("salvage", quarantine=folder / "list.jsonl")
    reading = VideoReader(policy).read(folder / "text.mp4", first_frame)
    assert (reading.frames, reading.status) == (None, SKIPPED)
    assert "; not salvaged (not a readable video" in reading.problem
    assert Quarantine(folder / "list.jsonl").reason_for(folder / "text.mp4") == reading.problem


def hang(
    path: Path, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
) -> Video:
    """As if the decoder never came back."""
    while True:
        time.sleep(60)


@pytest.mark.parametrize("on_bad_video", ["skip", "salvage"])
def test_video_that_hangs_is_left_at_the_deadline_and_listed(
    on_bad_video: str, folder: Path
) -> None:
    quarantine = folder / "list.jsonl"
    policy = BadVideoPolicy(on_bad_video, quarantine=quarantine, deadline_seconds=0.5)
    began = time.monotonic()
    reading = VideoReader(policy, opener=hang).read(folder / "good.mp4", first_frame)
    assert time.monotonic() - began < 30
    assert reading.status == SKIPPED
    assert Quarantine(quarantine).reason_for(folder / "good.mp4") == reading.problem
    assert reading.problem == "no answer within 0.5 s while opening it"


def test_hang_is_an_error_where_the_policy_raises(folder: Path) -> None:
    reader = VideoReader(BadVideoPolicy(deadline_seconds=0.5), opener=hang)
    with pytest.raises(DeadlineError, match=r"good\.mp4: no answer within 0\.5 s"):
        reader.read(folder / "good.mp4", first_frame)


def test_mistake_in_what_is_picked_is_not_the_videos_fault(folder: Path) -> None:
    def pick(video: Video) -> Tensor:
        return video.frames(torch.tensor([99]))

    with pytest.raises(ValueError, match="index 99 is outside"):
        VideoReader(BadVideoPolicy("skip")).read(folder / "good.mp4", pick)
