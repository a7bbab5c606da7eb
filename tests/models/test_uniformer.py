import copy
import inspect
from itertools import pairwise

import pytest
import torch
from pytorchvideo.layers.drop_path import DropPath
from pytorchvideo.models.head import create_res_basic_head
from pytorchvideo.models.resnet import create_resnet
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from video_uniformer.models.layers import MEMORY_FORMAT
from video_uniformer.models.uniformer import VARIANTS, UniFormer, create_uniformer


def small_network(**arguments: object) -> UniFormer:
    torch.manual_seed(0)
    return create_uniformer("test", **{"num_classes": 5, **arguments})  # type: ignore[arg-type]


def clips(batch: int = 2, frames: int = 4, height: int = 64, width: int = 64) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(batch, 3, frames, height, width)


@pytest.mark.parametrize(
    ("frames", "height", "width", "finest", "coarsest"),
    [
        (1, 32, 32, (1, 8, 8), (1, 1, 1)),
        (2, 33, 47, (1, 8, 11), (1, 1, 1)),
        (3, 63, 32, (2, 15, 8), (2, 1, 1)),
        (5, 100, 60, (3, 25, 15), (3, 3, 1)),
        (8, 64, 96, (4, 16, 24), (4, 2, 3)),
    ],
)
def test_any_length_and_size_gives_the_maps_of_the_strides(
    frames: int,
    height: int,
    width: int,
    finest: tuple[int, ...],
    coarsest: tuple[int, ...],
) -> None:
    network = small_network().eval()
    maps = network.forward_stages(clips(1, frames, height, width))
    assert [m.shape[1] for m in maps] == [8, 16, 32, 64]
    assert tuple(maps[0].shape[2:]) == finest
    assert tuple(maps[3].shape[2:]) == coarsest
    assert network(clips(1, frames, height, width)).shape == (1, 5)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (63, 32), (100, 60)])
