"""What every network of the family promises, whatever is inside."""

import copy
import inspect
from typing import Any

import pytest
import torch
from kinds import AUXILIARY, KINDS, LIGHT, build, operators_of_a_forward_pass, scramble, views
from pytorchvideo.models.head import create_res_basic_head
from pytorchvideo.models.resnet import create_resnet
from torch import Tensor, nn

from video_uniformer.description import Description
from video_uniformer.models.uniformer.layers import MEMORY_FORMAT
from video_uniformer.weights.build import create_uniformer

CLASSIFIERS = [kind for kind in KINDS if not kind.startswith("maps")]

# Frames, height, width -> the finest and the coarsest map; strided kernels round down, and the
# overlapping ones of the light stem round up.
SIZES = [
    ("video", (1, 32, 32), (1, 8, 8), (1, 1, 1)),
    ("video", (2, 33, 47), (1, 8, 11), (1, 1, 1)),
    ("video", (3, 63, 32), (2, 15, 8), (2, 1, 1)),
    ("video", (5, 100, 60), (3, 25, 15), (3, 3, 1)),
    ("video_divided", (3, 33, 95), (2, 8, 23), (2, 1, 2)),
    ("video_std", (1, 32, 47), (1, 8, 11), (1, 1, 1)),
    ("video_light", (1, 32, 32), (1, 8, 8), (1, 1, 1)),
    ("video_light", (2, 33, 47), (1, 9, 12), (1, 1, 1)),
    ("video_light", (5, 100, 61), (3, 25, 16), (3, 3, 2)),
    ("video_light", (3, 95, 97), (2, 24, 25), (2, 3, 3)),
    ("image", (33, 47), (8, 11), (1, 1)),
    ("image", (100, 60), (25, 15), (3, 1)),
    ("image_hybrid", (33, 100), (8, 25), (1, 3)),
    ("image_window", (100, 67), (25, 16), (3, 2)),
    ("image_light", (32, 32), (8, 8), (1, 1)),
    ("image_light", (33, 97), (9, 25), (1, 3)),
    ("image_light", (100, 60), (25, 15), (3, 1)),
    ("image_conv_stem", (32, 32), (8, 8), (1, 1)),
    ("image_conv_stem", (33, 65), (9, 17), (2, 3)),
]


@pytest.mark.parametrize(("kind", "size", "finest", "coarsest"), SIZES)
def test_any_length_and_size_gives_the_maps_of_the_strides(
    kind: str, size: tuple[int, ...], finest: tuple[int, ...], coarsest: tuple[int, ...]
) -> None:
    network = build(kind).eval()
    x = torch.randn(1, 3, *size)
    maps = network.forward_stages(x)
    assert [m.shape[1] for m in maps] == list(network.dims)
    assert tuple(maps[0].shape[2:]) == finest
    assert tuple(maps[3].shape[2:]) == coarsest
    assert network(x).shape == (1, 5)
    assert network(x).isfinite().all()


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_evaluation_gives_logits(kind: str) -> None:
    network = build(kind).eval()
    assert network(views(network.ndim)).shape == (2, 5)


@pytest.mark.parametrize("kind", [k for k in CLASSIFIERS if k not in AUXILIARY])
def test_training_of_a_network_with_one_classifier_gives_logits(kind: str) -> None:
    network = build(kind).train()
    assert network(views(network.ndim)).shape == (2, 5)


@pytest.mark.parametrize("kind", LIGHT)
def test_training_of_a_light_network_gives_a_second_pair_of_logits(kind: str) -> None:
    network = build(kind).train()
    logits, cls_logits = network(views(network.ndim))
    assert logits.shape == cls_logits.shape == (2, 5)


def test_training_with_token_labels_gives_logits_of_every_token() -> None:
    logits, token_logits = build("image_token_labels").train()(views(2, width=96))
    assert logits.shape == (2, 5)
    assert token_logits.shape == (2, 2 * 3, 5)


