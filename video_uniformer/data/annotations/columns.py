"""Lines of a plain list, split into path and label."""

import csv
import logging
import re
from collections.abc import Sequence

from video_uniformer.data.annotations.places import Places
from video_uniformer.data.annotations.samples import Row, is_integer
from video_uniformer.system.file_kinds import LISTED_SUFFIXES, ends_as_listed
from video_uniformer.system.text_lines import Line

_logger = logging.getLogger(__name__)
_SEPARATORS = ("\t", ",", " ", ";")
_SUFFIX = rf"\.(?:{'|'.join(suffix[1:] for suffix in LISTED_SUFFIXES)})"
# The path of a video ends with its suffix, so separators before that belong to the path.
_VIDEO_AND_REST = {
    separator: re.compile(rf"(.*{_SUFFIX}){gap}(.*)", re.IGNORECASE)
    for separator, gap in (("\t", r" *\t *"), (",", r"\s*,\s*"), (" ", r"\s+"), (";", r"\s*;\s*"))
}
_PATH_IN_LABEL = re.compile(rf"{_SUFFIX}(?:[\s,]|$)|/.*\s\d+$", re.IGNORECASE)
_QUOTED_PATH = re.compile(r'"((?:[^"]|"")+)"\s+(.+)')
_QUOTED_LABEL = re.compile(r'([^"]*[^"\s])\s+"((?:[^"]|"")+)"')
_WORD = r"""('[^']*'|"[^"]*"|[^\s'",;]+)"""
_SHELL_WORDS = re.compile(rf"{_WORD}(?:\s*[,;]\s*|\s+){_WORD}")
_UNKNOWN_SUFFIX = re.compile(r".+\.[a-z]\w{0,4}", re.IGNORECASE | re.ASCII)


def _split_quoted(text: str, separator: str) -> list[str] | None:
    """Read a line in which a path or label stands in quotation marks; None if none does."""
    if '"' not in text:
        return None
    try:
        columns = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return None
    return [column.strip() for column in columns] if len(columns) == 2 else None


def _split_by_spaces(text: str, places: Places) -> list[str]:
    match = _QUOTED_PATH.fullmatch(text) or _VIDEO_AND_REST[" "].fullmatch(text)
    if match:
        path, rest = match[1].replace('""', '"') if match.re is _QUOTED_PATH else match[1], match[2]
        *words, last = rest.split()
        # A class name may have several words, but behind a number there is one column too many.
        return [path, *words, last] if words and is_integer(last) else [path, rest.strip('"')]
    match = _QUOTED_LABEL.fullmatch(text)
    if match:
        return [match[1], match[2].replace('""', '"')]
    path, *label = text.rsplit(maxsplit=1)
    before, *frames = path.rsplit(maxsplit=1)
    if label and frames and not is_integer(label[0]):
        return _split_at_place(text, places) or [path, *label]
    return [before, *frames, *label] if frames and is_integer(frames[0]) else [path, *label]


def _split_at_place(text: str, places: Places) -> list[str] | None:
    """Split a line behind the longest path that is there; None if there is none."""
    for gap in reversed(list(re.finditer(r"\s+", text))):
        if text[: gap.start()] in places:
            return [text[: gap.start()], text[gap.end() :].strip('"')]
    return None


def _split(text: str, separator: str, places: Places) -> list[str]:
    """Split a line into path, label and whatever columns there are too many."""
    if separator not in text:
        return [text]
    quoted = _split_quoted(text, separator)
    if quoted is not None:
        return quoted
    if separator == " ":
        return _split_by_spaces(text, places)
    match = _VIDEO_AND_REST[separator].fullmatch(text)
    path, rest = match.groups() if match else ("", text)
    columns = [column.strip() for column in rest.split(separator)]
    return [path, *columns] if match else columns


def _is_row(columns: list[str]) -> bool:
    return len(columns) == 2 and all(columns) and not _PATH_IN_LABEL.search(columns[1])


