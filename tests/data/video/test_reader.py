"""Reading what a sampler chooses, and what becomes of bad videos."""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from video_uniformer.clip import ClipSpec
from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.decoding.guard.deadline import DeadlineError
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.quarantine import Quarantine
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.sampling import ClipSampler, eval_sampler
from video_uniformer.data.video.transforms import eval_transform
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED

FIRST_FRAME = ClipSampler(lambda total_frames: torch.tensor([[0]]))


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


@pytest.mark.parametrize("on_bad_sample", CHOICES)
@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_good_video_is_read_whatever_the_policy(
    on_bad_sample: str, deadline_seconds: float | None, folder: Path
) -> None:
    policy = BadSamplePolicy(on_bad_sample, deadline_seconds=deadline_seconds)
    reading = VideoReader(policy).read(folder / "good.mp4", FIRST_FRAME)
    assert (reading.status, reading.problem) == (OK, "")
    assert grey(reading.frames) == pytest.approx(100, abs=3)


@pytest.mark.parametrize("name", ["empty.mp4", "text.mp4", "absent.mp4"])
@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_bad_sample_is_raised_with_its_name(
    name: str, deadline_seconds: float | None, folder: Path
) -> None:
    reader = VideoReader(BadSamplePolicy(deadline_seconds=deadline_seconds))
    with pytest.raises(VideoError, match=f"^{folder / name}: "):
        reader.read(folder / name, FIRST_FRAME)


@pytest.mark.parametrize("on_bad_sample", ["skip", "salvage", "substitute"])
def test_bad_sample_is_skipped_with_the_reason_alone(on_bad_sample: str, folder: Path) -> None:
    reading = VideoReader(BadSamplePolicy(on_bad_sample)).read(folder / "empty.mp4", FIRST_FRAME)
    assert (reading.frames, reading.status) == (None, SKIPPED)
    assert reading.problem.startswith("the file is empty, expected a video")


def test_bad_sample_is_listed(folder: Path) -> None:
    reader = VideoReader(BadSamplePolicy("skip", quarantine=folder / "list.jsonl"))
    reader.read(folder / "empty.mp4", FIRST_FRAME)
    reason = Quarantine(folder / "list.jsonl").reason_for(folder / "empty.mp4")
    assert reason == "the file is empty, expected a video"


def test_listed_video_is_not_opened_again(folder: Path) -> None:
    Quarantine(folder / "list.jsonl").add(folder / "good.mp4", "it hangs")
    reader = VideoReader(BadSamplePolicy("skip", quarantine=folder / "list.jsonl"))
    assert reader.read(folder / "good.mp4", FIRST_FRAME) == (None, None, None, SKIPPED, "it hangs")


def test_policy_that_raises_asks_every_file_anew(folder: Path) -> None:
    Quarantine(folder / "list.jsonl").add(folder / "good.mp4", "it hung")
    reader = VideoReader(BadSamplePolicy("raise", quarantine=folder / "list.jsonl"))
    assert reader.read(folder / "good.mp4", FIRST_FRAME).status == OK


def test_absent_video_may_come_back(folder: Path) -> None:
    reader = VideoReader(BadSamplePolicy("skip", quarantine=folder / "list.jsonl"))
    (folder / "good.mp4").rename(folder / "away.mp4")
    assert reader.read(folder / "good.mp4", FIRST_FRAME).status == SKIPPED
    (folder / "away.mp4").rename(folder / "good.mp4")
    assert reader.read(folder / "good.mp4", FIRST_FRAME).status == OK


class Flaky:
    """Opens a video at the third try; counts the tries."""

    def __init__(self) -> None:
        self.tries = 0

    def __call__(self, path: Path, decoder: str, *, salvage: bool, **_: object) -> Video:
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
    reader = VideoReader(BadSamplePolicy("skip", retries=retries), opener=opener)
    assert reader.read(folder / "good.mp4", FIRST_FRAME).status == status
    assert opener.tries == min(retries + 1, 3)


