"""Joined recordings: a clock that goes back is no order, so frames are counted as they stand."""

from collections.abc import Callable
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.joining import join, write_recording
from video_uniformer.collection.scan.inspection import inspect_file
from video_uniformer.data.decoding import VideoError, open_video
from video_uniformer.data.decoding.probe import probe_video
from video_uniformer.data.decoding.pyav_reader import PyAVVideo
from video_uniformer.data.decoding.salvage import survey_frames

# Suffix, codec and options of the encoder.
KINDS = {
    "ts": ("ts", "libx264", {"bf": "0"}),
    "ts with B-frames": ("ts", "libx264", {"bf": "2"}),
    "program stream": ("mpg", "mpeg2video", {}),
    "flv": ("flv", "libx264", {"bf": "0"}),
    "flv with B-frames": ("flv", "libx264", {"bf": "2"}),
    "mkv": ("mkv", "libx264", {"bf": "0"}),
    "mkv with B-frames": ("mkv", "libx264", {"bf": "2"}),
    "webm": ("webm", "libvpx", {}),
    "avi": ("avi", "mpeg4", {}),
}


def joined(folder: Path, kind: str, *, first_seconds: float = 0.0) -> Path:
    """Frames that brighten from level 20 on, and behind them some from level 140 on."""
    suffix, codec, options = KINDS[kind]
    first = write_recording(folder / f"a.{suffix}", brightness=20, codec=codec, options=options)
    second = write_recording(
        folder / f"b.{suffix}",
        brightness=140,
        num_frames=20,
        first_seconds=first_seconds,
        codec=codec,
        options=options,
    )
    return join(folder / f"joined.{suffix}", first, second)


@pytest.mark.parametrize("first_seconds", [0.0, 0.71], ids=["same start", "overlap"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_come_in_the_order_of_the_file(
    kind: str, first_seconds: float, tmp_path: Path, decode_in_order: Callable
) -> None:
    path = joined(tmp_path, kind, first_seconds=first_seconds)
    truth = torch.stack(list(decode_in_order(path)))
    with open_video(path) as video:
        assert len(video) == len(truth) == 50
        assert torch.equal(video.frames(torch.arange(50)), truth)
        assert torch.equal(video.frames([41, 3, 30]), truth[[41, 3, 30]])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "avi"])
def test_rate_is_that_of_the_parts_and_times_go_on(kind: str, tmp_path: Path) -> None:
    with PyAVVideo(joined(tmp_path, kind)) as video:
        assert video.num_parts == 2
        assert video.fps == pytest.approx(25, rel=0.01)
        assert torch.allclose(video.times, torch.arange(50).double() / 25, atol=0.05)
        assert (video.times.diff() > 0).all()


def test_parts_may_differ_in_size(tmp_path: Path) -> None:
    first = write_recording(tmp_path / "a.ts", brightness=20)
    second = write_recording(tmp_path / "b.ts", brightness=140, size=(192, 128))
    with open_video(join(tmp_path / "joined.ts", first, second)) as video:
        frames = video.frames([0, 29, 30, 59])
    assert frames.shape == (4, 64, 96, 3)
    levels = frames[:, 40:].float().mean(dim=(1, 2, 3))
    assert torch.allclose(levels, torch.tensor([20.0, 49.0, 140.0, 169.0]), atol=3)


@pytest.mark.parametrize("kind", ["ts", "mkv", "program stream"])
def test_clock_that_leaps_ahead_leaves_the_rate(kind: str, tmp_path: Path) -> None:
    path = joined(tmp_path, kind, first_seconds=3600)
    with PyAVVideo(path) as video:
        assert (len(video), video.num_parts) == (50, 1)
        assert video.fps == pytest.approx(25, rel=0.01)
        assert float(video.times[-1]) == pytest.approx(49 / 25, abs=0.05)


def test_still_of_a_minute_keeps_its_time(encode: Callable) -> None:
    times = [*range(0, 800, 40), *range(60_000, 60_800, 40)]
    with PyAVVideo(encode("still.mp4", times=times)) as video:
        assert float(video.times[-1]) == pytest.approx(60.76)


@pytest.mark.parametrize("kind", ["ts", "flv", "mkv with B-frames"])
def test_probe_and_scan_say_that_recordings_are_joined(kind: str, tmp_path: Path) -> None:
    path = joined(tmp_path, kind)
    assert probe_video(path).num_parts == 2
    report = inspect_file(path)
    assert (report.status, report.num_frames, report.num_parts) == ("ok", 50, 2)


# Codec -> its encoder.
BROADCASTS: dict[str, dict[str, Any]] = {
    "h264": {"codec": "libx264"},
    "hevc": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "mpeg2video": {"codec": "mpeg2video"},
}


def broadcast(path: Path, kind: str, **keywords: Any) -> Path:
    return write_recording(
        path, **{"brightness": 20, "num_frames": 25, **BROADCASTS[kind], **keywords}
    )


