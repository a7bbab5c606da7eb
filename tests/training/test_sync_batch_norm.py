"""Two processes normalise as one does that has the batches of both."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import Rank, launch_ranks
from torch import Tensor, nn

from video_uniformer.training.sync_batch_norm import (
    SyncBatchNorm1d,
    SyncBatchNorm2d,
    SyncBatchNorm3d,
    SyncBatchNorms,
)

CHANNELS = 3
PLAIN = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
# name -> (axes beside batch and channels, videos of each process, settings of the norm)
CASES: dict[str, tuple[int, tuple[int, int], dict[str, Any]]] = {
    "vectors": (0, (4, 4), {}),
    "1d": (1, (4, 4), {}),
    "2d": (2, (4, 4), {}),
    "3d": (3, (4, 4), {}),
    "unequal": (3, (1, 5), {}),
    "one process without videos": (3, (0, 4), {}),
    "cumulative": (2, (2, 3), {"momentum": None}),
    "without parameters": (2, (2, 3), {"affine": False}),
    "without running statistics": (2, (2, 3), {"track_running_stats": False}),
    "far from zero": (2, (2, 3), {}),
    "half": (2, (3, 3), {}),
    "double": (2, (2, 3), {"dtype": torch.float64}),
}
TYPES = {"half": torch.bfloat16, "double": torch.float64}


def drawn(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A case's plain norm, all its videos, and the gradients that reach the outputs."""
    generator = torch.Generator().manual_seed(len(name))
    axes, sizes, settings = CASES[name]
    norm = PLAIN[axes](CHANNELS, **settings)
    for parameter in norm.parameters():
        parameter.data = torch.randn(CHANNELS, generator=generator, dtype=parameter.dtype)
    shape = (sum(sizes), CHANNELS, *(2, 3, 4)[:axes])
    video = torch.randn(shape, generator=generator) * 2 + (1e3 if name == "far from zero" else 1)
    gradient = torch.randn(shape, generator=generator)
    return norm, video.to(TYPES.get(name)), gradient.to(TYPES.get(name))


def outcome(norm: nn.Module, video: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """Everything that two steps of training and one of evaluation leave."""
    found: dict[str, Tensor] = {}
    for step in range(2):
        video = (video + step).requires_grad_()
        output = norm(video)
        output.backward(gradient)
        assert video.grad is not None
        found |= {f"output {step}": output.detach(), f"gradient {step}": video.grad}
        video = video.detach()
    for key, parameter in norm.named_parameters():
        assert parameter.grad is not None
        found[f"gradient of {key}"] = parameter.grad
    found |= {key: buffer.clone() for key, buffer in norm.named_buffers()}
    return found | {"evaluated": norm.eval()(video).detach()}


def main() -> None:
    """One process's part of every case, written to a file."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    found = {}
    for name, (_, sizes, _) in CASES.items():
        norm, video, gradient = drawn(name)
        norm = SyncBatchNorms().apply(norm)
        parts = [part.split(sizes)[rank] for part in (video, gradient)]
        found[name] = outcome(norm, *parts)
    torch.save(found, Path(sys.argv[1]) / f"{rank}.pt")
    try:
        SyncBatchNorm1d(CHANNELS)(torch.zeros(1 - rank, CHANNELS))
    except ValueError as error:
        sys.stdout.write(f"{error}\n")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have run `main`."""
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[Rank]:
    return launch_ranks(main, str(folder), cwd=folder)


@pytest.fixture(scope="module")
def parts(folder: Path, ranks: list[Rank]) -> list[dict[str, dict[str, Tensor]]]:
    """What each of two processes found in every case."""
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * 2
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_normalise_as_one_with_all_videos(
    parts: list[dict[str, dict[str, Tensor]]], name: str
) -> None:
    norm, video, gradient = drawn(name)
    if name == "far from zero":  # here float32's own batch norm is the inexact one
        norm, video, gradient = norm.double(), video.double(), gradient.double()
    expected = outcome(norm, video, gradient)
    both = [part[name] for part in parts]
    assert all(part.keys() == expected.keys() for part in both)
    rtol, atol = {"half": (2e-2, 2e-2), "double": (1e-9, 1e-10)}.get(name, (1e-5, 2e-5))
    if name == "far from zero":  # float32 of a thousand has four decimals
        rtol, atol = 1e-3, 1e-3
    for key, whole in expected.items():
        if key.startswith("gradient of"):  # each has its share
            found = both[0][key] + both[1][key]
        elif key in dict(norm.named_buffers()):
            assert torch.equal(both[0][key], both[1][key])
            found = both[0][key]
        elif key == "evaluated" and not CASES[name][2].get("track_running_stats", True):
            continue  # the batch's own statistics, of each process by itself
        else:
            found = torch.cat([part[key] for part in both])
        assert found.dtype == (whole.dtype if name != "far from zero" else found.dtype)
        torch.testing.assert_close(found.to(whole), whole, rtol=rtol, atol=atol, msg=key)


def test_single_value_in_all_processes_together_is_refused_by_both(ranks: list[Rank]) -> None:
    for rank, size in zip(ranks, (1, 0), strict=True):
        assert rank.out == (
            f"the input of a batch norm is ({size}, 3) in training, expected more than 1 value per "
            "channel over all processes\n"
        )


def network() -> nn.Module:
    return nn.Sequential(
        nn.BatchNorm3d(2), nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm1d(2)), nn.LayerNorm(2)
    )


