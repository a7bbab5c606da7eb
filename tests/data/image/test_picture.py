"""One opened picture: size, pixels, boxes, and quicker ways to the same."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_uniformer.data.image import picture as picture_module
from video_uniformer.data.image.picture import Box, Picture, PictureError
from video_uniformer.data.image.quick_crop import decode_jpeg, jpeg_header, quick_crop


def difference(one: Image.Image, other: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int))


def test_a_box_is_cut_out_and_resized(picture_file: Callable) -> None:
    picture = Picture(picture_file())
    box = Box(8, 16, 40, 60)
    expected = picture.rgb().crop((16, 8, 76, 48)).resize((30, 20), Image.Resampling.BICUBIC)
    assert difference(picture.resized(box, 20, 30, "bicubic"), expected).max() == 0


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("box", [Box(0, 0, 96, 128), Box(8, 16, 40, 60), Box(95, 127, 1, 1)])
def test_a_quick_crop_is_that_of_pillow_to_one_grey_level(
    box: Box, interpolation: str, picture_file: Callable
) -> None:
    picture = Picture(picture_file())
    crop = quick_crop(picture, box, 24, interpolation, scaled_decoding=False)
    assert crop.size == (24, 24)
    assert difference(crop, picture.resized(box, 24, 24, interpolation)).max() <= 1


def test_decoding_is_scaled_only_while_the_box_stays_large_enough(picture_file: Callable) -> None:
    picture = Picture(picture_file(height=300, width=400))
    sizes: list[tuple[int, ...]] = []

    class Spied(Picture):
        def pixels(self, *arguments: object, **options: object) -> np.ndarray:
            found = picture.pixels(*arguments, **options)
            sizes.append(found.shape[:2])
            return found

    spied = Spied(picture.path)
    for side in (63, 64, 127, 128, 256):
        quick_crop(spied, Box(10, 20, side, side + 40), 32, "bicubic", scaled_decoding=True)
    assert sizes == [(300, 400), (150, 200), (150, 200), (75, 100), (38, 50)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_scaled_crop_shows_the_same_upright(orientation: int, picture_file: Callable) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Picture(picture_file(height=300, width=400, exif=exif, quality=95))
    box = Box(20, 40, 140, 120)
    crop = quick_crop(picture, box, 48, "bicubic", scaled_decoding=True)
    assert difference(crop, picture.resized(box, 48, 48, "bicubic")).mean() < 6


def test_the_jpeg_decoder_leaves_damage_to_pillow(picture_file: Callable) -> None:
    content = picture_file(quality=95).read_bytes()
    assert decode_jpeg(content, 96, 128) is not None
    assert decode_jpeg(content[: len(content) // 2], 96, 128) is None


def test_a_plain_jpeg_is_opened_by_pillow_only_to_be_decoded(
    picture_file: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture_file()
    expected = Picture(path).rgb()
    picture = Picture(path, jpeg_header=jpeg_header)
    assert (picture.height, picture.width) == (96, 128)
    assert difference(picture.rgb(), expected).max() == 0
    monkeypatch.setattr(picture_module.Image, "open", None)
    picture = Picture(path, jpeg_header=jpeg_header)
    pixels = picture.pixels(decode_jpeg, least_height=96, least_width=128)
    assert np.array_equal(pixels, np.asarray(expected))


def test_a_turned_picture_is_upright_whoever_reads_its_header(picture_file: Callable) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = picture_file(exif=exif)
    assert jpeg_header(path.read_bytes()) is None
    assert Picture(path, jpeg_header=jpeg_header).height == 128


def test_headers_of_other_files_are_left_to_pillow(picture_file: Callable) -> None:
    content = picture_file().read_bytes()
    assert jpeg_header(picture_file("a.png").read_bytes()) is None
    assert jpeg_header(content[:60]) is None
    grey = io.BytesIO()
    Image.new("L", (8, 8)).save(grey, "JPEG")
    assert jpeg_header(grey.getvalue()) is None
    assert jpeg_header(b"\xff\xd8\xff") is None


def test_too_many_pixels_are_refused(
    picture_file: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_module, "MOST_PIXELS", 96 * 128 - 1)
    with pytest.raises(PictureError, match="128 x 96 pixels, expected at most"):
        Picture(picture_file())


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"a\.jpg: not a picture of a known kind"):
        Picture(path)
