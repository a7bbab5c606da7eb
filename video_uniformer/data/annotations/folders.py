"""Class folders as lists of videos."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from video_uniformer.data.annotations.samples import Annotations, Row, Sample, label_by_name
from video_uniformer.data.annotations.search import (
    LeftOut,
    is_frame_folder,
    list_folder,
    pick_videos,
)
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES, VIDEO_SUFFIXES, suffix_of
from video_uniformer.system.text_lines import Line

_OUTSIDE = "outside of the class folders"


def _find_class_videos(folder: Path, left_out: LeftOut) -> list[Path]:
    """Find the videos of one class: video files, and folders of frames."""
    folders, files = list_folder(folder, left_out)
    videos = [folder / name for name in pick_videos(folder, files, left_out)]
    for name in folders:
        _, inner = list_folder(folder / name, left_out)
        others = [file for file in inner if suffix_of(file) not in PICTURE_SUFFIXES]
        if pick_videos(folder / name, others, LeftOut()):
            raise ValueError(
                f"{folder / name}: videos one level too deep, expected class folders that hold "
                "videos or folders of frames; is the folder of class folders the right one?"
            )
        if is_frame_folder(folder / name, inner, left_out):
            videos.append(folder / name)
        else:
            pick_videos(folder / name, inner, left_out)
    return sorted(videos)


def read_folders(
    path: Path | str = ".", *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read a folder of class folders, each holding videos or folders of frames.

    Hidden files and folders are ignored; how many files are left out, and why, is logged in one
    line.
    Without `class_names` the classes are the folder names, sorted; with them, a class needs no
    folder, but each folder must be a class.

    Args:
        path: The folder of class folders, relative to `root`.
        root: Folder of the data set.
        class_names: The classes in order; space and underscore count as equal.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There are no class folders, a class folder holds no video, or is no class.
    """
    found, left_out = _read_folders(path, root=root, class_names=class_names)
    left_out.log(Path(root) / path)
    return found


def _read_folders(
    path: Path | str, *, root: Path | str, class_names: Sequence[str] | None
) -> tuple[Annotations, LeftOut]:
    path, left_out = Path(path), LeftOut()
    folder = root / path
    names, files = list_folder(folder, left_out)
    if not names:
        raise ValueError(f"{folder}: no class folders, expected one folder a class")
    rows = []
    for number, name in enumerate(names, 1):
        videos = _find_class_videos(folder / name, left_out)
        if not videos:
            raise ValueError(
                f"{folder / name}: class {name!r} has no video, "
                f"expected files such as {VIDEO_SUFFIXES[0]} or folders of frames"
            )
        line = Line(str(folder), number, name, "class folder")
        rows += [Row(line, str(path / video.relative_to(folder)), name) for video in videos]
    left_out.add(pick_videos(folder, files, left_out), _OUTSIDE)
    found = label_by_name(rows, root=root, class_names=class_names, origin=str(folder))
    return found, left_out


def split_samples(samples: Sequence[Sample], hold_out: int) -> tuple[list[Sample], list[Sample]]:
    """Split samples into those for training and every `hold_out`-th of each class for validation.

    Args:
        samples: In an order of which that within the classes is kept; the classes are sorted.
        hold_out: Videos of a class of which the last is for validation.
    """
    train: list[Sample] = []
    val: list[Sample] = []
    seen: Counter[int] = Counter()
    for sample in sorted(samples, key=lambda sample: sample.label):
        seen[sample.label] += 1
        (train if seen[sample.label] % hold_out else val).append(sample)
    return train, val


def read_split_folders(
    path: str,
    hold_out: int = 5,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> Annotations:
    """Read class folders of a data set that may or may not be split into `train` and `val`.

    Where `root` has no folder `train`, its class folders are split here: of each class, sorted by
    name, every `hold_out`-th video is for validation and the others are for training.

    Args:
        path: "train" or "val".
        hold_out: Videos of a class of which one is for validation; at least 2.
        root: Folder of the data set: `root/PATH/CLASS/video`, or `root/CLASS/video`.
        class_names: The classes in order; space and underscore count as equal.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: `path` or `hold_out` is something else, no class has enough videos to hold one
            out, or a folder is refused by `read_folders`.
    """
    if path not in ("train", "val"):
        raise ValueError(f"path is {path!r}, expected 'train' or 'val'")
    if hold_out < 2:
        raise ValueError(f"hold_out is {hold_out}, expected at least 2 videos")
    if (Path(root) / "train").is_dir():
        return read_folders(path, root=root, class_names=class_names)
    (samples, names), left_out = _read_folders(".", root=root, class_names=class_names)
    if path == "train":  # once for the two halves of one listing
        left_out.log(root)
    kept = split_samples(samples, hold_out)[("train", "val").index(path)]
    if not kept:
        raise ValueError(
            f"{root}: no class has {hold_out} videos to hold one out for validation, expected more "
            "videos, a smaller hold_out, or folders train and val"
        )
    return Annotations(kept, names)
