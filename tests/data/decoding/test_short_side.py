"""Smaller frames: scaled in the conversion to RGB, the same by whichever way they are reached."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from video_uniformer.data.decoding import open_video
from video_uniformer.data.decoding.scaling import scaled_size

SIZES = [  # width, height, short side, result
    ((340, 256), 128, (170, 128)),
    ((340, 256), 224, (297, 224)),  # the example of the published test protocol
    ((256, 340), 224, (224, 297)),
    ((340, 256), 256, (340, 256)),
    ((340, 256), 300, (340, 256)),
    ((340, 256), None, (340, 256)),
    ((97, 65), 64, (95, 64)),
    ((4, 4), 1, (1, 1)),
]


@pytest.mark.parametrize(("size", "short_side", "expected"), SIZES)
def test_the_longer_side_is_rounded_down_and_nothing_grows(
    size: tuple[int, int], short_side: int | None, expected: tuple[int, int]
) -> None:
    assert scaled_size(*size, short_side) == expected


KINDS = {
    "plain mp4": {"name": "a.mp4"},
    "one group": {"name": "a.mp4", "gop": 250},
    "mkv": {"name": "a.mkv"},
    "counted": {"name": "a.avi"},
    "odd size": {"name": "a.mkv", "codec": "ffv1", "size": (97, 65), "pixels": "yuv444p"},
    "10 bit": {"name": "a.mp4", "pixels": "yuv420p10le"},
}


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
@pytest.mark.parametrize("kind", KINDS)
def test_scaled_frames_are_those_of_sequential_decoding(
    kind: str, decoder: str, encode: Callable
) -> None:
    path = encode(**KINDS[kind])
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    width, height = scaled_size(frames[0].width, frames[0].height, 32)
    scaled = [f.reformat(width=width, height=height, format="rgb24").to_ndarray() for f in frames]
    truth = torch.from_numpy(np.stack(scaled))
    with open_video(path, decoder, short_side=32) as video:
        for indices in ([0], [39], [30, 2, 21, 11, 12], list(range(0, 40, 5))):
            assert torch.equal(video.frames(indices), truth[torch.tensor(indices)])


def test_a_turned_video_is_scaled_upright(encode: Callable, tmp_path: Path) -> None:
    source, path = encode("plain.mp4"), tmp_path / "turned.mp4"
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        copied = writer.add_stream_from_template(reader.streams.video[0])
        copied.set_display_rotation(90)
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream = copied
                writer.mux(packet)
    with open_video(path, short_side=32) as turned, open_video(source, short_side=32) as plain:
        frames = turned.frames([7])
        assert frames.shape == (1, 48, 32, 3)
        assert torch.equal(frames, torch.rot90(plain.frames([7]), 1, (1, 2)))


def test_scaling_keeps_what_the_picture_shows(video_file: Callable) -> None:
    path = video_file(width=128, height=96)
    with open_video(path, short_side=48) as small, open_video(path) as large:
        frames, expected = small.frames([3, 20]), large.frames([3, 20])
    assert frames.shape == (2, 48, 64, 3)
    levels = frames.float().mean(dim=(1, 2, 3)) - expected.float().mean(dim=(1, 2, 3))
    assert levels.abs().max() < 1.5  # the converter rounds otherwise when it scales


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_pictures_of_a_folder_are_scaled(tmp_path: Path, suffix: str) -> None:
    for number in range(2):
        Image.new("RGB", (640, 480), (10, 200, 30)).save(tmp_path / f"{number}.{suffix}")
    with open_video(tmp_path, short_side=60) as video:
        frames = video.frames([0, 1])
    assert frames.shape == (2, 60, 80, 3)
    assert (frames.float().mean(dim=(1, 2)) - torch.tensor([10, 200, 30])).abs().max() < 2


def test_smaller_pictures_of_a_folder_stay_as_they_are(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    with open_video(tmp_path, short_side=60) as video:
        assert video.frames([0]).shape == (1, 6, 8, 3)


@pytest.mark.parametrize("short_side", [0, -1, 2.5, "128", True])
def test_a_short_side_that_is_no_number_of_pixels_is_refused(
    short_side: object, video_file: Callable
) -> None:
    message = rf"short_side is {short_side!r}, expected a whole number of pixels >= 1, or None"
    with pytest.raises(ValueError, match=message):
        open_video(video_file(), short_side=short_side)
