"""`video-uniformer scan`: look at every video or picture before training on it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from video_uniformer.cli.errors import checked_output, reason
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.collection.depths import DECODE
from video_uniformer.system.printable import show_name

# What needs torch or rich is imported late: help and errors of usage need neither.
if TYPE_CHECKING:
    from rich.console import Console

    from video_uniformer.collection.scan import Finding, Scan

EXAMPLES = """examples:
  video-uniformer scan train.csv val.csv --root /data/kinetics400
  video-uniformer scan /data/videos              folders train/CLASS/*.mp4 and val/CLASS/*.mp4
  video-uniformer scan /data/imagenet --images   pictures in place of videos
  video-uniformer scan val.csv --decode ends     in a hurry: first, last and a few frames

Started again it goes on where it was. The exit status is 0 if nothing has to be mended, 1 if
something has, and 2 if the command cannot do what was asked.

With --root, paths in lists start there, and what is in it and in no list is told as well."""

DEADLINE = "longest time for a small file, plus 2 s for each megabyte (default 60)"


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "scan",
        description="Decode all videos or pictures of lists or folders, and tell what is wrong.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("sources", nargs="+", metavar="LIST_OR_FOLDER", help="a split each, or a folder of splits")
    add("--images", action="store_true", help="look for pictures in place of videos")
    add("--root", type=Path, help="folder that paths start from (default: the list's own)")
    add("--output", type=Path, default=Path("scan"), help="folder of the results (default: scan)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="default: one a processor")
    add("--deadline", type=float, default=60, metavar="SECONDS", help=DEADLINE)
    add("--decode", choices=DECODE, default="every", help="which frames (default: every one)")
    add("--json", action="store_true", help="print the summary as JSON in place of words")
    return parser


def scan(options: argparse.Namespace, console: Console) -> tuple[Scan, float]:
    """Do what the options ask for; also tell the seconds that it took."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from video_uniformer.collection import scan as scanning

    media = scanning.PICTURES if options.images else scanning.VIDEOS
    listing = scanning.read_sources(options.sources, root=options.root, media=media)
    paths = list(dict.fromkeys(item.path for item in listing.items))
    columns = (TextColumn("scanning"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began = time.monotonic()
    journal = scanning.Journal(options.output / "journal.jsonl")
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=len(paths))
        reports = scanning.scan_files(
            paths,
            journal=journal,
            decode=options.decode,
            deadline_seconds=options.deadline,
            num_workers=options.workers,
            inspect=scanning.inspect_image if options.images else scanning.inspect_file,
            settings=("images",) if options.images else (),
            on_done=lambda path: progress.advance(bar),
        )
    return scanning.Scan(listing, reports), time.monotonic() - began


def _print(
    done: Scan, findings: Sequence[Finding], written: Sequence[Path], console: Console
) -> None:
    good = sum(done.report(item).status == "ok" for item in done.items)
    console.print(f"{good} of {len(done.items)} listed {done.noun}s are intact")
    for finding in findings:
        mark = "PROBLEM" if finding.is_problem else "note"
        console.print(f"\n{mark}: {show_name(finding.title)}")
        console.print(f"  to do: {finding.advice}")
        for group in finding.groups[:3]:
            console.print(f"  {', '.join(_shown(done, item.path) for item in group[:3])}")
        if len(finding.groups) > 3:
            console.print(f"  ... and {len(finding.groups) - 3} more")
    if not any(finding.is_problem for finding in findings):
        console.print("\nnothing has to be mended; training can read manifest.csv")
    console.print()
    for path in written:
        console.print(f"wrote {show_name(str(path))}")


def _shown(done: Scan, path: Path) -> str:
    report = done.reports.get(path)
    why = f": {show_name(report.reason)}" if report and report.reason else ""
    return f"{show_name(str(path))}{why}"


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    from rich.console import Console

    from video_uniformer.collection.scan import find_all, summary, write_outputs

    notes = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        done, seconds = scan(options, notes)
        findings = find_all(done)
        written = write_outputs(options.output, done, findings)
    except (ValueError, OSError) as error:
        print(f"error: {reason(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None
    if options.json:
        print(json.dumps(summary(done, findings), indent=2))
    else:
        words = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
        _print(done, findings, written, words)
        num_files = len(done.reports)
        words.print(f"{num_files} files in {seconds:.1f} s, {num_files / seconds:.1f} a second")
    raise SystemExit(1 if any(finding.is_problem for finding in findings) else 0)
