"""Networks under `torch.fx`: a graph without a line of ours, and the same numbers."""

from typing import Any

import pytest
import torch
from kinds import AUXILIARY, KINDS, build, scramble, views
from torch import Tensor, fx


def tensors(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grad", [False, True])
def test_traced_network_gives_the_same_numbers(kind: str, grad: bool) -> None:
    network, ndim = build(kind).eval(), KINDS[kind]["ndim"]
    scramble(network)
    with torch.set_grad_enabled(grad):
        traced = fx.symbolic_trace(network)
        for x in (views(ndim), views(ndim, batch=1, height=96, width=71)):
            for own, other in zip(tensors(traced(x)), tensors(network(x)), strict=True):
                assert torch.equal(own, other)


@pytest.mark.parametrize("kind", ["video", "image_conv_stem", *AUXILIARY])
def test_traced_network_trains_every_parameter(kind: str) -> None:
    network, x = build(kind).train(), views(KINDS[kind]["ndim"])
    traced = fx.symbolic_trace(network)
    sum(output.mean() for output in tensors(traced(x))).backward()
    assert [name for name, p in traced.named_parameters() if p.grad is None] == []
    assert dict(traced.named_parameters()).keys() == dict(network.named_parameters()).keys()


@pytest.mark.parametrize("kind", ["video", "image", "image_light"])
def test_traced_network_refuses_what_the_network_refuses(kind: str) -> None:
    ndim = KINDS[kind]["ndim"]
    traced = fx.symbolic_trace(build(kind).eval())
    with pytest.raises(ValueError, match=r"H and W of at least 32"):
        traced(views(ndim, width=31))


@pytest.mark.parametrize("kind", ["video", "image", "image_light"])
def test_tensors_that_a_graph_shows_are_not_overwritten(kind: str) -> None:
    """Without gradients eager branches are added in place; whoever reads a graph may keep them."""
    network = build(kind).eval()
    with torch.no_grad():
        graph = fx.symbolic_trace(network)
        kept: dict[str, tuple[Tensor, Tensor]] = {}

        class Keep(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                value = super().run_node(n)
                if isinstance(value, Tensor):
                    kept[n.name] = (value, value.clone())
                return value

        Keep(graph, garbage_collect_values=False).run(views(KINDS[kind]["ndim"]))
    assert [name for name, (value, then) in kept.items() if not torch.equal(value, then)] == []
    assert len(kept) > 50
