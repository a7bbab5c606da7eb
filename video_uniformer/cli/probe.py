"""`video-uniformer probe`: what video files are, which decoder reads them, and why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from video_uniformer.cli.errors import checked_output
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.data.annotations.search import expand_paths
from video_uniformer.system.printable import show_name

# What needs torch or rich is imported late: help and errors of usage need neither.
if TYPE_CHECKING:
    from rich.table import Table

    from video_uniformer.data.decoding.probe import VideoFacts

EXAMPLES = """examples:
  video-uniformer probe clip.mp4
  video-uniformer probe a.mkv b.avi videos/        files, and all video files below a folder
  video-uniformer probe frames/00001/              a folder of pictures, by its first
  video-uniformer probe videos/ --json             one JSON object a line

Nothing is decoded but the first frame, and all of a file that must be counted, in a process of its
own, so that a file that hangs or crashes its decoder costs no other. The exit status is 1 if a file
could not be read, and 2 if the command cannot do what was asked."""


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "probe",
        description="Tell what video files are, which decoder reads them, and why.",
        epilog=EXAMPLES,
    )
    parser.add_argument("paths", nargs="+", metavar="FILE", help="or a folder, or a quoted glob")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    waiting = "longest time for one file (default 60)"
    parser.add_argument("--deadline", type=float, default=60, metavar="SECONDS", help=waiting)
    return parser


def probe_files(
    paths: Sequence[str], deadline_seconds: float, probe: Callable[[Path], VideoFacts]
) -> Iterator[VideoFacts | str]:
    """Tell of each file in turn what it is, or in words why that cannot be told.

    Args:
        paths: Files, folders and globs.
        deadline_seconds: For one file; its process is killed then.
        probe: Called in another process.

    Raises:
        ValueError: `deadline_seconds` is not above 0 and finite.
    """
    from video_uniformer.system.processes import Task, run_killable

    tasks = (Task(path, deadline_seconds) for path in expand_paths(paths))
    # One worker, so that files keep their order.
    for outcome in run_killable(partial(_probe, probe), tasks, num_workers=1):
        yield f"{outcome.task.argument}: {outcome.reason}" if outcome.failure else outcome.result


def _probe(probe: Callable[[Path], VideoFacts], path: Path) -> VideoFacts | str:
    from video_uniformer.data.decoding.interface import VideoError

    try:
        return probe(path)
    except VideoError as error:
        return str(error)


def as_table(facts: VideoFacts) -> Table:
    """All that is known of a file, for a person."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(facts):
        table.add_row(name, value)
    return table


def _rows(facts: VideoFacts) -> Iterator[tuple[str, str]]:
    mirrored = ", mirrored" if facts.mirrored else ""
    turned = f", turned by {facts.rotation} degrees" if facts.rotation else ""
    woven = ", interlaced" if facts.interlaced else ""
    yield "decoder", f"[bold]{facts.decoder}[/bold]: {facts.choice}"
    yield "container", f"{facts.container}, {facts.size_bytes / 1e6:.2f} MB"
    yield "codec", f"{facts.codec}, {facts.pixel_format} of {facts.bit_depth} bits{woven}"
    if facts.transfer or facts.primaries:
        names = " ".join(filter(None, (facts.transfer, facts.primaries)))
        yield "colours", f"{names}: mapped to those of a plain screen (BT.709) while they are read"
    yield "size", f"{facts.width}x{facts.height}{mirrored}{turned}"
    if facts.container == "folder":
        yield "rate", f"{facts.fps:.6g} frames per second, as a folder says none"
        yield "frames", f"{facts.num_frames}"
        return
    yield "rate", f"{facts.fps:.6g} frames per second, {facts.rate}"
    yield "frames", f"{facts.num_frames} playable, {_listed(facts)}"
    yield "key frames", f"{facts.num_key_frames}, at most {facts.key_frame_distance} frames apart"
    yield "order", "frames are reordered for display" if facts.has_b_frames else "as stored"
    yield "time", f"{facts.duration_seconds:.3f} s from {facts.start_seconds:.3f} s on"
    if facts.num_parts > 1:
        yield "clock", f"goes back: {facts.num_parts} joined recordings, counted in file order"
    yield "edit list", "cuts or delays the video" if facts.has_edit_list else "none that matters"
    yield "streams", f"{facts.num_video_streams} video, {facts.num_audio_streams} audio"


def _listed(facts: VideoFacts) -> str:
    if facts.listed_frames is None:
        return "the container gives no number"
    return f"the container says {facts.listed_frames}"


def describe(
    options: argparse.Namespace, probe: Callable[[Path], VideoFacts] | None = None
) -> bool:
    """Print what the options ask for; tell whether all files could be read."""
    from rich.console import Console
    from rich.markup import escape

    from video_uniformer.data.decoding.probe import probe_video

    console = Console(emoji=False, highlight=False)
    num_failed = 0
    for facts in probe_files(options.paths, options.deadline, probe or probe_video):
        if isinstance(facts, str):
            num_failed += 1
            print(f"error: {show_name(facts)}", file=sys.stderr)
        elif options.json:
            print(json.dumps(asdict(facts)))
        else:
            console.print(escape(show_name(facts.path)), style="italic", soft_wrap=True)
            console.print(as_table(facts))
    return num_failed == 0


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    try:
        is_good = describe(options)
    except BrokenPipeError:  # of the output, not of a video
        raise
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    raise SystemExit(0 if is_good else 1)