@pytest.mark.parametrize("kind", AUXILIARY)
@pytest.mark.parametrize("mode", [True, False])
def test_auxiliary_outputs_are_those_of_training_in_any_mode(kind: str, mode: bool) -> None:
    network = build(kind)
    network.train()
    for module in network.modules():  # so that only the network's own mode tells them apart
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.eval()
    x = views(network.ndim)
    expected = network(x)
    network.training = mode
    for own, other in zip(network.forward_auxiliary(x), expected, strict=True):
        assert torch.equal(own, other)


@pytest.mark.parametrize("kind", LIGHT)
def test_evaluation_of_a_light_network_leaves_the_class_token_out(kind: str) -> None:
    network = build(kind).eval()
    x = views(network.ndim)
    assert torch.equal(network(x), network.forward_auxiliary(x)[0])
    assert torch.equal(network(x), network.forward_head(network.forward_features(x)))


def test_evaluation_with_token_labels_adds_half_the_largest_token_logits() -> None:
    network = build("image_token_labels").eval()
    scramble(network)
    logits, token_logits = network.forward_auxiliary(views(2, width=96))
    assert torch.equal(network(views(2, width=96)), logits + 0.5 * token_logits.amax(1))


@pytest.mark.parametrize("kind", ["video", "image", "image_window"])
def test_network_without_an_auxiliary_classifier_says_so(kind: str) -> None:
    network = build(kind)
    with pytest.raises(ValueError, match="the network has no auxiliary classifier; xxs, xs and"):
        network.forward_auxiliary(views(network.ndim))


@pytest.mark.parametrize("kind", AUXILIARY)
def test_network_without_classes_has_no_auxiliary_classifier(kind: str) -> None:
    network = build(kind, num_classes=0)
    with pytest.raises(ValueError, match="the network has no auxiliary classifier"):
        network.forward_auxiliary(views(network.ndim))


def test_classes_default_to_the_published_ones() -> None:
    assert create_uniformer("test").num_classes == 400
    assert create_uniformer("test", ndim=2).num_classes == 1000


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("mode", [True, False])
def test_no_classes_gives_pooled_normalised_features(kind: str, mode: bool) -> None:
    network = build(kind, num_classes=0).train(mode)
    x = views(network.ndim)
    expected = network.forward_features(x).flatten(2).mean(2)
    assert network(x).shape == (2, network.num_features)
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_pre_logits_are_what_the_head_classifies(kind: str) -> None:
    network = build(kind).eval()
    map_ = network.forward_features(views(network.ndim))
    features = network.forward_head(map_, pre_logits=True)
    assert features.shape == (2, 64)
    logits = network.head.proj(features)
    if kind == "image_token_labels":
        logits = logits + 0.5 * network.head.aux_proj(map_.movedim(1, -1)).flatten(1, 2).amax(1)
    torch.testing.assert_close(network.forward_head(map_), logits)


@pytest.mark.parametrize("kind", ["video", "video_light", "image_token_labels"])
def test_reset_classifier_changes_the_head_and_nothing_else(kind: str) -> None:
    network = build(kind).eval()
    x = views(network.ndim)
    features, old = network.forward_features(x), type(network.head)
    for num_classes, width in ((0, 64), (7, 7), (5, 5)):
        network.reset_classifier(num_classes)
        assert network(x).shape == (2, width)
        assert network.config["num_classes"] == network.num_classes == num_classes
        assert torch.equal(network.forward_features(x), features)
    assert type(network.head) is old


def test_new_classes_forget_the_names_of_the_old_ones() -> None:
    network = build("video")
    network.description = Description(class_names=tuple("abcde"), source="somewhere")
    network.reset_classifier(5)
    assert network.description == Description(source="somewhere")


def test_reset_classifier_keeps_the_type_of_the_weights() -> None:
    network = build("video").double()
    network.reset_classifier(0)
    network.reset_classifier(3)
    assert network(views(3).double()).dtype == torch.float64


