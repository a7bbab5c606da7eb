"""Pictures of every mode become upright 8-bit RGB."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_uniformer.data.decoding import VideoError
from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.pictures import read_picture

RAMP = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_16_bits_spans_all_levels(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RAMP).save(tmp_path / f"1.{suffix}")
    picture = read_picture(tmp_path / f"1.{suffix}")
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, np.dstack([np.arange(256).reshape(16, 16)] * 3))


def test_whole_numbers_beyond_16_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1 << 20]], dtype=np.int32)).save(tmp_path / "1.tif")
    with pytest.raises(ValueError, match="its values are 0 to 1048576, expected 0 to 65535"):
        read_picture(tmp_path / "1.tif")


def test_floating_point_numbers_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "1.tif")
    with pytest.raises(ValueError, match="floating-point"):
        read_picture(tmp_path / "1.tif")


def test_alpha_is_left_out(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "1.png")
    Image.new("LA", (2, 2), (40, 0)).save(tmp_path / "2.png")
    assert read_picture(tmp_path / "1.png")[0, 0].tolist() == [10, 20, 30]
    assert read_picture(tmp_path / "2.png")[0, 0].tolist() == [40, 40, 40]


@pytest.mark.filterwarnings("error")
def test_a_palette_gives_its_colours_even_where_transparent(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "1.png", transparency=bytes([0, 128]))
    assert read_picture(tmp_path / "1.png")[0].tolist() == [[10, 20, 30], [200, 100, 50]]


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "1.png")
    assert read_picture(tmp_path / "1.png")[0].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_inks_become_colours(tmp_path: Path, suffix: str) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / f"1.{suffix}")
    red, green, blue = read_picture(tmp_path / f"1.{suffix}")[8, 8].tolist()
    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_a_folder_names_a_picture_that_it_cannot_show(tmp_path: Path) -> None:
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "1.tif")
    (tmp_path / "1.tif").rename(tmp_path / "1.png")
    with pytest.raises(VideoError, match=r"1\.png: not a readable picture .*floating-point"):
        FrameFolder(tmp_path).frames([0])
