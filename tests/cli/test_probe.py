"""`video-uniformer probe`: what files are, for people and for programs."""

import ctypes
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from video_uniformer.cli import probe
from video_uniformer.data.decoding import open_video
from video_uniformer.data.decoding.probe import VideoFacts, probe_video


def test_a_file_is_described(run: Callable, video_file: Callable) -> None:
    path = video_file(name="a clip [1].mp4")
    ran = run(probe.main, str(path))
    assert ran.status == 0
    assert "pyav: the default, exact for every file" in ran.out
    for part in ("a clip [1].mp4", "h264, yuv420p of 8 bits", "64x48", "32 playable", "constant"):
        assert part in ran.out


def test_every_file_is_one_line_of_json(run: Callable, video_file: Callable) -> None:
    paths = [str(video_file(name=name)) for name in ("a.mp4", "b.mkv")]
    ran = run(probe.main, *paths, "--json")
    facts = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.status == 0
    assert [fact["path"] for fact in facts] == paths
    assert [fact["decoder"] for fact in facts] == ["pyav", "pyav"]


def test_video_files_below_a_folder_are_found(
    run: Callable, video_file: Callable, tmp_path: Path
) -> None:
    (tmp_path / "videos/more").mkdir(parents=True)
    for name in ("videos/b.mp4", "videos/more/a.mp4"):
        video_file(name=name)
    (tmp_path / "videos/list.csv").write_text("b.mp4 0\n")
    ran = run(probe.main, str(tmp_path / "videos"), "--json")
    found = [json.loads(line)["path"] for line in ran.out.splitlines()]
    assert found == [str(tmp_path / "videos" / name) for name in ("b.mp4", "more/a.mp4")]


def test_a_file_that_fails_is_named_and_the_others_are_described(
    run: Callable, video_file: Callable, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_text("no video\n" * 99)
    ran = run(probe.main, str(tmp_path / "a.mp4"), str(video_file(name="b.mp4")), "--json")
    assert ran.status == 1
    assert ran.err.startswith(f"error: {tmp_path / 'a.mp4'}: not a readable video (")
    assert json.loads(ran.out)["num_frames"] == 32


def probe_or_worse(path: Path) -> VideoFacts:
    """Stand in for a decoder, as none hangs or crashes for certain."""
    if path.name == "hangs.mp4":
        ctypes.PyDLL(None).sleep(1000)  # keeps the interpreter to itself, as a decoder may
    if path.name == "aborts.mp4":
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.abort()
    return probe_video(path)


@pytest.mark.parametrize(
    ("name", "deadline", "reason"),
    [
        ("hangs.mp4", 6, "no answer within 6 s"),
        ("aborts.mp4", 60, "the decoder crashed (signal 6)"),
    ],
)
def test_a_file_that_hangs_or_crashes_costs_no_other(
    video_file: Callable,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    deadline: float,
    reason: str,
) -> None:
    good, bad = video_file(name="z.mp4"), tmp_path / name
    probe_video(good)  # so that the worker need not import the decoder in its short time
    options = probe.parser().parse_args([str(bad), str(good), "--json", f"--deadline={deadline}"])
    assert not probe.describe(options, probe_or_worse)
    printed = capsys.readouterr()
    assert printed.err == f"error: {bad}: {reason}\n"
    assert json.loads(printed.out)["path"] == str(good)


def test_a_deadline_that_never_passes_is_refused(run: Callable, video_file: Callable) -> None:
    ran = run(probe.main, str(video_file()), "--deadline", "inf")
    assert ran.status == 2
    assert ran.err.startswith("error: deadline_seconds is inf, expected seconds above 0")


def test_a_folder_without_a_video_is_an_error(run: Callable, tmp_path: Path) -> None:
    ran = run(probe.main, str(tmp_path))
    assert ran.status == 1
    assert ran.err.startswith(f"error: {tmp_path}: the folder holds no picture, expected .jpg")


@pytest.mark.parametrize(
    ("exif", "size", "rotation", "mirrored"),
    [(1, (48, 32), 0, False), (2, (48, 32), 0, True), (6, (32, 48), -90, False)],
)
def test_a_folder_of_pictures_is_told_by_its_first(
    exif: int, size: tuple[int, int], rotation: int, mirrored: bool, run: Callable, tmp_path: Path
) -> None:
    tags = Image.Exif()
    tags[0x0112] = exif
    for number in range(3):
        Image.new("RGB", (48, 32), (number, 0, 0)).save(tmp_path / f"{number}.jpg", exif=tags)
    ran = run(probe.main, str(tmp_path), "--json")
    assert (ran.status, ran.err) == (0, "")
    facts = json.loads(ran.out)
    assert (facts["width"], facts["height"]) == size
    assert (facts["rotation"], facts["mirrored"]) == (rotation, mirrored)
    assert (facts["num_frames"], facts["codec"], facts["bit_depth"]) == (3, "jpeg", 8)
    with open_video(tmp_path) as video:
        assert video.frames([0]).shape[1:3] == size[::-1]
    shown = run(probe.main, str(tmp_path)).out
    assert "pictures: a folder of pictures" in shown
    assert ("mirrored" in shown) is mirrored


def test_a_folder_whose_first_picture_is_damaged_is_an_error(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"no picture")
    ran = run(probe.main, str(tmp_path))
    assert ran.status == 1
    assert ran.err.startswith(f"error: {tmp_path / '0.jpg'}: not a readable picture (")


def test_hdr_is_told_to_be_mapped(run: Callable, shared_data: Path) -> None:
    path = shared_data.parent / "faults" / "hlg.mov"
    out = " ".join(run(probe.main, str(path)).out.split())
    assert "hlg bt2020: mapped to those of a plain screen (BT.709) while they are read" in out


def test_what_is_said_of_an_unusual_file(run: Callable, shared_data: Path) -> None:
    formats = shared_data / "videos/formats"
    ran = run(probe.main, str(formats / "rotated_90.mov"), str(formats / "flower_fragmented.mp4"))
    assert ran.status == 0
    assert "320x568, turned by -90 degrees" in ran.out
    assert "150 playable, the container gives no number" in ran.out