def test_image_network_takes_any_size(size: tuple[int, int]) -> None:
    network = small_network(ndim=2).eval()
    maps = network.forward_stages(torch.randn(2, 3, *size))
    expected = [(size[0] // stride, size[1] // stride) for stride in (4, 8, 16, 32)]
    assert [tuple(m.shape[2:]) for m in maps] == expected


def test_classes_default_to_the_published_ones() -> None:
    assert create_uniformer("test").num_classes == 400
    assert create_uniformer("test", ndim=2).num_classes == 1000


def test_no_classes_gives_pooled_normalised_features() -> None:
    network = small_network(num_classes=0).eval()
    features = network(clips())
    assert features.shape == (2, network.num_features)
    assert torch.equal(features, network.forward_features(clips()).flatten(2).mean(2))


def test_pre_logits_are_what_the_head_classifies() -> None:
    network = small_network().eval()
    maps = network.forward_features(clips())
    features = network.forward_head(maps, pre_logits=True)
    assert features.shape == (2, 64)
    assert torch.equal(network.head.proj(features), network.forward_head(maps))


def test_reset_classifier_changes_the_head_and_nothing_else() -> None:
    network = small_network().eval()
    features = network.forward_features(clips())
    network.reset_classifier(7)
    assert network(clips()).shape == (2, 7)
    assert network.config["num_classes"] == 7
    assert torch.equal(network.forward_features(clips()), features)


def test_reset_classifier_keeps_the_type_of_the_weights() -> None:
    network = small_network().double()
    network.reset_classifier(0)
    network.reset_classifier(3)
    assert network(clips().double()).dtype == torch.float64


@pytest.mark.parametrize("ndim", [2, 3])
def test_config_rebuilds_the_network(ndim: int) -> None:
    network = small_network(
        ndim=ndim, drop_path_rate=0.2, head_dim=8, checkpoint_blocks=(1, 0, 1, 0)
    )
    again = create_uniformer(**network.config)
    assert str(again) == str(network)
    assert again.config == network.config
    again.load_state_dict(network.state_dict())


def test_state_dict_saved_and_loaded_gives_the_same_outputs(tmp_path: object) -> None:
    network, other = small_network().eval(), create_uniformer("test", num_classes=5).eval()
    torch.save(network.state_dict(), f"{tmp_path}/w.pth")
    other.load_state_dict(torch.load(f"{tmp_path}/w.pth", weights_only=True))
    assert torch.equal(other(clips()), network(clips()))


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    network = small_network().eval()
    together = network(clips(3))
    alone = torch.cat([network(clip[None]) for clip in clips(3)])
    assert torch.allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
def test_maps_stay_channels_last_from_stem_to_head(ndim: int) -> None:
    network = small_network(ndim=ndim)
    video = torch.randn(2, 3, *(4, 64, 64)[-ndim:])
    maps = [*network.forward_stages(video), network.forward_features(video)]
    assert all(m.is_contiguous(memory_format=MEMORY_FORMAT[ndim]) for m in maps)


class _Operators(TorchDispatchMode):
    """Names every operator that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def operators_of_a_forward_pass(network: UniFormer, video: Tensor) -> list[str]:
    with torch.no_grad(), _Operators() as operators:
        network(video)
    return operators.names


def test_forward_pass_copies_only_a_contiguous_input() -> None:
    network = small_network().eval()
    copying = {"clone", "copy_", "contiguous", "_to_copy"}
    ran = operators_of_a_forward_pass(network, clips())
    assert [name for name in ran if name in copying] == ["clone"]
    channels_last = clips().contiguous(memory_format=torch.channels_last_3d)
    ran = operators_of_a_forward_pass(network, channels_last)
    assert [name for name in ran if name in copying] == []


def test_attention_runs_in_the_fused_kernel() -> None:
    ran = operators_of_a_forward_pass(small_network().eval(), clips())
    assert sum("scaled_dot_product" in name for name in ran) == 2
    assert "_softmax" not in ran


@pytest.mark.parametrize(
    ("variant", "rate", "first", "last"), [("small", 0.1, 0.0, 0.1), ("base", 0.3, 0.0, 0.3)]
)
def test_drop_path_rates_rise_linearly(
    variant: str, rate: float, first: float, last: float
) -> None:
    with torch.device("meta"):
        network = create_uniformer(variant, drop_path_rate=rate)
    rates = [module.drop_prob for module in network.modules() if isinstance(module, DropPath)]
    assert len(rates) == sum(VARIANTS[variant].depths)
    assert (rates[0], rates[-1]) == (first, pytest.approx(last))
    steps = [after - before for before, after in pairwise(rates)]
    assert steps == pytest.approx([rate / (len(rates) - 1)] * len(steps))


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
        bound = conv.weight[0].numel() ** -0.5
        assert 0.9 * bound < float(conv.weight.detach().abs().max()) <= bound
        assert 0 < float(conv.bias.detach().abs().max()) <= bound  # type: ignore[union-attr]


def test_norms_start_as_identity() -> None:
    norms = [m for m in small_network().modules() if isinstance(m, nn.LayerNorm | nn.BatchNorm3d)]
    assert all(torch.equal(norm.weight, torch.ones_like(norm.weight)) for norm in norms)
    assert not any(norm.bias.any() for norm in norms)


def test_layer_norm_eps_is_larger_in_the_patch_embeds() -> None:
    network = small_network()
    embeds = {stage.get_submodule("patch_embed.norm").eps for stage in network.stages}  # type: ignore[union-attr]
    assert embeds == {1e-5}
    inside = {
        module.eps
        for name, module in network.named_modules()
        if isinstance(module, nn.LayerNorm) and "blocks" in name
    }
    assert inside == {1e-6}


def deep_network(
    *, drop_path_rate: float = 0.0, checkpoint_blocks: tuple[int, ...] = (0, 0, 0, 0)
) -> UniFormer:
    """A network with stages of more than one block."""
    return UniFormer(
        dims=(8, 16, 32, 64),
        depths=(1, 2, 2, 1),
        head_dim=16,
        num_classes=5,
        drop_path_rate=drop_path_rate,
        checkpoint_blocks=checkpoint_blocks,
    )


def train_once(network: UniFormer) -> tuple[float, dict[str, Tensor], dict[str, Tensor]]:
    """Loss, gradients and buffers after one step on a fixed batch under a fixed seed."""
    torch.manual_seed(3)
    loss = nn.functional.cross_entropy(network.train()(clips(4)), torch.arange(4))
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return float(loss.detach()), gradients, dict(network.named_buffers())


def test_checkpointing_changes_neither_loss_nor_gradients_nor_statistics() -> None:
    plain = deep_network(drop_path_rate=0.5)
    thrifty = deep_network(drop_path_rate=0.5, checkpoint_blocks=(1, 2, 1, 1))
    thrifty.load_state_dict(plain.state_dict())
    loss, gradients, buffers = train_once(plain)
    own_loss, own_gradients, own_buffers = train_once(thrifty)
    assert own_loss == loss
    assert own_gradients.keys() == gradients.keys() == dict(plain.named_parameters()).keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(own_gradients[name], gradient, rtol=1e-5, atol=1e-7)
    assert all(torch.equal(own_buffers[name], buffer) for name, buffer in buffers.items())
    assert int(own_buffers["stages.0.blocks.0.norm1.num_batches_tracked"]) == 1


def test_checkpointing_recomputes_the_first_blocks_of_a_stage_only() -> None:
    network = deep_network(checkpoint_blocks=(0, 1, 0, 0))
    calls = [0, 0]
    for number, block in enumerate(network.stages[1].get_submodule("blocks")):  # type: ignore[arg-type]

        def count(module: nn.Module, inputs: tuple[Tensor], number: int = number) -> None:
            calls[number] += 1

        block.register_forward_pre_hook(count)
    network(clips()).sum().backward()
    assert calls == [2, 1]


def test_drop_path_is_off_in_evaluation() -> None:
    network, still = small_network(drop_path_rate=0.9).eval(), small_network().eval()
    still.load_state_dict(network.state_dict())
    assert torch.equal(network(clips()), still(clips()))


def test_head_dim_changes_the_outputs_but_no_key() -> None:
    network, other = small_network().eval(), small_network(head_dim=8).eval()
    other.load_state_dict(network.state_dict())
    assert not torch.allclose(network(clips()), other(clips()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "smal"}, r"variant is 'smal', expected one of .*did you mean 'small'\?"),
        ({"variant": "resnet"}, r"variant is 'resnet', expected one of \['base', 'small'"),
        ({"ndim": 4}, r"ndim is 4, expected 3 \(videos\) or 2 \(images\)"),
        ({"num_classes": -1}, r"num_classes is -1, expected 0 \(features\) or more"),
        ({"drop_path_rate": 1.0}, r"drop_path_rate is 1.0, expected a probability in \[0, 1\)"),
        ({"drop_path_rate": -0.1}, r"drop_path_rate is -0.1, expected a probability"),
        ({"head_dim": 7}, r"head_dim is 7, expected a divisor of the stage's dim 32"),
        ({"head_dim": 0}, r"head_dim is 0, expected a divisor"),
        ({"checkpoint_blocks": (0, 0, 1)}, r"checkpoint_blocks is \[0, 0, 1\], expected one"),
        ({"checkpoint_blocks": (0, 0, 2, 0)}, r"checkpoint_blocks has 2 for a stage of 1 blocks"),
    ],
)
def test_argument_out_of_range_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_uniformer(**{"variant": "test", **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["dims", "depths"])
def test_other_than_four_stages_are_refused(name: str) -> None:
    arguments = {"dims": (8, 16, 32, 64), "depths": (1, 1, 1, 1), name: (1, 2, 3)}
    with pytest.raises(ValueError, match=rf"{name} is \[1, 2, 3\], expected one number for each"):
        UniFormer(**arguments, head_dim=16)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (torch.zeros(2, 3, 64, 64), r"shape \(2, 3, 64, 64\), expected \(B, 3, T, H, W\)"),
        (torch.zeros(1, 2, 4, 64, 64), r"shape \(1, 2, 4, 64, 64\), expected \(B, 3, T, H, W\)"),
        (torch.zeros(1, 3, 4, 31, 64), r"expected .* with H and W of at least 32"),
        (torch.zeros(1, 3, 4, 64, 31), r"expected .* with H and W of at least 32"),
        (torch.zeros(1, 3, 0, 64, 64), r"shape \(1, 3, 0, 64, 64\), expected"),
        (torch.zeros(1, 3, 4, 64, 64, dtype=torch.uint8), r"torch.uint8, expected a normalised"),
    ],
)
def test_wrong_input_is_refused_with_its_shape(video: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_network()(video)


def test_network_takes_the_place_of_a_pytorchvideo_model() -> None:
    theirs = create_resnet(
        model_depth=50, model_num_class=5, head_pool_kernel_size=(4, 2, 2), head_activation=None
    ).eval()
    ours = small_network().eval()
    signatures = [inspect.signature(network.forward) for network in (ours, theirs)]
    assert [len(signature.parameters) for signature in signatures] == [1, 1]
    with torch.inference_mode():
        ours_out, theirs_out = ours(clips()), theirs(clips())
    assert (ours_out.shape, ours_out.dtype) == (theirs_out.shape, theirs_out.dtype)


def test_a_pytorchvideo_head_reads_our_map() -> None:
    network = small_network().eval()
    head = create_res_basic_head(
        in_features=64,
        out_features=5,
        pool_kernel_size=(2, 2, 2),
        dropout_rate=0.0,
        activation=None,
    ).eval()
    head.proj = network.head.proj
    map_ = network.forward_features(clips())  # (2, 64, 2, 2, 2)
    assert torch.allclose(head(map_), network(clips()), atol=1e-6)


def test_network_can_be_deep_copied_and_is_independent() -> None:
    network = small_network().eval()
    other = copy.deepcopy(network)
    nn.init.zeros_(other.head.proj.weight)  # type: ignore[arg-type]
    assert network.head.proj.weight.any()  # type: ignore[operator, union-attr]


def test_bfloat16_stays_near_float32() -> None:
    network = small_network().eval()
    expected = network(clips())
    output = copy.deepcopy(network).bfloat16()(clips().bfloat16())
    assert output.dtype == torch.bfloat16
    assert (output.float() - expected).abs().max() <= 0.03 * expected.abs().max()


@pytest.mark.slow
def test_exported_program_equals_eager_for_another_batch() -> None:
    network = small_network().eval()
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(network, (clips(2),), dynamic_shapes=(batch,))
    assert torch.allclose(program.module()(clips(3)), network(clips(3)), atol=1e-6)


@pytest.mark.slow
def test_network_compiles_into_one_graph_that_equals_eager() -> None:
    network = small_network().eval()
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    with torch.inference_mode():
        assert torch.allclose(compiled(clips()), network(clips()), atol=1e-6)
