"""Pictures that move: read as videos, or refused for what they are."""

from pathlib import Path

import pytest
from PIL import Image

from video_uniformer.collection.scan.inspection import inspect_file
from video_uniformer.data.decoding import VideoError, open_video
from video_uniformer.data.decoding.probe import probe_video


@pytest.fixture
def pictures() -> list[Image.Image]:
    return [Image.new("RGB", (64, 48), (20 * n, 20 * n, 20 * n)) for n in range(8)]


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_moving_picture_is_a_video(
    tmp_path: Path, pictures: list[Image.Image], suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    with open_video(path) as video:
        assert (len(video), video.fps) == (8, 25.0)
        assert video.frames(range(8))[:, 0, 0, 0].tolist() == [20 * n for n in range(8)]


def test_animated_webp_is_refused_as_such(tmp_path: Path, pictures: list[Image.Image]) -> None:
    path = tmp_path / "a.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    for read in (open_video, probe_video):
        with pytest.raises(VideoError, match="an animated WebP, which FFmpeg does not decode"):
            read(path)
    assert "animated WebP" in inspect_file(path).reason


def test_webp_that_stands_still_is_a_video_of_one_frame(
    tmp_path: Path, pictures: list[Image.Image]
) -> None:
    pictures[3].save(tmp_path / "a.webp", lossless=True)
    with open_video(tmp_path / "a.webp") as video:
        assert len(video) == 1
