"""Fixtures of the data tests."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path, video_file: Callable[..., Path]) -> Path:
    """Two videos of 32 and 24 frames, and their list."""
    video_file(num_frames=32, name="a.mp4")
    video_file(num_frames=24, name="b.mp4")
    (tmp_path / "list.csv").write_text("path label\na.mp4 1\nb.mp4 0\n")
    return tmp_path
