"""Lines of a plain list, split into path and label."""

import csv
import re
from pathlib import Path

from video_uniformer.data.annotations.samples import Row, is_integer
from video_uniformer.system.file_kinds import LISTED_SUFFIXES
from video_uniformer.system.text_lines import Line

_SEPARATORS = ("\t", ",", " ")
_SUFFIX = rf"\.(?:{'|'.join(suffix[1:] for suffix in LISTED_SUFFIXES)})"
# The path of a video ends with its suffix, so separators before that belong to the path.
_VIDEO_AND_REST = {
    separator: re.compile(rf"(.*{_SUFFIX}){gap}(.*)", re.IGNORECASE)
    for separator, gap in (("\t", r" *\t *"), (",", r"\s*,\s*"), (" ", r"\s+"))
}
_PATH_IN_LABEL = re.compile(rf"{_SUFFIX}(?:[\s,]|$)|/.*\s\d+$", re.IGNORECASE)
_QUOTED_PATH = re.compile(r'"((?:[^"]|"")+)"\s+(.+)')


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


def split_lines(lines: list[Line], root: Path) -> list[Row]:
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
