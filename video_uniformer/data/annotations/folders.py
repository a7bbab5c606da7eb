"""Class folders as lists of videos."""

from collections.abc import Sequence
from pathlib import Path

from video_uniformer.data.annotations.class_folders import (
    Content,
    read_class_folders,
    read_split_class_folders,
)
from video_uniformer.data.annotations.samples import Annotations
from video_uniformer.data.annotations.search import (
    LeftOut,
    is_frame_folder,
    list_folder,
    pick_videos,
)
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES, VIDEO_SUFFIXES, suffix_of


def _find_class_videos(folder: Path, left_out: LeftOut) -> list[str]:
    """Find the videos of one class: video files, and folders of frames."""
    folders, files = list_folder(folder, left_out)
    videos = pick_videos(folder, files, left_out)
    for name in folders:
        _, inner = list_folder(folder / name, left_out)
        others = [file for file in inner if suffix_of(file) not in PICTURE_SUFFIXES]
        if pick_videos(folder / name, others, LeftOut()):
            raise ValueError(
                f"{folder / name}: videos one level too deep, expected class folders that hold "
                "videos or folders of frames; is the folder of class folders the right one?"
            )
        if is_frame_folder(folder / name, inner, left_out):
            videos.append(name)
        else:
            pick_videos(folder / name, inner, left_out)
    return sorted(videos)


_VIDEOS = Content(
    noun="video",
    expected=f"files such as {VIDEO_SUFFIXES[0]} or folders of frames",
    find=_find_class_videos,
    pick=pick_videos,
)


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
    found, left_out = read_class_folders(path, _VIDEOS, root=root, class_names=class_names)
    left_out.log(Path(root) / path)
    return found


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
    return read_split_class_folders(path, hold_out, _VIDEOS, root=root, class_names=class_names)
