"""Class names and their order: reading them, and finding a class by its name."""

import re
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple, overload

from video_uniformer.system.suggestions import did_you_mean, nearest
from video_uniformer.system.text_lines import Line, find_list, read_json, read_lines

SHIPPED = (
    "imagenet1k",
    "imagenet1k_synsets",
    "kinetics400",
    "kinetics600",
    "something_v1",
    "something_v2",
    "ucf101",
    "hmdb51",
    "ade20k",
)

_INDEX = r"(?P<index>\d{1,9})"
_NAME = r"(?P<name>.*[^\s,])"
# A tab is the safer sign of two columns, so on a draw it wins over a space inside a name.
_INDEXED_LINES = [
    re.compile(pattern, re.ASCII)
    for separator in (r"\t", r"[\s,]+")
    for pattern in (_INDEX + separator + _NAME, _NAME + separator + _INDEX)
]
_HEADER_WORDS = frozenset(
    ("id", "index", "label", "name", "class", "class_id", "class_index", "class_name", "category")
)


class _Entry(NamedTuple):
    line: Line
    label: int
    name: str


def match_key(name: str) -> str:
    """Return the form in which names are compared: an underscore counts as a space."""
    return name.replace("_", " ")


def template_key(name: str) -> str:
    """Return `match_key` without the brackets of Something-Something's templates."""
    return match_key(name.replace("[", "").replace("]", ""))


class ClassLookup:
    """Find the index of a class by its name.

    Args:
        names: Class names in order.
        origin: Where the names come from, for messages.
        key: Two names are the same class if their keys are equal.

    Raises:
        ValueError: `names` is a string, is empty, or holds something that is no name, or two names
            that are the same.
    """

    def __init__(
        self, names: Sequence[str], origin: str, key: Callable[[str], str] = match_key
    ) -> None:
        if isinstance(names, str):
            raise ValueError(
                f"{origin} is {names!r}, expected a list of names; read_class_names makes it"
            )
        self.names = list(names)
        self._origin = origin
        self._key = key
        self._indices: dict[str, int] = {}
        if not self.names:
            raise ValueError(f"{origin}: no class names, expected at least one")
        for index, name in enumerate(self.names):
            self._add(index, name)

    def _add(self, index: int, name: str) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"{self._origin}: class {index} is {name!r}, expected a name")
        first = self._indices.setdefault(self._key(name), index)
        if first != index:
            raise ValueError(
                f"{self._origin}: classes {first} and {index} have the same name, "
                f"{self.names[first]!r} and {name!r}; expected distinct names"
            )

    def find(self, name: str, line: Line) -> int:
        """Return the index of the class called `name`, which stands in `line`.

        Raises:
            ValueError: There is no such class; the message suggests the nearest name.
        """
        index = self._indices.get(self._key(name))
        if index is not None:
            return index
        by_case = {known.casefold(): self.names[i] for known, i in self._indices.items()}
        near = nearest(self._key(name).casefold(), by_case)
        hint = f"; did you mean {by_case[near]!r}?" if near else ""
        raise line.error(
            f"unknown class name {name!r}, expected one of the {len(self.names)} "
            f"of {self._origin}{hint}"
        )

    def check(self, index: int, line: Line) -> int:
        """Return `index`, which stands in `line`, if it is one of the classes.

        Raises:
            ValueError: It is not.
        """
        if not 0 <= index < len(self.names):
            raise line.error(
                f"label {index} is outside the {len(self.names)} classes of {self._origin}, "
                f"expected 0 to {len(self.names) - 1}"
            )
        return index


def _split_indexed(lines: list[Line]) -> list[_Entry] | None:
    """Read lines of index and name in either order; None if the lines are plain names."""
    matches = [[pattern.fullmatch(line.text) for line in lines] for pattern in _INDEXED_LINES]
    best = max(matches, key=lambda found: sum(match is not None for match in found))
    if 2 * sum(match is not None for match in best) <= len(lines):
        return None
    words = re.split(r"[\s,]+", lines[0].text.lower())
    is_header = len(words) == 2 and all(best[1:])  # by what stands below it
    if best[0] is None and (is_header or _HEADER_WORDS.issuperset(words)):
        lines, best = lines[1:], best[1:]
    entries = []
    for line, match in zip(lines, best, strict=True):
        if match is None:
            raise line.error("expected a class index and a name, as in the other lines")
        entries.append(_Entry(line, int(match["index"]), match["name"]))
    return entries


