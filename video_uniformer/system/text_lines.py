"""Text and JSON files as numbered lines, so that every complaint can name its place."""

import json
from pathlib import Path
from typing import Any, NamedTuple

_SHOWN_CHARACTERS = 100


class Line(NamedTuple):
    """One line of a list, or one entry of a JSON file.

    Attributes:
        source: The file, as messages name it.
        number: Counted from 1, blank lines included.
        text: Without surrounding white space.
        unit: What `number` counts.
    """

    source: str
    number: int
    text: str
    unit: str = "line"

    def error(self, reason: str) -> ValueError:
        """Build the one-line error that names this place; the caller raises it."""
        shown = self.text
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[:_SHOWN_CHARACTERS] + "..."
        return ValueError(f"{self.source}, {self.unit} {self.number}, {shown!r}: {reason}")


def find_list(path: Path | str, root: Path | str) -> Path:
    """Find a list file: below `root` if it is relative, and if it is not there, as given.

    Raises:
        FileNotFoundError: The file is in neither place.
        ValueError: A folder has that name.
    """
    given = Path(path)
    places = [given] if given.is_absolute() else [Path(root) / given, given]
    for place in places:
        if place.is_file():
            return place
    for place in places:
        if place.is_dir():
            raise ValueError(f"{place}: is a folder, expected an annotation file")
    tried = " and ".join(str(place) for place in places)
    raise FileNotFoundError(f"{path}: no such annotation file; looked for {tried}")


def _read_text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(
            f"{file}: byte 0x{byte:02x} at position {error.start} is not UTF-8; "
            "expected a text file"
        ) from error
    if "\0" in text:
        raise ValueError(f"{file}: holds zero bytes; expected a text file")
    return text


def read_lines(file: Path) -> list[Line]:
    r"""Read the lines that are not blank; a byte order mark and `\r\n` are tolerated.

    Raises:
        ValueError: The file is not UTF-8 text.
    """
    # Not splitlines(): that also splits at form feeds and Unicode separators inside a name.
    texts = (text.strip() for text in _read_text(file).split("\n"))
    return [Line(str(file), number, text) for number, text in enumerate(texts, 1) if text]


def read_json(file: Path, *, keep_repeated: bool = True) -> Any:
    """Read a JSON file.

    Args:
        file: Which is read.
        keep_repeated: Give objects as lists of (key, value), so that repeated keys stay visible;
            else as dicts, which hold the last of them.

    Raises:
        ValueError: The file is not JSON text.
    """
    try:
        return json.loads(_read_text(file), object_pairs_hook=list if keep_repeated else None)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{file}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from error
