"""Which line of a plain list names its columns."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from video_uniformer.data.annotations.samples import Row, is_integer
from video_uniformer.labels.names import match_key
from video_uniformer.system.file_kinds import LISTED_SUFFIXES, suffix_of
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


def is_header(rows: list[Row], root: Path, class_names: Sequence[str]) -> bool:
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
    is_unlike = all(_ends_as_listed(row.path) for row in below) or all(
        (root / row.path).exists() for row in below[:_MOST_LOOKS]
    )
    if is_unlike:
        log_header(first.line)
    return is_unlike


def _ends_as_listed(path: str) -> bool:
    return suffix_of(path) in LISTED_SUFFIXES


def log_header(line: Line) -> None:
    """Say that a line of unknown words is taken for a header."""
    _logger.warning("%s", line.error("taken for a header, as it is unlike the lines below it"))
