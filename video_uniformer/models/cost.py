"""What a network costs: parameters, multiply-adds and memory of one view, stage by stage.

Nothing is computed: the network runs on fake tensors, which have shapes but no data, so that a clip
of 64 frames takes no longer than one of 4, and no memory.

Multiply-adds are those of fvcore, the counter by which the authors' "FLOPs" were taken: one for
each multiply-add of a convolution, a linear layer, or one of the two products of an attention; two
for each value of a batch norm, five of a layer norm, four of what is resized bilinearly, one of
what is pooled into cells; none for softmax, GELU, sums, the mean and layer scale. fvcore itself
traces by TorchScript, which is deprecated and cannot follow tensors without data; so PyTorch's own
counter counts, with formulas for the norms.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any
from weakref import finalize

import torch
from torch import Tensor, UntypedStorage
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from video_uniformer.models.uniformer.building import Network
from video_uniformer.models.uniformer.dense import backbone_of

NUM_STAGES = 4
HEAD = NUM_STAGES  # the index of all that belongs to no stage
FLOPS_PER_MULTIPLY_ADD = 2  # what PyTorch's counter adds


@dataclass(frozen=True)
class PartCost:
    """The cost of a stage with its patch embed, or of all that comes after the stages.

    Attributes:
        name: "stage 1" to "stage 4", or "head": final norms, pooling and linear layers.
        shape: Of its output for one view, without the batch axis: (D, T, H, W), (D, H, W) or (K,).
        num_blocks: Blocks; 0 in the head.
        parameters: Trainable or frozen parameters.
        multiply_adds: Of one view in evaluation, by fvcore's conventions.
        activation_bytes: Of the tensors that autograd keeps of one view in training.
    """

    name: str
    shape: tuple[int, ...]
    num_blocks: int
    parameters: int
    multiply_adds: int
    activation_bytes: int


@dataclass(frozen=True)
class Cost:
    """The cost of one view, as `measure` finds it.

    Attributes:
        input_shape: (C, T, H, W) or (C, H, W).
        parts: The four stages, then the head.
        inference_bytes: The most that inference on one view holds at one time: input, activations
            and output, without parameters and without what a kernel needs for itself.
    """

    input_shape: tuple[int, ...]
    parts: tuple[PartCost, ...]
    inference_bytes: int

    @property
    def parameters(self) -> int:
        """Parameters of the network."""
        return sum(part.parameters for part in self.parts)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one view in evaluation, by fvcore's conventions."""
        return sum(part.multiply_adds for part in self.parts)

    @property
    def activation_bytes(self) -> int:
        """Bytes of the tensors that autograd keeps of one view in training."""
        return sum(part.activation_bytes for part in self.parts)

    def share(self, part: PartCost) -> float:
        """The part's share of the multiply-adds, 0 to 1."""
        return part.multiply_adds / self.multiply_adds


