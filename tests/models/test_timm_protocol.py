"""What timm's tools ask of a network beside its forward."""

import re
from typing import Any

import pytest
import torch
from kinds import AUXILIARY, KINDS, LIGHT, build, scramble, views
from torch import nn

from video_uniformer.models.cost import measure
from video_uniformer.models.uniformer.network import UniFormer

ONE_OF_EACH = ["video", "video_light", "image", "image_conv_stem", "image_token_labels"]


def classes_of(network: UniFormer) -> int:
    classifier = network.get_classifier()
    assert isinstance(classifier, nn.Linear)
    return classifier.out_features


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_widths_are_those_of_the_features(kind: str) -> None:
    network, x = build(kind).eval(), views(KINDS[kind]["ndim"])
    features = network.forward_features(x)
    assert network.num_features == features.shape[1]
    assert network.head_hidden_size == network.forward_head(features, pre_logits=True).shape[1]


def test_classifier_is_the_layer_that_gives_the_logits() -> None:
    network = build("image")
    assert classes_of(network) == 5
    network.reset_classifier(3)
    assert classes_of(network) == 3
    for global_pool in ("avg", ""):
        network.reset_classifier(0, global_pool)
        assert isinstance(network.get_classifier(), nn.Identity)


@pytest.mark.parametrize("kind", ONE_OF_EACH)
@pytest.mark.parametrize("mode", [False, True])
def test_without_pooling_the_normalised_map_comes_out(kind: str, mode: bool) -> None:
    network, x = build(kind).eval(), views(KINDS[kind]["ndim"])
    expected = network.forward_features(x)
    network.reset_classifier(0, "")
    network.head.train(mode)
    assert torch.equal(network(x), expected)
    assert network.global_pool == ""


def test_pooling_stays_as_it_is_unless_told() -> None:
    network, x = build("image").eval(), views(2)
    network.reset_classifier(0, "")
    network.reset_classifier(0)
    assert network(x).ndim == 4
    network.reset_classifier(3)  # a classifier reads what is pooled
    assert network(x).shape == (2, 3)
    network.reset_classifier(0)
    assert network(x).ndim == 2


@pytest.mark.parametrize("kind", ONE_OF_EACH)
@pytest.mark.parametrize("mode", [False, True])
def test_new_head_is_in_the_mode_and_of_the_precision_of_the_network(kind: str, mode: bool) -> None:
    network = build(kind).to(dtype=torch.float64).train(mode)
    for num_classes, global_pool in ((0, ""), (0, "avg"), (3, None)):
        network.reset_classifier(num_classes, global_pool)
        assert {module.training for module in network.modules()} == {mode}
    assert {parameter.dtype for parameter in network.head.parameters()} == {torch.float64}


@pytest.mark.parametrize(
    ("num_classes", "global_pool", "shown"), [(3, "", "''"), (0, "max", "'max'"), (3, "max", "'m")]
)
def test_pooling_that_there_is_not_is_refused(
    num_classes: int, global_pool: str, shown: str
) -> None:
    network = build("image")
    with pytest.raises(ValueError, match=rf"global_pool is {shown}.*, expected 'avg', or '' with"):
        network.reset_classifier(num_classes, global_pool)
    assert classes_of(network) == 5


@pytest.mark.parametrize("kind", AUXILIARY)
def test_auxiliary_training_can_be_switched_off(kind: str) -> None:
    network, x = build(kind), views(KINDS[kind]["ndim"])
    network.set_auxiliary_training(False)
    network.eval()
    expected = network(x)
    network.training = True  # this switch alone: batch norms keep their statistics
    torch.testing.assert_close(network(x), expected)
    network.set_auxiliary_training(True)
    assert len(network(x)) == 2


@pytest.mark.parametrize("kind", AUXILIARY)
@pytest.mark.parametrize("enable", [False, True])
def test_every_parameter_that_is_not_frozen_is_trained(kind: str, enable: bool) -> None:
    network, x = build(kind).train(), views(KINDS[kind]["ndim"])
    network.set_auxiliary_training(enable)
    outputs = network(x)
    sum(output.mean() for output in (outputs if enable else [outputs])).backward()
    trained = {name for name, p in network.named_parameters() if p.grad is not None}
    assert trained == {name for name, p in network.named_parameters() if p.requires_grad}
    frozen = set(dict(network.named_parameters())) - trained
    assert all(name.startswith("head.cls_") for name in frozen)
    assert len(frozen) == (4 if kind in LIGHT and not enable else 0)


def test_new_classifier_keeps_the_switch_of_auxiliary_training() -> None:
    network = build("image_light").train()
    network.set_auxiliary_training(False)
    network.reset_classifier(3)
    assert network(views(2)).shape == (2, 3)
    assert not network.head.cls_proj.weight.requires_grad


@pytest.mark.parametrize("kind", ["image", "image_light", "image_token_labels", "video"])
def test_dropout_stands_before_every_classifier_and_in_training_only(kind: str) -> None:
    network, x = build(kind, drop_rate=0.999999), views(KINDS[kind]["ndim"])
    plain = build(kind).eval()
    network.load_state_dict(plain.state_dict())
    assert torch.equal(network.eval()(x), plain(x))
    network.head.train()
    network.training = True
    outputs = network(x) if kind in AUXILIARY else [network(x)]
    assert not any(output.any() for output in outputs)  # of biases, which start at zero


