"""What the table of variants and the options make of the four stages."""

import functools
from itertools import pairwise
from typing import Any

import pytest
import torch
from kinds import build, views
from pytorchvideo.layers.drop_path import DropPath
from torch import Tensor, nn

from video_uniformer.models.uniformer.blocks import GlobalBlock
from video_uniformer.models.uniformer.layers import ConvEmbed, ConvStem, PatchEmbed
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.models.uniformer.stages import StageOptions, build_stages
from video_uniformer.models.uniformer.variants import VARIANTS, Variant, find_variant
from video_uniformer.weights.build import create_uniformer

ROW = VARIANTS["test"]


@functools.cache
def on_meta(variant: str, **arguments: Any) -> UniFormer:
    """A network without memory, shared by the tests: for its structure only."""
    with torch.device("meta"):
        network: UniFormer = create_uniformer(variant, **arguments)
    return network


def blocks(network: UniFormer, stage: int) -> list[Any]:
    found: Any = network.stages[stage]
    return list(found.blocks)


@pytest.mark.parametrize(
    ("variant", "arguments", "local", "deep"),
    [
        ("small", {}, None, None),
        ("small", {"layer_scale": 0.1}, None, (320,)),
        ("base", {"layer_scale": 1e-6}, None, (320,)),
        ("small_plus", {"layer_scale": 0.1}, None, (320,)),
        ("large", {}, (1, 128, 1, 1), (448,)),
        ("xxs", {}, None, None),
        ("xxs", {"layer_scale": 0.1}, (1, 56, 1, 1), (224,)),
        ("xs", {"layer_scale": 0.1}, (1, 64, 1, 1), (256,)),
    ],
)
def test_which_blocks_have_layer_scale(
    variant: str,
    arguments: dict[str, float],
    local: tuple[int, ...] | None,
    deep: tuple[int, ...] | None,
) -> None:
    network = on_meta(variant, ndim=2, **arguments)
    for stage, expected in ((0, local), (2, deep)):
        for block in blocks(network, stage):
            shapes = {None if g is None else tuple(g.shape) for g in (block.gamma_1, block.gamma_2)}
            assert shapes == {expected}


def test_layer_scale_of_a_video_network_has_a_time_axis() -> None:
    network = on_meta("xxs", ndim=3, layer_scale=0.1)
    assert blocks(network, 1)[0].gamma_1.shape == (1, 112, 1, 1, 1)


@pytest.mark.parametrize(
    ("variant", "given", "value"), [("large", None, 1e-6), ("large", 0.1, 0.1), ("xxs", 0.1, 0.1)]
)
def test_layer_scale_starts_at_its_value(variant: str, given: float | None, value: float) -> None:
    row = VARIANTS[variant]._replace(dims=(8, 16, 32, 64), depths=(1, 1, 1, 1), head_dim=16)
    row = row if given is None else row._replace(layer_scale=given)
    network = UniFormer(row, StageOptions(ndim=2))
    gammas = [p for name, p in network.named_parameters() if "gamma" in name]
    assert len(gammas) == 8
    assert all(gamma.eq(value).all() for gamma in gammas)


@pytest.mark.parametrize(
    ("variant", "whole"), [("small", [3, 7]), ("base", [3, 7, 11, 15, 19]), ("small_plus", [3, 7])]
)
def test_every_fourth_block_of_a_hybrid_relates_all_tokens(variant: str, whole: list[int]) -> None:
    network = on_meta(variant, ndim=2, attention="hybrid", window_size=5)
    sizes = [block.window_size for block in blocks(network, 2)]
    assert [number for number, size in enumerate(sizes) if size is None] == whole
    assert set(sizes) == {None, 5}
    assert {block.window_size for block in blocks(network, 3)} == {None}


def test_windows_are_in_every_block_of_stage_3_and_in_no_other() -> None:
    network = on_meta("small", ndim=2, attention="window")
    assert {block.window_size for block in blocks(network, 2)} == {14}
    assert {block.window_size for block in blocks(network, 3)} == {None}


