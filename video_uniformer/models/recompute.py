"""Blocks that recompute their activations in the backward pass."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@contextmanager
def _scratch_statistics(block: nn.Module) -> Iterator[None]:
    """Batch norms update copies of their running statistics, which are then thrown away."""
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm)]
    kept = [(norm, name, buffer) for norm in norms for name, buffer in norm.named_buffers()]
    for norm, name, buffer in kept:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in kept:
            setattr(norm, name, buffer)


def run_block(block: nn.Module, *inputs: Any, recompute: bool) -> Any:
    """The block's output; with `recompute` its activations are not kept but computed again.

    Batch-norm statistics are updated once all the same.
    """
    if not recompute:
        return block(*inputs)
    return checkpoint(block, *inputs, use_reentrant=False, context_fn=_contexts(block))


def _contexts(
    block: nn.Module,
) -> Callable[[], tuple[AbstractContextManager[None], AbstractContextManager[None]]]:
    return lambda: (nullcontext(), _scratch_statistics(block))