@pytest.mark.parametrize("drop_rate", [-0.1, 1.0])
def test_dropout_that_is_no_probability_is_refused(drop_rate: float) -> None:
    with pytest.raises(ValueError, match=rf"drop_rate is {drop_rate}, expected a probability"):
        build("image", drop_rate=drop_rate)


@pytest.mark.parametrize("in_chans", [1, 4])
@pytest.mark.parametrize("kind", ["video", "video_light", "image", "image_conv_stem", "maps"])
def test_network_reads_as_many_channels_as_it_is_told(kind: str, in_chans: int) -> None:
    network = build(kind, in_chans=in_chans).eval()
    x = views(KINDS[kind]["ndim"])
    assert network(x[:, :1].expand(-1, in_chans, *x.shape[2:]).contiguous()) is not None
    assert next(network.parameters()).shape[1] == network.in_chans == in_chans
    with pytest.raises(ValueError, match=rf"input has shape .*, expected \(B, {in_chans}, "):
        network(x)


def test_cost_is_that_of_the_channels_there_are() -> None:
    grey, colour = (measure(build("image", in_chans=n), (64, 64)) for n in (1, 3))
    assert grey.input_shape == (1, 64, 64)
    assert grey.multiply_adds < colour.multiply_adds


def test_network_without_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="in_chans is 0, expected 1 channel or more"):
        build("image", in_chans=0)


@pytest.mark.parametrize("kind", ["video", "image_light"])
def test_checkpointing_of_all_blocks_changes_no_gradient(kind: str) -> None:
    x, grads = views(KINDS[kind]["ndim"]), []
    for enable in (False, True):
        network = build(kind).train()
        network.set_grad_checkpointing(enable)
        network(x)[0].sum().backward()
        assert [s.num_checkpointed > 0 for s in network.stages] == [enable] * 4
        grads.append({n: p.grad for n, p in network.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad)
    network.set_grad_checkpointing(False)
    assert not any(stage.num_checkpointed for stage in network.stages)


@pytest.mark.parametrize("kind", ["image", "image_light", "image_conv_stem"])
@pytest.mark.parametrize("coarse", [False, True])
def test_groups_hold_every_parameter_but_the_heads(kind: str, coarse: bool) -> None:
    network = build(kind)
    groups = network.group_matcher(coarse)
    patterns = [groups["stem"], *(pattern for pattern, _ in groups["blocks"])]
    for name, _ in network.named_parameters():
        assert any(re.match(pattern, name) for pattern in patterns) != name.startswith("head.")


@pytest.mark.parametrize("kind", ["video", "image_light"])
@pytest.mark.parametrize(
    ("indices", "numbers"), [(None, [0, 1, 2, 3]), (2, [2, 3]), ([0, -2], [0, 2]), ([1], [1])]
)
def test_intermediates_are_the_stage_maps(kind: str, indices: Any, numbers: list[int]) -> None:
    network, x = build(kind).eval(), views(KINDS[kind]["ndim"])
    maps, features = network.forward_stages(x), network.forward_features(x)
    last, picked = network.forward_intermediates(x, indices)
    assert torch.equal(last, features)
    assert all(torch.equal(a, maps[n]) for a, n in zip(picked, numbers, strict=True))
    early = network.forward_intermediates(x, indices, stop_early=True, intermediates_only=True)
    assert all(torch.equal(a, b) for a, b in zip(early, picked, strict=True))


def test_stages_after_the_last_wanted_map_do_not_run() -> None:
    network, ran = build("image").eval(), []
    for number, stage in enumerate(network.stages):
        stage.register_forward_hook(lambda *_, number=number: ran.append(number))
    last, (only,) = network.forward_intermediates(views(2), [1], norm=True, stop_early=True)
    assert ran == [0, 1]
    assert torch.equal(last, only)  # and no norm: that belongs to the map of stage 4


def test_norm_is_taken_by_the_last_map_alone() -> None:
    network, x = build("image").eval(), views(2)
    scramble(network)
    plain = network.forward_intermediates(x, intermediates_only=True)
    normed = network.forward_intermediates(x, norm=True, intermediates_only=True)
    assert [torch.equal(a, b) for a, b in zip(plain, normed, strict=True)] == [True] * 3 + [False]
    assert torch.equal(normed[3], network.forward_features(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"indices": [4]}, r"indices is \[4\], expected some of the 4 maps"),
        ({"indices": []}, r"indices is \[\], expected some of the 4 maps"),
        ({"indices": 5}, "indices is 5, expected some of the 4 maps"),
        ({"output_fmt": "NLC"}, "output_fmt is 'NLC', expected 'NCHW'"),
    ],
)
def test_maps_that_there_are_not_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build("image").forward_intermediates(views(2), **arguments)


@pytest.mark.parametrize("kind", ["image", "image_light"])
def test_pruned_network_gives_the_maps_it_is_left_with(kind: str) -> None:
    network, x = build(kind).eval(), views(2)
    expected = network.forward_stages(x)[:3]
    assert network.prune_intermediate_layers([0, -2]) == [0, 2]
    assert len(network.stages) == 3
    assert not [n for n, _ in network.named_parameters() if n.startswith(("norm.", "head."))]
    maps = network.forward_intermediates(x, [0, 1, 2], intermediates_only=True)
    assert all(torch.equal(a, b) for a, b in zip(maps, expected, strict=True))


def test_pruning_keeps_what_it_is_told_to_keep() -> None:
    network, x = build("image").eval(), views(2)
    logits = network(x)
    assert network.prune_intermediate_layers(1, prune_head=False) == [3]
    assert torch.equal(network(x), logits)