def test_same_weights_fit_all_kinds_of_windows() -> None:
    networks = [on_meta("small", ndim=2, attention=a) for a in ("global", "window", "hybrid")]
    keys = [list(network.state_dict()) for network in networks]
    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize("attention", ["window", "hybrid"])
def test_windows_as_large_as_the_map_give_the_global_network(attention: str) -> None:
    expected = build("image").eval()(views(2))
    network = build("image", attention=attention, window_size=4).eval()
    torch.testing.assert_close(network(views(2)), expected)


@pytest.mark.parametrize(
    ("variant", "stem", "embed"),
    [
        ("small", PatchEmbed, PatchEmbed),
        ("xxs", ConvStem, PatchEmbed),
        ("small_plus", ConvStem, ConvEmbed),
    ],
)
def test_stem_decides_how_maps_shrink(
    variant: str, stem: type[nn.Module], embed: type[nn.Module]
) -> None:
    network: Any = on_meta(variant, ndim=2)
    kinds = [type(stage.patch_embed) for stage in network.stages]
    assert kinds == [stem, embed, embed, embed]


def test_three_frame_embeds_keep_the_number_of_frames() -> None:
    network: Any = build("video_std").eval()
    kernels = [stage.patch_embed.proj.kernel_size for stage in network.stages]
    assert kernels == [(3, 4, 4), (3, 2, 2), (3, 2, 2), (3, 2, 2)]
    assert [m.shape[2] for m in network.forward_stages(views(3, frames=5))] == [3] * 4


@pytest.mark.parametrize(
    ("variant", "rate", "depth"),
    [("small", 0.1, 18), ("base", 0.3, 40), ("xxs", 0.05, 17), ("small_plus", 0.1, 20)],
)
def test_drop_path_rates_rise_linearly(variant: str, rate: float, depth: int) -> None:
    network = on_meta(variant, ndim=2, drop_path_rate=rate)
    rates = [module.drop_prob for module in network.modules() if isinstance(module, DropPath)]
    assert len(rates) == depth
    assert (rates[0], rates[-1]) == (0.0, pytest.approx(rate))
    steps = [after - before for before, after in pairwise(rates)]
    assert steps == pytest.approx([rate / (depth - 1)] * len(steps))


@pytest.mark.parametrize(
    ("variant", "heads"),
    [
        ("xxs", (8, 16)),
        ("xs", (8, 16)),
        ("small", (5, 8)),
        ("small_plus", (10, 16)),
        ("base", (5, 8)),
        ("large", (7, 10)),
    ],
)
def test_heads_of_the_published_networks(variant: str, heads: tuple[int, int]) -> None:
    network = on_meta(variant, ndim=2)
    assert tuple(blocks(network, s)[0].mhra.num_heads for s in (2, 3)) == heads


@pytest.mark.parametrize(
    ("variant", "heads"),
    [("small", (10, 16)), ("small_plus", (10, 16)), ("base", (10, 16)), ("large", (7, 10))],
)
def test_heads_of_the_networks_published_with_token_labels(
    variant: str, heads: tuple[int, int]
) -> None:
    network = on_meta(variant, ndim=2, token_labels=True)
    assert tuple(blocks(network, s)[0].mhra.num_heads for s in (2, 3)) == heads
    other = on_meta(variant, ndim=2, token_labels=True, head_dim=64)
    assert blocks(other, 2)[0].mhra.num_heads == VARIANTS[variant].dims[2] // 64


