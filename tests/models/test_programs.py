"""The networks in the hands of PyTorch: compiled, exported, checkpointed, distributed."""

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from kinds import KINDS, LIGHT, build, scramble, views
from ranks import launch_ranks
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.models.uniformer.stages import StageOptions
from video_uniformer.models.uniformer.variants import VARIANTS

CLASSIFIERS = [kind for kind in KINDS if not kind.startswith("maps")]


def deep(light: bool, **options: Any) -> UniFormer:
    """A network with stages of more than one block."""
    row = VARIANTS["test_light" if light else "test"]._replace(depths=(1, 2, 3, 2))
    torch.manual_seed(0)
    return UniFormer(row, StageOptions(**options), num_classes=5)


def loss_of(network: nn.Module, x: Tensor) -> Tensor:
    """The mean of the losses of all outputs."""
    outputs = network(x)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    labels = torch.arange(len(x)) % 5
    losses = []
    for logits in outputs:
        scores = logits.mean(1) if logits.ndim == 3 else logits  # (B, N, K): of every token
        losses.append(nn.functional.cross_entropy(scores, labels))
    return torch.stack(losses).mean()


def train_once(network: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of one step in training, under a fixed seed."""
    torch.manual_seed(3)
    loss = loss_of(network.train(), x)
    loss.backward()
    return loss.detach(), {n: p.grad for n, p in network.named_parameters() if p.grad is not None}


def stages_in_turn(one: Any, x: Tensor, other: Any, y: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of two networks of which now one, now the other runs a stage."""
    first = second = None
    for own, another in zip(one.stages, other.stages, strict=True):
        x, first = own(x, first)
        y, second = another(y, second)
    return one.forward_head(one.norm(x)), other.forward_head(other.norm(y))


@pytest.mark.parametrize("second", ["video_light_scaled", "image_light", "image"])
def test_two_networks_in_one_process_do_not_disturb_each_other(second: str) -> None:
    one, other = build("video_light").eval(), build(second).eval()
    x, y = views(3, height=96), views(other.ndim, batch=3)
    expected = one(x), other(y)
    for own, alone in zip(stages_in_turn(one, x, other, y), expected, strict=True):
        torch.testing.assert_close(own, alone)


def test_two_networks_trained_in_turn_get_their_own_gradients() -> None:
    x, y = views(3), views(3, height=96, seed=4)
    alone = [train_once(build("video_light"), clip)[1] for clip in (x, y)]
    one, other = build("video_light").train(), build("video_light").train()
    losses = loss_of(one, x), loss_of(other, y)
    losses[0].backward()
    losses[1].backward()
    for network, expected in zip((one, other), alone, strict=True):
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(parameter.grad, expected[name])


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_every_parameter_gets_a_gradient_in_training(kind: str) -> None:
    network = build(kind)
    if kind == "video_divided":  # whose attention along time starts with zero queries and keys
        scramble(network)
    _, gradients = train_once(network, views(network.ndim))
    assert gradients.keys() == dict(network.named_parameters()).keys()
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("ndim", [2, 3])
def test_checkpointing_changes_neither_loss_nor_gradients_nor_statistics(
    ndim: int, light: bool
) -> None:
    plain = deep(light, ndim=ndim, drop_path_rate=0.5)
    thrifty = deep(light, ndim=ndim, drop_path_rate=0.5, checkpoint_blocks=(1, 2, 2, 1))
    x = views(ndim, batch=4)
    loss, gradients = train_once(plain, x)
    own_loss, own_gradients = train_once(thrifty, x)
    assert own_loss == loss
    assert own_gradients.keys() == gradients.keys() == dict(plain.named_parameters()).keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(own_gradients[name], gradient, rtol=1e-5, atol=1e-7)
    buffers, own_buffers = dict(plain.named_buffers()), dict(thrifty.named_buffers())
    assert all(torch.equal(own_buffers[name], buffer) for name, buffer in buffers.items())
    assert int(own_buffers["stages.0.blocks.0.norm1.num_batches_tracked"]) == 1


@pytest.mark.parametrize("kind", [*CLASSIFIERS, "maps", "maps_light"])
def test_bfloat16_stays_near_float32(kind: str) -> None:
    network = build(kind).eval()
    x = views(network.ndim)
    with torch.inference_mode():
        expected = network(x)
        output = copy.deepcopy(network).bfloat16()(x.bfloat16())
    pairs = zip(output, expected, strict=True) if kind.startswith("maps") else [(output, expected)]
    for own, other in pairs:
        assert own.dtype == torch.bfloat16
        error = (own.float() - other).norm() / other.norm()  # tokens may change their rank
        assert error <= 0.04


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["video", "video_light_scaled", "image_window", "video_divided"])
def test_network_compiles_into_one_graph_that_equals_eager(kind: str) -> None:
    network = build(kind).eval()
    x = views(network.ndim)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    with torch.inference_mode():
        torch.testing.assert_close(compiled(x), network(x), rtol=1e-5, atol=1e-6)
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["image_light_scaled", "image_token_labels"])
def test_compiled_training_equals_eager(kind: str) -> None:
    network, own = build(kind), build(kind)
    x = views(network.ndim)
    loss, gradients = train_once(network, x)
    compiled: Any = torch.compile(own, fullgraph=True, backend="aot_eager")
    own_loss, _ = train_once(compiled, x)
    torch.testing.assert_close(own_loss, loss)
    for name, parameter in own.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-6)
    for buffer, expected in zip(own.buffers(), network.buffers(), strict=True):
        torch.testing.assert_close(buffer, expected)
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["video", *LIGHT, "image_window", "image_token_labels", "video_divided", "maps_light"]
)
def test_exported_program_equals_eager_for_another_batch(kind: str) -> None:
    network = build(kind).eval()
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(network, (views(network.ndim),), dynamic_shapes=(batch,))
    for size in (1, 3):
        x = views(network.ndim, batch=size, seed=9)
        torch.testing.assert_close(program.module()(x), network(x), rtol=1e-5, atol=1e-6)


def distributed_network(light: bool) -> UniFormer:
    """With batch norms in evaluation mode, as their statistics are those of one process."""
    network = deep(light, checkpoint_blocks=(1, 1, 1, 1)).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eval()
    return network


def train_a_half() -> None:
    """One of two processes: its half of the batch, and the gradients after their exchange."""
    folder, light = sys.argv[1:]
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    network = distributed_network(light == "light")
    wrapped = DistributedDataParallel(network)  # exchanges gradients as long as it lives
    loss_of(wrapped, views(3, batch=2, seed=10 + rank)).backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    torch.save(gradients, f"{folder}/{rank}.pth")
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("light", [False, True])
def test_two_processes_get_the_gradients_of_the_whole_batch(tmp_path: Path, light: bool) -> None:
    kind = "light" if light else "plain"
    ranks = launch_ranks(train_a_half, str(tmp_path), kind, cwd=tmp_path)
    assert [rank.status for rank in ranks] == [0, 0], ranks
    network = distributed_network(light)
    halves = [loss_of(network, views(3, batch=2, seed=10 + rank)) for rank in range(2)]
    torch.stack(halves).mean().backward()
    for rank in range(2):
        gradients = torch.load(tmp_path / f"{rank}.pth", weights_only=True)
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None
            error = (gradients[name] - parameter.grad).abs().max()
            assert error <= 1e-5 * parameter.grad.abs().max(), name