def lose(path: Path, first: int, count: int = 1) -> Path:
    """Take packets of the video out of a transport stream; also from behind, by a number < 0."""
    content = path.read_bytes()
    packets = [content[k : k + 188] for k in range(0, len(content), 188)]
    places = [k for k, p in enumerate(packets) if p[1] & 0x1F == 1 and p[2] == 0]
    lost = set(places[first:][:count])
    path.write_bytes(b"".join(p for k, p in enumerate(packets) if k not in lost))
    return path


@pytest.mark.parametrize("first_seconds", [0.0, 3600.0], ids=["clock goes back", "clock leaps"])
@pytest.mark.parametrize("suffix", ["ts", "m2ts"])
@pytest.mark.parametrize("kind", BROADCASTS)
def test_joint_of_transport_streams_is_no_damage(
    kind: str, suffix: str, first_seconds: float, tmp_path: Path
) -> None:
    second = broadcast(
        tmp_path / f"b.{suffix}", kind, brightness=140, num_frames=20, first_seconds=first_seconds
    )
    for num_frames in (20, 23, 25):  # the packets are numbered on by chance
        first = broadcast(tmp_path / f"a.{suffix}", kind, num_frames=num_frames)
        report = inspect_file(join(tmp_path / f"joined.{suffix}", first, second))
        assert (report.status, report.num_frames) == ("ok", num_frames + 20)


@pytest.mark.parametrize("place", ["alone", "ahead of a joint", "behind a joint"])
@pytest.mark.parametrize("kind", BROADCASTS)
def test_hole_in_a_transport_stream_is_found(kind: str, place: str, tmp_path: Path) -> None:
    path = lose(broadcast(tmp_path / "a.ts", kind), 24, 2)
    whole = broadcast(tmp_path / "b.ts", kind, brightness=140)
    if place == "ahead of a joint":
        path = join(tmp_path / "joined.ts", path, whole)
    if place == "behind a joint":
        path = join(tmp_path / "joined.ts", whole, path)
    assert inspect_file(path).status == "damaged"


def test_recording_cut_within_a_frame_ahead_of_a_joint_is_found(tmp_path: Path) -> None:
    first = lose(broadcast(tmp_path / "a.ts", "hevc", num_frames=23), -1)  # the last is a long one
    second = broadcast(tmp_path / "b.ts", "hevc", brightness=140)
    report = inspect_file(join(tmp_path / "joined.ts", first, second))
    assert (report.status, report.reason) == ("damaged", "a packet is damaged")


# FFmpeg's MPEG-2 decoder drops the frame that it holds back when the size changes.
@pytest.mark.parametrize("kind", ["h264", "hevc"])
def test_scan_and_salvage_know_that_parts_differ_in_size(kind: str, tmp_path: Path) -> None:
    first = broadcast(tmp_path / "a.ts", kind)
    second = broadcast(tmp_path / "b.ts", kind, brightness=100, num_frames=30, size=(64, 96))
    path = join(tmp_path / "joined.ts", first, second)
    report = inspect_file(path)
    assert (report.status, report.num_frames) == ("ok", 55)
    assert survey_frames(path).places == list(range(55))


def test_loss_ahead_of_a_joint_costs_nothing_behind_it(tmp_path: Path) -> None:
    first = lose(broadcast(tmp_path / "a.ts", "hevc"), 25)
    second = broadcast(tmp_path / "b.ts", "hevc", brightness=140, num_frames=20)
    places = survey_frames(join(tmp_path / "joined.ts", first, second)).places
    assert 20 < len(places) < 45
    assert all(b - a == 1 for a, b in pairwise(places[-20:]))


@pytest.mark.parametrize("suffix", ["ts", "m2ts"])
@pytest.mark.parametrize("first_seconds", [0.0, 3600.0], ids=["clock goes back", "clock leaps"])
@pytest.mark.parametrize(("first", "second"), [*permutations(BROADCASTS, 2)])
def test_codec_that_changes_is_named(
    first: str, second: str, first_seconds: float, suffix: str, tmp_path: Path
) -> None:
    head = broadcast(tmp_path / f"a.{suffix}", first)
    tail = broadcast(tmp_path / f"b.{suffix}", second, first_seconds=first_seconds)
    path = join(tmp_path / f"joined.{suffix}", head, tail)
    with pytest.raises(VideoError, match=f"its codec is {first} and then {second}, expected one"):
        open_video(path)
    assert "its codec is" in inspect_file(path).reason


def test_noise_behind_a_transport_stream_names_no_codec(tmp_path: Path) -> None:
    path = broadcast(tmp_path / "a.ts", "h264")
    path.write_bytes(path.read_bytes() + bytes(range(256)) * 100)
    with open_video(path) as video:
        assert len(video) == 25


def test_one_recording_is_one_part(encode: Callable) -> None:
    for name in ("a.ts", "a.mkv", "a.mp4", "a.flv"):
        assert probe_video(encode(name)).num_parts == 1
