"""`video-uniformer-probe`: what video files are, which decoder reads them, and why."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from video_uniformer.data.decoding.interface import VideoError
from video_uniformer.data.decoding.probe import VideoFacts, probe_video
from video_uniformer.data.scan.page import show_name

EXAMPLES = """examples:
  video-uniformer-probe clip.mp4
  video-uniformer-probe a.mkv b.avi videos/        files, and all video files below a folder
  video-uniformer-probe videos/ --json             one JSON object a line

Nothing is decoded but the first frame, and all of a file that must be counted. The exit status is 1
if a file could not be read."""
SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"}
    | {".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="video-uniformer-probe",
        description="Tell what video files are, which decoder reads them, and why.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="or a folder of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    return parser


def find_videos(paths: Sequence[Path]) -> Iterator[Path]:
    """The files among these paths, and the video files below folders, in the order of names."""
    for path in paths:
        if path.is_dir():
            files = (f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
            yield from sorted(files)
        else:
            yield path


def as_table(facts: VideoFacts) -> Table:
    """All that is known of a file, for a person."""
    table = Table(box=SIMPLE_HEAD, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(facts):
        table.add_row(name, value)
    return table


def _rows(facts: VideoFacts) -> Iterator[tuple[str, str]]:
    turned = f", turned by {facts.rotation} degrees" if facts.rotation else ""
    woven = ", interlaced" if facts.interlaced else ""
    yield "decoder", f"[bold]{facts.decoder}[/bold]: {facts.choice}"
    yield "container", f"{facts.container}, {facts.size_bytes / 1e6:.2f} MB"
    yield "codec", f"{facts.codec}, {facts.pixel_format} of {facts.bit_depth} bits{woven}"
    yield "size", f"{facts.width}x{facts.height}{turned}"
    yield "rate", f"{facts.fps:.6g} frames per second, {facts.rate}"
    yield "frames", f"{facts.num_frames} playable, {_listed(facts)}"
    yield "key frames", f"{facts.num_key_frames}, at most {facts.key_frame_distance} frames apart"
    yield "order", "frames are reordered for display" if facts.has_b_frames else "as stored"
    yield "time", f"{facts.duration_seconds:.3f} s from {facts.start_seconds:.3f} s on"
    yield "edit list", "cuts or delays the video" if facts.has_edit_list else "none that matters"
    yield "streams", f"{facts.num_video_streams} video, {facts.num_audio_streams} audio"


def _listed(facts: VideoFacts) -> str:
    if facts.listed_frames is None:
        return "the container gives no number"
    return f"the container says {facts.listed_frames}"


def main() -> None:
    """Entry point of the command."""
    options = parser().parse_args()
    console = Console(emoji=False, highlight=False)
    num_files = num_failed = 0
    for path in find_videos(options.paths):
        num_files += 1
        try:
            facts = probe_video(path)
        except VideoError as error:
            num_failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if options.json:
            print(json.dumps(asdict(facts)))
        else:
            console.print(escape(show_name(facts.path)), style="italic", soft_wrap=True)
            console.print(as_table(facts))
    if not num_files:
        names = ", ".join(map(str, options.paths))
        print(f"error: {names}: no video file there, expected one", file=sys.stderr)
    raise SystemExit(int(num_failed > 0 or num_files == 0))


if __name__ == "__main__":
    main()
