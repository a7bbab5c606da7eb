"""Awkward but intact videos: each gives the frames of sequential decoding, upright."""

from collections.abc import Callable
from itertools import accumulate, cycle, islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from video_uniformer.data.decoding import open_video

KINDS = {
    "variable rate": {
        "name": "a.mp4",
        "times": list(accumulate(islice(cycle([20, 90, 33]), 40))),
    },
    "variable rate in mkv": {
        "name": "a.mkv",
        "times": list(accumulate(islice(cycle([20, 90, 33]), 40))),
    },
    "late start": {"name": "a.mp4", "times": [*range(8300, 9900, 40)]},
    "late start in mkv": {"name": "a.mkv", "times": [*range(8300, 9900, 40)]},
    "10 bit H.264": {"name": "a.mp4", "pixels": "yuv420p10le"},
    "10 bit HEVC": {
        "name": "a.mp4",
        "codec": "libx265",
        "options": {"x265-params": "log-level=none", "profile": "main10"},
        "pixels": "yuv420p10le",
    },
    "10 bit ProRes": {"name": "a.mov", "codec": "prores_ks", "pixels": "yuv422p10le"},
    "4:4:4": {"name": "a.mp4", "pixels": "yuv444p"},
    "4:2:2": {"name": "a.mp4", "pixels": "yuv422p"},
    "RGB": {"name": "a.mkv", "codec": "libx264rgb", "pixels": "rgb24"},
    "odd size, 4:4:4": {"name": "a.mp4", "pixels": "yuv444p", "size": (97, 65)},
    "odd size, VP9": {
        "name": "a.webm",
        "codec": "libvpx-vp9",
        "options": {"cpu-used": "8", "deadline": "realtime"},
        "size": (97, 65),
    },
    "odd size, MPEG-4": {"name": "a.avi", "codec": "mpeg4", "size": (97, 65)},
    "interlaced H.264": {"name": "a.mp4", "options": {"x264-params": "interlaced=1"}},
    "interlaced MPEG-2": {
        "name": "a.mpg",
        "codec": "mpeg2video",
        "options": {"flags": "+ildct+ilme", "bf": "2"},
    },
    "alpha in PNG": {"name": "a.mov", "codec": "png", "pixels": "rgba"},
    "alpha in ProRes": {"name": "a.mov", "codec": "prores_ks", "pixels": "yuva444p10le"},
    "alpha in VP9": {
        "name": "a.webm",
        "codec": "libvpx-vp9",
        "options": {"cpu-used": "8", "deadline": "realtime", "auto-alt-ref": "0"},
        "pixels": "yuva420p",
    },
    "GIF": {"name": "a.gif", "codec": "gif", "pixels": "rgb8"},
    "AV1": {"name": "a.mp4", "codec": "libsvtav1", "options": {"preset": "12"}},
    "every frame its own picture": {"name": "a.mov", "codec": "mjpeg", "pixels": "yuvj420p"},
}


def picture(index: int, width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    image = np.stack([(x * y + 9 * index) % 256, (7 * x + index) % 256, (3 * y) % 256], axis=-1)
    return image.astype(np.uint8)


def assert_right_frames(path: Path, truth: torch.Tensor, decoder: str) -> None:
    with open_video(path, decoder) as video:
        count = len(video)
        assert count == len(truth)
        scattered = torch.randint(count, (6,), generator=torch.Generator().manual_seed(0)).tolist()
        for indices in ([0], [count - 1], scattered, list(range(0, count, 5))):
            assert torch.equal(video.frames(indices), truth[torch.tensor(indices)]), indices


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["decord", "pyav"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_frames_of_sequential_decoding(
    kind: str, decoder: str, encode: Callable, decode_in_order: Callable
) -> None:
    if KINDS[kind].get("codec", "libx264") not in av.codecs_available:
        pytest.skip("this build of FFmpeg cannot write it")
    path = encode(**KINDS[kind])
    assert_right_frames(path, torch.stack(list(decode_in_order(path))), decoder)


@pytest.fixture
def several_streams(tmp_path: Path) -> Path:
    """A small video, a larger one, and a sound, in one file; FFmpeg calls the larger the best."""
    path = tmp_path / "several.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, width in zip(streams, (64, 128), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
        streams[1].disposition = av.stream.Disposition.default
        tone = container.add_stream("aac", rate=16000)
        for index in range(20):
            for stream in streams:
                image = picture(index, stream.width, 48)
                if stream is streams[0]:
                    image[:] = image[:1, :1]  # one colour, so that it takes fewer bits
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        samples = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        samples.rate = 16000
        samples.planes[0].update(bytes(samples.planes[0].buffer_size))
        container.mux(tone.encode(samples))
        for stream in (*streams, tone):
            container.mux(stream.encode())
    return path


def test_of_several_streams_the_best_is_read(
    several_streams: Path, decode_in_order: Callable
) -> None:
    truth = torch.stack(list(decode_in_order(several_streams)))
    assert truth.shape[2] == 128
    assert_right_frames(several_streams, truth, "decord")


def test_a_cover_picture_is_no_video(encode: Callable, tmp_path: Path) -> None:
    source, path = encode("plain.mp4"), tmp_path / "covered.mp4"
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        copied = writer.add_stream_from_template(reader.streams.video[0])
        cover = writer.add_stream("png")
        cover.width, cover.height, cover.pix_fmt = 640, 480, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream = copied
                writer.mux(packet)
        writer.mux(cover.encode(av.VideoFrame(640, 480, "rgb24")))
        writer.mux(cover.encode())
    with open_video(source) as plain, open_video(path) as covered:
        assert covered.decoder == "pyav"
        assert torch.equal(covered.frames([0, 20]), plain.frames([0, 20]))


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_stands_upright(
    degrees: int, decoder: str, encode: Callable, tmp_path: Path, decode_in_order: Callable
) -> None:
    source, path = encode("plain.mp4"), tmp_path / "turned.mp4"
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        copied = writer.add_stream_from_template(reader.streams.video[0])
        copied.set_display_rotation(degrees)
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream = copied
                writer.mux(packet)
    truth = torch.stack(list(decode_in_order(path)))
    plain = torch.stack(list(decode_in_order(source)))
    assert torch.equal(truth, torch.rot90(plain, degrees // 90, (1, 2)))
    assert_right_frames(path, truth, decoder)
