"""Write docs/models.md: what every variant costs, beside what was published.

python scripts/model_table.py            write the file, about a minute
python scripts/model_table.py --check    exit with status 1 if the file is not what this writes
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from rich.progress import track

from video_uniformer.description import NetworkArguments
from video_uniformer.models.cost import Cost, measure
from video_uniformer.models.uniformer.building import build_network
from video_uniformer.models.uniformer.variants import VARIANTS, find_variant
from video_uniformer.weights.releases import Release, Result
from video_uniformer.weights.zoo import RELEASES

FILE = Path(__file__).parents[1] / "docs" / "models.md"

TEXT = """# Models

What each network costs, measured, beside what was published. This page is written by

    python scripts/model_table.py

and `video-uniformer info` prints the same for any network and input, stage by stage:

    video-uniformer info small --frames 16 --size 224
    video-uniformer info in1k_b_tl_384 --json
    video-uniformer info ade20k_s_upernet --attention hybrid --window-size 32

*GMACs* are 10^9 multiply-adds of one view in evaluation, by the conventions of fvcore, the authors'
counter: one for each multiply-add of a convolution, a linear layer or a product of an attention,
two for each value of a batch norm, five of a layer norm, none for softmax, GELU, sums and pooling.
What the papers call FLOPs are multiply-adds, too, of all views of a test (clips x crops).
*Activations* are what autograd keeps of one view in training for the backward pass, in float32 and
with fused attention; parameters, gradients and the optimiser's state come on top. Published numbers
stand here with the digits they were printed with; but for (1) and (2), what these digits may stand
for is within 2 % of what we measure.

## Videos

With a head for Kinetics-400. One for 600 classes has 102,600 parameters more (small, base), which
is nothing in the digits below, and those for fewer classes are smaller by as little. The authors
publish the cost of all views. Published parameters are those of mmaction2, which lists the same
networks.

{videos}

Options that no released network uses, in turn three frames in each patch embed and attention
divided into time and space:

{options}

## Images

With a head for ImageNet's 1000 classes; networks with token labels have two. `head_dim` changes
neither parameters nor multiply-adds.

{images}

(1) Wrong as published: activation checkpointing hid a part of the network from the counter, as the
authors say in issue 75 of their repository, where they give about 19.8 for 224 pixels.

## Segmentation and pose

Released networks with their heads: for ADE20K at 512x2048, and for the persons of COCO. One file of
segmentation weights is tested with several kinds of attention; the first row of each name is the
attention it was trained with. The result is mIoU, in brackets mIoU at six scales and mirrored, or
AP, each as published, in percent. Published parameters are 13.5, 19.7, 25 and 54 million with a
Semantic FPN, 52 and 80 with an UperNet.

{heads}

(2) Wrong as published: the authors print the cost of UniFormer-S at 448x320.

## Backbones for dense tasks

Four stage maps (`features_only=True`) of an image of 800x1280, the size at which detection is
measured; necks and heads come on top. `window` and `hybrid` have windows of 14x14.

{maps}
"""

# As the READMEs of the authors print them in millions, for 1000 classes; the authors print none for
# videos, those of small and base (400 classes) are from mmaction2's list of the same networks.
PUBLISHED_PARAMETERS = {
    ("small", 3): "21.4",
    ("base", 3): "49.8",
    ("small", 2): "22",
    ("small_plus", 2): "24",
    ("base", 2): "50",
    ("large", 2): "100",
    ("xxs", 2): "10.2",
    ("xs", 2): "16.5",
}
# Official: activation checkpointing hid a part of the network from the authors' counter.
WRONG = {"large"}
# Of pose networks: the authors print the number of another row.
COPIED = ("base", (384, 288))


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        arguments: Of `build_network`.
        input_size: Of one view.
        views: The number of views of the published cost.
        published_gflops: The published cost, multiply-adds of all views in 10^9, if there is one.
    """

    arguments: dict[str, Any]
    input_size: tuple[int, ...]
    views: int = 1
    published_gflops: float | None = None


def released(task: str) -> list[Row]:
    """One row for each released network, input and number of views, fewest views first.

    Networks that differ in the number of classes only are taken once, with the published default:
    a head of other size changes the cost by less than the digits that are printed.
    """
    rows = {}
    for release in RELEASES.values():
        if release.task != task:
            continue
        arguments: dict[str, Any] = {**release.builder_arguments(), "num_classes": None}
        size, views = release.input_size, release.clips * release.crops
        row = Row(arguments, size, views, release.published_gflops)
        rows[(*arguments.values(), *size, views)] = row
    return list(rows.values())


def video_rows() -> list[Row]:
    """Released networks for videos, and the one that was published but not released."""
    return in_order(
        [*released("video"), Row({"variant": "small", "ndim": 3}, (32, 224, 224), 4, 438)]
    )


def in_order(rows: list[Row]) -> list[Row]:
    """By variant, as the builder's table has them, then size and views."""
    order = list(VARIANTS)
    return sorted(rows, key=lambda row: (order.index(row.arguments["variant"]), *row[1:3]))


def option_rows() -> Iterator[Row]:
    """Options of the networks for videos that no released network uses."""
    for variant in ("small", "base"):
        for option in ({"embed_frames": 3}, {"attention": "divided"}):
            yield Row({"variant": variant, "ndim": 3, **option}, (16, 224, 224))


