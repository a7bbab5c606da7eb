"""ImageNet-1K: synset folders, and the flat validation folder with its ground truth."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from video_uniformer.data.annotations.class_folders import read_class_folders
from video_uniformer.data.annotations.image_folders import PICTURES
from video_uniformer.data.annotations.imagenet_truth import find_truth
from video_uniformer.data.annotations.samples import Annotations, Row, label_by_name
from video_uniformer.data.annotations.search import LeftOut, list_folder, pick_pictures
from video_uniformer.labels.names import match_key, shipped_class_names
from video_uniformer.system.printable import show_name
from video_uniformer.system.text_lines import Line

_logger = logging.getLogger(__name__)


def read_imagenet(
    path: Path | str, *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read a split of ImageNet-1K, or of a part of its classes.

    Its class folders are named by synsets (`n01440764`) or by class names, and the labels are those
    of the 1000 classes, however many folders there are. The pictures of the validation split may
    also lie in one folder; their labels are then in a file beside it: `val.txt` as Caffe has it
    (`name label`, from 0), Kaggle's `LOC_val_solution.csv`, or the development kit's
    `ILSVRC2012_validation_ground_truth.txt` with its `meta.mat`. Each is looked for in the folder,
    in those above it, and in the kit's own.

    Args:
        path: "train" or "val": the folder, relative to `root`.
        root: Folder of the data set.
        class_names: The classes in order, as names or synsets; None means the 1000 names of
            `imagenet1k`, which are in the order of their synsets.

    Raises:
        FileNotFoundError: There is no such folder, or no file with the labels of a flat one.
        ValueError: The folder is empty, a class folder holds no picture or is no class, or the
            file is of another format or lacks a picture.
        ModuleNotFoundError: The labels are in the development kit, and SciPy is not installed.
    """
    names = shipped_class_names("imagenet1k")
    class_names = names if class_names is None else class_names
    by_synset = dict(zip(shipped_class_names("imagenet1k_synsets"), names, strict=True))
    known = {match_key(name) for name in class_names}

    def class_of(name: str) -> str:
        return name if match_key(name) in known else by_synset.get(name, name)

    folder = Path(root) / path
    left_out = LeftOut()
    folders, files = list_folder(folder, left_out, holds="pictures")
    pictures = [] if folders else pick_pictures(folder, files, left_out)
    if not pictures:
        found, left_out = read_class_folders(
            path, PICTURES, root=root, class_names=class_names, class_of=class_of
        )
        left_out.log(folder)
        return found
    truth_file, truth = find_truth(folder, Path(root), names=pictures)
    rows = _label_flat(Path(path), pictures, truth, truth_file)
    left_out.log(folder)
    rows = [row._replace(label=class_of(row.label)) for row in rows]
    return label_by_name(rows, root=root, class_names=class_names)


def _label_flat(
    path: Path, pictures: Sequence[str], truth: Mapping[str, tuple[Line, str]], truth_file: Path
) -> list[Row]:
    rows = []
    for name in pictures:
        stem = name.rsplit(".", 1)[0]
        if stem not in truth:
            raise ValueError(f"{truth_file}: no label of {name!r}, expected one a picture")
        line, synset = truth[stem]
        rows.append(Row(line, str(path / name), synset))
    num_absent = len(truth) - len(rows)
    if num_absent:
        _logger.warning(
            "%s: %d of its %d pictures are not in the folder %s, and are left out",
            show_name(str(truth_file)),
            num_absent,
            len(truth),
            show_name(str(path)),
        )
    return rows