def test_checkpointing_recomputes_the_first_blocks_of_a_stage_only() -> None:
    row = ROW._replace(depths=(1, 2, 1, 1))
    network: Any = UniFormer(row, StageOptions(checkpoint_blocks=(0, 1, 0, 0)), num_classes=5)
    calls = [0, 0]
    for number, block in enumerate(network.stages[1].blocks):

        def count(module: nn.Module, inputs: tuple[Tensor], number: int = number) -> None:
            calls[number] += 1

        block.register_forward_pre_hook(count)
    network(views(3)).sum().backward()
    assert calls == [2, 1]


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"variant": "smal"}, r"variant is 'smal', expected one of .*did you mean 'small'\?"),
    ({"variant": "resnet"}, r"variant is 'resnet', expected one of \['base', 'large', 'small'"),
    ({"ndim": 4}, r"ndim is 4, expected 3 \(videos\) or 2 \(images\)"),
    ({"variant": "small_plus"}, "ndim is 3, expected 2: the convolutional stem is defined for im"),
    ({"drop_path_rate": 1.0}, r"drop_path_rate is 1.0, expected a probability in \[0, 1\)"),
    ({"drop_path_rate": -0.1}, r"drop_path_rate is -0.1, expected a probability"),
    ({"drop_path_rate": float("nan")}, r"drop_path_rate is nan, expected a probability"),
    ({"head_dim": 7}, r"head_dim is 7, expected a divisor of the stage's dim 32"),
    ({"head_dim": 0}, r"head_dim is 0, expected a divisor"),
    ({"head_dim": -8}, r"head_dim is -8, expected a divisor"),
    ({"attention": "local"}, "attention is 'local', expected one of global, window, hybrid, divi"),
    ({"attention": "window"}, r"attention is 'window', which is defined for images \(ndim=2\) o"),
    ({"attention": "hybrid"}, r"attention is 'hybrid', which is defined for images \(ndim=2\) o"),
    (
        {"attention": "divided", "ndim": 2},
        r"attention is 'divided', which is defined for videos \(ndim=3\) only",
    ),
    (
        {"variant": "test_light", "attention": "window", "ndim": 2},
        "attention is 'window', expected 'global' for a network that ranks its tokens",
    ),
    (
        {"variant": "xxs", "attention": "divided"},
        "attention is 'divided', expected 'global' for a network that ranks its tokens",
    ),
    (
        {"attention": "divided", "layer_scale": 0.1},
        "layer_scale is 0.1, expected None with divided attention",
    ),
    (
        {"attention": "window", "ndim": 2, "window_size": 0},
        "window_size is 0, expected at least 1 cell",
    ),
    ({"embed_frames": 2}, "embed_frames is 2, expected 1, or 3 for videos"),
    ({"embed_frames": 3, "ndim": 2}, "embed_frames is 3, expected 1, or 3 for videos"),
    ({"checkpoint_blocks": (0, 0, 1)}, r"checkpoint_blocks is \[0, 0, 1\], expected one number"),
    ({"checkpoint_blocks": (0, 0, 2, 0)}, "checkpoint_blocks has 2 for a stage of 1 blocks"),
    ({"checkpoint_blocks": (-1, 0, 0, 0)}, "checkpoint_blocks has -1 for a stage of 1 blocks"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_argument_out_of_range_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_uniformer(**{"variant": "test", **arguments})


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (ROW._replace(dims=(8, 16, 32)), "dims"),  # type: ignore[arg-type]
        (ROW._replace(depths=(1, 1, 1, 1, 1)), "depths"),  # type: ignore[arg-type]
    ],
)
def test_other_than_four_stages_are_refused(row: Variant, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is \[.*\], expected one number for each of 4"):
        build_stages(row, StageOptions())


def test_variants_are_found_by_name() -> None:
    assert all(find_variant(name) is row for name, row in VARIANTS.items())


@pytest.mark.parametrize("name", ["Small", "uniformer_small", "", "small-plus"])
def test_unknown_variant_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"variant is {name!r}, expected one of"):
        find_variant(name)


def test_image_network_of_a_variant_uses_global_blocks_in_its_deep_stages() -> None:
    network = on_meta("small", ndim=2)
    assert all(isinstance(block, GlobalBlock) for s in (2, 3) for block in blocks(network, s))
