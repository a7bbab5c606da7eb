"""Encoding anew: the same frames at the same times, once, and faster to read."""

import os
import shutil
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from video_uniformer.collection.prepare import (
    Encoding,
    Job,
    clips_per_second,
    prepare_file,
    prepare_files,
)
from video_uniformer.collection.prepare.speed import seconds_in_turns
from video_uniformer.collection.scan import Journal
from video_uniformer.data.decoding import Video, open_video
from video_uniformer.data.decoding.probe import probe_video


def levels(video: Video) -> list[float]:
    """The mean grey level of each frame."""
    return [float(frame.float().mean()) for frame in video.frames(range(len(video)))]


def assert_same_frames(source: Path, target: Path) -> None:
    with open_video(source) as old, open_video(target) as new:
        assert len(new) == len(old)
        assert levels(new) == pytest.approx(levels(old), abs=3)
        assert torch.allclose(new.times, old.times, atol=1e-3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.mov"])
def test_new_file_has_the_frames_of_the_old_one_at_their_times(
    tmp_path: Path, video_file: Callable[..., Path], name: str
) -> None:
    source = video_file(num_frames=40, gop=40, name=name)
    prepared = prepare_file(source, tmp_path / "new" / "a.mp4", Encoding(gop=6))
    assert (prepared.problem, prepared.num_frames) == ("", 40)
    assert_same_frames(source, tmp_path / "new" / "a.mp4")


def test_new_file_is_what_training_reads_fast(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    source = video_file(num_frames=40, gop=40, width=160, height=120)
    prepare_file(source, tmp_path / "new.mp4", Encoding(short_side=60, gop=6))
    facts = probe_video(tmp_path / "new.mp4")
    assert (facts.codec, facts.pixel_format, facts.rate) == ("h264", "yuv420p", "constant")
    assert (facts.width, facts.height, facts.key_frame_distance) == (80, 60, 6)
    assert (facts.num_audio_streams, facts.fps) == (0, 25.0)
    content = (tmp_path / "new.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((64, 48), 320, (64, 48)),
        ((64, 48), 24, (32, 24)),
        ((80, 64), 25, (30, 24)),
        ((48, 80), 24, (24, 40)),
    ],
)
def test_size_is_even_and_never_larger(
    tmp_path: Path,
    video_file: Callable[..., Path],
    size: tuple[int, int],
    short_side: int,
    expected: tuple[int, int],
) -> None:
    source = video_file(num_frames=3, width=size[0], height=size[1])
    prepared = prepare_file(source, tmp_path / "new.mp4", Encoding(short_side=short_side))
    facts = probe_video(tmp_path / "new.mp4")
    assert prepared.problem == ""
    assert (facts.width, facts.height) == expected


def test_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    source = tmp_path / "a.mkv"
    stamps = [0, 40, 80, 400, 440, 1000, 1040]  # milliseconds
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            image = np.full((48, 64, 3), 30 * number + 20, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert prepare_file(source, tmp_path / "new.mp4", Encoding()).problem == ""
    assert_same_frames(source, tmp_path / "new.mp4")


@pytest.mark.parametrize(
    "name", ["rotated_90.mov", "rotated_180.mov", "discard_first_keyframe.mp4"]
)
def test_rotation_and_edit_lists_are_applied(shared_data: Path, tmp_path: Path, name: str) -> None:
    source = shared_data / "videos" / "formats" / name
    prepared = prepare_file(source, tmp_path / "new.mp4", Encoding())
    facts, old = probe_video(tmp_path / "new.mp4"), probe_video(source)
    assert prepared.problem == ""
    assert facts.rotation == 0
    assert (facts.width > facts.height) == (old.width > old.height)
    assert_same_frames(source, tmp_path / "new.mp4")


def test_folder_of_pictures_becomes_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for number in range(5):
        image = np.full((49, 65, 3), 40 * number + 20, dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{number}.png")
    assert prepare_file(folder, tmp_path / "new.mp4", Encoding()).num_frames == 5
    with open_video(tmp_path / "new.mp4") as video:
        assert levels(video) == pytest.approx([20, 60, 100, 140, 180], abs=3)


def test_damaged_file_is_reported_and_leaves_nothing(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    source = video_file(num_frames=40)
    source.write_bytes(source.read_bytes()[:-200])
    prepared = prepare_file(source, tmp_path / "new" / "a.mp4", Encoding())
    assert prepared.problem.startswith("unreadable: ")
    assert not (tmp_path / "new").exists()


def test_encoder_that_fails_leaves_nothing(tmp_path: Path, video_file: Callable[..., Path]) -> None:
    source = video_file(num_frames=3)
    (tmp_path / "new.mp4").mkdir()
    prepared = prepare_file(source, tmp_path / "new.mp4", Encoding())
    assert prepared.problem.startswith("not encoded: ")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("short_side", 1, "short_side is 1, expected at least 2 pixels"),
        ("gop", 0, "gop is 0, expected at least 1 frame"),
        ("crf", 52, "crf is 52, expected 0 to 51"),
        ("crf", -1, "crf is -1, expected 0 to 51"),
    ],
)
def test_encoding_out_of_range_is_refused(field: str, value: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Encoding(**{field: value})


def test_what_is_done_is_not_done_again(tmp_path: Path, video_file: Callable[..., Path]) -> None:
    job = Job(video_file(num_frames=4), tmp_path / "new.mp4")
    for is_again in (False, True):
        journal = Journal(tmp_path / "journal")
        first = prepare_files([job], Encoding(), journal=journal)
        if not is_again:
            os.utime(job.target, ns=(7, 7))
    assert first[job.source].num_frames == 4
    assert job.target.stat().st_mtime_ns == 7


@pytest.mark.parametrize("change", ["encoding", "source", "target"])
def test_what_changed_is_done_again(
    tmp_path: Path, video_file: Callable[..., Path], change: str
) -> None:
    job = Job(video_file(num_frames=4), tmp_path / "new.mp4")
    journal = Journal(tmp_path / "journal")
    prepare_files([job], Encoding(), journal=journal)
    if change == "source":
        video_file(num_frames=5)
    if change == "target":
        job.target.write_bytes(b"torn")
    encoding = Encoding(gop=2 if change == "encoding" else 12)
    prepare_files([job], encoding, journal=journal)
    facts = probe_video(job.target)
    assert facts.num_frames == (5 if change == "source" else 4)
    assert facts.key_frame_distance == (2 if change == "encoding" else facts.num_frames)


def test_failed_file_is_tried_again_and_stops_no_other(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    good = Job(video_file(num_frames=4, name="a.mp4"), tmp_path / "new" / "a.mp4")
    bad = Job(tmp_path / "b.mp4", tmp_path / "new" / "b.mp4")
    journal = Journal(tmp_path / "journal")
    results = prepare_files([bad, good], Encoding(), journal=journal, num_workers=2)
    assert results[bad.source].problem == "missing: No such file or directory"
    assert results[good.source].problem == ""
    shutil.copy(good.source, bad.source)
    assert prepare_files([bad], Encoding(), journal=journal)[bad.source].problem == ""


def test_file_that_takes_too_long_is_reported(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    job = Job(video_file(num_frames=60, width=640, height=480), tmp_path / "new.mp4")
    part = tmp_path / ".new.mp4.part"
    part.write_bytes(b"as a killed encoder leaves it")
    journal = Journal(tmp_path / "journal")
    results = prepare_files([job], Encoding(), journal=journal, deadline_seconds=0.01)
    assert results[job.source].problem.startswith("hung: no answer within 0.")
    assert not job.target.exists()
    assert not part.exists()


def test_an_interrupted_run_leaves_no_part_behind(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    short = Job(video_file(num_frames=2, name="a.mp4"), tmp_path / "short.mp4")
    source = video_file(num_frames=300, width=640, height=480, name="b.mp4")
    long = Job(source, tmp_path / "long.mp4")
    part = tmp_path / ".long.mp4.part"

    def interrupt(path: Path) -> None:
        give_up = time.monotonic() + 30
        while not (part.exists() or long.target.exists()) and time.monotonic() < give_up:
            time.sleep(0.01)
        raise KeyboardInterrupt

    journal = Journal(tmp_path / "journal")
    with pytest.raises(KeyboardInterrupt):
        prepare_files([short, long], Encoding(), journal=journal, num_workers=2, on_done=interrupt)
    assert short.target.exists()
    assert not part.exists()  # whether it was interrupted or, on a busy machine, done before


def test_deadline_that_is_none_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(ValueError, match="deadline_seconds is 0, expected seconds above 0"):
        prepare_files([], Encoding(), journal=journal, deadline_seconds=0)


def test_speed_is_of_reading_clips(video_file: Callable[..., Path]) -> None:
    large = video_file(num_frames=4, width=640, height=480, name="large.mp4")
    before, after = clips_per_second([large], [video_file(num_frames=4)])
    assert 0 < before < after


def test_first_reads_are_not_timed_and_the_others_take_turns() -> None:
    calls: list[tuple[str, int]] = []

    def reader(name: str) -> Callable[[int], None]:
        def read(index: int) -> None:
            if (name, index) not in calls:
                time.sleep(1)
            calls.append((name, index))

        return read

    seconds = seconds_in_turns([reader("old"), reader("new")], 2)
    assert max(seconds) < 1
    assert calls == [
        *[("old", 0), ("new", 0), ("old", 0), ("new", 0)],
        *[("old", 1), ("new", 1), ("new", 1), ("old", 1)],
    ]


def test_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="before is empty, expected videos"):
        clips_per_second([], [])


def test_speed_of_unlike_collections_is_refused() -> None:
    with pytest.raises(ValueError, match="after has 0 videos, expected 1 as before"):
        clips_per_second([Path("a.mp4")], [])
