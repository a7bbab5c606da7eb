"""Plain lists: a path and a label, or a frame folder, its number of frames and a label."""

import csv
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from video_uniformer.data.annotations.samples import (
    Annotations,
    Row,
    is_integer,
    label_by_index,
    label_by_name,
)
from video_uniformer.labels.names import match_key
from video_uniformer.system.file_kinds import LISTED_SUFFIXES, suffix_of
from video_uniformer.system.text_lines import Line, find_list, read_lines

_logger = logging.getLogger(__name__)
_MOST_LOOKS = 20  # for files below a line that may be a header
_SEPARATORS = ("\t", ",", " ")
_SUFFIX = rf"\.(?:{'|'.join(suffix[1:] for suffix in LISTED_SUFFIXES)})"
# The path of a video ends with its suffix, so separators before that belong to the path.
_VIDEO_AND_REST = {
    separator: re.compile(rf"(.*{_SUFFIX}){gap}(.*)", re.IGNORECASE)
    for separator, gap in (("\t", r" *\t *"), (",", r"\s*,\s*"), (" ", r"\s+"))
}
_PATH_IN_LABEL = re.compile(rf"{_SUFFIX}(?:[\s,]|$)|/.*\s\d+$", re.IGNORECASE)
_QUOTED_PATH = re.compile(r'"((?:[^"]|"")+)"\s+(.+)')
_FRAME_FOLDER = re.compile(r"(.*\S)\s+(\d+)\s+(\S+)", re.ASCII)
_THREE_WORDS = re.compile(r"[^\s/]+\s+[^\s\d]+\s+[^\s\d]+")
_HEADER_PATH = re.compile(
    r"(?:path|name|id|file|video|clip|folder)s?|(?:file|video|clip)_?(?:path|name|id|file)",
    re.IGNORECASE,
)
_HEADER_LABEL = re.compile(
    r"(?:label|class|category|action|target)(?:s|_?(?:id|index|idx|name))?", re.IGNORECASE
)


def _split_quoted(text: str, separator: str) -> list[str] | None:
    """Read a line in which a path or label stands in quotation marks; None if none does."""
    if '"' not in text:
        return None
    try:
        columns = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return None
    return [column.strip() for column in columns] if len(columns) == 2 else None


def _split_by_spaces(text: str, root: Path) -> list[str]:
    match = _QUOTED_PATH.fullmatch(text) or _VIDEO_AND_REST[" "].fullmatch(text)
    if match:
        path, rest = match[1].replace('""', '"') if match.re is _QUOTED_PATH else match[1], match[2]
        *words, last = rest.split()
        # A class name may have several words, but behind a number there is one column too many.
        return [path, *words, last] if words and is_integer(last) else [path, rest.strip('"')]
    path, *label = text.rsplit(maxsplit=1)
    before, *frames = path.rsplit(maxsplit=1)
    if label and frames and not is_integer(label[0]):
        return _split_at_folder(text, root) or [path, *label]
    return [before, *frames, *label] if frames and is_integer(frames[0]) else [path, *label]


def _split_at_folder(text: str, root: Path) -> list[str] | None:
    """Split a line behind the longest path of a folder that is there; None if there is none."""
    for gap in reversed(list(re.finditer(r"\s+", text))):
        if (root / text[: gap.start()]).is_dir():
            return [text[: gap.start()], text[gap.end() :].strip('"')]
    return None


def _split(text: str, separator: str, root: Path) -> list[str]:
    """Split a line into path, label and whatever columns there are too many."""
    if separator not in text:
        return [text]
    quoted = _split_quoted(text, separator)
    if quoted is not None:
        return quoted
    if separator == " ":
        return _split_by_spaces(text, root)
    match = _VIDEO_AND_REST[separator].fullmatch(text)
    path, rest = match.groups() if match else ("", text)
    columns = [column.strip() for column in rest.split(separator)]
    return [path, *columns] if match else columns


def _is_row(columns: list[str]) -> bool:
    return len(columns) == 2 and all(columns) and not _PATH_IN_LABEL.search(columns[1])


def _split_lines(lines: list[Line], root: Path) -> list[Row]:
    """Split all lines at the separator that gives most of them two columns.

    Raises:
        ValueError: It does not give two columns in every line.
    """
    tables = [[_split(line.text, separator, root) for line in lines] for separator in _SEPARATORS]
    table = max(tables, key=lambda rows: (sum(map(_is_row, rows)), len(rows[0])))
    for line, columns in zip(lines, table, strict=True):
        if not _is_row(columns):
            count = len(columns)
            found = "no label behind the path" if count == 2 else f"{count} column(s)"
            raise line.error(
                f"found {found}, expected 'path label' separated by space, comma or tab (quotes "
                "around a path or label that holds the separator); other formats have other readers"
            )
    return [Row(line, *columns) for line, columns in zip(lines, table, strict=True)]


def _is_header(rows: list[Row], root: Path, class_names: Sequence[str]) -> bool:
    """Tell whether the first row names the columns: by its words, or by what stands below it.

    Of unknown words it is taken, and logged, where its path is unlike those below: it has no suffix
    while they all have, or it is not there while they are; and its label is unlike theirs.
    """
    first, *below = rows
    if _HEADER_LABEL.fullmatch(first.label) and _HEADER_PATH.fullmatch(first.path):
        return True
    labels = {match_key(row.label) for row in below}.union(map(match_key, class_names))
    if is_integer(first.label) or match_key(first.label) in labels or "/" in first.path:
        return False
    if _ends_as_listed(first.path) or (root / first.path).exists() or not below:
        return False
    is_header = all(_ends_as_listed(row.path) for row in below) or all(
        (root / row.path).exists() for row in below[:_MOST_LOOKS]
    )
    if is_header:
        _log_header(first.line)
    return is_header


def _ends_as_listed(path: str) -> bool:
    return suffix_of(path) in LISTED_SUFFIXES


def _log_header(line: Line) -> None:
    _logger.warning("%s", line.error("taken for a header, as it is unlike the lines below it"))


def read_list(
    path: Path | str, *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read lines `path label`, the format of the published Kinetics and UCF101 lists.

    One separator serves the whole file: tab, comma or space, whichever gives two columns in every
    line. Paths may contain spaces and commas (a folder of frames whose name contains the separator
    needs quotation marks). A header such as `path,label` is skipped, and so is one of other words
    that is unlike all lines below it. Labels are class indices or class names. Names without
    `class_names` give the classes in sorted order.

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
    rows = _split_lines(lines, Path(root)) if lines else []
    if rows and _is_header(rows, Path(root), class_names or ()):
        del rows[0]
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
        _log_header(lines[0])
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
    for line in lines[1:] if _is_frame_list_header(lines) else lines:
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
