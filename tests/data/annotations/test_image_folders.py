"""Class folders of pictures, split or not."""

from pathlib import Path

import pytest
from list_files import pairs, write
from PIL import Image

from video_uniformer.data.annotations import read_image_folders, read_split_images
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES


def test_class_folders_hold_pictures_at_any_depth(tmp_path: Path) -> None:
    for name in ("dog/b.JPEG", "dog/a.png", "dog/2020/c.webp", "dog/.d.jpg", "cat/x/y/a.jpg"):
        write(tmp_path, f"train/{name}", "")
    result = read_image_folders("train", root=tmp_path)
    assert result.class_names == ["cat", "dog"]
    assert pairs(result, tmp_path) == [
        ("train/cat/x/y/a.jpg", 0),
        ("train/dog/a.png", 1),
        ("train/dog/b.JPEG", 1),
        ("train/dog/2020/c.webp", 1),
    ]


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_every_kind_of_picture_counts(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, f"dog/1{suffix.upper()}", "")
    assert pairs(read_image_folders(root=tmp_path), tmp_path) == [(f"dog/1{suffix.upper()}", 0)]


def test_files_that_are_no_pictures_are_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("dog/a.jpg", "dog/b.mp4", "dog/c.txt", "dog/d.heic", "dog/.e.jpg", "f.jpg"):
        write(tmp_path, name, "")
    assert pairs(read_image_folders(root=tmp_path), tmp_path) == [("dog/a.jpg", 0)]
    assert caplog.messages == [
        f"{tmp_path}: left out 5 files: 1 hidden, 1 .mp4 (moves: a video or an animation), "
        "1 .txt (text), 1 .heic (pictures of a format that is not read), "
        "1 .jpg (outside of the class folders)"
    ]


def test_still_pictures_count_and_animated_ones_do_not(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 10), (90 * k, 0, 0)) for k in range(3)]
    (tmp_path / "dog").mkdir()
    for suffix in ("webp", "png", "gif"):
        frames[0].save(tmp_path / f"dog/moves.{suffix}", save_all=True, append_images=frames[1:])
        frames[0].save(tmp_path / f"dog/still.{suffix}")
    names = [sample.path.name for sample in read_image_folders(root=tmp_path).samples]
    assert names == ["still.gif", "still.png", "still.webp"]


def test_broken_gif_keeps_its_place_for_the_policy(tmp_path: Path) -> None:
    write(tmp_path, "dog/a.gif", "")
    assert pairs(read_image_folders(root=tmp_path), tmp_path) == [("dog/a.gif", 0)]


def test_class_without_a_folder_keeps_its_index(tmp_path: Path) -> None:
    write(tmp_path, "polar_bear/a.jpg", "")
    result = read_image_folders(root=tmp_path, class_names=["dog", "polar bear"])
    assert pairs(result, tmp_path) == [("polar_bear/a.jpg", 1)]


def test_unsplit_class_folders_hold_out_every_fifth_picture(tmp_path: Path) -> None:
    for number in range(7):
        write(tmp_path, f"dog/{number}.jpg", "")
    write(tmp_path, "cat/a.jpg", "")
    train = read_split_images("train", root=tmp_path)
    val = read_split_images("val", root=tmp_path)
    assert train.class_names == val.class_names == ["cat", "dog"]
    assert pairs(val, tmp_path) == [("dog/4.jpg", 1)]
    assert len(train.samples) == 7


@pytest.mark.parametrize("name", ["val", "test", "validation", "valid"])
def test_validation_folder_has_several_names(tmp_path: Path, name: str) -> None:
    write(tmp_path, "train/dog/a.jpg", "")
    write(tmp_path, f"{name}/dog/b.jpg", "")
    assert pairs(read_split_images("train", root=tmp_path), tmp_path) == [("train/dog/a.jpg", 0)]
    assert pairs(read_split_images("val", root=tmp_path), tmp_path) == [(f"{name}/dog/b.jpg", 0)]


def test_val_goes_before_test(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write(tmp_path, f"{split}/dog/a.jpg", "")
    assert pairs(read_split_images("val", root=tmp_path), tmp_path) == [("val/dog/a.jpg", 0)]


def test_missing_validation_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/dog/a.jpg", "")
    with pytest.raises(FileNotFoundError, match="none for validation, expected one of val, valid"):
        read_split_images("val", root=tmp_path)


@pytest.mark.parametrize(
    ("path", "hold_out", "message"),
    [
        ("test", 5, "path is 'test', expected 'train' or 'val'"),
        ("val", 1, "hold_out is 1, expected at least 2 pictures"),
        ("val", 5, "no class has 5 pictures to hold one out for validation"),
    ],
)
def test_split_of_class_folders_is_refused(
    tmp_path: Path, path: str, hold_out: int, message: str
) -> None:
    write(tmp_path, "dog/a.jpg", "")
    with pytest.raises(ValueError, match=message):
        read_split_images(path, root=tmp_path, hold_out=hold_out)


def test_empty_class_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "dog/notes.txt", "")
    with pytest.raises(ValueError, match="dog: class 'dog' has no picture, expected files such as"):
        read_image_folders(root=tmp_path)


@pytest.mark.parametrize("name", ["train/dog/a.jpg", "imagenette/train/dog/a.jpg"])
def test_folder_above_the_class_folders_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "")
    with pytest.raises(ValueError, match="train: pictures one level too deep"):
        read_image_folders(root=tmp_path)


def test_folder_of_one_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "")
    with pytest.raises(ValueError, match="no class folders, expected one folder a class"):
        read_image_folders(root=tmp_path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="val: no such folder, expected one with pictures"):
        read_image_folders("val", root=tmp_path)


def test_classes_that_differ_by_case_are_refused(tmp_path: Path) -> None:
    for name in ("dog/a.jpg", "Dog/a.jpg"):
        write(tmp_path, name, "")
    with pytest.raises(ValueError, match="classes 'Dog' and 'dog' differ in case alone"):
        read_image_folders(root=tmp_path)
