"""UniFormer: local token affinity in the shallow stages, global affinity in the deep ones.

Li et al., "UniFormer: Unified Transformer for Efficient Spatiotemporal Representation Learning"
(arXiv 2201.04676) and "UniFormer: Unifying Convolution and Self-attention for Visual Recognition"
(arXiv 2201.09450). Numerics follow the authors' `slowfast/models/uniformer.py` (videos) and
`image_classification/models/uniformer.py` (images); one definition serves both ranks.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from pytorchvideo.layers.drop_path import DropPath
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from video_uniformer.models.heads import ClassificationHead
from video_uniformer.models.layers import (
    BATCH_NORM,
    CONV,
    DPE,
    FFN,
    MEMORY_FORMAT,
    GlobalMHRA,
    LocalMHRA,
    PatchEmbed,
    map_to_tokens,
    tokens_to_map,
)


class LocalBlock(nn.Module):
    """UniFormer block of stages 1 and 2: DPE, local MHRA and FFN on the map, batch-normalised.

    Args:
        dim: Channels D.
        mlp_ratio: Width of the FFN over `dim`.
        drop_path_rate: Probability in [0, 1) with which a sample skips a branch.
        ndim: 3 for videos, 2 for images.

    Shape:
        (B, D, ...) -> (B, D, ...).
    """

    def __init__(self, dim: int, *, mlp_ratio: float, drop_path_rate: float, ndim: int) -> None:
        super().__init__()
        self.dpe: nn.Module = DPE(dim, ndim=ndim)
        self.norm1: nn.Module = BATCH_NORM[ndim](dim)
        self.mhra = LocalMHRA(dim, ndim=ndim)
        self.norm2: nn.Module = BATCH_NORM[ndim](dim)
        self.ffn = FFN(dim, int(dim * mlp_ratio), ndim=ndim)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Paper, equations 1 to 3, on a map (B, D, ...)."""
        x = self.dpe(x)
        x = x + self.drop_path(self.mhra(self.norm1(x)))
        return x + self.drop_path(self.ffn(self.norm2(x)))


