"""What is advised against files of each kind, as inspecting them tells it."""

import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base as ExifTag

from video_uniformer.collection.scan.inspection import FileReport, inspect_file
from video_uniformer.collection.scan.remedies import REMEDIES, choose_remedy

Write = Callable[[Path], None]
FRAMES = [Image.new("RGB", (64, 48), (20 * n, 0, 0)) for n in range(4)]
CENC = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "00112233445566778899aabbccddeeff",
    "encryption_kid": "112233445566778899aabbccddeeff00",
}


def write_encrypted(path: Path) -> None:
    with av.open(str(path), "w", format="mp4", container_options=CENC) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())


def write_animated_webp(path: Path) -> None:
    FRAMES[0].save(path, "WEBP", save_all=True, append_images=FRAMES[1:])


def write_sound(path: Path) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = np.zeros((1, 800), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))


def write_turned_frames(path: Path) -> None:
    path.mkdir()
    exif = Image.Exif()
    exif[ExifTag.Orientation] = 6
    FRAMES[0].save(path / "0.jpg")
    FRAMES[1].save(path / "1.jpg", exif=exif)


def write_frames_of_two_sizes(path: Path) -> None:
    path.mkdir()
    FRAMES[0].save(path / "0.png")
    FRAMES[1].resize((32, 24)).save(path / "1.png")


def write_nothing(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize(
    ("write", "kind", "advice"),
    [
        (write_encrypted, "encrypted", "copies without protection"),
        (write_animated_webp, "animated_webp", "magick a.webp a.mp4"),
        (write_sound, "no_video_stream", "with their video"),
        (write_turned_frames, "mixed_frames", "extract the frames again"),
        (write_frames_of_two_sizes, "mixed_frames", "all of one size and orientation"),
        (write_nothing, "not_a_video", "fetch them again: pages"),
    ],
)
def test_remedy_fits_the_fault(tmp_path: Path, write: Write, kind: str, advice: str) -> None:
    write(tmp_path / "a.mp4")
    report = inspect_file(tmp_path / "a.mp4")
    assert not report.reason.startswith("/")
    remedy = choose_remedy(report)
    assert remedy.kind == kind
    assert advice in remedy.advice
    assert kind == "not_a_video" or not remedy.advice.startswith("fetch them again")


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        ("unreadable", "Permission denied", "no_permission"),
        ("not a video", "Permission denied, expected a folder of frames", "no_permission"),
        ("unreadable", "no decoder for the codec of its video stream", "no_decoder"),
        ("not a video", "a play list that names other files, expected a video", "play_list"),
        ("not a video", "a list of other files", "play_list"),
        ("unreadable", "Input/output error", "unreadable"),
        ("hung", "encrypted, expected", "hung"),
        ("missing", "No such file or directory", "missing"),
    ],
)
def test_reason_decides_where_it_tells_more(status: str, reason: str, kind: str) -> None:
    assert choose_remedy(FileReport(status, reason)).kind == kind


def test_remedies_are_distinct_and_speak_of_a_number() -> None:
    assert len({remedy.kind for remedy in REMEDIES}) == len(REMEDIES)
    assert all(re.search(r"\{(videos|files)\}", remedy.title) for remedy in REMEDIES)
