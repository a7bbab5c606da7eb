"""Fixtures of the picture tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_pictures import photo


@pytest.fixture
def picture_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a picture by Pillow; the suffix says of which kind."""

    def write(name: str = "a.jpg", height: int = 96, width: int = 128, **options: object) -> Path:
        photo(height, width).save(tmp_path / name, **options)
        return tmp_path / name

    return write
