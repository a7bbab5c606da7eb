"""Stage maps: the form for dense tasks, and timm's way to ask for them."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from kinds import KINDS, build, views

from video_uniformer.models.uniformer.layers import MEMORY_FORMAT
from video_uniformer.weights.build import create_uniformer

MAPS = [kind for kind in KINDS if kind.startswith("maps")]


@pytest.mark.parametrize(
    ("kind", "size", "sizes"),
    [
        ("maps", (64, 96), [(16, 24), (8, 12), (4, 6), (2, 3)]),
        ("maps", (65, 70), [(16, 17), (8, 8), (4, 4), (2, 2)]),
        ("maps_window", (32, 33), [(8, 8), (4, 4), (2, 2), (1, 1)]),
        ("maps_window", (100, 67), [(25, 16), (12, 8), (6, 4), (3, 2)]),
        ("maps_light", (33, 97), [(9, 25), (4, 12), (2, 6), (1, 3)]),
        ("maps_conv_stem", (33, 65), [(9, 17), (5, 9), (3, 5), (2, 3)]),
    ],
)
def test_four_maps_of_any_size_come_finest_first(
    kind: str, size: tuple[int, int], sizes: list[tuple[int, int]]
) -> None:
    network = build(kind).eval()
    maps = network(torch.randn(2, 3, *size))
    assert [m.shape[1] for m in maps] == list(network.dims)
    assert [tuple(m.shape[2:]) for m in maps] == sizes


@pytest.mark.parametrize("variant", ["xxs", "xs", "small", "small_plus", "base", "large"])
@pytest.mark.slow
def test_maps_of_the_published_networks(variant: str) -> None:
    network = create_uniformer(variant, ndim=2, features_only=True).eval()
    for height, width in ((32, 32), (70, 97)):
        with torch.inference_mode():
            maps = network(torch.randn(1, 3, height, width))
        assert [m.shape[1] for m in maps] == list(network.dims)
        assert all(m.isfinite().all() for m in maps)


@pytest.mark.parametrize("kind", MAPS)
def test_each_map_is_the_classifiers_after_a_norm_of_its_own(kind: str) -> None:
    maps = build(kind).eval()
    classifier = build(kind, features_only=False).eval()
    classifier.load_state_dict(
        {k: v for k, v in maps.state_dict().items() if not k.startswith("norms.")}, strict=False
    )
    x = views(2, width=96)
    for norm, own, raw in zip(maps.norms, maps(x), classifier.forward_stages(x), strict=True):
        raw = raw.movedim(1, -1)
        expected = F.layer_norm(raw, raw.shape[-1:], norm.weight, norm.bias, 1e-6)
        torch.testing.assert_close(own, expected.movedim(-1, 1))


def test_norm_of_a_map_does_not_reach_the_next_stage() -> None:
    network: Any = build("maps").eval()
    before = network(views(2))
    for number in range(3):
        torch.nn.init.zeros_(network.norms[number].weight)
    after = network(views(2))
    assert not any(m.any() for m in after[:3])
    assert torch.equal(after[3], before[3])


@pytest.mark.parametrize("kind", MAPS)
def test_maps_lie_channels_last(kind: str) -> None:
    assert all(m.is_contiguous(memory_format=MEMORY_FORMAT[2]) for m in build(kind)(views(2)))


@pytest.mark.parametrize("kind", MAPS)
def test_network_of_maps_has_no_classifier(kind: str) -> None:
    network = build(kind)
    assert not [key for key in network.state_dict() if key.startswith(("head.", "norm."))]
    assert network.config.get("num_classes", 0) == 0


def test_maps_of_a_video_network_are_refused() -> None:
    with pytest.raises(ValueError, match="features_only is True with ndim 3, expected ndim 2"):
        create_uniformer("test", features_only=True)


@pytest.mark.parametrize("kind", ["video", "image", "video_light", "image_light"])
def test_intermediates_are_the_stage_maps(kind: str) -> None:
    network = build(kind).eval()
    x = views(network.ndim)
    maps, features = network.forward_stages(x), network.forward_features(x)
    last, picked = network.forward_intermediates(x)
    assert torch.equal(last, features)
    assert all(torch.equal(own, other) for own, other in zip(picked, maps, strict=True))


@pytest.mark.parametrize(
    ("indices", "expected"),
    [(None, [0, 1, 2, 3]), (1, [3]), (2, [2, 3]), ([0, 2], [0, 2]), ((-1, 1), [3, 1])],
)
def test_intermediates_are_chosen_by_count_or_number(indices: Any, expected: list[int]) -> None:
    network = build("image").eval()
    maps = network.forward_stages(views(2))
    picked = network.forward_intermediates(views(2), indices, intermediates_only=True)
    assert len(picked) == len(expected)
    for own, number in zip(picked, expected, strict=True):
        assert torch.equal(own, maps[number])


def test_last_intermediate_is_normalised_when_asked() -> None:
    network = build("image").eval()
    last, picked = network.forward_intermediates(views(2), norm=True)
    raw = network.forward_stages(views(2))
    assert torch.equal(picked[3], last)
    assert torch.equal(picked[2], raw[2])
    assert not torch.equal(picked[3], raw[3])


@pytest.mark.parametrize("kind", ["video", "image_light", "image_conv_stem"])
def test_feature_info_tells_channels_strides_and_modules(kind: str) -> None:
    network = build(kind)
    modules = dict(network.named_modules())
    assert [row["num_chs"] for row in network.feature_info] == [8, 16, 32, 64]
    assert [row["reduction"] for row in network.feature_info] == [4, 8, 16, 32]
    assert all(row["module"] in modules for row in network.feature_info)
