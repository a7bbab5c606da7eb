"""What class folders of videos and of pictures have in common."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.data.annotations.samples import Annotations, Row, Sample, label_by_name
from video_uniformer.data.annotations.search import LeftOut, list_folder
from video_uniformer.system.text_lines import Line

_OUTSIDE = "outside of the class folders"


class Content(NamedTuple):
    """What class folders hold.

    Attributes:
        noun: One sample, in a word.
        expected: What makes one, for messages.
        find: The samples of one class in order, as paths from its folder; files that are none are
            counted.
        pick: Those among the files of a folder, by name; likewise.
    """

    noun: str
    expected: str
    find: Callable[[Path, LeftOut], Sequence[str]]
    pick: Callable[[Path, Sequence[str], LeftOut], list[str]]


def read_class_folders(
    path: Path | str,
    content: Content,
    *,
    root: Path | str,
    class_names: Sequence[str] | None,
    class_of: Callable[[str], str] = str,
) -> tuple[Annotations, LeftOut]:
    """Read a folder of class folders, and count what is left out.

    Args:
        path: The folder of class folders, relative to `root`.
        content: What the class folders hold.
        root: Folder of the data set.
        class_names: The classes in order; None means the folder names, sorted.
        class_of: The class that a folder's name stands for.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There are no class folders, a class folder holds no sample, or is no class.
    """
    path, left_out = Path(path), LeftOut()
    folder = root / path
    names, files = list_folder(folder, left_out, holds=f"{content.noun}s")
    if not names:
        raise ValueError(f"{folder}: no class folders, expected one folder a class")
    rows = []
    for number, name in enumerate(names, 1):
        samples = content.find(folder / name, left_out)
        if not samples:
            raise ValueError(
                f"{folder / name}: class {name!r} has no {content.noun}, "
                f"expected {content.expected}"
            )
        line = Line(str(folder), number, name, "class folder")
        label, start = class_of(name), str(path / name)
        rows += [Row(line, f"{start}/{sample}", label) for sample in samples]
    left_out.add(content.pick(folder, files, left_out), _OUTSIDE)
    found = label_by_name(rows, root=root, class_names=class_names, origin=str(folder))
    return found, left_out


def split_samples(samples: Sequence[Sample], hold_out: int) -> tuple[list[Sample], list[Sample]]:
    """Split samples into those for training and every `hold_out`-th of each class for validation.

    Args:
        samples: In an order of which that within the classes is kept; the classes are sorted.
        hold_out: Samples of a class of which the last is for validation.
    """
    train: list[Sample] = []
    val: list[Sample] = []
    seen: Counter[int] = Counter()
    for sample in sorted(samples, key=lambda sample: sample.label):
        seen[sample.label] += 1
        (train if seen[sample.label] % hold_out else val).append(sample)
    return train, val


def read_split_class_folders(
    path: str,
    hold_out: int,
    content: Content,
    *,
    root: Path | str,
    class_names: Sequence[str] | None,
    val_folders: Sequence[str] = ("val",),
) -> Annotations:
    """Read one split of class folders, which are split here where `root` has no folder `train`.

    Args:
        path: "train" or "val".
        hold_out: Samples of a class of which one is for validation; at least 2.
        content: What the class folders hold.
        root: Folder of the data set.
        class_names: The classes in order; None means the folder names, sorted.
        val_folders: Names that the folder of the validation samples may have; the first that is
            there counts.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: `path` or `hold_out` is something else, no class has enough samples to hold one
            out, or a folder is refused by `read_class_folders`.
    """
    if path not in ("train", "val"):
        raise ValueError(f"path is {path!r}, expected 'train' or 'val'")
    if hold_out < 2:
        raise ValueError(f"hold_out is {hold_out}, expected at least 2 {content.noun}s")
    if (Path(root) / "train").is_dir():
        folder = path if path == "train" else _first_folder(root, val_folders)
        found, left_out = read_class_folders(folder, content, root=root, class_names=class_names)
        left_out.log(Path(root) / folder)
        return found
    (samples, names), left_out = read_class_folders(
        ".", content, root=root, class_names=class_names
    )
    if path == "train":  # once for the two halves of one listing
        left_out.log(root)
    kept = split_samples(samples, hold_out)[("train", "val").index(path)]
    if not kept:
        raise ValueError(
            f"{root}: no class has {hold_out} {content.noun}s to hold one out for validation, "
            f"expected more {content.noun}s, a smaller hold_out, or folders train and val"
        )
    return Annotations(kept, names)


def _first_folder(root: Path | str, names: Sequence[str]) -> str:
    found = [name for name in names if (Path(root) / name).is_dir()]
    if not found and len(names) > 1:
        raise FileNotFoundError(
            f"{root}: a folder train and none for validation, expected one of {', '.join(names)}"
        )
    return found[0] if found else names[0]
