"""The four stages: a patch embed, then blocks; built from a row of the table of variants."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.fx
from torch import Tensor, nn

from video_uniformer.models.recompute import run_block
from video_uniformer.models.uniformer.blocks import DividedBlock, GlobalBlock, LocalBlock
from video_uniformer.models.uniformer.hourglass import HourglassBlock, Ranking, pool_scores
from video_uniformer.models.uniformer.layers import MEMORY_FORMAT, ConvEmbed, ConvStem, PatchEmbed
from video_uniformer.models.uniformer.mix_token import TokenBox, swap
from video_uniformer.models.uniformer.variants import ATTENTIONS, Variant

# What these ask of shapes only a tensor can answer: `torch.fx` calls them as they are.
torch.fx.wrap("pool_scores")
torch.fx.wrap("_check_input")


class Stage(nn.Module):
    """A patch embed and the blocks after it.

    Args:
        patch_embed: Shrinks the map and sets its channels.
        blocks: The blocks in order.
        num_checkpointed: The first so many blocks keep no activations in training and recompute
            them in the backward pass; batch-norm statistics are updated once all the same.

    Shape:
        (B, C, ...) -> (B, D, ...), smaller; a ranking is handed on as it is.
    """

    def __init__(
        self, patch_embed: nn.Module, blocks: Sequence[nn.Module], *, num_checkpointed: int = 0
    ) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.blocks = nn.ModuleList(blocks)
        self.num_checkpointed = num_checkpointed

    def forward(
        self, x: Tensor, ranking: Ranking | None = None, mixed: TokenBox | None = None
    ) -> tuple[Tensor, Ranking | None]:
        """Map (B, C, ...) -> (B, D, ...); its cells in `mixed` come from the batch in reverse."""
        x = self.patch_embed(x)
        if mixed is not None:
            x = swap(x, mixed)
        for number, block in enumerate(self.blocks):
            x = run_block(block, x, recompute=self.training and number < self.num_checkpointed)
        return x, ranking


class HourglassStage(nn.Module):
    """A stage of a light network: its blocks hand a class token and scores along.

    Args:
        patch_embed: Shrinks the map and sets its channels.
        blocks: Hourglass blocks in order.
        dim: Channels D of the stage.
        ranked_dim: Channels of the class token that comes in, or None if it starts here.
        num_checkpointed: As in `Stage`.

    Shape:
        (B, C, ...) -> (B, D, ...), smaller, and the ranking of its tokens.
    """

    def __init__(
        self,
        patch_embed: nn.Module,
        blocks: Sequence[nn.Module],
        *,
        dim: int,
        ranked_dim: int | None,
        num_checkpointed: int = 0,
    ) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        if ranked_dim is None:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        else:
            self.cls_upsample = nn.Linear(ranked_dim, dim)
        self.blocks = nn.ModuleList(blocks)
        self.num_checkpointed = num_checkpointed

    def forward(self, x: Tensor, ranking: Ranking | None = None) -> tuple[Tensor, Ranking]:
        """Map (B, C, ...) -> (B, D, ...), and the class token and scores after the last block."""
        shape = x.shape[2:]
        x = self.patch_embed(x)
        if ranking is None or ranking.scores is None:
            ranking = Ranking(self.cls_token.expand(x.shape[0], -1, -1), None)
        else:
            ranking = Ranking(self.cls_upsample(ranking.cls), pool_scores(ranking.scores, shape))
        for number, block in enumerate(self.blocks):
            recompute = self.training and number < self.num_checkpointed
            x, ranking = run_block(block, x, ranking, recompute=recompute)
        return x, ranking


def run_stages(
    stages: Iterable[nn.Module],
    x: Tensor,
    ndim: int,
    in_chans: int = 3,
    *,
    mixed: TokenBox | None = None,
) -> tuple[list[Tensor], Ranking | None]:
    """The map after each stage, finest first, and the last ranking (light networks only).

    Args:
        stages: The four stages, or the first of them.
        x: (B, C, T, H, W) or (B, C, H, W).
        ndim: 3 for videos, 2 for images.
        in_chans: Channels C of the input.
        mixed: Cells of the map after the stem that are taken from the batch in reverse.

    Raises:
        ValueError: `x` is of another shape, too small, or not of floating point.
    """
    _check_input(x, ndim, in_chans)
    x = x.contiguous(memory_format=MEMORY_FORMAT[ndim])
    maps: list[Tensor] = []
    ranking: Ranking | None = None
    for number, stage in enumerate(stages):
        is_mixed = mixed is not None and number == 0
        x, ranking = stage(x, ranking, mixed) if is_mixed else stage(x, ranking)
        maps.append(x)
    return maps, ranking


def _check_input(x: Tensor, ndim: int, in_chans: int) -> None:
    layout = f"(B, {in_chans}, {'T, ' if ndim == 3 else ''}H, W)"
    if x.ndim != ndim + 2 or x.shape[1] != in_chans:
        raise ValueError(f"input has shape {tuple(x.shape)}, expected {layout}")
    if min(x.shape[-2:]) < 32 or x.shape[2] < 1:
        raise ValueError(
            f"input has shape {tuple(x.shape)}, expected {layout} with H and W of at least 32"
        )
    if not x.is_floating_point():
        raise ValueError(f"input has type {x.dtype}, expected a normalised floating-point clip")


class StageOptions(NamedTuple):
    """How the stages of a variant are built.

    Attributes:
        ndim: 3 for videos, 2 for images.
        drop_path_rate: Rate of the last block; rises linearly from 0 at the first.
        attention: What the global blocks relate: "global" all tokens; in stage 3 of an image
            network "window" those of a window, "hybrid" the same but in every fourth block all;
            "divided", for videos, those of a place along time, then those of a frame.
        window_size: Cells along a side of a window.
        embed_frames: Frames that the patch embeds of stages 2 to 4 of a video network span, 1 or 3.
        checkpoint_blocks: How many first blocks of each stage recompute their activations.
        in_chans: Channels of the input.
    """

    ndim: int = 3
    drop_path_rate: float = 0.0
    attention: str = "global"
    window_size: int = 14
    embed_frames: int = 1
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0)
    in_chans: int = 3


def build_stages(variant: Variant, options: StageOptions) -> list[nn.Module]:
    """The four stages of a network.

    Raises:
        ValueError: an option is out of range, or the variant does not have it.
    """
    _check_options(variant, options)
    last = max(sum(variant.depths) - 1, 1)
    rates = iter(options.drop_path_rate * n / last for n in range(sum(variant.depths)))
    stages: list[nn.Module] = []
    for number, (dim, depth) in enumerate(zip(variant.dims, variant.depths, strict=True)):
        patch_embed = _patch_embed(number, variant, options)
        make_block = _block_maker(number, variant, options, rates)
        blocks = [make_block(index) for index in range(depth)]
        num_checkpointed = options.checkpoint_blocks[number]
        if variant.hourglass and number >= 2:
            stages.append(
                HourglassStage(
                    patch_embed,
                    blocks,
                    dim=dim,
                    ranked_dim=None if number == 2 else variant.dims[2],
                    num_checkpointed=num_checkpointed,
                )
            )
        else:
            stages.append(Stage(patch_embed, blocks, num_checkpointed=num_checkpointed))
    return stages


def _block_maker(
    number: int, variant: Variant, options: StageOptions, rates: Iterator[float]
) -> Callable[[int], nn.Module]:
    """A function from the index of a block in stage `number` to the block."""
    dim, ndim, mlp_ratio = variant.dims[number], options.ndim, variant.mlp_ratio
    if number < 2:
        gamma = variant.layer_scale if variant.scales_local else None
        return lambda index: LocalBlock(
            dim, mlp_ratio=mlp_ratio, drop_path_rate=next(rates), ndim=ndim, layer_scale=gamma
        )
    num_heads = _num_heads(dim, variant.head_dim)
    if options.attention == "divided":
        return lambda index: DividedBlock(
            dim, num_heads, mlp_ratio=mlp_ratio, drop_path_rate=next(rates)
        )
    if variant.hourglass:
        return lambda index: HourglassBlock(
            dim,
            num_heads,
            mlp_ratio=mlp_ratio,
            drop_path_rate=next(rates),
            ndim=ndim,
            keep_ratio=1.0 if number == 2 and index == 0 else 0.5,
            layer_scale=variant.layer_scale,
        )
    return lambda index: GlobalBlock(
        dim,
        num_heads,
        mlp_ratio=mlp_ratio,
        drop_path_rate=next(rates),
        ndim=ndim,
        layer_scale=variant.layer_scale,
        window_size=_window_size(number, index, options),
    )


def _window_size(number: int, index: int, options: StageOptions) -> int | None:
    """Of block `index` of stage `number`; None relates all tokens."""
    in_windows = options.attention == "window" or (
        options.attention == "hybrid" and (index + 1) % 4 != 0
    )
    return options.window_size if number == 2 and in_windows else None


def _num_heads(dim: int, head_dim: int) -> int:
    if head_dim < 1 or dim % head_dim:
        raise ValueError(f"head_dim is {head_dim}, expected a divisor of the stage's dim {dim}")
    return dim // head_dim


def _patch_embed(number: int, variant: Variant, options: StageOptions) -> nn.Module:
    """The embed before stage `number`: 4x4 at the first, 2x2 after; only the first halves T."""
    ndim, dim = options.ndim, variant.dims[number]
    in_dim = (options.in_chans, *variant.dims)[number]
    if number == 0 and variant.stem != "patch":
        return ConvStem(in_dim, dim, ndim=ndim)
    if variant.stem == "conv":
        return ConvEmbed(in_dim, dim)
    size = 4 if number == 0 else 2
    frames, stride = (3, 2) if number == 0 else (options.embed_frames, 1)
    lead = ndim - 2  # one time axis for videos, none for images
    return PatchEmbed(
        in_dim,
        dim,
        kernel_size=[frames] * lead + [size, size],
        stride=[stride] * lead + [size, size],
        padding=[frames // 2] * lead + [0, 0],
    )


def _check_options(variant: Variant, options: StageOptions) -> None:
    ndim, attention = options.ndim, options.attention
    if ndim not in MEMORY_FORMAT:
        raise ValueError(f"ndim is {ndim!r}, expected 3 (videos) or 2 (images)")
    if variant.stem == "conv" and ndim == 3:
        raise ValueError("ndim is 3, expected 2: the convolutional stem is defined for images only")
    if options.in_chans < 1:
        raise ValueError(f"in_chans is {options.in_chans}, expected 1 channel or more")
    if not 0 <= options.drop_path_rate < 1:
        raise ValueError(
            f"drop_path_rate is {options.drop_path_rate}, expected a probability in [0, 1)"
        )
    _check_attention(variant, options)
    if options.embed_frames not in (1, 3) or (options.embed_frames == 3 and ndim == 2):
        raise ValueError(f"embed_frames is {options.embed_frames}, expected 1, or 3 for videos")
    _check_depths(variant, options.checkpoint_blocks)
    if attention in ("window", "hybrid") and options.window_size < 1:
        raise ValueError(f"window_size is {options.window_size}, expected at least 1 cell")


def _check_attention(variant: Variant, options: StageOptions) -> None:
    attention = options.attention
    if attention not in ATTENTIONS:
        raise ValueError(f"attention is {attention!r}, expected one of {', '.join(ATTENTIONS)}")
    wanted = {"global": options.ndim, "divided": 3}.get(attention, 2)
    if options.ndim != wanted:
        rank = {2: "images (ndim=2)", 3: "videos (ndim=3)"}[wanted]
        raise ValueError(f"attention is {attention!r}, which is defined for {rank} only")
    if attention != "global" and variant.hourglass:
        raise ValueError(
            f"attention is {attention!r}, expected 'global' for a network that ranks its tokens"
        )
    if attention == "divided" and variant.layer_scale is not None:
        raise ValueError(
            f"layer_scale is {variant.layer_scale}, expected None with divided attention"
        )


def _check_depths(variant: Variant, checkpoint_blocks: Sequence[int]) -> None:
    for name, values in {
        "dims": variant.dims,
        "depths": variant.depths,
        "checkpoint_blocks": checkpoint_blocks,
    }.items():
        if len(values) != 4:
            raise ValueError(f"{name} is {list(values)}, expected one number for each of 4 stages")
    for number, depth in zip(checkpoint_blocks, variant.depths, strict=True):
        if not 0 <= number <= depth:
            raise ValueError(
                f"checkpoint_blocks has {number} for a stage of {depth} blocks, "
                f"expected 0 to {depth}"
            )
