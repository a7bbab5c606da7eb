"""Where the new files go: the layout of the old ones, below another folder."""

import csv
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.data.scan.listing import Item, Listing


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
    two would have the same, behind it. Files outside the root go below their full path.

    Args:
        listing: The files.
        target: Folder of the new files.

    Raises:
        ValueError: The target holds the old files, or lies among them.
    """
    sources = list(dict.fromkeys(item.path for item in listing.items))
    root = None if listing.root is None else _absolute(listing.root)
    if root is not None and (_absolute(target) == root or root in _absolute(target).parents):
        raise ValueError(
            f"target is {target}, which is inside {listing.root}, expected a folder elsewhere"
        )
    places = {source: _place(source, root) for source in sources}
    uses = Counter(place.with_suffix(".mp4") for place in places.values())
    jobs = []
    for source, place in places.items():
        new = place.with_suffix(".mp4")
        jobs.append(Job(source, target / (new if uses[new] == 1 else f"{place}.mp4")))
    return jobs


def _absolute(path: Path) -> Path:
    # `Path.resolve` would follow links, and so tell names that no list has.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _place(source: Path, root: Path | None) -> Path:
    path = _absolute(source)
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root)
    return path.relative_to(path.anchor)


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
            label = [item.label] if item.label else []
            rows.setdefault(item.split, []).append([new_paths[item.path], *label])
    written = []
    for split, lines in rows.items():
        path = target / f"{split.strip('/').replace('/', '_')}.csv"
        part = path.with_name(f".{path.name}.part")
        # Names that are not UTF-8 keep their bytes; a scan's manifest lists them for any reader.
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(lines)
        part.replace(path)
        written.append(path)
    return written
