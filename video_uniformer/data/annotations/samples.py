"""What every reader returns, and how labels become indices."""

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.labels.names import ClassLookup, match_key
from video_uniformer.system.text_lines import Line

_logger = logging.getLogger(__name__)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
# Larger labels are some other column of the file; as classes they would only fill the memory.
_MOST_CLASSES = 1_000_000
_SHOWN_CLASSES = 5


class Part(NamedTuple):
    """Where a sample is in an archive.

    Attributes:
        file: The archive.
        offset: Of its first byte.
        size: Bytes.
    """

    file: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            OSError: The archive cannot be read, or ends before.
        """
        # Opened each time: archives may be more than files that a process may keep open.
        with self.file.open("rb", buffering=0) as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) != self.size:
            raise OSError(f"{self.file}: ends at byte {self.offset + len(content)}, cut short")
        return content


class Sample(NamedTuple):
    """One video or picture and its class.

    Attributes:
        path: A file, or a folder of frames; it may not exist. For a sample in an archive, the
            archive's path and behind it the member's name.
        label: Class index, from 0.
        part: Where it is in an archive; None for a file.
    """

    path: Path
    label: int
    part: Part | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from: the file, or the archive."""
        return (self.path if self.part is None else self.part.file,)


class Annotations(NamedTuple):
    """A list of videos or pictures, and what its labels mean.

    Attributes:
        samples: In the order of the list.
        class_names: In order of the class index; `label < len(class_names)` for every sample.
    """

    samples: list[Sample]
    class_names: list[str]


class Row(NamedTuple):
    """One video as its list states it.

    Attributes:
        line: Where it stands.
        path: Relative to the root, or absolute.
        label: Class index or class name.
    """

    line: Line
    path: str
    label: str


def is_integer(text: str) -> bool:
    """Tell whether a label is a class index rather than a class name."""
    return _INTEGER.fullmatch(text) is not None


def label_by_name(
    rows: Sequence[Row],
    *,
    root: Path | str,
    class_names: Sequence[str] | None,
    inferred: Sequence[str] | None = None,
    origin: str = "the list",
    key: Callable[[str], str] = match_key,
) -> Annotations:
    """Turn class names into class indices.

    Args:
        rows: Their labels are class names.
        root: Folder that relative paths start from.
        class_names: The classes in order, if the caller knows them.
        inferred: The classes in order otherwise; None means the labels, sorted.
        origin: Where `inferred` comes from, for messages.
        key: Two names are the same class if their keys are equal.

    Raises:
        ValueError: A label is no class, or the class names are not distinct; those that nobody gave
            as `class_names` may not differ in case alone, as one of two spellings is a slip.
    """
    if class_names is not None:
        lookup = ClassLookup(class_names, "class_names", key)
    else:
        names = sorted({row.label for row in rows}) if inferred is None else inferred
        lookup = ClassLookup(names, origin, key)
        _refuse_case(lookup.names, origin, key)
    root = Path(root)
    samples = [Sample(root / row.path, lookup.find(row.label, row.line)) for row in rows]
    return Annotations(samples, lookup.names)


def _refuse_case(names: Sequence[str], origin: str, key: Callable[[str], str]) -> None:
    """Refuse classes that differ in case alone."""
    known: dict[str, str] = {}
    for name in names:
        first = known.setdefault(key(name).casefold(), name)
        if first != name:
            raise ValueError(
                f"{origin}: classes {first!r} and {name!r} differ in case alone, expected one "
                "spelling; give data.class_names if both are meant"
            )


def label_by_index(
    rows: Sequence[Row], *, root: Path | str, class_names: Sequence[str] | None
) -> Annotations:
    """Turn labels that are class indices, or names of `class_names`, into class indices.

    Without `class_names` the names are "0" to the largest label; of those that no row has, a line
    is logged.

    Args:
        rows: Their labels are integers; names are allowed where `class_names` is given.
        root: Folder that relative paths start from.
        class_names: The classes in order, if the caller knows them.

    Raises:
        ValueError: A label is negative, no integer, or no class.
    """
    if class_names is None:
        names: Sequence[str] = [str(index) for index in range(_count_classes(rows))]
        _warn_of_empty_classes(rows, len(names))
    else:
        names = class_names
        _refuse_counting_from_one(rows, len(names))
    lookup = ClassLookup(names, "class_names")
    root = Path(root)
    samples = []
    for row in rows:
        if is_integer(row.label):
            label = lookup.check(int(row.label), row.line)
        else:
            label = lookup.find(row.label, row.line)
        samples.append(Sample(root / row.path, label))
    return Annotations(samples, lookup.names)


def _count_classes(rows: Sequence[Row]) -> int:
    largest = 0
    for row in rows:
        if not is_integer(row.label):
            raise row.line.error(f"label {row.label!r}: expected an integer, as in other lines")
        if not 0 <= int(row.label) < _MOST_CLASSES:
            raise row.line.error(f"label {row.label}: expected 0 to {_MOST_CLASSES - 1}")
        largest = max(largest, int(row.label))
    return largest + 1


def _warn_of_empty_classes(rows: Sequence[Row], num_classes: int) -> None:
    labels = {int(row.label) for row in rows}
    empty = [label for label in range(num_classes) if label not in labels]
    if not empty:
        return
    source = rows[0].line.source
    if empty == list(range(min(labels))):
        numbers = "class 0 has" if len(empty) == 1 else f"classes 0 to {empty[-1]} have"
        _logger.warning(
            f"{source}: labels run from {min(labels)} to {max(labels)}, so {numbers} no video: "
            "count the labels from 0, or give data.class_names if that is meant"
        )
        return
    shown = ", ".join(map(str, empty[:_SHOWN_CLASSES]))
    more = ", ..." if len(empty) > _SHOWN_CLASSES else ""
    _logger.warning(
        f"{source}: {len(empty)} of {num_classes} classes have no video ({shown}{more}): number "
        "the classes without gaps, or give data.class_names if that is meant"
    )


def _refuse_counting_from_one(rows: Sequence[Row], num_classes: int) -> None:
    labels = [int(row.label) for row in rows if is_integer(row.label)]
    if len(labels) == len(rows) and labels and (min(labels), max(labels)) == (1, num_classes):
        row = rows[labels.index(num_classes)]
        raise row.line.error(
            f"label {num_classes} is outside the {num_classes} classes of class_names, expected 0 "
            f"to {num_classes - 1}; the labels run from 1: count them from 0"
        )
