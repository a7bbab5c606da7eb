"""One file's report."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import av.logging
import numpy as np
import pytest
from hostile_sources import encode
from PIL import Image

from video_uniformer.collection.scan.duplicates import group_alike
from video_uniformer.collection.scan.inspection import inspect_file


@pytest.mark.parametrize("decode", ["every", "ends", "none"])
def test_intact_file_is_described(video_file: Callable[..., Path], decode: str) -> None:
    report = inspect_file(video_file(num_frames=30, gop=12), decode)
    assert (report.status, report.reason, report.first_bad_frame) == ("ok", "", -1)
    assert (report.codec, report.width, report.height) == ("h264", 64, 48)
    assert (report.num_frames, report.listed_frames, report.key_frame_distance) == (30, 30, 12)
    assert (report.fps, report.rate, report.seconds) == (25.0, "constant", 1.2)
    assert (report.has_edit_list, report.rotation) == (False, 0)


def test_unknown_extent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="decode is 'some', expected every, ends, none"):
        inspect_file(tmp_path, "some")


@pytest.mark.parametrize("decode", ["every", "ends"])
def test_damaged_frame_is_named(video_file: Callable[..., Path], decode: str) -> None:
    path = video_file(num_frames=48, gop=12, width=320, height=240)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        place, size = packets[24].pos, packets[24].size
    content = bytearray(path.read_bytes())
    content[place + 5 : place + size] = bytes(size - 5)
    path.write_bytes(content)
    report = inspect_file(path, decode)
    assert (report.status, report.first_bad_frame) == ("damaged", 24)
    assert "cannot be decoded" in report.reason


def test_file_cut_short_keeps_its_intact_frames(scene_file: Callable[..., Path]) -> None:
    path = scene_file("a.mkv", 0, num_frames=30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = inspect_file(path)
    assert report.status == "damaged"
    assert 0 < report.num_frames < 30
    assert report.first_bad_frame == report.num_frames


def test_hole_that_a_container_reads_on_behind_is_found(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", num_frames=120, size=(192, 128))
    assert inspect_file(path).status == "ok"
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + content[middle + 300 :])
    report = inspect_file(path)
    assert (report.status, report.num_frames < 120) == ("damaged", True)
    assert report.reason.startswith("the container is damaged (")
    assert av.logging.get_level() is None  # as it was


def test_end_that_lacks_a_frame_is_found(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", num_frames=60)
    with av.open(str(path)) as container:
        last = [packet for packet in container.demux(video=0) if packet.size][-1]
    path.write_bytes(path.read_bytes()[: (last.pos or 0) + last.size // 2])
    report = inspect_file(path)
    assert (report.status, report.num_frames) == ("damaged", 59)
    assert report.reason == "the container is damaged (File ended prematurely)"


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mov"])
def test_damage_that_mjpeg_conceals_is_found(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, codec="mjpeg", pixels="yuvj420p", num_frames=10, size=(192, 128))
    assert inspect_file(path).status == "ok"
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][5]
        middle = (packet.pos or 0) + packet.size // 2
    content = bytearray(path.read_bytes())
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    assert inspect_file(path).status in ("damaged", "unreadable")


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", "not a video", "the file is empty"),
        (b"<html>404", "not a video", "not a readable video"),
        (b"\0\0\0\x20ftypisom" + bytes(99), "unreadable", "not a readable video"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "unreadable", "not a readable video"),
    ],
)
def test_remnant_is_told_from_what_never_was_a_video(
    tmp_path: Path, content: bytes, status: str, reason: str
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    report = inspect_file(path)
    assert (report.status, report.reason[: len(reason)]) == (status, reason)


def test_missing_file_is_missing(tmp_path: Path) -> None:
    assert inspect_file(tmp_path / "a.mp4").status == "missing"
    assert inspect_file(tmp_path / "a\0.mp4").status == "missing"


def test_link_in_a_circle_is_unreadable(tmp_path: Path) -> None:
    link = tmp_path / "a.mp4"
    link.symlink_to(link)
    assert inspect_file(link).status == "unreadable"


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    report = inspect_file(tmp_path / "a.mp4")
    assert (report.status, report.reason) == ("not a video", "neither a file nor a folder")


def write_pictures(folder: Path, num_pictures: int) -> Path:
    folder.mkdir()
    for index in range(num_pictures):
        image = np.full((24, 32, 3), index, dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{index}.png")
    return folder


def test_folder_of_pictures_is_a_video(tmp_path: Path) -> None:
    report = inspect_file(write_pictures(tmp_path / "a", 3))
    assert (report.status, report.codec, report.num_frames) == ("ok", "pictures", 3)
    assert (report.width, report.height) == (32, 24)


def test_damaged_picture_is_named(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", 4)
    (folder / "2.png").write_bytes(b"no picture")
    report = inspect_file(folder)
    assert (report.status, report.first_bad_frame) == ("damaged", 2)


def test_folder_without_pictures_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    assert inspect_file(tmp_path / "a.mp4").status == "not a video"


@pytest.mark.slow
def test_scaled_copy_of_low_quality_is_alike_and_another_scene_is_not(
    scene_file: Callable[..., Path],
) -> None:
    files = [
        scene_file("a.mp4", 1),
        scene_file("b.mp4", 2),
        scene_file("a.mkv", 1, side=192, crf=36),
        scene_file("c.mp4", 3),
    ]
    reports = [inspect_file(file) for file in files]
    assert all(report.picture_hash for report in reports)
    assert group_alike([report.picture_hash for report in reports]) == [[0, 2]]


def test_flat_video_has_no_picture_hash(video_file: Callable[..., Path]) -> None:
    report = inspect_file(video_file())
    assert report.picture_hash == ""
    assert report.thumbnail
