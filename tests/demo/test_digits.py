"""The digits: real scans, split once and for all, written whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_uniformer.data.annotations import read_split_images
from video_uniformer.demo.digits import load_digits, write_digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "digits"
    write_digits(root)
    return root


def test_every_scan_is_in_one_of_two_splits(digits: Path) -> None:
    train, val = (read_split_images(split, root=digits) for split in ("train", "val"))
    assert (len(train.samples), len(val.samples)) == (1438, 359)
    assert train.class_names == val.class_names == list("0123456789")
    assert (digits / "classes.txt").read_text().split() == train.class_names
    names = [sample.path.name for part in (train, val) for sample in part.samples]
    assert sorted(names) == [f"{number:04d}.png" for number in range(1797)]


def test_pictures_show_the_scans(digits: Path) -> None:
    pixels, targets = load_digits()
    for number in (0, 4, 1234):
        [path] = digits.glob(f"*/{targets[number]}/{number:04d}.png")
        with Image.open(path) as picture:
            assert picture.size == (32, 32)
            small = np.asarray(picture.resize((8, 8), Image.Resampling.BOX), dtype=int)
        assert np.abs(small - pixels[number]).mean() < 20


def test_digits_that_are_there_are_left_alone(digits: Path) -> None:
    before = (digits / "train").stat().st_mtime_ns
    write_digits(digits)
    assert (digits / "train").stat().st_mtime_ns == before


def test_folder_of_something_else_is_refused(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(ValueError, match="which holds something else; expected an empty folder"):
        write_digits(tmp_path)
    with pytest.raises(ValueError, match="whose digits are 32 pixels wide, expected 64"):
        write_digits(digits, size=64)


def test_size_below_the_scans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size is 7, expected at least 8 pixels"):
        write_digits(tmp_path / "digits", size=7)