def _split_shell_words(lines: Sequence[Line]) -> list[list[str]] | None:
    """Read lines in which single quotes hold a path or label; None if one reads otherwise.

    An apostrophe in a name is no quote, so that every line has to be two words.
    """
    if not any("'" in line.text for line in lines):
        return None
    table = []
    for line in lines:
        match = _SHELL_WORDS.fullmatch(line.text)
        if match is None:
            return None
        table.append([word[1:-1] if word[0] in "'\"" else word for word in match.groups()])
    return table


def _split_at_semicolons(lines: Sequence[Line], places: Places) -> list[list[str]] | None:
    """Read what spreadsheets write where a comma stands in numbers; None if a line is not so.

    A label may hold spaces and commas, at which the line can be split as well: that the suffix of a
    video stands before the semicolon tells. The first line may be a header.
    """
    table = [_split(line.text, ";", places) for line in lines]
    is_told = all(map(_is_row, table)) and all(ends_as_listed(row[0]) for row in table[1:] or table)
    return table if is_told else None


def _split_by_best(lines: Sequence[Line], places: Places) -> list[list[str]]:
    """Split all lines at the separator that gives most of them two columns, the first of equals."""
    best: list[list[str]] = []
    most = -1, 0
    for separator in _SEPARATORS:
        table = [_split(line.text, separator, places) for line in lines]
        fit = sum(map(_is_row, table)), len(table[0])
        if fit > most:
            best, most = table, fit
        if most[0] == len(lines):
            return _settle_unclear(lines, best, places) if separator == " " else best
    return best


def _settle_unclear(
    lines: Sequence[Line], table: list[list[str]], places: Places
) -> list[list[str]]:
    """Split all lines alike that nothing tells where to split, and say so in one line.

    The path is their first word if that has a suffix, or is the path of all other lines; else the
    class is their last word.
    """
    unclear = {
        number
        for number, (line, (path, label)) in enumerate(zip(lines, table, strict=True))
        if " " in path and not (is_integer(label) or '"' in line.text or ends_as_listed(path))
        if path not in places
    }
    others = table[1:]
    is_header = unclear == {0} and others and all(ends_as_listed(path) for path, _ in others)
    if not unclear or is_header:
        return table
    clear = [columns for number, columns in enumerate(table) if number not in unclear]
    is_word = all(_UNKNOWN_SUFFIX.fullmatch(lines[n].text.split()[0]) for n in unclear) or (
        any(" " in label for _, label in clear) and not any(" " in path for path, _ in clear)
    )
    if is_word:
        table = [
            line.text.split(maxsplit=1) if number in unclear else columns
            for number, (line, columns) in enumerate(zip(lines, table, strict=True))
        ]
    first = min(unclear)
    path, label = table[first]
    more = f", and likewise in {len(unclear) - 1} more line(s)" if len(unclear) > 1 else ""
    reason = (
        f"nothing tells where the path ends: taken to be {path!r} of class {label!r}{more}; "
        "quotation marks around the path tell"
    )
    _logger.warning("%s", lines[first].error(reason))
    return table


def split_lines(lines: Sequence[Line], places: Places) -> list[Row]:
    """Split all lines into path and label, at one separator.

    Args:
        lines: At least one.
        places: Tells paths that hold spaces from classes that do.

    Raises:
        ValueError: No separator gives two columns in every line.
    """
    table = (
        _split_shell_words(lines)
        or _split_at_semicolons(lines, places)
        or _split_by_best(lines, places)
    )
    for line, columns in zip(lines, table, strict=True):
        if not _is_row(columns):
            count = len(columns)
            found = "no label behind the path" if count == 2 else f"{count} column(s)"
            raise line.error(
                f"found {found}, expected 'path label' separated by space, comma, tab or semicolon "
                "(quotes around a path or label that holds the separator); other formats have "
                "other readers"
            )
    return [Row(line, *columns) for line, columns in zip(lines, table, strict=True)]
