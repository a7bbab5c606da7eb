"""Kinds of files by suffix, and by content where the suffix does not tell."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from video_uniformer.system.file_kinds import (
    AUDIO,
    OTHER,
    PICTURE,
    TEXT,
    VIDEO,
    choose_pictures,
    is_video_name,
    kind_of,
    kinds_of,
)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("a.mp4 b.M4V c.MOV d.mkv e.webm f.avi g.flv h.f4v i.wmv j.asf k.3gp l.3g2", VIDEO),
        ("a.mpg b.MPEG c.m2v d.mpv e.VOB f.mts g.m2ts h.m2t i.ts j.dv k.divx l.mxf", VIDEO),
        ("a.rm b.rmvb c.y4m d.amv e.nut f.wtv g.ogv h.ogg i.gif j.apng k.h264", VIDEO),
        ("a.jpg b.JPEG c.jpe d.jfif e.png f.bmp g.webp h.tif i.TIFF j.ppm k.pgm l.pbm", PICTURE),
        ("a.mp3 b.wav c.M4A d.flac", AUDIO),
        ("a.txt b.csv c.json d.srt", TEXT),
        ("a.xyz b.dat c.bin d mp4 e.mp4.part", OTHER),
    ],
)
def test_suffix_tells_the_kind_of_an_empty_file(tmp_path: Path, names: str, kind: str) -> None:
    for name in names.split():
        (tmp_path / name).touch()
        assert (name, kind_of(tmp_path / name)) == (name, kind)


def write_with(path: Path, container: str, codec: str, rate: int = 25) -> Path:
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for level in range(5):
            image = np.full((48, 64, 3), 40 * level, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = level, Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "mpeg4"),
        ("mov", "mpeg4"),
        ("matroska", "mpeg4"),
        ("avi", "mpeg4"),
        ("flv", "flv1"),
        ("asf", "wmv2"),
        ("mpeg", "mpeg1video"),
        ("vob", "mpeg2video"),
        ("mpegts", "mpeg2video"),
        ("nut", "mpeg4"),
        ("gif", "gif"),
        ("rm", "rv20"),
        ("yuv4mpegpipe", "wrapped_avframe"),
    ],
)
@pytest.mark.parametrize("name", ["movie", "MOVIE.DAT", "movie.bin"])
def test_content_tells_a_video_without_a_suffix(
    tmp_path: Path, name: str, container: str, codec: str
) -> None:
    assert kind_of(write_with(tmp_path / name, container, codec)) == VIDEO


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.ts", b"export const x = 1;\n", TEXT),
        ("a.ts", b'<?xml version="1.0"?>\n<TS version="2.1">\n', TEXT),
        ("a.ts", b"\x47" + bytes(187) + b"\x47" + bytes(187) + b"\x47" + bytes(187), VIDEO),
        ("a.ts", b"\xff\xff damaged \0", VIDEO),
        ("go.mod", b"module example\n", TEXT),
        ("a.ogg", b"OggS\0\2" + bytes(22) + b"\x01\x1e\x01vorbis", AUDIO),
        ("a.ogg", b"OggS\0\2" + bytes(22) + b"\x01\x2a\x80theora", VIDEO),
        ("a.webp", b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0", VIDEO),
        ("a.webp", b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0", PICTURE),
        ("a.webp", b"RIFF\x20\0\0\0WEBPVP8 \x0a\0\0\0\x02\0\0\0", PICTURE),
        ("README", "naïve text\n".encode(), TEXT),
        ("photo", b"\xff\xd8\xff\xe0", PICTURE),
        ("song", b"ID3\x03", AUDIO),
        ("weights.bin", b"PK\x03\x04", OTHER),
        ("a.mp4", b"<html>404</html>", VIDEO),
    ],
)
def test_content_decides_where_the_suffix_does_not(
    tmp_path: Path, name: str, data: bytes, kind: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert kind_of(tmp_path / name) == kind


@pytest.mark.parametrize(("suffix", "options"), [("gif", {}), ("png", {}), ("webp", {})])
@pytest.mark.parametrize("num_frames", [1, 3])
def test_picture_that_moves_is_a_video(
    tmp_path: Path, suffix: str, options: dict, num_frames: int
) -> None:
    frames = [Image.new("RGB", (20, 10), (90 * k, 0, 0)) for k in range(num_frames)]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=num_frames > 1, append_images=frames[1:], **options)
    assert kind_of(path) == (VIDEO if num_frames > 1 else PICTURE)


def test_file_that_is_not_there_is_what_its_suffix_says(tmp_path: Path) -> None:
    assert kind_of(tmp_path / "a.gif") == VIDEO
    assert kind_of(tmp_path / "a") == OTHER


def test_of_many_frames_only_the_first_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = Path.open

    def note(path: Path, *arguments: str) -> object:
        opened.append(path.name)
        return real(path, *arguments)

    names = [f"{number:03d}.png" for number in range(100)]
    for name in names:
        Image.new("L", (2, 2)).save(tmp_path / name)
    monkeypatch.setattr(Path, "open", note)
    assert kinds_of(tmp_path, names) == [PICTURE] * 100
    assert opened == names[:4]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("1.jpg 1.png", "1.jpg"),
        ("1.png 2.jpg 3.jpeg 4.bmp", "2.jpg 3.jpeg"),
        ("1.jpg 1.png 2.png", "1.png 2.png"),
        ("1.webp 2.WEBP list.txt", "1.webp 2.WEBP"),
        ("1.bmp 1.png", "1.png"),
        ("1.tif 2.tiff 1.bmp", "1.tif 2.tiff"),
        ("list.txt a.mp4", ""),
        ("", ""),
    ],
)
def test_pictures_of_one_format_make_a_video(names: str, chosen: str) -> None:
    assert choose_pictures(names.split()) == chosen.split()


def test_name_alone_tells_what_may_be_a_video() -> None:
    assert is_video_name("a b.OGG")
    assert not is_video_name("a.mp4 riding a bike")


def test_real_videos_of_every_container_are_told(shared_data: Path) -> None:
    formats = [path for path in (shared_data / "videos").rglob("*.*") if path.suffix != ".csv"]
    videos = [path for path in formats if path.suffix in (".mp4", ".avi", ".webm", ".mov", ".mkv")]
    assert videos
    assert {kind_of(path) for path in videos} == {VIDEO}


def test_real_video_is_told_without_its_suffix(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    assert kind_of(video_file().rename(tmp_path / "clip")) == VIDEO
