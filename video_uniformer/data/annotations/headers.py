"""Which line of a plain list names its columns."""

import logging
import re
from collections.abc import Sequence

from video_uniformer.data.annotations.places import Places
from video_uniformer.data.annotations.samples import Row, is_integer
from video_uniformer.labels.names import match_key
from video_uniformer.system.file_kinds import ends_as_listed
from video_uniformer.system.text_lines import Line

_logger = logging.getLogger(__name__)
_MOST_LOOKS = 20  # for files below a line that may be a header
_HEADER_PATH = re.compile(
    r"(?:path|name|id|file|video|clip|folder)s?|(?:file|video|clip)_?(?:path|name|id|file)",
    re.IGNORECASE,
)
_HEADER_LABEL = re.compile(
    r"(?:label|class|category|action|target)(?:s|_?(?:id|index|idx|name))?", re.IGNORECASE
)
# What the words of other headers end with: youtube_id, path/to/video; activity, action_name.
_NAMES_PATH = re.compile(
    r"(?:^|[\W_])(?:path|name|id|file|vid|video|clip|folder)s?$", re.IGNORECASE
)
_NAMES_LABEL = re.compile(
    r"(?:^|[\W_])(?:label|class|category|action|activity|target)"
    r"(?:_?(?:id|index|idx|name))?$",
    re.IGNORECASE,
)


def drop_headers(rows: Sequence[Row], places: Places, class_names: Sequence[str]) -> list[Row]:
    """Leave out the row that names the columns, and its like further down, as in joined lists.

    Args:
        rows: In the order of the list.
        places: The paths that are there.
        class_names: The classes, where they are known beforehand.
    """
    if not rows:
        return []
    first, *rest = rows
    videos = [row for row in rest if not _is_named(row) or row.path in places]
    others = [row for row in videos if row[1:] != first[1:]]
    is_header = _is_named(first) or _is_unlike(first, others, places, class_names)
    kept = others if is_header else videos
    _log_repeated(rest, kept)
    return kept if is_header else [first, *kept]


def _is_named(row: Row) -> bool:
    """Whether both words are such as name columns."""
    return bool(_HEADER_LABEL.fullmatch(row.label) and _HEADER_PATH.fullmatch(row.path))


def _is_unlike(
    first: Row, below: Sequence[Row], places: Places, class_names: Sequence[str]
) -> bool:
    """Tell by the rows below whether the first, of unknown words, names the columns; log it.

    It does where its label is unlike theirs, and its path is no video's while each of theirs has a
    video's suffix or is there, or where their labels are numbers.
    """
    labels = {match_key(row.label) for row in below}.union(map(match_key, class_names))
    if not below or is_integer(first.label) or match_key(first.label) in labels:
        return False
    if ends_as_listed(first.path) or first.path in places:
        return False
    untold = [row.path for row in below if not ends_as_listed(row.path)][:_MOST_LOOKS]
    are_numbers = all(is_integer(row.label) for row in below)
    if not (are_numbers or all(path in places for path in untold)):
        _warn_of_words(first)
        return False
    # A folder of frames that is missing looks like a header with a "/": files below it tell more.
    if "/" in first.path and (untold or len(below) == 1) and not all(_word_hints(first)):
        return False
    log_header(first.line)
    return True


def _word_hints(row: Row) -> tuple[bool, bool]:
    """Whether the path, and the label, ends with a word that columns are called by."""
    return bool(_NAMES_PATH.search(row.path)), bool(_NAMES_LABEL.search(row.label))


def log_header(line: Line) -> None:
    """Say that a line of unknown words is taken for a header."""
    _logger.warning("%s", line.error("taken for a header, as it is unlike the lines below it"))


def _warn_of_words(first: Row) -> None:
    """Say of a row that reads like a header that it is taken for a video."""
    if any(_word_hints(first)):
        reason = (
            "taken for a video, as nothing tells whether it is a header; "
            "if it is one, delete it or call its columns path,label"
        )
        _logger.warning("%s", first.line.error(reason))


def _log_repeated(rows: Sequence[Row], kept: Sequence[Row]) -> None:
    if len(kept) < len(rows):
        numbers = {row.line.number for row in kept}
        line = next(row.line for row in rows if row.line.number not in numbers)
        more = f", like {len(rows) - len(kept) - 1} more" if len(rows) - len(kept) > 1 else ""
        _logger.warning("%s", line.error(f"taken for a header between videos{more}"))
