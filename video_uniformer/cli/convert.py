"""`video-uniformer convert`: one self-describing file of any checkpoint, and back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from video_uniformer.cli.errors import one_line_errors
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.labels.names import SHIPPED

# What needs torch is imported late: help and errors of usage need none.
if TYPE_CHECKING:
    from video_uniformer.weights.convert import Request

EXAMPLES = """examples:
  video-uniformer convert k400_s_16x8 small.safetensors
  video-uniformer convert renamed.pth small.safetensors --release k400_s_16x8
  video-uniformer convert outputs/best.ckpt folder --hub     a repository for the hub
  video-uniformer convert small.safetensors uniformer.pth --to published
  video-uniformer convert a.pth a.safetensors --classes names.txt --frames 8 --stride 8 --size 224

No tensor is changed, not by a bit. What a file does not say, and neither its published name nor an
option says, is left out of the result and told on the standard error."""

KEY_NAMES = ("ours", "published")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "convert",
        description="Turn a checkpoint into one file that says what it is, or back.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("source", help="a file, a release (video-uniformer zoo lists them) or hf://owner/repo")
    add("target", type=Path, help=".safetensors; to published also .pth; with --hub a folder")
    add("--to", choices=KEY_NAMES, default="ours", help="whose key names (default: ours)")
    add("--hub", action="store_true", help="write a folder as a Hugging Face repository has it")
    add("--release", metavar="NAME", help="which release a published file under another name is")
    add("--head-dim", type=int, help="channels per attention head, which no published file says")
    add("--classes", help=f"file with one name a line, or one of {', '.join(SHIPPED)}")
    add("--frames", type=int, help="frames per clip")
    add("--stride", help="frames from one to the next, or 'segments'")
    add("--size", type=int, help="input height and width, pixels")
    add("--clips", type=int, help="clips per video in testing")
    add("--crops", type=int, choices=(1, 3), help="crops per clip in testing")
    add("--bgr", action="store_true", help="the network expects BGR")
    add("--force", action="store_true", help="replace what is there")
    return parser


def request(options: argparse.Namespace) -> Request:
    """The options as the converter takes them.

    Raises:
        ValueError: an option is no number where it has to be.
    """
    from video_uniformer.weights.convert import Request

    stride = options.stride
    if stride not in (None, "segments") and not stride.isdigit():
        raise ValueError(f"--stride is {stride!r}, expected a number of frames, or 'segments'")
    fields = {
        "num_frames": options.frames,
        "stride": stride if stride in (None, "segments") else int(stride),
        "size": options.size,
        "num_clips": options.clips,
        "num_crops": options.crops,
        "channel_order": "bgr" if options.bgr else None,
    }
    return Request(
        source=options.source,
        target=options.target,
        to=options.to,
        hub=options.hub,
        release=options.release,
        head_dim=options.head_dim,
        classes=options.classes,
        clip={name: value for name, value in fields.items() if value is not None},
        force=options.force,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    from video_uniformer.weights.convert import (
        check_target,
        convert,
        count_network_parameters,
        write,
    )
    from video_uniformer.weights.lock import sha256

    with one_line_errors():
        asked = request(options)
        check_target(asked)
        conversion = convert(asked)
        path = write(asked, conversion)
        digest = sha256(path)
    for note in conversion.notes:
        print(f"note: {note}", file=sys.stderr)
    parameters = count_network_parameters(conversion.description)
    classes = conversion.description.network["num_classes"]
    print(
        f"wrote {path}: {len(conversion.state)} tensors, {parameters:,} parameters, "
        f"{classes} classes, sha256 {digest}"
    )
