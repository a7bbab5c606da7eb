from typing import Any

import pytest
import torch
from kinds import KINDS, build, scramble, views
from torch import Tensor, nn

from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.weights.build import create_uniformer

CLASSIFIERS = [kind for kind in KINDS if not kind.startswith("maps")]


def trained(kind: str, **changes: Any) -> Any:
    """A network whose norms, statistics, scales and biases are all off their initial values."""
    network = build(kind, **changes)
    scramble(network)
    return network.eval()


def outputs(network: Any, x: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        output = network(x)
    return output if isinstance(output, list) else [output]


def same_to_rounding(network: Any, x: Tensor) -> bool:
    pairs = zip(outputs(fuse_for_inference(network), x), outputs(network, x), strict=True)
    return all((own - other).abs().max() <= 5e-6 * other.abs().max() for own, other in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_fused_network_gives_the_same_outputs(kind: str) -> None:
    network = trained(kind)
    assert same_to_rounding(network, views(network.ndim, frames=5, height=70, width=50))


@pytest.mark.parametrize("kind", ["video", "video_light_scaled", "image_token_labels"])
def test_fused_network_without_classes_gives_the_same_features(kind: str) -> None:
    network = trained(kind, num_classes=0)
    assert same_to_rounding(network, views(network.ndim))


@pytest.mark.parametrize("kind", ["video", "image_light", "image_token_labels"])
def test_fused_network_without_pooling_gives_the_same_map(kind: str) -> None:
    network = trained(kind)
    network.reset_classifier(0, "")
    assert same_to_rounding(network, views(network.ndim))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["xxs", "xs", "small", "small_plus", "base", "tiny"])
def test_fused_published_network_gives_the_same_outputs(variant: str) -> None:
    torch.manual_seed(0)
    network = create_uniformer(variant, ndim=2, num_classes=5).eval()
    scramble(network)
    assert same_to_rounding(network, views(2, height=70, width=97))


@pytest.mark.parametrize("kind", ["video", "video_light_scaled", "image_conv_stem"])
def test_fused_network_gives_the_same_maps(kind: str) -> None:
    network = trained(kind)
    x = views(network.ndim)
    fused = fuse_for_inference(network).forward_stages(x)
    for own, expected in zip(fused, network.forward_stages(x), strict=True):
        assert (own - expected).abs().max() <= 5e-6 * expected.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_fused_network_has_no_batch_norm_no_scale_and_no_addition_for_dpe(kind: str) -> None:
    fused = fuse_for_inference(trained(kind))
    names = {type(module).__name__ for module in fused.modules()}
    assert not {"BatchNorm2d", "BatchNorm3d", "DPE"} & names
    assert not [name for name, _ in fused.named_parameters() if "gamma" in name]


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_fusing_without_classes_keeps_only_the_last_batch_norm(kind: str) -> None:
    fused = fuse_for_inference(trained(kind, num_classes=0))
    kinds = nn.BatchNorm2d | nn.BatchNorm3d
    assert [n for n, module in fused.named_modules() if isinstance(module, kinds)] == ["norm"]


@pytest.mark.parametrize("kind", ["video_light", "image_token_labels"])
def test_both_classifiers_of_a_fused_network_are_the_same(kind: str) -> None:
    network = trained(kind)
    x = views(network.ndim)
    fused = fuse_for_inference(network).forward_auxiliary(x)
    for own, expected in zip(fused, network.forward_auxiliary(x), strict=True):
        assert (own - expected).abs().max() <= 5e-6 * expected.abs().max()


@pytest.mark.parametrize("kind", ["video", "image_light_scaled", "maps"])
def test_fusing_leaves_the_original_as_it_is(kind: str) -> None:
    network = trained(kind).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fused = fuse_for_inference(network)
    assert network.training
    assert not fused.training
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("kind", ["video", "image_light_scaled", "image_conv_stem", "maps"])
def test_fused_network_can_be_fused_again(kind: str) -> None:
    fused = fuse_for_inference(trained(kind))
    assert same_to_rounding(fused, views(fused.ndim))
