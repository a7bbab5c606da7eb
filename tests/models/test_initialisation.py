"""How new networks start, and which of their parameters are not decayed."""

import pytest
import torch
from kinds import build
from torch import nn

from video_uniformer.weights.build import create_uniformer


def test_new_head_starts_as_a_new_network_does() -> None:
    network = build("video_light")
    network.reset_classifier(7)
    for layer in (network.head.proj, network.head.cls_proj):
        assert layer.weight.shape == (7, 64)
        assert 0.015 < float(layer.weight.detach().std()) < 0.025
        assert not layer.bias.any()


def test_linear_layers_start_normal_and_without_bias() -> None:
    torch.manual_seed(0)
    layers = [m for m in create_uniformer("tiny").modules() if isinstance(m, nn.Linear)]
    weights = torch.cat([layer.weight.detach().flatten() for layer in layers])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
    assert not any(layer.bias.any() for layer in layers)


def test_convolutions_start_uniform_within_one_over_root_fan_in() -> None:
    torch.manual_seed(0)
    convolutions = [m for m in create_uniformer("tiny").modules() if isinstance(m, nn.Conv3d)]
    for conv in convolutions:
        assert conv.bias is not None
        bound = conv.weight[0].numel() ** -0.5
        assert 0.9 * bound < float(conv.weight.detach().abs().max()) <= bound
        assert 0 < float(conv.bias.detach().abs().max()) <= bound


@pytest.mark.parametrize("kind", ["video", "video_light", "image_conv_stem", "maps"])
def test_norms_start_as_identity(kind: str) -> None:
    kinds = nn.LayerNorm | nn.BatchNorm2d | nn.BatchNorm3d
    norms = [m for m in build(kind).modules() if isinstance(m, kinds)]
    assert all(torch.equal(norm.weight, torch.ones_like(norm.weight)) for norm in norms)
    assert not any(norm.bias.any() for norm in norms)


def test_divided_attention_starts_without_time() -> None:
    network = build("video_divided")
    for name, parameter in network.named_parameters():
        if ".time_mhra." in name:
            expected = 1.0 if name.endswith("proj.weight") else 0.0
            assert parameter.eq(expected).all()
    assert network.stages[2].blocks[0].mhra.qkv.weight.any()


def test_layer_norm_eps_depends_on_the_place() -> None:
    # Official: PyTorch's default in the patch embeds and at the class token, 1e-6 elsewhere.
    network, maps = build("video_light"), build("maps")
    eps = {n: m.eps for n, m in network.named_modules() if isinstance(m, nn.LayerNorm)}
    assert {eps[n] for n in eps if "patch_embed" in n or "cls_norm" in n} == {1e-5}
    assert {eps[n] for n in eps if "blocks" in n} == {1e-6}
    assert {norm.eps for norm in maps.norms} == {1e-6}


def test_norms_and_biases_are_not_decayed() -> None:
    network = build("video_light_scaled")
    spared, named = network.no_weight_decay(), dict(network.named_parameters())
    assert spared == {name for name, p in named.items() if p.ndim <= 1}
    assert {"norm.weight", "stages.2.blocks.0.gamma_1", "head.proj.bias"} <= spared
    assert not {"stages.2.cls_token", "head.proj.weight"} & spared