def test_negative_number_of_classes_is_refused() -> None:
    network = build("video")
    with pytest.raises(ValueError, match=r"num_classes is -1, expected 0 \(features\) or more"):
        network.reset_classifier(-1)


@pytest.mark.parametrize("variant", ["test_light", "xxs"])
def test_token_labels_of_a_light_network_are_refused(variant: str) -> None:
    message = "token_labels is True, expected False for a network with a class token"
    with pytest.raises(ValueError, match=message):
        create_uniformer(variant, ndim=2, token_labels=True)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "conv_stem" not in kind])
def test_config_rebuilds_the_network(kind: str) -> None:
    network = build(kind, drop_path_rate=0.2, head_dim=8, checkpoint_blocks=(1, 0, 1, 0))
    again = create_uniformer(**network.config)
    assert str(again) == str(network)
    assert again.config == network.config
    again.load_state_dict(network.state_dict())
    x = views(network.ndim)
    own, other = again.eval()(x), network.eval()(x)
    pairs = zip(own, other, strict=True) if isinstance(own, list) else [(own, other)]
    assert all(torch.equal(one, two) for one, two in pairs)


def test_config_follows_a_new_classifier() -> None:
    network = build("video_light")
    network.reset_classifier(3)
    create_uniformer(**network.config).load_state_dict(network.state_dict())