def _split_names(lines: list[Line]) -> list[_Entry]:
    entries = [_Entry(line, index, line.text) for index, line in enumerate(lines)]
    for line, index, _ in entries:
        if line.number != index + 1:
            raise line.error(
                "a blank line stands before it; expected none, as the line number is the index"
            )
    return entries


def _split_json(file: Path) -> list[_Entry]:
    content = read_json(file)
    entries = []
    for number, item in enumerate(content if isinstance(content, list) else [content], 1):
        line = Line(str(file), number, str(item), "entry")
        if not (isinstance(item, tuple) and re.fullmatch(r"\d{1,9}", str(item[1]), re.ASCII)):
            raise line.error('expected {"class name": index, ...}')
        entries.append(_Entry(line, int(item[1]), item[0].strip()))
    return entries


def _in_order(entries: Iterable[_Entry], source: Path, first: int) -> list[str]:
    by_index: dict[int, _Entry] = {}
    by_name: dict[str, _Entry] = {}
    for entry in entries:
        if entry.label in by_index:
            raise entry.line.error(
                f"index {entry.label} already stands for {by_index[entry.label].name!r}, "
                "expected distinct indices"
            )
        if match_key(entry.name) in by_name:
            raise entry.line.error(
                f"class name {entry.name!r} already has index "
                f"{by_name[match_key(entry.name)].label}, expected distinct names"
            )
        by_index[entry.label] = by_name[match_key(entry.name)] = entry
    if not by_index:
        raise ValueError(f"{source}: no class names, expected one a line")
    for index in range(first, first + len(by_index)):
        if index not in by_index:
            raise ValueError(
                f"{source}: no class has index {index}, expected {first} to "
                f"{first + len(by_index) - 1} for its {len(by_index)} names"
            )
    return [by_index[index].name for index in sorted(by_index)]


def read_class_file(file: Path, first: int = 0) -> list[str]:
    """Read class names from an existing file; see `read_class_names` for what it may hold.

    Args:
        file: Text or JSON.
        first: Index of the first class, where the file states indices.

    Raises:
        ValueError: As `read_class_names`.
    """
    if file.suffix.lower() == ".json":
        return _in_order(_split_json(file), file, first)
    lines = read_lines(file)
    indexed = _split_indexed(lines) if lines else []
    return _in_order(_split_names(lines) if indexed is None else indexed, file, first)


def shipped_class_names(labels: str) -> list[str]:
    """Read a shipped list: names in the order of a published network's outputs.

    Where the lists come from is said in `labels/README.md`.

    Args:
        labels: One of `SHIPPED`.

    Raises:
        ValueError: There is no such list.
    """
    if labels not in SHIPPED:
        raise ValueError(
            f"labels is {labels!r}, expected one of {', '.join(SHIPPED)}"
            f"{did_you_mean(labels, SHIPPED)}"
        )
    file = resources.files("video_uniformer").joinpath("labels", f"{labels}.txt")
    return file.read_text(encoding="utf-8").splitlines()


@overload
def read_class_names(source: None, *, root: Path | str = ".") -> None: ...


@overload
def read_class_names(source: str | Path, *, root: Path | str = ".") -> list[str]: ...


def read_class_names(source: str | Path | None, *, root: Path | str = ".") -> list[str] | None:
    """Read class names in order of their index.

    Args:
        source: The name of a shipped list (`SHIPPED`: the order of the published networks), or a
            file: one name a line, the line number counted from 0 being the index; or lines of index
            and name in either order, separated by spaces, comma or tab; or a `.json` file
            `{"name": index, ...}`. The name of a shipped list always means that list; `./ucf101`
            means a file. None, as a config states it, gives None: the list tells its names itself.
        root: Folder in which a relative file is looked for before it is looked for as given.

    Raises:
        FileNotFoundError: There is neither such a file nor such a shipped list.
        ValueError: Names or indices are repeated or missing, or the file is not text.

    Example:
        >>> read_class_names("kinetics400")[:2]
        ['riding a bike', 'marching']
    """
    if source is None:
        return None
    if source in SHIPPED:
        return shipped_class_names(str(source))
    try:
        return read_class_file(find_list(source, root))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; shipped lists: {', '.join(SHIPPED)}") from None