def test_synchronised_norms_are_the_plain_ones_with_the_same_keys() -> None:
    plain = network()
    kept = {key: tensor.data_ptr() for key, tensor in plain.state_dict().items()}
    synced = SyncBatchNorms().apply(plain)
    kinds = [SyncBatchNorm3d, nn.Sequential, SyncBatchNorm2d, SyncBatchNorm1d, nn.LayerNorm]
    assert [type(module) for module in synced.modules()][1:] == kinds
    assert isinstance(synced[0], nn.BatchNorm3d)  # type: ignore[index]
    assert {key: tensor.data_ptr() for key, tensor in synced.state_dict().items()} == kept


def test_norms_are_plain_again_after_the_training() -> None:
    norms = SyncBatchNorms()
    again = norms.revert(norms.apply(network()))
    assert [type(module) for module in again.modules()] == [type(m) for m in network().modules()]


def test_norms_that_are_not_to_be_synchronised_are_left_alone() -> None:
    left = SyncBatchNorms(is_on=False).apply(network())
    assert [type(module) for module in left.modules()] == [type(m) for m in network().modules()]


def test_one_process_normalises_exactly_as_without_synchronisation() -> None:
    norm, video, gradient = drawn("3d")
    synced = SyncBatchNorms().apply(drawn("3d")[0])
    expected, found = outcome(norm, video, gradient), outcome(synced, video, gradient)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


class Dense(nn.Module):
    """A task with a network of a backbone and heads."""

    def __init__(self) -> None:
        super().__init__()
        parts = {"backbone": nn.BatchNorm2d(2), "head": nn.Sequential(nn.BatchNorm2d(2))}
        self.network = nn.ModuleDict({**parts, "auxiliary": nn.BatchNorm2d(2)})


def test_norms_of_heads_alone_are_synchronised() -> None:
    norms = SyncBatchNorms("heads")
    synced = norms.apply(Dense())
    kinds = [type(m) for m in synced.modules() if isinstance(m, nn.BatchNorm2d)]
    assert kinds == [nn.BatchNorm2d, SyncBatchNorm2d, SyncBatchNorm2d]
    again = norms.revert(synced)
    assert [type(m) for m in again.modules()] == [type(m) for m in Dense().modules()]


def test_heads_of_a_network_without_a_backbone_are_refused() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(nn.BatchNorm2d(2))

    with pytest.raises(ValueError, match="sync_batchnorm is 'heads', expected a network with a b"):
        SyncBatchNorms("heads").apply(Plain())
    with pytest.raises(
        ValueError, match="sync_batchnorm is 'all', expected true, false or 'heads'"
    ):
        SyncBatchNorms("all")
