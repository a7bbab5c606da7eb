"""Pictures and the masks that tell the class of each pixel, as lists for segmentation."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.data.annotations.search import LeftOut, find_pictures
from video_uniformer.labels.names import ClassLookup, read_class_file, shipped_class_names
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES, suffix_of
from video_uniformer.system.text_lines import read_lines

_ADE20K_FOLDER = "ADEChallengeData2016"
_ADE20K_SPLITS = ("training", "validation")
_ADE20K_NAMES = "objectInfo150.txt"
_CLASS_FILE = "classes.txt"
_NUM_NAMED = 3


class MaskSample(NamedTuple):
    """One picture and its mask.

    Attributes:
        path: The picture.
        mask: A picture of the same size, whose values are class indices.
    """

    path: Path
    mask: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from: both."""
        return (self.path, self.mask)


class MaskAnnotations(NamedTuple):
    """A list of pictures and masks, and what the labels in the masks mean.

    Attributes:
        samples: In the order of the pictures' names.
        class_names: In order of the class index.
    """

    samples: list[MaskSample]
    class_names: list[str]


def read_ade20k(
    split: str, *, root: Path | str, class_names: Sequence[str] | None = None
) -> MaskAnnotations:
    """Read a split of ADE20K as the scene parsing benchmark of 2016 publishes it.

    Its masks count the classes from 1: 0 is what belongs to none.

    Args:
        split: "training" or "validation": pictures in `images/SPLIT`, masks in
            `annotations/SPLIT`.
        root: The folder `ADEChallengeData2016`, or the one that holds it.
        class_names: The classes in order; None reads the first name of each in
            `objectInfo150.txt`, or where this is not there, takes the names of `ade20k`.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: `split` is something else, a picture has no mask or a mask no picture, or
            `objectInfo150.txt` is of another format.
    """
    if split not in _ADE20K_SPLITS:
        raise ValueError(f"split is {split!r}, expected {' or '.join(map(repr, _ADE20K_SPLITS))}")
    inner = Path(root) / _ADE20K_FOLDER
    folder = inner if inner.is_dir() else Path(root)
    samples = _pair(folder / "images" / split, folder / "annotations" / split)
    return MaskAnnotations(samples, _ade20k_names(folder, class_names))


def read_image_masks(
    images: Path | str,
    masks: Path | str,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> MaskAnnotations:
    """Read a folder of pictures and one of masks, each searched with the folders within.

    The mask of `images/a/b.jpg` is `masks/a/b.png`, or another kind of picture of that name. Hidden
    files are ignored; how many other files are left out, and why, is logged.

    Args:
        images: The folder of pictures, relative to `root`.
        masks: The folder of masks, likewise; neither may be within the other.
        root: Folder of the data set.
        class_names: The classes in order; None reads them from `root/classes.txt`.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A picture has no mask or a mask no picture, two have the same name but for the
            suffix, there are none, or nothing tells the classes.
    """
    folders = (Path(root) / images, Path(root) / masks)
    first, second = (folder.resolve() for folder in folders)
    if first == second or first in second.parents or second in first.parents:
        raise ValueError(f"masks is {str(masks)!r}, expected a folder apart from {str(images)!r}")
    samples = _pair(*folders)
    if class_names is not None:
        return MaskAnnotations(samples, ClassLookup(class_names, "class_names").names)
    file = Path(root) / _CLASS_FILE
    if not file.is_file():
        raise ValueError(f"{file}: no such file, expected one with a class name a line")
    return MaskAnnotations(samples, read_class_file(file))


def _pair(images: Path, masks: Path) -> list[MaskSample]:
    """The pictures of a folder with their masks, whose names agree but for the suffix."""
    pictures_by_stem, masks_by_stem = _find_by_stem(images), _find_by_stem(masks)
    without_mask = [name for stem, name in pictures_by_stem.items() if stem not in masks_by_stem]
    if without_mask:
        raise ValueError(
            f"{masks}: {len(without_mask)} of the {len(pictures_by_stem)} pictures of {images} "
            f"have no mask here ({_shown(without_mask)}), expected one of each one's name"
        )
    without_picture = [name for stem, name in masks_by_stem.items() if stem not in pictures_by_stem]
    if without_picture:
        raise ValueError(
            f"{images}: {len(without_picture)} of the {len(masks_by_stem)} masks of {masks} have "
            f"no picture here ({_shown(without_picture)}), expected one of each one's name"
        )
    return [
        MaskSample(images / name, masks / masks_by_stem[stem])
        for stem, name in pictures_by_stem.items()
    ]


def _find_by_stem(folder: Path) -> dict[str, str]:
    """The pictures below a folder, by their paths from it without the suffix."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder, expected one with pictures")
    left_out = LeftOut()
    found: dict[str, str] = {}
    for name in find_pictures(folder, left_out):
        first = found.setdefault(name[: -len(suffix_of(name))], name)
        if first != name:
            raise ValueError(
                f"{folder}: {first!r} and {name!r} differ in their suffix alone, expected one"
            )
    if not found:
        raise ValueError(f"{folder}: no pictures, expected files such as {PICTURE_SUFFIXES[0]}")
    left_out.log(folder)
    return found


def _shown(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _NUM_NAMED else ""
    return f"{', '.join(map(repr, names[:_NUM_NAMED]))}{more}"


def _ade20k_names(folder: Path, class_names: Sequence[str] | None) -> list[str]:
    if class_names is not None:
        return ClassLookup(class_names, "class_names").names
    file = folder / _ADE20K_NAMES
    return _read_object_names(file) if file.is_file() else shipped_class_names("ade20k")


def _read_object_names(file: Path) -> list[str]:
    """The first name of each class in a table with a header, separated by tabs."""
    lines = read_lines(file)
    header = [cell.strip() for cell in lines[0].text.split("\t")] if lines else []
    if not {"Idx", "Name"} <= set(header):
        raise ValueError(f"{file}: no columns Idx and Name, expected a header that names them")
    names: list[str] = []
    for line in lines[1:]:
        row = dict(zip(header, line.text.split("\t"), strict=False))
        if row["Idx"].strip() != str(len(names) + 1) or "Name" not in row:
            raise line.error(f"expected class {len(names) + 1} and its name")
        names.append(re.split("[,;]", row["Name"])[0].strip())
    return ClassLookup(names, str(file)).names