def head_rows() -> Iterator[tuple[Release, Result, Row]]:
    """Every published test of a network for segmentation or pose."""
    for release in RELEASES.values():
        for test in release.tests if release.head else ():
            arguments: dict[str, Any] = {**release.builder_arguments()}
            arguments |= {"attention": test.attention, "window_size": test.window_size}
            yield release, test, Row(arguments, release.input_size, 1, test.published_gflops)


def maps_rows() -> Iterator[Row]:
    """The form for dense tasks at the size at which detection is measured."""
    for variant in ("xxs", "xs", "small", "base"):
        for attention in (
            ("global",) if variant in ("xxs", "xs") else ("global", "hybrid", "window")
        ):
            arguments = {"variant": variant, "ndim": 2, "features_only": True}
            yield Row(arguments | {"attention": attention}, (800, 1280))


def cost_of(row: Row) -> Cost:
    """Build the row's network without memory, and measure it."""
    with torch.device("meta"):
        network = build_network(cast(NetworkArguments, row.arguments))
    return measure(network, row.input_size)


def name_of(row: Row) -> str:
    """The variant, and the arguments that are not the variant's own."""
    given = row.arguments
    variant = find_variant(given["variant"])
    head_dim = (given.get("token_labels") and variant.token_label_head_dim) or variant.head_dim
    own = {"head_dim": head_dim, "layer_scale": variant.layer_scale, "attention": "global"}
    options = [
        f"{name}={given[name]!r}"
        for name in ("head_dim", "layer_scale", "token_labels", "embed_frames", "attention")
        if given.get(name, own.get(name)) not in (None, False, own.get(name))
    ]
    return ", ".join([given["variant"], *options])


def key_of(row: Row) -> tuple[object, ...]:
    """What rows have in common that differ in their number of views only."""
    head = (row.arguments.get("head"), row.arguments.get("window_size"))
    return name_of(row), row.arguments["ndim"], row.input_size, *head


def digits(value: float) -> str:
    """Four significant digits."""
    return f"{value:#.4g}".rstrip(".")


def common_cells(row: Row, cost: Cost) -> list[str]:
    """Network, input and what is measured."""
    return [
        f"`{name_of(row)}`",
        "x".join(map(str, row.input_size)),
        f"{cost.parameters:,}",
        digits(cost.multiply_adds / 1e9),
        f"{cost.activation_bytes / 2**20:,.0f}",
    ]


def published_cells(row: Row, cost: Cost) -> list[str]:
    """Views, the cost of all, and what was published; a wrong number is marked."""
    variant, ndim = row.arguments["variant"], row.arguments["ndim"]
    gmacs = row.views * cost.multiply_adds / 1e9
    views = [str(row.views), digits(gmacs)] if ndim == 3 else []
    parameters = PUBLISHED_PARAMETERS.get((variant, ndim), "")
    if row.published_gflops is None:
        return [*views, "", "", parameters]
    mark = " (1)" if variant in WRONG else ""
    if (variant, row.input_size) == COPIED and row.arguments.get("head") == "pose":
        mark = " (2)"
    off = round(100 * (row.published_gflops / gmacs - 1), 1) + 0.0  # no -0.0
    # As printed: small numbers have a digit after the point, even 0, large ones none.
    published = (
        f"{row.published_gflops:.0f}" if row.published_gflops > 50 else str(row.published_gflops)
    )
    return [*views, published + mark, f"{off:+.1f} %", parameters]


def head_line(release: Release, test: Result, row: Row, cost: Cost) -> list[str]:
    """A published test of a network for segmentation or pose."""
    windows = "" if test.attention == "global" else f", windows of {test.window_size}"
    multi_scale = "" if test.multi_scale is None else f" ({test.multi_scale:.1f})"
    _, *measured = common_cells(row, cost)
    return [
        f"`{release.name}`",
        f"{test.attention}{windows}",
        *measured,
        *published_cells(row, cost)[:2],
        f"{release.metric} {test.figure:.1f}{multi_scale}",
    ]


def markdown(*lines: list[str]) -> str:
    """A table; the first line is its header."""
    header, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([header, "|" + "---|" * len(lines[0]), *body])


def document(measure_row: Callable[[Row], Cost] = cost_of) -> str:
    """The content of docs/models.md.

    Args:
        measure_row: Where costs come from; some may have been measured before.
    """
    videos, images = video_rows(), in_order(released("image"))
    options, maps, heads = list(option_rows()), list(maps_rows()), list(head_rows())
    listed = chain(videos, images, options, maps, (row for _, _, row in heads))
    rows = {key_of(row): row for row in listed}
    costs = {key: measure_row(row) for key, row in track(rows.items(), "measuring", transient=True)}
    common = ["network", "input", "parameters", "GMACs", "activations, MiB"]
    published = ["published GFLOPs", "off by", "published 10^6 parameters"]

    def table(rows: list[Row], more: list[str]) -> str:
        lines = []
        for row in rows:
            cost = costs[key_of(row)]
            lines.append(common_cells(row, cost) + (published_cells(row, cost) if more else []))
        return markdown([*common, *more], *lines)

    return TEXT.format(
        videos=table(videos, ["views", "GMACs of all", *published]),
        images=table(images, published),
        options=table(options, []),
        maps=table(maps, []),
        heads=markdown(
            ["name", "attention", *common[1:], *published[:2], "result"],
            *(head_line(*line, costs[key_of(line[2])]) for line in heads),
        ),
    )


def main() -> None:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    content = document()
    if not check:
        FILE.write_text(content, encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != content:
        raise SystemExit("docs/models.md is not up to date: run python scripts/model_table.py")


if __name__ == "__main__":
    main()
