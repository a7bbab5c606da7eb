"""Videos found by looking into folders."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from video_uniformer.data.annotations.samples import Annotations, Row, label_by_name
from video_uniformer.system.text_lines import Line

VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".ts", ".mts", ".m2ts", ".3gp", ".ogv"),
)
FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir() raises on a link that points to itself; Path.is_dir() says no.
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and Path(entry).is_dir())


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """Return the sorted names of the folders and of the files in a folder, without hidden ones.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder, expected one with videos")
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (folders if _is_folder(entry) else files).append(entry.name)
    return sorted(folders), sorted(files)


def is_video(name: str) -> bool:
    """Tell by its suffix whether a file is a video."""
    return name.lower().endswith(VIDEO_SUFFIXES)


def find_videos(folder: Path, inside: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Find all video files below a folder, sorted; links are followed, but not in circles.

    Args:
        folder: Where to begin.
        inside: Device and inode of the folders that the search is in; the recursion's own.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    folders, files = list_folder(folder)
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in inside:
        return
    yield from (folder / name for name in files if is_video(name))
    for name in folders:
        yield from find_videos(folder / name, inside | {identity})


def _find_class_videos(folder: Path) -> list[Path]:
    """Find the videos of one class: video files, and folders of frames."""
    folders, files = list_folder(folder)
    videos = [folder / name for name in files if is_video(name)]
    for name in folders:
        _, inner = list_folder(folder / name)
        if any(is_video(inner_name) for inner_name in inner):
            raise ValueError(
                f"{folder / name}: videos one level too deep, expected class folders that hold "
                "videos or folders of frames; is the folder of class folders the right one?"
            )
        if any(inner_name.lower().endswith(FRAME_SUFFIXES) for inner_name in inner):
            videos.append(folder / name)
    return sorted(videos)


def read_folders(
    path: Path | str = ".", *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read a folder of class folders, each holding videos or folders of frames.

    Hidden files and files that are no videos are ignored. Without `class_names` the classes are the
    folder names, sorted; with them, a class needs no folder, but each folder must be a class.

    Args:
        path: The folder of class folders, relative to `root`.
        root: Folder of the data set.
        class_names: The classes in order; space and underscore count as equal.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There are no class folders, a class folder holds no video, or is no class.
    """
    path = Path(path)
    folder = root / path
    names, _ = list_folder(folder)
    if not names:
        raise ValueError(f"{folder}: no class folders, expected one folder a class")
    rows = []
    for number, name in enumerate(names, 1):
        videos = _find_class_videos(folder / name)
        if not videos:
            raise ValueError(
                f"{folder / name}: class {name!r} has no video, "
                f"expected files such as {VIDEO_SUFFIXES[0]} or folders of frames"
            )
        line = Line(str(folder), number, name, "class folder")
        rows += [Row(line, str(path / video.relative_to(folder)), name) for video in videos]
    return label_by_name(rows, root=root, class_names=class_names, origin=str(folder))


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
    samples, names = read_folders(root=root, class_names=class_names)
    kept = []
    for label in range(len(names)):
        of_class = [sample for sample in samples if sample.label == label]
        held_out = of_class[hold_out - 1 :: hold_out]
        kept += held_out if path == "val" else [s for s in of_class if s not in held_out]
    if not kept:
        raise ValueError(
            f"{root}: no class has {hold_out} videos to hold one out for validation, expected more "
            "videos, a smaller hold_out, or folders train and val"
        )
    return Annotations(kept, names)