def test_error_of_the_disk_is_the_reason(folder: Path) -> None:
    reading = VideoReader(BadSamplePolicy("skip"), opener=Flaky()).read(
        folder / "good.mp4", FIRST_FRAME
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
    policy = BadSamplePolicy("skip", quarantine=folder / "list.jsonl")
    with pytest.raises(OSError, match="Too many open files"):
        VideoReader(policy, opener=open_without_handles).read(folder / "good.mp4", FIRST_FRAME)
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


@pytest.mark.parametrize("on_bad_sample", ["skip", "salvage"])
def test_shortage_in_the_process_that_decodes_is_not_the_videos_fault(
    on_bad_sample: str, folder: Path
) -> None:
    policy = BadSamplePolicy(on_bad_sample, quarantine=folder / "list.jsonl", deadline_seconds=20)
    with pytest.raises(VideoError, match="Too many open files"):
        VideoReader(policy, opener=open_without_handles).read(folder / "good.mp4", FIRST_FRAME)
    assert not (folder / "list.jsonl").exists()


def be_killed(
    path: Path, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
) -> Video:
    """As if memory had run out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("the signal ends the process")


def test_video_whose_decoder_was_killed_is_skipped_and_not_listed(folder: Path) -> None:
    policy = BadSamplePolicy("skip", quarantine=folder / "list.jsonl", deadline_seconds=20)
    reading = VideoReader(policy, opener=be_killed).read(folder / "good.mp4", FIRST_FRAME)
    killed = "the decoder was killed from outside (signal 9), as happens when memory runs out"
    assert reading.problem == killed
    assert not (folder / "list.jsonl").exists()


def test_known_damage_is_not_read_as_it_is(folder: Path) -> None:
    path = folder / "good.mp4"
    readings = [
        VideoReader(BadSamplePolicy(choice)).read(path, FIRST_FRAME, damage="damaged, says x.csv")
        for choice in ("skip", "salvage")
    ]
    assert [reading.status for reading in readings] == [SKIPPED, SALVAGED]
    assert {reading.problem for reading in readings} == {"damaged, says x.csv"}
    with pytest.raises(VideoError, match=r"good\.mp4: damaged, says x\.csv"):
        VideoReader(BadSamplePolicy()).read(path, FIRST_FRAME, damage="damaged, says x.csv")


def test_what_was_only_skipped_may_still_be_salvaged(folder: Path) -> None:
    path, quarantine = folder / "good.mp4", folder / "list.jsonl"
    for choice, status in (("skip", SKIPPED), ("skip", SKIPPED), ("salvage", SALVAGED)):
        policy = BadSamplePolicy(choice, quarantine=quarantine)
        reader = VideoReader(policy, opener=open_damaged)
        assert reader.read(path, FIRST_FRAME).status == status
    assert len(quarantine.read_text().splitlines()) == 1


@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_intact_frames_of_a_damaged_video_are_used(
    deadline_seconds: float | None, folder: Path
) -> None:
    quarantine = folder / "list.jsonl"
    policy = BadSamplePolicy("salvage", quarantine=quarantine, deadline_seconds=deadline_seconds)
    reading = VideoReader(policy, opener=open_damaged).read(folder / "good.mp4", FIRST_FRAME)
    assert reading.status == SALVAGED
    assert reading.problem == "damaged at frame 3; frames 3 to 4 are lost"
    assert grey(reading.frames) == pytest.approx(100, abs=3)
    assert not quarantine.exists()


def test_video_without_intact_frames_is_skipped_and_listed(folder: Path) -> None:
    policy = BadSamplePolicy("salvage", quarantine=folder / "list.jsonl")
    reading = VideoReader(policy).read(folder / "text.mp4", FIRST_FRAME)
    assert (reading.frames, reading.status) == (None, SKIPPED)
    assert "; not salvaged (not a readable video" in reading.problem
    assert Quarantine(folder / "list.jsonl").reason_for(folder / "text.mp4") == reading.problem


def hang(
    path: Path, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
) -> Video:
    """As if the decoder never came back."""
    while True:
        time.sleep(60)


@pytest.mark.parametrize("on_bad_sample", ["skip", "salvage"])
def test_video_that_hangs_is_left_at_the_deadline_and_listed(
    on_bad_sample: str, folder: Path
) -> None:
    quarantine = folder / "list.jsonl"
    policy = BadSamplePolicy(on_bad_sample, quarantine=quarantine, deadline_seconds=0.5)
    began = time.monotonic()
    reading = VideoReader(policy, opener=hang).read(folder / "good.mp4", FIRST_FRAME)
    assert time.monotonic() - began < 30
    assert reading.status == SKIPPED
    assert Quarantine(quarantine).reason_for(folder / "good.mp4") == reading.problem
    assert reading.problem == "no answer within 0.5 s while opening it"


def test_hang_is_an_error_where_the_policy_raises(folder: Path) -> None:
    reader = VideoReader(BadSamplePolicy(deadline_seconds=0.5), opener=hang)
    with pytest.raises(DeadlineError, match=r"good\.mp4: no answer within 0\.5 s"):
        reader.read(folder / "good.mp4", FIRST_FRAME)


def test_mistake_in_what_is_picked_is_not_the_videos_fault(folder: Path) -> None:
    beyond = ClipSampler(lambda total_frames: torch.tensor([[99]]))
    with pytest.raises(ValueError, match="index 99 is outside"):
        VideoReader(BadSamplePolicy("skip")).read(folder / "good.mp4", beyond)


@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_reading_holds_what_the_sampler_chose(
    deadline_seconds: float | None, folder: Path, video_file: Callable[..., Path]
) -> None:
    path = video_file(num_frames=8, name="numbered.mp4")
    sampler = eval_sampler(ClipSpec(num_frames=2, stride=2, size=32, num_clips=2))
    reader = VideoReader(BadSamplePolicy(deadline_seconds=deadline_seconds))
    reading = reader.read(path, sampler)
    assert reading.indices is not None
    assert reading.indices.tolist() == [[0, 3], [4, 7]]
    assert reading.times is None
    with open_video(path) as video:
        assert torch.equal(torch.as_tensor(reading.frames), video.frames(reading.indices))
        expected = video.times[reading.indices]
    timed = reader.read(path, sampler, with_times=True)
    assert torch.equal(torch.as_tensor(timed.times), expected)


def test_sampler_by_time_is_given_times_and_leaves_them(folder: Path) -> None:
    sampler = eval_sampler(ClipSpec(num_frames=2, stride=2, size=32, by="time"))
    reading = VideoReader(BadSamplePolicy()).read(folder / "good.mp4", sampler)
    assert reading.times is not None
    assert reading.times.tolist() == [[pytest.approx(2 / 25), pytest.approx(5 / 25)]]


@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_frames_are_scaled_down_where_asked(deadline_seconds: float | None, folder: Path) -> None:
    reader = VideoReader(BadSamplePolicy(deadline_seconds=deadline_seconds))
    reading = reader.read(folder / "good.mp4", FIRST_FRAME, short_side=24)
    assert reading.frames is not None
    assert reading.frames.shape == (1, 1, 24, 32, 3)


@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_clips_that_are_transformed_one_by_one_are_the_same(
    deadline_seconds: float | None, tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    path = video_file(num_frames=20, width=96, height=64)
    clip = ClipSpec(num_frames=4, stride=4, size=32, num_clips=3, num_crops=3)
    reader = VideoReader(BadSamplePolicy(deadline_seconds=deadline_seconds))
    whole = reader.read(path, eval_sampler(clip))
    apart = reader.read(path, eval_sampler(clip), per_clip=eval_transform(clip))
    assert torch.equal(torch.as_tensor(apart.indices), torch.as_tensor(whole.indices))
    assert whole.frames is not None
    assert torch.equal(torch.as_tensor(apart.frames), eval_transform(clip)(whole.frames))
