"""Class folders as lists of pictures."""

from collections.abc import Sequence
from pathlib import Path

from video_uniformer.data.annotations.class_folders import (
    Content,
    read_class_folders,
    read_split_class_folders,
)
from video_uniformer.data.annotations.samples import Annotations
from video_uniformer.data.annotations.search import (
    SPLIT_FOLDERS,
    LeftOut,
    find_pictures,
    pick_pictures,
)
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES

_VAL_FOLDERS = ("val", "validation", "valid", "test")


def _find_class_pictures(folder: Path, left_out: LeftOut) -> list[str]:
    """Find the pictures of one class, which may be in folders within its own."""
    pictures = list(find_pictures(folder, left_out))
    if all("/" in picture for picture in pictures):
        inner = dict.fromkeys(picture.split("/")[0] for picture in pictures)
        if inner and folder.name in SPLIT_FOLDERS:
            raise _too_deep(folder)
        for name in inner:
            if name in SPLIT_FOLDERS:
                raise _too_deep(folder / name)
    return pictures


def _too_deep(folder: Path) -> ValueError:
    return ValueError(
        f"{folder}: pictures one level too deep, expected class folders that hold pictures; is the "
        "folder of class folders the right one?"
    )


PICTURES = Content(
    noun="picture",
    expected=f"files such as {PICTURE_SUFFIXES[0]}",
    find=_find_class_pictures,
    pick=pick_pictures,
)
"""What class folders of pictures hold."""


def read_image_folders(
    path: Path | str = ".", *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read a folder of class folders, each holding pictures, also in folders within.

    Hidden files and folders are ignored; how many files are left out, and why, is logged in one
    line. What moves is no picture: an animated GIF, PNG or WebP is left out, a GIF of one frame is
    not. Without `class_names` the classes are the folder names, sorted; with them, a class needs no
    folder, but each folder must be a class.

    Args:
        path: The folder of class folders, relative to `root`.
        root: Folder of the data set.
        class_names: The classes in order; space and underscore count as equal.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There are no class folders, a class folder holds no picture, or is no class, or
            is one of a split such as `train`, whose folders are the classes.
    """
    found, left_out = read_class_folders(path, PICTURES, root=root, class_names=class_names)
    left_out.log(Path(root) / path)
    return found


def read_split_images(
    path: str,
    hold_out: int = 5,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> Annotations:
    """Read class folders of a data set that may or may not be split into `train` and `val`.

    The folder `val` may be called `validation`, `valid` or `test` as well. Where `root` has no
    folder `train`, its class folders are split here: of each class, sorted by name, every
    `hold_out`-th picture is for validation and the others are for training.

    Args:
        path: "train" or "val".
        hold_out: Pictures of a class of which one is for validation; at least 2.
        root: Folder of the data set: `root/PATH/CLASS/picture`, or `root/CLASS/picture`.
        class_names: The classes in order; space and underscore count as equal.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: `path` or `hold_out` is something else, no class has enough pictures to hold one
            out, or a folder is refused by `read_image_folders`.
    """
    return read_split_class_folders(
        path,
        hold_out,
        PICTURES,
        root=root,
        class_names=class_names,
        val_folders=_VAL_FOLDERS,
    )
