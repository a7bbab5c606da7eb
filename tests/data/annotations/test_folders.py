"""Class folders, split or not."""

from pathlib import Path, PosixPath

import pytest
from list_files import pairs, write
from PIL import Image

from video_uniformer.data.annotations import read_folders, read_split_folders
from video_uniformer.data.annotations.class_folders import split_samples
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES


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


def test_files_that_are_no_videos_are_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("run/a.gif", "run/notes.txt", "walk/clip/1.webp", "walk/clip/1.txt", "b.mp4"):
        write(tmp_path, name, "")
    for name in ("run/.a.mp4", "walk/clip/._1.webp", ".DS_Store"):
        write(tmp_path, name, "")
    result = read_folders(root=tmp_path)
    assert pairs(result, tmp_path) == [("run/a.gif", 0), ("walk/clip", 1)]
    assert caplog.messages == [
        f"{tmp_path}: left out 6 files: 3 hidden, 2 .txt (text), "
        "1 .mp4 (outside of the class folders)"
    ]


def test_files_left_out_of_a_hold_out_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.mp4", "b.mp4", "notes.txt"):
        write(tmp_path, f"run/{name}", "")
    read_split_folders("train", hold_out=2, root=tmp_path)
    read_split_folders("val", hold_out=2, root=tmp_path)
    assert len(caplog.messages) == 1


def test_animated_pictures_are_videos_and_still_ones_are_not(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 10), (90 * k, 0, 0)) for k in range(3)]
    (tmp_path / "run").mkdir()
    for suffix in ("webp", "png", "gif"):
        frames[0].save(tmp_path / f"run/a.{suffix}", save_all=True, append_images=frames[1:])
        frames[0].save(tmp_path / f"run/b.{suffix}")
    result = read_folders(root=tmp_path)
    assert pairs(result, tmp_path) == [("run/a.gif", 0), ("run/a.png", 0), ("run/a.webp", 0)]


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_every_kind_of_picture_makes_a_video(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, f"run/clip/1{suffix.upper()}", "")
    assert pairs(read_folders(root=tmp_path), tmp_path) == [("run/clip", 0)]


def test_hold_out_of_mixed_classes_is_every_nth_of_each(tmp_path: Path) -> None:
    for name, count in (("run", 7), ("walk", 2), ("yoga", 3)):
        for number in range(count):
            write(tmp_path, f"{name}/{number}.mp4", "")
    names = ["yoga", "walk", "run"]
    train, val = (
        read_split_folders(split, hold_out=3, root=tmp_path, class_names=names)
        for split in ("train", "val")
    )
    assert pairs(val, tmp_path) == [("yoga/2.mp4", 0), ("run/2.mp4", 2), ("run/5.mp4", 2)]
    assert pairs(train, tmp_path) == [
        *(("yoga/0.mp4", 0), ("yoga/1.mp4", 0), ("walk/0.mp4", 1), ("walk/1.mp4", 1)),
        *((f"run/{number}.mp4", 2) for number in (0, 1, 3, 4, 6)),
    ]


class CountedPath(PosixPath):
    """A path that counts how often it is compared."""

    num_compared = 0

    def __eq__(self, other: object) -> bool:
        CountedPath.num_compared += 1
        return super().__eq__(other)

    __hash__ = PosixPath.__hash__


def test_hold_out_compares_no_video_with_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        write(tmp_path, f"run/{number}.mp4", "")
    listed = read_folders(root=tmp_path)
    samples = [sample._replace(path=CountedPath(sample.path)) for sample in listed.samples]
    train, val = split_samples(samples, 5)
    assert (len(train), len(val)) == (160, 40)
    assert CountedPath.num_compared <= 200