def measure(network: Network, input_size: Sequence[int]) -> Cost:
    """Count what one view costs; the network, on any device, meta included, stays as it is.

    Activation memory is what the backward pass needs beside parameters and buffers: every tensor
    that autograd keeps, each storage once. Attention counts as fused (no map of N x N values), and
    blocks that recompute their activations keep their inputs only.

    The light networks rank tokens by the class token's row of attention, and one token stands for
    those that are not kept, their weighted mean. The official code takes that row from the map that
    both products of the attention make anyway, and writes the mean as a product and a sum, for
    which fvcore adds nothing. So our separate row and mean do not count either.

    Args:
        network: With or without weights. Its precision is that of its first parameter.
        input_size: (T, H, W) for videos, (H, W) for images; H and W of at least 32.

    Raises:
        ValueError: `input_size` has the wrong number of axes, or is too small.
    """
    size = tuple(input_size)
    _check_input_size(size, network.ndim)
    tensors = dict(chain(network.named_parameters(), network.named_buffers()))
    with FakeTensorMode():
        state = {name: _without_data(tensor) for name, tensor in tensors.items()}
        # Batch norm in training wants two values a channel: the last map of one view may have one.
        dtype = next(network.parameters()).dtype
        views = torch.empty(2, network.in_chans, *size, dtype=dtype, device="cpu")
        multiply_adds, shapes, inference_bytes = _evaluate(network, state, views[:1].clone())
        for name, tensor in tensors.items():
            state[name].requires_grad_(tensor.requires_grad)
        kept = [num_bytes // 2 for num_bytes in _kept_bytes(network, state, views)]
    parts = tuple(
        PartCost(name, *facts)
        for name, *facts in zip(
            (*(f"stage {number + 1}" for number in range(NUM_STAGES)), "head"),
            shapes,
            (*backbone_of(network).depths, 0),
            _parameters(network),
            multiply_adds,
            kept,
            strict=True,
        )
    )
    return Cost((network.in_chans, *size), parts, inference_bytes)


def _without_data(tensor: Tensor) -> Tensor:
    # Of a CPU, and not of the meta device, on which attention would not be fused.
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")


def _check_input_size(size: tuple[int, ...], ndim: int) -> None:
    axes = "(T, H, W)" if ndim == 3 else "(H, W)"
    if len(size) != ndim or min(size[-2:]) < 32 or size[0] < 1:
        least = ", T of at least 1," if ndim == 3 else ","
        raise ValueError(f"input_size is {size}, expected {axes}{least} H and W of at least 32")


def _parameters(network: Network) -> list[int]:
    """Parameters of each stage, then those of no stage."""
    stages = [sum(p.numel() for p in stage.parameters()) for stage in backbone_of(network).stages]
    return [*stages, sum(p.numel() for p in network.parameters()) - sum(stages)]


class _Parts:
    """Which part of a network is running, and the shapes of what the stages gave."""

    def __init__(self) -> None:
        self.current = HEAD
        self.shapes: list[tuple[int, ...]] = []

    def enter(self, number: int) -> None:
        self.current = number

    def leave(self, output: Tensor) -> None:
        self.current = HEAD
        self.shapes.append(tuple(output.shape[1:]))


@contextmanager
def _watched(network: Network, *, training: bool) -> Iterator[_Parts]:
    """The network in one mode, its parts watched; afterwards it is as before."""
    parts = _Parts()
    modes = {module: module.training for module in network.modules()}
    network.train(training)
    handles = []
    for number, stage in enumerate(backbone_of(network).stages):
        handles.append(
            stage.register_forward_pre_hook(lambda *_, number=number: parts.enter(number))
        )
        handles.append(stage.register_forward_hook(lambda *call: parts.leave(call[-1][0])))
    try:
        yield parts
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode


class _Storages:
    """Storages of tensors, each met once while it lives."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._seen = WeakIdKeyDictionary()
        for tensor in tensors:
            self.meet(tensor)

    def meet(self, tensor: Tensor) -> UntypedStorage | None:
        """The tensor's storage if it is new."""
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return None
        self._seen[storage] = True
        return storage


class _AliveBytes(TorchDispatchMode):
    """The bytes of all tensors made inside, as long as they live, and the most at one time."""

    def __init__(self, others: Iterable[Tensor]) -> None:
        super().__init__()
        self.storages = _Storages(others)
        self.now = self.most = 0

    def meet(self, tensor: Tensor) -> None:
        storage = self.storages.meet(tensor)
        if storage is not None:
            self._add(storage.nbytes())
            finalize(storage, self._add, -storage.nbytes())

    def _add(self, num_bytes: int) -> None:
        self.now += num_bytes
        self.most = max(self.most, self.now)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self.meet(leaf)
        return output


def _batch_norm(x_shape: Sequence[int], *_: Any, out_shape: Any = None) -> int:
    return 2 * prod(x_shape) * FLOPS_PER_MULTIPLY_ADD


def _layer_norm(x_shape: Sequence[int], *_: Any, out_shape: Any = None) -> int:
    return 5 * prod(x_shape) * FLOPS_PER_MULTIPLY_ADD


def _attention(query: Sequence[int], key: Sequence[int], *_: Any, out_shape: Any = None) -> int:
    return 2 * prod(query) * key[-2] * FLOPS_PER_MULTIPLY_ADD


def _pooling(x_shape: Sequence[int], *_: Any, out_shape: Any = None) -> int:
    return prod(x_shape) * FLOPS_PER_MULTIPLY_ADD


def _bilinear(*_: Any, out_shape: Sequence[int]) -> int:
    return 4 * prod(out_shape) * FLOPS_PER_MULTIPLY_ADD


def _batched_product(a: Sequence[int], b: Sequence[int], out_shape: Any = None) -> int:
    # A single row is the ranking of a light network; see `measure`.
    return 0 if a[-2] == 1 else prod(a) * b[-1] * FLOPS_PER_MULTIPLY_ADD


FORMULAS = {
    torch.ops.aten.native_batch_norm: _batch_norm,
    torch.ops.aten.native_layer_norm: _layer_norm,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten.bmm: _batched_product,
    torch.ops.aten._adaptive_avg_pool2d: _pooling,
    torch.ops.aten.upsample_bilinear2d: _bilinear,
}


def _evaluate(
    network: Network, state: dict[str, Tensor], view: Tensor
) -> tuple[list[int], list[tuple[int, ...]], int]:
    """Multiply-adds and output shape of each part, and the most bytes held at one time."""
    counter = FlopCounterMode(display=False, custom_mapping=FORMULAS)
    memory = _AliveBytes(state.values())
    memory.meet(view)
    with _watched(network, training=False) as parts, torch.no_grad(), memory, counter:
        output = functional_call(network, state, (view,))
    counts = counter.get_flop_counts()
    backbone = backbone_of(network)
    root = type(network).__name__ + ("" if backbone is network else ".backbone")
    stages = [
        sum(counts[f"{root}.stages.{number}"].values()) // FLOPS_PER_MULTIPLY_ADD
        for number in range(NUM_STAGES)
    ]
    total = counter.get_total_flops() // FLOPS_PER_MULTIPLY_ADD
    last = tree_leaves(output)[-1]
    return [*stages, total - sum(stages)], [*parts.shapes, tuple(last.shape[1:])], memory.most


def _kept_bytes(network: Network, state: dict[str, Tensor], views: Tensor) -> list[int]:
    """Bytes that autograd keeps in training for the backward pass of each part."""
    storages = _Storages(state.values())
    kept = [0] * (NUM_STAGES + 1)

    def pack(tensor: Tensor) -> Tensor:
        storage = storages.meet(tensor)
        if storage is not None:
            kept[parts.current] += storage.nbytes()
        return tensor

    with _watched(network, training=True) as parts, torch.enable_grad():
        with saved_tensors_hooks(pack, lambda tensor: tensor):
            output = functional_call(network, state, (views,))
        del output  # up to here it held what autograd kept
    return kept
