"""`video-uniformer zoo`: list the released checkpoints."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from video_uniformer.cli.errors import checked_output, one_line_errors
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.weights.releases import Release
from video_uniformer.weights.zoo import RELEASES

EXAMPLES = """examples:
  video-uniformer zoo                          everything
  video-uniformer zoo --dataset k400 16x4      Kinetics-400 networks whose name or file says 16x4
  video-uniformer zoo --task image --variant s_plus
  video-uniformer zoo --task segmentation upernet
  video-uniformer zoo k400_s_16x4 --json       every known fact, the link to Google Drive included
  video-uniformer zoo ade20k --json            results under other attention and at more scales

Use a name as `weights`: create_uniformer(weights="k400_s_16x4"), create_segmenter for segmentation,
create_pose_network for pose."""
LEGEND = """views: frames x crops x clips of the published test; stride: seg = one frame per segment
px: height, of a scene the shorter side; result: top-1 in percent, of ade20k mIoU, of coco AP
GMACs: of one view, counted; order: of the colour channels; ~ the file's name is inferred
host: hub = downloaded when first used; drive = to be fetched by hand, the error says from where"""
HEADINGS = (
    *("name", "data", "views", "stride", "px", "result", "params", "GMACs"),
    *("order", "file (.pth)", "host"),
)
NUMBERS = ("stride", "px", "result", "params", "GMACs")
TASKS = tuple(dict.fromkeys(release.task for release in RELEASES.values()))
DATASETS = tuple(dict.fromkeys(release.dataset for release in RELEASES.values()))
# The short names of variants in the releases' names; the long ones are taken too.
VARIANTS = {
    "xxs": "xxs",
    "xs": "xs",
    "s": "small",
    "s_plus": "small_plus",
    "b": "base",
    "l": "large",
}


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "zoo",
        description="List the released checkpoints: classification, segmentation and pose.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="FILTER", help="print the rows that hold all these words")
    add("--task", choices=TASKS)
    add("--dataset", choices=DATASETS)
    add("--variant", choices=tuple(dict.fromkeys((*VARIANTS, *VARIANTS.values()))))
    add("--json", action="store_true", help="print one JSON array with all facts")
    return parser


def select(options: argparse.Namespace) -> list[Release]:
    """The releases that the options ask for.

    Raises:
        ValueError: There is none.
    """
    variant = VARIANTS.get(options.variant, options.variant)
    wanted = {"task": options.task, "dataset": options.dataset, "variant": variant}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    found = [
        release
        for release in RELEASES.values()
        if all(getattr(release, name) == value for name, value in wanted.items())
        and all(_holds(release, word) for word in options.words)
    ]
    if not found:
        asked = [*options.words, *(f"--{name} {value}" for name, value in wanted.items())]
        raise ValueError(
            f"no released checkpoint matches {' '.join(asked)!r}; without a filter, all "
            f"{len(RELEASES)} are listed"
        )
    return found


def _holds(release: Release, word: str) -> bool:
    more = (
        *(release.task, release.variant, release.labels, release.metric),
        *(release.head or "", release.repo or ""),
    )
    return any(word.casefold() in fact.casefold() for fact in (*_cells(release), *more))


def facts_of(release: Release) -> dict[str, Any]:
    """All that is known of a release, as plain values."""
    results = [result._asdict() for result in release.results]
    known = {**release._asdict(), "results": results}
    return {**known, "ndim": release.ndim, "drive_url": release.drive_url}


def _cells(release: Release) -> tuple[str, ...]:
    video = release.task == "video"
    stride = "seg" if release.stride is None else str(release.stride)
    return (
        release.name,
        release.dataset,
        f"{release.frames}x{release.crops}x{release.clips}" if video else "",
        stride if video else "",
        str(release.size),
        f"{release.figure:.1f}",
        f"{release.parameters / 1e6:.1f}M",
        f"{release.gmacs:.{2 if release.gmacs < 1000 else 1}f}",
        release.channel_order,
        f"{'~' if release.inferred else ''}{release.stem}",
        "drive" if release.repo is None else "hub",
    )


def _print(releases: Sequence[Release]) -> None:
    rows = [HEADINGS, *(_cells(release) for release in releases)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " ".join(
            cell.rjust(width) if heading in NUMBERS else cell.ljust(width)
            for cell, width, heading in zip(row, widths, HEADINGS, strict=True)
        ).rstrip()
        for row in rows
    ]
    print(lines[0], "-" * max(map(len, lines)), *lines[1:], LEGEND, sep="\n")


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    with one_line_errors():
        releases = select(options)
    if options.json:
        print(json.dumps([facts_of(release) for release in releases], indent=2))
    else:
        _print(releases)
