"""The files that a scan leaves: a manifest, a summary, a list of bad files and a page for people.

They depend on what was scanned alone, not on when or how fast, so that a scan that was cut off and
went on leaves the same files as one that was not.
"""

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from video_uniformer.collection.scan.inspection import (
    OK,
    PICTURE_STATUSES,
    STATUSES,
    FileReport,
)
from video_uniformer.collection.scan.listing import Item
from video_uniformer.collection.scan.page import write_page
from video_uniformer.collection.scan.results import Finding, Scan
from video_uniformer.data.annotations.manifest import KEY_COLUMNS, encode_name
from video_uniformer.system.printable import show_name

FACTS = (
    *("codec", "container", "pixel_format", "width", "height", "fps", "rate", "listed_frames"),
    *("key_frame_distance", "has_edit_list", "rotation", "mirrored", "num_parts", "seconds"),
    *("first_bad_frame", "transfer", "primaries"),
    *("size_bytes", "content_hash", "picture_hash"),
)
"""Columns of the manifest behind the key columns; named as in `FileReport`."""


def write_outputs(folder: Path, scan: Scan, findings: Sequence[Finding]) -> list[Path]:
    """Write `report.html`, `manifest.csv`, `bad.txt` and `summary.json` into a folder.

    Each is written beside its place and then put there, so that none is ever half.

    Args:
        folder: Made if it is not there.
        scan: What was found out.
        findings: The same in words.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writers = {
        "report.html": lambda path: write_page(path, scan, findings),
        "manifest.csv": lambda path: _write_manifest(path, scan),
        "bad.txt": lambda path: _write_bad(path, scan),
        "summary.json": lambda path: _write_summary(path, scan, findings),
    }
    for name, write in writers.items():
        part = folder / f".{name}.part"
        write(part)
        os.replace(part, folder / name)  # noqa: PTH105
    return [folder / name for name in writers]


def path_from_root(path: Path, root: Path | None) -> str:
    """A path as lists state it: relative where it is below the root, absolute otherwise."""
    if root is not None and path.is_relative_to(root):
        return str(path.relative_to(root))
    return str(path.absolute())


def _write_manifest(file: Path, scan: Scan) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*KEY_COLUMNS, *FACTS, "reason"))
        for item in scan.items:
            report = scan.report(item)
            facts = [_plain(report, name) for name in FACTS]
            writer.writerow((*_key(item, report, scan), *facts, show_name(report.reason)))


def _key(item: Item, report: FileReport, scan: Scan) -> tuple[str | int, ...]:
    path = path_from_root(item.path, scan.listing.root)
    names = (encode_name(name) for name in (path, item.label, item.split))
    return (*names, report.status, report.num_frames)


def _plain(report: FileReport, name: str) -> str | int | float:
    value: str | int | float = getattr(report, name)
    return int(value) if isinstance(value, bool) else value


def _write_bad(file: Path, scan: Scan) -> None:
    bad = dict.fromkeys(item.path for item in scan.items if scan.report(item).status != OK)
    names = (path_from_root(path, scan.listing.root) for path in bad)
    file.write_text("".join(f"{encode_name(name)}\n" for name in names), encoding="utf-8")


def summary(scan: Scan, findings: Sequence[Finding]) -> dict[str, Any]:
    """What a scan has found, as plain values."""
    statuses = [scan.report(item).status for item in scan.items]
    root = scan.listing.root
    possible = PICTURE_STATUSES if scan.noun == "picture" else STATUSES
    return {
        "root": None if root is None else encode_name(str(root.absolute())),
        f"{scan.noun}s": len(scan.items),
        "files": len(scan.reports),
        "statuses": {status: statuses.count(status) for status in possible},
        "frames": sum(scan.report(item).num_frames for item in scan.items),
        "problems": sum(finding.is_problem for finding in findings),
        "left_out": {show_name(kind): n for kind, n in scan.listing.left_out_kinds.items()},
        "findings": [_plain_finding(finding, root) for finding in findings],
        "classes": {
            encode_name(split): {encode_name(label): n for label, n in sorted(counts.items())}
            for split, counts in scan.class_counts().items()
        },
    }


def _plain_finding(finding: Finding, root: Path | None) -> dict[str, Any]:
    groups = [[encode_name(path_from_root(i.path, root)) for i in g] for g in finding.groups]
    return {
        "kind": finding.kind,
        "is_problem": finding.is_problem,
        "count": finding.num_cases,
        "title": show_name(finding.title),
        "advice": finding.advice,
        "groups": groups,
    }


def _write_summary(file: Path, scan: Scan, findings: Sequence[Finding]) -> None:
    file.write_text(f"{json.dumps(summary(scan, findings), indent=2)}\n", encoding="utf-8")
