"""`video-uniformer info`: what a network costs, stage by stage."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from video_uniformer.cli.errors import checked_output, one_line_errors
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.description import NetworkArguments
from video_uniformer.models.uniformer.variants import ATTENTIONS, VARIANTS
from video_uniformer.system.suggestions import nearest
from video_uniformer.weights.zoo import find_release, nearest_release

# What needs torch or rich is imported late: help and errors of usage need neither.
if TYPE_CHECKING:
    from rich.table import Table

    from video_uniformer.models.cost import Cost, PartCost
    from video_uniformer.weights.releases import Release

EXAMPLES = """examples:
  video-uniformer info small --frames 16 --size 224
  video-uniformer info k400_s_16x8                      a released network with its own clip
  video-uniformer info base --image --token-labels --size 384
  video-uniformer info small --image --features-only --attention hybrid --size 800x1280 --json
  video-uniformer info small --head upernet --attention window --window-size 32

GMACs are 10^9 multiply-adds of one view, counted as fvcore does; papers call them FLOPs. Nothing is
computed and no weights are read: a large clip takes no longer than a small one."""
FRAMES, SIZE = 16, "224"  # when neither the options nor a release say it
WINDOW_SIZE = 14
MAX_WIDTH = 200  # of the table, characters
DENSE_SIZES = {"upernet": "512x2048", "semantic_fpn": "512x2048", "pose": "256x192"}  # likewise


class Request(NamedTuple):
    """What to measure: the arguments of `build_network`, and the size of a view."""

    arguments: NetworkArguments
    input_size: tuple[int, ...]


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "info",
        description="Print a network's parameters, multiply-adds, memory and shapes, by stage.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("network", help=f"{', '.join(VARIANTS)}, or a release (video-uniformer zoo lists them)")
    add("--image", action="store_true", help="the network for images (default: for videos)")
    add("--frames", type=int, help=f"frames T of a clip (default: the release's, or {FRAMES})")
    add("--size", help=f"pixels, or HEIGHTxWIDTH (default: the release's, or {SIZE})")
    add("--height", type=int, help="pixels; --size with one number if not given")
    add("--width", type=int, help="pixels; --size with one number if not given")
    add("--classes", type=int, metavar="K", help="outputs; 0 for features (default: as published)")
    add("--head-dim", type=int, help="channels per attention head (default: as published)")
    add("--layer-scale", type=float, metavar="VALUE", help="initial value of the branches' factors")
    add("--attention", choices=ATTENTIONS, help="of stages 3 and 4 (default: global)")
    add("--window-size", type=int, help=f"cells, for window, hybrid (default: {WINDOW_SIZE})")
    add("--embed-frames", type=int, help="frames of the later patch embeds, 1 (default) or 3")
    add("--token-labels", action="store_true", help="with a second classifier of every token")
    add("--features-only", action="store_true", help="the form for dense tasks, four maps")
    add("--head", choices=tuple(DENSE_SIZES), help="for dense tasks, on a variant for images")
    add("--json", action="store_true", help="print the same as one JSON object")
    return parser


def request(options: argparse.Namespace) -> Request:
    """What the options ask for.

    Raises:
        ValueError: an unknown network, or options that contradict it or each other.
    """
    release = None if options.network in VARIANTS else find_release(options.network)
    if release is None:
        _check_name(options.network)
    elif options.image and release.ndim == 3:
        raise ValueError(f"--image is given, but {release.name!r} is a network for videos")
    given = {
        "num_classes": options.classes,
        "head_dim": options.head_dim,
        "layer_scale": options.layer_scale,
        "attention": options.attention,
        "window_size": options.window_size,
        "embed_frames": options.embed_frames,
        "token_labels": options.token_labels or None,
        "head": options.head,
    }
    _check_head(options, release)
    image = options.image or options.head is not None
    named = NetworkArguments(variant=options.network, ndim=2 if image else 3)
    known = named if release is None else release.builder_arguments()
    if options.features_only:
        known.pop("head", None)
    arguments = {
        "window_size": WINDOW_SIZE,
        **known,
        **{name: value for name, value in given.items() if value is not None},
        "features_only": options.features_only,
    }
    size = _input_size(options, release, known["ndim"])
    return Request(cast(NetworkArguments, arguments), size)


def _check_name(name: str) -> None:
    if name not in VARIANTS:
        near = nearest(name, VARIANTS) or nearest_release(name)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(
            f"network is {name!r}, expected one of {', '.join(VARIANTS)}, or a release{hint}"
        )


def _check_head(options: argparse.Namespace, release: Release | None) -> None:
    if release is not None and options.head is not None:
        raise ValueError(f"--head is {options.head!r}, but {release.name!r} is not a variant")
    if options.head is not None and options.features_only:
        raise ValueError(f"--features-only is given beside --head {options.head}, expected one")
    head = options.head if release is None else release.head
    if head is not None and options.token_labels:
        raise ValueError(f"--token-labels is given, but the network has the head {head!r}")


def _input_size(options: argparse.Namespace, release: Release | None, ndim: int) -> tuple[int, ...]:
    usual = DENSE_SIZES.get(options.head, SIZE)
    if release is not None:
        usual = "x".join(map(str, release.input_size[-2:]))
    size = options.size or usual
    matched = re.fullmatch(r"([0-9]+)(?:[xX]([0-9]+))?", size)
    if matched is None:
        raise ValueError(f"--size is {size!r}, expected pixels such as 224, or HEIGHTxWIDTH")
    height = int(matched[1]) if options.height is None else options.height
    width = int(matched[2] or matched[1]) if options.width is None else options.width
    if ndim == 2:
        if options.frames is not None:
            raise ValueError(f"--frames is {options.frames}, but the network is for images")
        return height, width
    frames = FRAMES if release is None else release.frames
    return (frames if options.frames is None else options.frames), height, width


def as_data(asked: Request, cost: Cost) -> dict[str, Any]:
    """All that was measured, as plain values."""
    parts = [asdict(part) | {"share": cost.share(part)} for part in cost.parts]
    return {
        "network": asked.arguments,
        "input_shape": cost.input_shape,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "activation_bytes": cost.activation_bytes,
        "inference_bytes": cost.inference_bytes,
        "parts": parts,
    }


def as_table(cost: Cost) -> Table:
    """All that was measured, for a person."""
    from rich.table import Table

    table = Table()
    table.add_column("part")
    for name in ("output", "blocks", "parameters", "GMACs", "share", "activations"):
        table.add_column(name, justify="right")
    for part in cost.parts:
        table.add_row(part.name, _shape(part.shape), _blocks(part), *_numbers(part, cost))
    table.add_section()
    blocks = str(sum(part.num_blocks for part in cost.parts))
    table.add_row("all", "", blocks, *_numbers(cost, cost))
    return table


def _shape(shape: tuple[int, ...]) -> str:
    channels, *cells = shape
    return f"{channels}, {'x'.join(map(str, cells))}" if cells else str(channels)


def _blocks(part: PartCost) -> str:
    return str(part.num_blocks or "")


def _numbers(counted: PartCost | Cost, cost: Cost) -> tuple[str, str, str, str]:
    return (
        f"{counted.parameters:,}",
        f"{counted.multiply_adds / 1e9:.3f}",
        f"{100 * counted.multiply_adds / cost.multiply_adds:.1f} %",
        _megabytes(counted.activation_bytes),
    )


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:,.1f} MiB"


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    with one_line_errors():
        asked = request(options)
        import torch

        from video_uniformer.models.cost import measure
        from video_uniformer.models.uniformer.building import build_network

        with torch.device("meta"):
            network = build_network(asked.arguments)
        cost = measure(network, asked.input_size)
    if options.json:
        print(json.dumps(as_data(asked, cost), indent=2))
        return
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    console.print(f"{options.network}, input {_shape(cost.input_shape)}", soft_wrap=True)
    table = as_table(cost)
    # A table that is wider than the terminal is still a table; one of cut cells is none.
    anywhere = console.options.update(max_width=MAX_WIDTH)
    console.width = max(console.width, console.measure(table, options=anywhere).maximum)
    console.print(table)
    console.print(
        "Of one view, in float32. Activations: what autograd keeps for the backward pass.\n"
        f"Inference holds {_megabytes(cost.inference_bytes)} at most, beside the parameters' "
        f"{_megabytes(4 * cost.parameters)}.",
        soft_wrap=True,
    )
