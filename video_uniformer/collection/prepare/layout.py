"""Where the new files go: the layout of the old ones, below another folder."""

import csv
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from video_uniformer.collection.scan.listing import Item, Listing

# What one line of a UTF-8 list cannot hold: control characters and separators of lines, bytes that
# are not UTF-8, and white space or a byte order mark in front, which readers take away.
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff]|^[\s\ufeff]+")


class Job(NamedTuple):
    """One file to be encoded.

    Attributes:
        source: The old file.
        target: The new file.
    """

    source: Path
    target: Path


def plan_jobs(listing: Listing, target: Path) -> list[Job]:
    """Say where each listed file goes, once for files that are listed twice.

    A new file has the old one's path from the root, with the suffix .mp4 in place of its own; where
    two would have the same, behind it, with a number if need be. Files outside the root go below
    their full path. Bytes that are not UTF-8, control characters and leading spaces, which a list
    cannot hold, are written as %XX.

    Args:
        listing: The files.
        target: Folder of the new files.

    Returns:
        In the order of the listing. No two have the same target, and the targets do not depend on
        the order.

    Raises:
        ValueError: The target holds the old files, or lies among them, by any of its names.
    """
    for folder in listing.folders:
        _refuse_inside(target, folder)
    root = None if listing.root is None else _absolute(listing.root)
    sources = dict.fromkeys(item.path for item in listing.items)
    names = _assign_names({source: _place(source, root) for source in sources})
    jobs = [Job(source, target / names[source]) for source in sources]
    _refuse_overwriting(jobs, target)
    return jobs


def _absolute(path: Path) -> Path:
    # `Path.resolve` would follow links, and so tell names that no list has.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _real(path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # no file can have such a name
        return _absolute(path)


def _refuse_inside(target: Path, folder: Path) -> None:
    # By name too: a link in the folder would have the next run list the new files as old ones.
    for form in (_absolute, _real):
        if form(target).is_relative_to(form(folder)):
            raise ValueError(
                f"target is {target}, which is inside {folder}, which is read, expected a folder "
                "elsewhere"
            )


def _refuse_overwriting(jobs: Sequence[Job], target: Path) -> None:
    sources = {_real(job.source): job.source for job in jobs}
    folder = _real(target)
    for path in chain([folder], folder.parents, (_real(job.target) for job in jobs)):
        if path in sources:
            raise ValueError(
                f"target is {target}, which would write over or into {sources[path]}, "
                "expected a folder elsewhere"
            )


def _place(source: Path, root: Path | None) -> Path:
    path = _absolute(source)
    start = root if root is not None and path.is_relative_to(root) else Path(path.anchor)
    # A folder of pictures may be the root itself.
    return Path(_quote(str(path.relative_to(start) if path != start else path.name)))


def _quote(text: str) -> str:
    """The text as one line of UTF-8 that is whole without surrounding white space."""

    def escape(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))

    return _ODD.sub(escape, text)


def _assign_names(places: Mapping[Path, Path]) -> dict[Path, Path]:
    """Give each source a name of its own below the target, which is no folder of another's."""
    plain = {source: place.with_suffix(".mp4") for source, place in places.items()}
    uses = Counter(plain.values())
    taken = {folder for place in places.values() for folder in place.parents}
    names = {
        source: name for source, name in plain.items() if uses[name] == 1 and name not in taken
    }
    taken.update(names.values())
    for source in sorted(places.keys() - names.keys()):
        place = places[source]
        longer = chain([f"{place}.mp4"], (f"{place}.{number}.mp4" for number in count(2)))
        names[source] = next(name for name in map(Path, longer) if name not in taken)
        taken.add(names[source])
    return names


def write_lists(
    items: Iterable[Item], jobs: Sequence[Job], done: Collection[Path], target: Path
) -> list[Path]:
    """Write a list of the new files for each split, lines "path,label" as `read_list` has them.

    Args:
        items: The old files with their labels.
        jobs: Where they went.
        done: The old files that were encoded; others are left out.
        target: Folder of the new files and of the lists, which paths start from.

    Returns:
        The lists, one `SPLIT.csv` a split.
    """
    new_paths = {job.source: str(job.target.relative_to(target)) for job in jobs}
    rows: dict[str, list[list[str]]] = {}
    for item in items:
        if item.path in done:
            label = _quote(item.label.strip())
            row = [new_paths[item.path], label] if label else [new_paths[item.path]]
            rows.setdefault(item.split, []).append(row)
    written = []
    for split, lines in rows.items():
        path = target / f"{split.strip('/').replace('/', '_')}.csv"
        part = path.with_name(f".{path.name}.part")
        with part.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(lines)
        part.replace(path)
        written.append(path)
    return written
