"""Plain lists: a path and a label, or a frame folder, its number of frames and a label."""

import re
from collections.abc import Sequence
from pathlib import Path

from video_uniformer.data.annotations.columns import split_lines
from video_uniformer.data.annotations.headers import drop_headers, log_header
from video_uniformer.data.annotations.places import Places
from video_uniformer.data.annotations.samples import (
    Annotations,
    Row,
    is_integer,
    label_by_index,
    label_by_name,
)
from video_uniformer.system.text_lines import Line, find_list, read_lines

_FRAME_FOLDER = re.compile(r"(.*\S)\s+(\d+)\s+(\S+)", re.ASCII)
_WHOLE_NUMBER = re.compile(r"([+-]?\d{1,18})\.0+", re.ASCII)
_HOLES = ("nan", "na", "none", "null")
_THREE_WORDS = re.compile(r"[^\s/]+\s+[^\s\d]+\s+[^\s\d]+")


def _read_whole_numbers(rows: list[Row], class_names: Sequence[str]) -> list[Row]:
    """Read the labels 0.0 and 1.0 as 0 and 1 where all are such; the first may be of a header.

    Spreadsheets and pandas write integers so where a label of the column was missing once.
    """
    matches = [_WHOLE_NUMBER.fullmatch(row.label) for row in rows]
    if not any(matches) or any(row.label in class_names for row in rows):
        return rows
    for row, match in zip(rows[1:], matches[1:], strict=True):
        is_number = match or is_integer(row.label) or row.label.lower() in _HOLES
        if not is_number and row.label != rows[0].label:
            return rows
    return [
        row._replace(label=match[1]) if match else row
        for row, match in zip(rows, matches, strict=True)
    ]


def read_list(
    path: Path | str, *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read lines `path label`, the format of the published Kinetics and UCF101 lists.

    One separator serves the whole file: tab, comma, space or semicolon, whichever gives two columns
    in every line. Paths may contain spaces and commas: they end with the suffix of a video, or
    where there is a file or folder of that name; others need quotation marks. A header such as
    `path,label` is skipped, and so is one of other words that is unlike all lines below it. Labels
    are class indices, also as 0.0 and 1.0, or class names. Names without `class_names` give the
    classes in sorted order.

    Args:
        path: The list; looked for below `root`, then as given.
        root: Folder that relative paths in the list start from.
        class_names: The classes in order; space and underscore count as equal.

    Raises:
        FileNotFoundError: There is no such list.
        ValueError: The list is empty or not of this format, or a label is no class.
    """
    file = find_list(path, root)
    lines = read_lines(file)
    places = Places(Path(root))
    rows = _read_whole_numbers(split_lines(lines, places), class_names or ()) if lines else []
    rows = drop_headers(rows, places, class_names or ())
    if not rows:
        raise ValueError(f"{file}: no videos in the list, expected lines 'path label'")
    if class_names is None and not any(is_integer(row.label) for row in rows):
        return label_by_name(rows, root=root, class_names=None, origin=str(file))
    return label_by_index(rows, root=root, class_names=class_names)


def _is_frame_list_header(lines: list[Line]) -> bool:
    """Tell whether the first line is three words while the second ends in two integers."""
    is_header = (
        len(lines) > 1
        and _THREE_WORDS.fullmatch(lines[0].text) is not None
        and _FRAME_FOLDER.fullmatch(lines[1].text) is not None
    )
    if is_header:
        log_header(lines[0])
    return is_header


def read_frame_list(
    path: Path | str, *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read lines `folder frames label`, the published Something-Something and HMDB51 lists.

    The folder's name may contain spaces; the label is a class index. The number of frames is not
    used: the folder itself tells it.

    Args:
        path: The list; looked for below `root`, then as given.
        root: Folder that relative paths in the list start from.
        class_names: The classes in order.

    Raises:
        FileNotFoundError: There is no such list.
        ValueError: The list is empty or not of this format, or a label is no class.
    """
    file = find_list(path, root)
    rows = []
    lines = read_lines(file)
    if _is_frame_list_header(lines):
        lines = [line for line in lines if line.text != lines[0].text]
    for line in lines:
        match = _FRAME_FOLDER.fullmatch(line.text)
        if match is None or not is_integer(match[3]):
            raise line.error(
                "expected 'folder frames label' with two integers behind the folder; "
                "read_list reads 'path label'"
            )
        rows.append(Row(line, match[1], match[3]))
    if not rows:
        raise ValueError(f"{file}: no videos in the list, expected lines 'folder frames label'")
    return label_by_index(rows, root=root, class_names=class_names)
