"""What opening a picture tells, before it is decoded."""

from pathlib import Path

import pytest
from drawn_pictures import draw_damaged, noise, png
from PIL import Image

from video_uniformer.data.image.picture import Picture, PictureError


@pytest.mark.parametrize("name", ["cut.png", "empty.jpg", "page.jpg", "giant.png"])
def test_bad_picture_is_named_by_the_error(tmp_path: Path, name: str) -> None:
    draw_damaged(tmp_path)
    with pytest.raises(PictureError, match=f"{name}: "):
        Picture(tmp_path / name)


def test_large_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(20_000, 10_000))  # its rows are not there
    with pytest.raises(PictureError, match="expected at most"):
        Picture(tmp_path / "a.png")


def test_bytes_stand_in_for_the_file(tmp_path: Path) -> None:
    Image.fromarray(noise(1)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").unlink()
    picture = Picture(tmp_path / "a.png", content=content)
    assert picture.rgb().tobytes() == noise(1).tobytes()