class GlobalBlock(nn.Module):
    """UniFormer block of stages 3 and 4: DPE on the map, global MHRA and FFN on its tokens.

    Args:
        dim: Channels D.
        num_heads: Heads of the attention; must divide `dim`.
        mlp_ratio: Width of the FFN over `dim`.
        drop_path_rate: Probability in [0, 1) with which a sample skips a branch.
        ndim: 3 for videos, 2 for images.

    Shape:
        (B, D, ...) -> (B, D, ...).
    """

    def __init__(
        self, dim: int, num_heads: int, *, mlp_ratio: float, drop_path_rate: float, ndim: int
    ) -> None:
        super().__init__()
        self.dpe: nn.Module = DPE(dim, ndim=ndim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.mhra = GlobalMHRA(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.ffn = FFN(dim, int(dim * mlp_ratio), ndim=None)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Paper, equations 1 to 3, on a map (B, D, ...)."""
        shape = x.shape[2:]
        tokens = map_to_tokens(self.dpe(x))  # (B, N, D)
        tokens = tokens + self.drop_path(self.mhra(self.norm1(tokens)))
        tokens = tokens + self.drop_path(self.ffn(self.norm2(tokens)))
        return tokens_to_map(tokens, shape)


@contextmanager
def _scratch_statistics(block: nn.Module) -> Iterator[None]:
    """Batch norms update copies of their running statistics, which are then thrown away."""
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
    kept = [(norm, name, buffer) for norm in norms for name, buffer in norm.named_buffers()]
    for norm, name, buffer in kept:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in kept:
            setattr(norm, name, buffer)


class Stage(nn.Module):
    """A patch embed and the blocks after it.

    Args:
        patch_embed: Shrinks the map and sets its channels.
        blocks: The blocks in order.
        num_checkpointed: The first so many blocks keep no activations in training and recompute
            them in the backward pass; batch-norm statistics are updated once all the same.

    Shape:
        (B, C, ...) -> (B, D, ...), smaller.
    """

    def __init__(
        self, patch_embed: PatchEmbed, blocks: Sequence[nn.Module], *, num_checkpointed: int = 0
    ) -> None:
        super().__init__()
        if not 0 <= num_checkpointed <= len(blocks):
            raise ValueError(
                f"checkpoint_blocks has {num_checkpointed} for a stage of {len(blocks)} blocks, "
                f"expected 0 to {len(blocks)}"
            )
        self.patch_embed = patch_embed
        self.blocks = nn.ModuleList(blocks)
        self.num_checkpointed = num_checkpointed

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, ...) -> (B, D, ...)."""
        x = self.patch_embed(x)
        for number, block in enumerate(self.blocks):
            if self.training and number < self.num_checkpointed:
                x = checkpoint(block, x, use_reentrant=False, context_fn=_recompute_context(block))
            else:
                x = block(x)
        return x


def _recompute_context(
    block: nn.Module,
) -> Callable[[], tuple[AbstractContextManager[None], AbstractContextManager[None]]]:
    return lambda: (nullcontext(), _scratch_statistics(block))


class UniFormer(nn.Module):
    """The four-stage backbone with a classification head, for videos or images.

    UniFormer (arXiv 2201.04676), "Overall architecture". Follows timm's small protocol
    (`forward_features`, `forward_head`, `reset_classifier`).

    Args:
        dims: Channels of the four stages.
        depths: Blocks of the four stages.
        head_dim: Channels of one attention head; must divide the dims of stages 3 and 4. It is not
            recoverable from a checkpoint: a wrong value loads and ruins accuracy.
        mlp_ratio: Width of every FFN over its dim.
        ndim: 3 for videos, 2 for images.
        num_classes: K, or 0 for pooled features.
        drop_path_rate: Rate of the last block; rises linearly from 0 at the first.
        checkpoint_blocks: How many first blocks of each stage recompute their activations.

    Shape:
        (B, 3, T, H, W) or (B, 3, H, W) float, T >= 1, H and W >= 32 -> logits (B, K), or (B, D).

    Raises:
        ValueError: an argument or an input's shape is out of range.
    """

    def __init__(
        self,
        *,
        dims: Sequence[int],
        depths: Sequence[int],
        head_dim: int,
        mlp_ratio: float = 4.0,
        ndim: int = 3,
        num_classes: int = 400,
        drop_path_rate: float = 0.0,
        checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    ) -> None:
        super().__init__()
        _check_arguments(dims, depths, ndim, num_classes, drop_path_rate, checkpoint_blocks)
        self.ndim = ndim
        self.dims = tuple(dims)
        self.num_features = dims[-1]
        self.config: dict[str, Any] = {}
        last = max(sum(depths) - 1, 1)
        rates = (drop_path_rate * number / last for number in range(sum(depths)))
        self.stages = nn.ModuleList()
        for number, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
            blocks: list[nn.Module] = [
                LocalBlock(dim, mlp_ratio=mlp_ratio, drop_path_rate=next(rates), ndim=ndim)
                if number < 2
                else GlobalBlock(
                    dim,
                    _num_heads(dim, head_dim),
                    mlp_ratio=mlp_ratio,
                    drop_path_rate=next(rates),
                    ndim=ndim,
                )
                for _ in range(depth)
            ]
            patch_embed = _patch_embed(number, (3, *dims)[number], dim, ndim)
            stage = Stage(patch_embed, blocks, num_checkpointed=checkpoint_blocks[number])
            self.stages.append(stage)
        self.norm: nn.Module = BATCH_NORM[ndim](self.num_features)
        self.apply(_init_weights)
        self.reset_classifier(num_classes)
        self.to(memory_format=MEMORY_FORMAT[ndim])

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the head by a new one with `num_classes` outputs (0: pooled features)."""
        self.num_classes = num_classes
        if "num_classes" in self.config:
            self.config["num_classes"] = num_classes
        self.head = ClassificationHead(self.num_features, num_classes).to(next(self.parameters()))
        self.head.apply(_init_weights)

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The maps after each stage, finest first, before the final norm.

        Shape:
            (B, 3, T, H, W) -> four maps (B, dims[i], T/2, H/s, W/s), s = 4, 8, 16, 32.
        """
        self._check_input(x)
        x = x.contiguous(memory_format=MEMORY_FORMAT[self.ndim])
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map, normalised: (B, 3, T, H, W) -> (B, D, T/2, H/32, W/32)."""
        return self.norm(self.forward_stages(x)[-1])

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits (B, K) of a map from `forward_features`; `pre_logits`: features (B, D)."""
        return self.head(x, pre_logits)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of clips (B, 3, T, H, W) or images (B, 3, H, W)."""
        return self.forward_head(self.forward_features(x))

    def _check_input(self, x: Tensor) -> None:
        layout = {2: "(B, 3, H, W)", 3: "(B, 3, T, H, W)"}[self.ndim]
        if x.ndim != self.ndim + 2 or x.shape[1] != 3:
            raise ValueError(f"input has shape {tuple(x.shape)}, expected {layout}")
        if min(x.shape[-2:]) < 32 or x.shape[2] < 1:
            raise ValueError(
                f"input has shape {tuple(x.shape)}, expected {layout} with H and W of at least 32"
            )
        if not x.is_floating_point():
            raise ValueError(f"input has type {x.dtype}, expected a normalised floating-point clip")


def _check_arguments(
    dims: Sequence[int],
    depths: Sequence[int],
    ndim: int,
    num_classes: int,
    drop_path_rate: float,
    checkpoint_blocks: Sequence[int],
) -> None:
    if ndim not in CONV:
        raise ValueError(f"ndim is {ndim!r}, expected 3 (videos) or 2 (images)")
    for name, values in {
        "dims": dims,
        "depths": depths,
        "checkpoint_blocks": checkpoint_blocks,
    }.items():
        if len(values) != 4:
            raise ValueError(f"{name} is {list(values)}, expected one number for each of 4 stages")
    if num_classes < 0:
        raise ValueError(f"num_classes is {num_classes}, expected 0 (features) or more")
    if not 0 <= drop_path_rate < 1:
        raise ValueError(f"drop_path_rate is {drop_path_rate}, expected a probability in [0, 1)")


def _num_heads(dim: int, head_dim: int) -> int:
    if head_dim < 1 or dim % head_dim:
        raise ValueError(f"head_dim is {head_dim}, expected a divisor of the stage's dim {dim}")
    return dim // head_dim


def _patch_embed(number: int, in_dim: int, dim: int, ndim: int) -> PatchEmbed:
    """The embed before stage `number`: 4x4 at the first, 2x2 after; only the first halves T."""
    size = 4 if number == 0 else 2
    kernel, stride, padding = (3, 2, 1) if number == 0 else (1, 1, 0)  # along time
    lead = ndim - 2  # one time axis for videos, none for images
    return PatchEmbed(
        in_dim,
        dim,
        kernel_size=[kernel] * lead + [size, size],
        stride=[stride] * lead + [size, size],
        padding=[padding] * lead + [0, 0],
    )


def _init_weights(module: nn.Module) -> None:
    # Official: convolutions and batch norms keep PyTorch's defaults, only linear layers are set.
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


class Variant(NamedTuple):
    """A row of `VARIANTS`: what tells one network of the family from another."""

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head_dim: int
    mlp_ratio: float = 4.0


VARIANTS = {
    # Published (arXiv 2201.04676, table "UniFormer-S/B").
    "small": Variant((64, 128, 320, 512), (3, 4, 8, 3), head_dim=64),
    "base": Variant((64, 128, 320, 512), (5, 8, 20, 7), head_dim=64),
    # Ours, without published weights: for small data on a CPU, and for tests.
    "tiny": Variant((16, 32, 96, 192), (1, 1, 2, 1), head_dim=32),
    "test": Variant((8, 16, 32, 64), (1, 1, 1, 1), head_dim=16),
}


def create_uniformer(
    variant: str = "small",
    *,
    ndim: int = 3,
    num_classes: int | None = None,
    drop_path_rate: float = 0.0,
    head_dim: int | None = None,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
) -> UniFormer:
    """Build a UniFormer by name.

    Args:
        variant: A key of `VARIANTS`.
        ndim: 3 for videos (B, 3, T, H, W), 2 for images (B, 3, H, W).
        num_classes: K; 0 for pooled features; None for the published 400 (videos), 1000 (images).
        drop_path_rate: Rate of the last block; rises linearly from 0 at the first.
        head_dim: Overrides the variant's channels per attention head.
        checkpoint_blocks: How many first blocks of each stage recompute their activations.

    Returns:
        The network, randomly initialised, in training mode; `network.config` holds these arguments.

    Raises:
        ValueError: an unknown variant or an argument out of range.
    """
    if variant not in VARIANTS:
        near = difflib.get_close_matches(str(variant), VARIANTS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"variant is {variant!r}, expected one of {sorted(VARIANTS)}{hint}")
    row = VARIANTS[variant]
    if num_classes is None:
        num_classes = 1000 if ndim == 2 else 400
    network = UniFormer(
        dims=row.dims,
        depths=row.depths,
        head_dim=row.head_dim if head_dim is None else head_dim,
        mlp_ratio=row.mlp_ratio,
        ndim=ndim,
        num_classes=num_classes,
        drop_path_rate=drop_path_rate,
        checkpoint_blocks=checkpoint_blocks,
    )
    network.config = {
        "variant": variant,
        "ndim": ndim,
        "num_classes": num_classes,
        "drop_path_rate": drop_path_rate,
        "head_dim": head_dim,
        "checkpoint_blocks": list(checkpoint_blocks),
    }
    return network
