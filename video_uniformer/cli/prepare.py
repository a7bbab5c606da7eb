"""`video-uniformer prepare`: re-encode a collection once, for fast training."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from video_uniformer.cli.errors import checked_output, reason
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.system.printable import show_name

# What needs torch or rich is imported late: help and errors of usage need neither.
if TYPE_CHECKING:
    from rich.console import Console

    from video_uniformer.collection.prepare import Job, Prepared
    from video_uniformer.collection.scan import Listing

EXAMPLES = """examples:
  video-uniformer prepare /data/videos /fast/videos
  video-uniformer prepare train.csv val.csv /fast/k400 --root /data/k400 --short-side 256

The new files have the same frames in the same order, upright, without sound; lists of them,
SPLIT.csv, are written beside. Started again it goes on where it was. The exit status is 0 if every
file was encoded, 1 if one was not, and 2 if the command cannot do what was asked."""

DEADLINE = "longest time for a small file, plus 20 s for each megabyte (default 300)"
SAMPLE = 16  # files whose reading is timed


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "prepare",
        description="Encode videos anew: small, with key frames close together, and verified.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("sources", nargs="+", metavar="LIST_OR_FOLDER", help="as for video-uniformer scan")
    add("target", type=Path, metavar="TARGET", help="folder of the new files")
    add("--root", type=Path, help="folder that paths start from (default: the list's own)")
    add("--short-side", type=int, default=320, metavar="PIXELS", help="never up (default 320)")
    add("--gop", type=int, default=12, metavar="FRAMES", help="key-frame distance (default 12)")
    add("--crf", type=int, default=20, help="quality, lower is better (default 20)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="default: one a processor")
    add("--deadline", type=float, default=300, metavar="SECONDS", help=DEADLINE)
    return parser


def prepare(
    listing: Listing, jobs: Sequence[Job], options: argparse.Namespace, console: Console
) -> dict[Path, Prepared]:
    """Encode the files, with a progress bar; write the lists."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from video_uniformer.collection.prepare import Encoding, prepare_files, write_lists
    from video_uniformer.collection.scan import Journal

    encoding = Encoding(short_side=options.short_side, gop=options.gop, crf=options.crf)
    columns = (TextColumn("encoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    journal = Journal(options.target / "prepare.jsonl")
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=len(jobs))
        results = prepare_files(
            jobs,
            encoding,
            journal=journal,
            deadline_seconds=options.deadline,
            num_workers=options.workers,
            on_done=lambda path: progress.advance(bar),
        )
    done = {path for path, result in results.items() if not result.problem}
    for path in write_lists(listing.items, jobs, done, options.target):
        print(f"wrote {show_name(str(path))}")
    return results


def _print(jobs: Sequence[Job], results: Mapping[Path, Prepared]) -> None:
    from video_uniformer.collection.prepare import clips_per_second

    done = [job for job in jobs if not results[job.source].problem]
    before = sum(results[job.source].source_bytes for job in done) / 1e6
    after = sum(results[job.source].target_bytes for job in done) / 1e6
    print(f"encoded {len(done)} of {len(jobs)} files: {before:.1f} MB before, {after:.1f} MB after")
    sample = done[:: max(1, len(done) // SAMPLE)][:SAMPLE]
    if sample:
        old, new = clips_per_second([job.source for job in sample], [job.target for job in sample])
        print(
            f"training would read {old:.1f} clips a second before and {new:.1f} after, with one "
            f"process ({len(sample)} files, 16 frames, stride 4)"
        )
    left = [job.source for job in jobs if results[job.source].problem]
    if left:
        print(f"left out {len(left)} of {len(jobs)} files, which the new lists do not have:")
    for path in left:
        print(f"  {show_name(str(path))}: {show_name(results[path].problem)}")


def _keep_lists(sources: Sequence[str], target: Path) -> None:
    """Refuse to write lists into the folder of the lists that are read."""
    for source in map(Path, sources):
        if source.is_file() and source.resolve().parent == target.resolve():
            raise ValueError(
                f"target is {target}, which holds {source}, expected a folder without the lists "
                "that are read: its own would take their place"
            )


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    from rich.console import Console

    from video_uniformer.collection.prepare import plan_jobs
    from video_uniformer.collection.scan import read_sources

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    try:
        listing = read_sources(options.sources, root=options.root)
        if listing.left_out:
            print(f"note: {listing.left_out}", file=sys.stderr)
        jobs = plan_jobs(listing, options.target)
        _keep_lists(options.sources, options.target)
        results = prepare(listing, jobs, options, console)
        _print(jobs, results)
    except (ValueError, OSError) as error:
        print(f"error: {reason(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(1 if any(result.problem for result in results.values()) else 0)
