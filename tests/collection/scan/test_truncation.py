from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.collection.scan.truncation import missing_seconds


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.flv", "a.ts"])
def test_whole_file_misses_nothing(video_file: Callable[..., Path], name: str) -> None:
    assert missing_seconds(video_file(num_frames=30, name=name), 30) == 0


def test_cut_file_misses_what_its_header_states(scene_file: Callable[..., Path]) -> None:
    path = scene_file("a.mkv", 0, num_frames=30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 0.1 < missing_seconds(path, 10) < 1.2


@pytest.mark.parametrize("name", ["a.ts", "a.flv"])
def test_hole_counts_where_frames_are_missing(video_file: Callable[..., Path], name: str) -> None:
    path = video_file(num_frames=30, name=name)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(50) + content[middle:])
    assert missing_seconds(path, 30) == 0
    assert missing_seconds(path, 20) == pytest.approx(0.4, abs=0.1)


def test_frames_that_are_never_shown_are_not_missing(video_file: Callable[..., Path]) -> None:
    assert missing_seconds(video_file(num_frames=30, name="a.ts"), 20) == 0
