"""All eight orientations, in files and in pictures."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from mp4_boxes import ONE, turn
from PIL import Image

from video_uniformer.collection.prepare.encode import Encoding, prepare_file
from video_uniformer.collection.scan.inspection import inspect_file
from video_uniformer.collection.scan.walk import walk_frames
from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.opening import open_video
from video_uniformer.data.decoding.orientation import orientation_from_exif
from video_uniformer.data.decoding.probe import probe_video
from video_uniformer.data.decoding.salvage import SalvagedVideo, survey_frames

# Exif's number; the matrix's a, b, c, d; rotation and mirroring told; the picture's
# corners in the order top left, top right, bottom left, bottom right, of stored ones 0 1 2 3.
CASES = [
    (1, (ONE, 0, 0, ONE), (0, False), [0, 1, 2, 3]),
    (2, (-ONE, 0, 0, ONE), (0, True), [1, 0, 3, 2]),
    (3, (-ONE, 0, 0, -ONE), (-180, False), [3, 2, 1, 0]),
    (4, (ONE, 0, 0, -ONE), (-180, True), [2, 3, 0, 1]),
    (5, (0, ONE, ONE, 0), (90, True), [0, 2, 1, 3]),
    (6, (0, ONE, -ONE, 0), (-90, False), [2, 0, 3, 1]),
    (7, (0, -ONE, -ONE, 0), (-90, True), [3, 1, 2, 0]),
    (8, (0, -ONE, ONE, 0), (90, False), [1, 3, 0, 2]),
]
LEVELS = (10, 90, 170, 250)
STORED = np.kron(np.array(LEVELS, dtype=np.uint8).reshape(2, 2), np.ones((32, 48), dtype=np.uint8))


def corners(image: torch.Tensor | np.ndarray) -> list[int]:
    """Which of the stored corners stand top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    grey = [int(image[y, x, 0]) for y, x in places]
    return [min(range(4), key=lambda k: abs(LEVELS[k] - level)) for level in grey]


@pytest.fixture
def oriented(tmp_path: Path, encode: Callable[..., Path]) -> Callable[..., Path]:
    def write(matrix: tuple[int, int, int, int]) -> Path:
        path = encode("turned.mp4", num_frames=6, image=np.dstack([STORED] * 3))
        path.write_bytes(turn(path.read_bytes(), *matrix))
        return path

    return write


@pytest.mark.parametrize(("exif", "matrix", "told", "expected"), CASES)
@pytest.mark.parametrize("decoder", ["pyav", "auto", "decord"])
def test_every_reader_shows_files_upright(
    oriented: Callable[..., Path],
    decoder: str,
    exif: int,
    matrix: tuple,
    told: tuple,
    expected: list,
) -> None:
    with open_video(oriented(matrix), decoder) as video:
        assert corners(video.frames([2])[0]) == expected


@pytest.mark.parametrize(("exif", "matrix", "told", "expected"), CASES)
def test_probe_tells_turning_and_mirroring(
    oriented: Callable[..., Path], exif: int, matrix: tuple, told: tuple, expected: list
) -> None:
    facts = probe_video(oriented(matrix))
    assert (facts.rotation, facts.mirrored) == told
    assert (facts.width, facts.height) == ((64, 96) if exif > 4 else (96, 64))


@pytest.mark.parametrize(("exif", "matrix", "told", "expected"), CASES)
def test_salvage_and_scan_show_files_upright(
    oriented: Callable[..., Path], exif: int, matrix: tuple, told: tuple, expected: list
) -> None:
    path = oriented(matrix)
    with SalvagedVideo(path, survey_frames(path)) as video:
        assert corners(video.frames([2])[0]) == expected
    assert corners(walk_frames(path, [2]).pictures[2]) == expected


@pytest.mark.parametrize(("exif", "matrix", "told", "expected"), CASES)
def test_prepared_files_are_stored_upright(
    oriented: Callable[..., Path],
    tmp_path: Path,
    exif: int,
    matrix: tuple,
    told: tuple,
    expected: list,
) -> None:
    target = tmp_path / "prepared.mp4"
    assert prepare_file(oriented(matrix), target, Encoding()).problem == ""
    facts = probe_video(target)
    assert (facts.rotation, facts.mirrored) == (0, False)
    with open_video(target) as video:
        assert corners(video.frames([2])[0]) == expected


@pytest.mark.parametrize(("exif", "matrix", "told", "expected"), CASES)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_pictures_stand_as_their_exif_says(
    tmp_path: Path, suffix: str, exif: int, matrix: tuple, told: tuple, expected: list
) -> None:
    tags = Image.Exif()
    tags[0x112] = exif
    Image.fromarray(STORED).save(tmp_path / f"1.{suffix}", exif=tags)
    folder = FrameFolder(tmp_path)
    assert corners(folder.frames([0])[0]) == expected
    small = FrameFolder(tmp_path, short_side=16).frames([0])[0]
    assert corners(small) == expected
    assert tuple(small.shape[:2]) == ((24, 16) if exif > 4 else (16, 24))


def write_jpegs(path: Path, tags: Image.Exif) -> Path:
    """Six frames of Motion JPEG, each with the tags in front."""
    picture = io.BytesIO()
    Image.fromarray(np.dstack([STORED] * 3)).save(picture, "JPEG", exif=tags)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for index in range(6):
            packet = av.Packet(picture.getvalue())
            packet.pts = packet.dts = index
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)
    return path


@pytest.mark.parametrize(("exif", "matrix", "told", "expected"), CASES)
@pytest.mark.parametrize("suffix", ["mov", "avi", "mjpeg"])
def test_motion_jpeg_stands_as_its_exif_says(
    tmp_path: Path, suffix: str, exif: int, matrix: tuple, told: tuple, expected: list
) -> None:
    tags = Image.Exif()
    tags[0x112], tags[0x10F] = exif, "a maker"  # FFmpeg attaches what is left without the first
    path, target = write_jpegs(tmp_path / f"a.{suffix}", tags), tmp_path / "prepared.mp4"
    assert prepare_file(path, target, Encoding()).problem == ""
    with open_video(target) as video:
        assert corners(video.frames([2])[0]) == expected
    for decoder in ("pyav", "auto"):
        with open_video(path, decoder) as video:
            assert corners(video.frames([2])[0]) == expected
    facts = probe_video(path)
    assert (facts.rotation, facts.mirrored) == told
    assert corners(walk_frames(path, [2]).pictures[2]) == expected


def test_exif_without_an_orientation_leaves_frames_as_they_are(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x10F] = "a maker"
    path = write_jpegs(tmp_path / "a.mov", tags)
    with open_video(path) as video:
        assert corners(video.frames([2])[0]) == [0, 1, 2, 3]
    assert inspect_file(path).status == "ok"


@pytest.mark.parametrize("value", [0, 9, None, "6"])
def test_an_exif_number_that_is_none_leaves_a_picture_as_it_is(value: object) -> None:
    assert corners(orientation_from_exif(value).apply(np.dstack([STORED] * 3))) == [0, 1, 2, 3]


def test_a_mirrored_file_equals_its_plain_twin_swapped(shared_data: Path) -> None:
    faults = shared_data.parent / "faults"
    if not faults.is_dir():
        pytest.skip("the faulty files are not there")
    with open_video(faults / "mirrored_h.mp4") as video, open_video(faults / "plain.mp4") as plain:
        assert torch.equal(video.frames([0, 5]), plain.frames([0, 5]).flip(-2))