@pytest.mark.parametrize("kind", ["video_light_scaled", "maps_window"])
def test_config_holds_plain_values(kind: str) -> None:
    values = build(kind, checkpoint_blocks=(1, 0, 1, 0)).config.values()
    assert all(isinstance(value, str | int | float | list | None) for value in values)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_samples_of_a_batch_do_not_see_each_other(kind: str) -> None:
    network = build(kind).eval()
    x = views(network.ndim, batch=3)
    alone = torch.cat([network(one[None]) for one in x])
    torch.testing.assert_close(network(x), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_maps_stay_channels_last_from_stem_to_head(kind: str) -> None:
    network = build(kind)
    x = views(network.ndim)
    maps = [*network.forward_stages(x), network.forward_features(x)]
    assert all(m.is_contiguous(memory_format=MEMORY_FORMAT[network.ndim]) for m in maps)


COPYING = {"clone", "copy_", "contiguous", "_to_copy"}
# Forming one row of the attention wants the keys of a head side by side: a small copy per block.
COPIES = {"video": 0, "image": 0, "image_token_labels": 0, "image_light": 4, "video_light": 4}


@pytest.mark.parametrize(("kind", "copies"), COPIES.items())
def test_channels_last_input_is_not_copied(kind: str, copies: int) -> None:
    network = build(kind).eval()
    x = views(network.ndim).contiguous(memory_format=MEMORY_FORMAT[network.ndim])
    ran = operators_of_a_forward_pass(network, x)
    copied = [shapes[0] if shapes else () for name, shapes in ran if name in COPYING]
    assert len(copied) <= copies
    assert all(len(shape) == 4 and shape[2] == 16 for shape in copied)  # (B, heads, d, N)


def test_contiguous_input_is_copied_once() -> None:
    ran = operators_of_a_forward_pass(build("video").eval(), views(3))
    assert [name for name, _ in ran if name in COPYING] == ["clone"]


@pytest.mark.parametrize("kind", [k for k in CLASSIFIERS if k not in LIGHT])
def test_attention_runs_in_the_fused_kernel(kind: str) -> None:
    network = build(kind).eval()
    ran = [name for name, _ in operators_of_a_forward_pass(network, views(network.ndim))]
    expected = 4 if kind == "video_divided" else 2
    assert sum("scaled_dot_product" in name for name in ran) == expected
    assert "_softmax" not in ran


def test_drop_path_is_off_in_evaluation() -> None:
    network, still = build("video_light", drop_path_rate=0.9).eval(), build("video_light").eval()
    still.load_state_dict(network.state_dict())
    assert torch.equal(network(views(3)), still(views(3)))


@pytest.mark.parametrize("kind", ["video", "video_light", "image", "image_token_labels"])
def test_head_dim_changes_the_outputs_but_no_key(kind: str) -> None:
    network, other = build(kind).eval(), build(kind, head_dim=8).eval()
    scramble(network)
    other.load_state_dict(network.state_dict())
    x = views(network.ndim)
    assert not torch.allclose(network(x), other(x))


WRONG_INPUT = [
    ("video", (2, 3, 64, 64), r"shape \(2, 3, 64, 64\), expected \(B, 3, T, H, W\)"),
    ("video", (1, 2, 4, 64, 64), r"shape \(1, 2, 4, 64, 64\), expected \(B, 3, T, H, W\)"),
    ("video_light", (1, 3, 4, 31, 64), "expected .* with H and W of at least 32"),
    ("video", (1, 3, 4, 64, 31), "expected .* with H and W of at least 32"),
    ("video", (1, 3, 0, 64, 64), r"shape \(1, 3, 0, 64, 64\), expected"),
    ("image", (1, 3, 4, 64, 64), r"shape \(1, 3, 4, 64, 64\), expected \(B, 3, H, W\)"),
    ("image_light", (1, 1, 64, 64), r"shape \(1, 1, 64, 64\), expected \(B, 3, H, W\)"),
    ("image", (1, 3, 31, 64), r"shape \(1, 3, 31, 64\), expected \(B, 3, H, W\) with H and W"),
    ("maps", (1, 3, 4, 64, 64), r"shape \(1, 3, 4, 64, 64\), expected \(B, 3, H, W\)"),
]


@pytest.mark.parametrize(("kind", "shape", "message"), WRONG_INPUT)
def test_wrong_input_is_refused_with_its_shape(
    kind: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(kind)(torch.zeros(shape))


def test_raw_pixels_are_refused() -> None:
    video = torch.zeros(1, 3, 4, 64, 64, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"torch.uint8, expected a normalised"):
        build("video")(video)


def test_network_takes_the_place_of_a_pytorchvideo_model() -> None:
    theirs = create_resnet(
        model_depth=50, model_num_class=5, head_pool_kernel_size=(4, 2, 2), head_activation=None
    ).eval()
    ours = build("video_light").eval()
    signatures = [inspect.signature(network.forward) for network in (ours, theirs)]
    assert [len(signature.parameters) for signature in signatures] == [1, 1]
    with torch.inference_mode():
        ours_out, theirs_out = ours(views(3)), theirs(views(3))
    assert (ours_out.shape, ours_out.dtype) == (theirs_out.shape, theirs_out.dtype)


def test_a_pytorchvideo_head_reads_our_map() -> None:
    network = build("video").eval()
    head = create_res_basic_head(
        in_features=64,
        out_features=5,
        pool_kernel_size=(2, 2, 2),
        dropout_rate=0.0,
        activation=None,
    ).eval()
    head.proj = network.head.proj
    map_: Tensor = network.forward_features(views(3))  # (2, 64, 2, 2, 2)
    assert torch.allclose(head(map_), network(views(3)), atol=1e-6)


def test_network_can_be_deep_copied_and_is_independent() -> None:
    network = build("video_light").eval()
    other: Any = copy.deepcopy(network)
    nn.init.zeros_(other.head.proj.weight)
    other.config["num_classes"] = 3
    assert network.head.proj.weight.any()
    assert network.config["num_classes"] == 5


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["xxs", "xs", "small", "small_plus", "base", "large"])
def test_published_image_networks_take_any_size(variant: str) -> None:
    with torch.inference_mode():
        network = create_uniformer(variant, ndim=2, num_classes=5).eval()
        assert network(torch.randn(1, 3, 70, 97)).shape == (1, 5)
