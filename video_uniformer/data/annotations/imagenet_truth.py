"""The files that tell the classes of ImageNet's validation pictures."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from video_uniformer.labels.names import shipped_class_names
from video_uniformer.system.text_lines import Line, read_lines

Truth = dict[str, tuple[Line, str]]
"""Place in the file and synset of each picture, by its name without suffix."""

_MOST_LEVELS = 5  # from the folder upwards: Kaggle's file is four above the pictures
_KIT = "ILSVRC2012_devkit_t12"
_KIT_FOLDERS = ("", "data", _KIT, f"{_KIT}/data")
_CAFFE_LINE = re.compile(r"(?P<name>.*\S)\s+(?P<label>\d{1,4})", re.ASCII)
_NUMBERED = "ILSVRC2012_val_{:08d}"
_SYNSET = re.compile(r"n\d{8}", re.ASCII)


def find_truth(folder: Path, root: Path, *, names: Sequence[str]) -> tuple[Path, Truth]:
    """Find and read the file that tells the classes of a flat folder's pictures.

    Args:
        folder: Of the pictures.
        root: Of the data set.
        names: Of the pictures, for messages.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is of another format.
        ModuleNotFoundError: It is the development kit's, and SciPy is not installed.
    """
    above = [folder.absolute(), *folder.absolute().parents]
    inside = above[: above.index(root.absolute()) + 1] if root.absolute() in above else above[:2]
    for place in dict.fromkeys((*inside, root, *above[:_MOST_LEVELS])):
        for inner, name, read in _candidates():
            file = place / inner / name
            # A `val.txt` above the data set may be anyone's.
            if file.is_file() and (place in (*inside, root) or read is _read_kaggle):
                return file, read(file)
    looked = ", ".join(dict.fromkeys(name for _, name, _ in _candidates()))
    raise FileNotFoundError(
        f"{folder}: pictures such as {names[0]} in one folder and no file with their classes, "
        f"expected synset folders, or one of {looked} in it, in a folder above it or in {_KIT}"
    )


def _candidates() -> Iterator[tuple[str, str, Callable[[Path], Truth]]]:
    """Folder, name and reader of each file that may tell."""
    yield "", "val.txt", _read_caffe
    yield "", "LOC_val_solution.csv", _read_kaggle
    for inner in _KIT_FOLDERS:
        yield inner, "ILSVRC2012_validation_ground_truth.txt", _read_kit


def _read_caffe(file: Path) -> Truth:
    """Lines `name label`, the label being the place of the synset among the 1000 sorted ones."""
    synsets = shipped_class_names("imagenet1k_synsets")
    truth: Truth = {}
    for line in read_lines(file):
        match = _CAFFE_LINE.fullmatch(line.text)
        if match is None or int(match["label"]) >= len(synsets):
            raise line.error(f"expected 'name label' with a label from 0 to {len(synsets) - 1}")
        truth[PurePosixPath(match["name"]).stem] = line, synsets[int(match["label"])]
    return _checked(file, truth)


def _read_kaggle(file: Path) -> Truth:
    """Columns ImageId and PredictionString, which begins with a synset."""
    header, *lines = read_lines(file) or [Line(str(file), 1, "")]
    if header.text.split(",") != ["ImageId", "PredictionString"]:
        raise header.error("expected the columns ImageId,PredictionString as the first line")
    truth: Truth = {}
    for line in lines:
        name, *more = next(csv.reader([line.text]))
        words = more[0].split() if more else []
        if not words or not _SYNSET.fullmatch(words[0]):
            raise line.error("expected a picture's name, and a synset such as n01440764 behind it")
        truth[name] = line, words[0]
    return _checked(file, truth)


def _read_kit(file: Path) -> Truth:
    """One class number a line, in the order of the pictures; `meta.mat` tells their synsets."""
    synsets = _read_kit_synsets(file)
    truth: Truth = {}
    for line in read_lines(file):
        if not line.text.isdecimal() or int(line.text) not in synsets:
            raise line.error(f"expected a class number from 1 to {len(synsets)}")
        truth[_NUMBERED.format(line.number)] = line, synsets[int(line.text)]
    return _checked(file, truth)


def _read_kit_synsets(truth_file: Path) -> dict[int, str]:
    """The synset of each ILSVRC2012_ID of the classes, which have no children."""
    folder = truth_file.parent
    files = [place / "meta.mat" for place in (folder, folder / "data", folder.parent / "data")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise FileNotFoundError(
            f"{truth_file}: its class numbers are explained in meta.mat of the development kit, "
            f"expected {files[0]} or {files[1]}"
        )
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{file}: SciPy reads it and is not installed, expected it, or val.txt or "
            "LOC_val_solution.csv in its place: pip install scipy"
        ) from None
    try:
        table = loadmat(str(file), squeeze_me=True)["synsets"]
        rows = zip(table["ILSVRC2012_ID"], table["WNID"], table["num_children"], strict=True)
        return {int(number): str(synset) for number, synset, children in rows if children == 0}
    except Exception as error:  # SciPy raises many types
        raise ValueError(
            f"{file}: not readable ({error}), expected the development kit's table of synsets"
        ) from error


def _checked(file: Path, truth: Truth) -> Truth:
    if not truth:
        raise ValueError(f"{file}: no pictures in the list, expected one a line")
    return truth
