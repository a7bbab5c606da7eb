"""Class folders, split or not."""

from pathlib import Path

import pytest
from list_files import pairs, write

from video_uniformer.data.annotations import read_folders, read_split_folders


def test_class_folders_hold_videos_or_frame_folders(tmp_path: Path) -> None:
    for name in ("yoga/b.MP4", "yoga/a.webm", "yoga/.c.mp4", "yoga/notes.txt", ".git/x.mp4"):
        write(tmp_path, f"train/{name}", "")
    write(tmp_path, "train/arm_wrestling/clip/img_00001.jpg", "")
    write(tmp_path, "train/arm_wrestling/other/notes.txt", "")
    result = read_folders("train", root=tmp_path)
    assert result.class_names == ["arm_wrestling", "yoga"]
    assert pairs(result, tmp_path) == [
        ("train/arm_wrestling/clip", 0),
        ("train/yoga/a.webm", 1),
        ("train/yoga/b.MP4", 1),
    ]


def test_class_without_a_folder_keeps_its_index(tmp_path: Path) -> None:
    write(tmp_path, "arm_wrestling/a.mp4", "")
    result = read_folders(root=tmp_path, class_names=["yoga", "arm wrestling"])
    assert pairs(result, tmp_path) == [("arm_wrestling/a.mp4", 1)]


def test_unsplit_class_folders_hold_out_every_fifth_video(tmp_path: Path) -> None:
    for number in range(7):
        write(tmp_path, f"yoga/{number}.mp4", "")
    write(tmp_path, "run/a.mp4", "")
    train = read_split_folders("train", root=tmp_path)
    val = read_split_folders("val", root=tmp_path)
    assert train.class_names == val.class_names == ["run", "yoga"]
    assert pairs(val, tmp_path) == [("yoga/4.mp4", 1)]
    assert pairs(train, tmp_path) == [
        ("run/a.mp4", 0),
        *((f"yoga/{number}.mp4", 1) for number in (0, 1, 2, 3, 5, 6)),
    ]


def test_split_class_folders_are_read_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "train/yoga/a.mp4", "")
    write(tmp_path, "val/yoga/b.mp4", "")
    assert pairs(read_split_folders("val", root=tmp_path), tmp_path) == [("val/yoga/b.mp4", 0)]


@pytest.mark.parametrize(
    ("path", "hold_out", "message"),
    [
        ("test", 5, "path is 'test', expected 'train' or 'val'"),
        ("val", 1, "hold_out is 1, expected at least 2 videos"),
        ("val", 5, "no class has 5 videos to hold one out for validation"),
    ],
)
def test_split_of_class_folders_is_refused(
    tmp_path: Path, path: str, hold_out: int, message: str
) -> None:
    write(tmp_path, "yoga/a.mp4", "")
    with pytest.raises(ValueError, match=message):
        read_split_folders(path, root=tmp_path, hold_out=hold_out)


def test_empty_class_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "yoga/notes.txt", "")
    with pytest.raises(ValueError, match="yoga: class 'yoga' has no video, expected files such as"):
        read_folders(root=tmp_path)


def test_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.mp4", "")
    with pytest.raises(ValueError, match="no class folders, expected one folder a class"):
        read_folders(root=tmp_path)


def test_folder_above_the_class_folders_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/yoga/a.mp4", "")
    with pytest.raises(ValueError, match="train/yoga: videos one level too deep"):
        read_folders(root=tmp_path)


def test_folder_that_is_no_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "yogo/a.mp4", "")
    with pytest.raises(ValueError, match=r"class folder 1, 'yogo': unknown .* did you mean 'yoga'"):
        read_folders(root=tmp_path, class_names=["yoga"])


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="val: no such folder, expected one with videos"):
        read_folders("val", root=tmp_path)


def test_real_class_folders_are_read(shared_data: Path) -> None:
    result = read_folders(root=shared_data / "daily_actions")
    assert result.class_names == ["falling", "sitting", "standing", "walking"]
    assert len(result.samples) == 43
