"""The hourglass of the light networks XXS and XS: rank the tokens, relate the best, recover all.

"UniFormer: Unifying Convolution and Self-attention for Visual Recognition" (arXiv 2201.09450),
"Hourglass UniFormer block"; numerics follow the authors' `slowfast/models/uniformer_light.py`. A
class token ranks the patch tokens by its attention to them. Each block relates that token, the
better half of the tokens, and one token that stands for the rest; then all are back in place.

Shape letters: B batch, N patch tokens, D dim, n tokens kept.
"""

from contextlib import nullcontext
from typing import NamedTuple

import torch
import torch.fx
import torch.nn.functional as F
from pytorchvideo.layers.drop_path import DropPath
from torch import Tensor, nn
from torch.fx import Proxy

from video_uniformer.models.uniformer.blocks import ScaledBlock, layer_scale_parameter, scale
from video_uniformer.models.uniformer.layers import (
    DPE,
    FFN,
    map_to_tokens,
    split_heads,
    tokens_to_map,
)

# What these ask of shapes and types only a tensor can answer: `torch.fx` calls them as they are.
torch.fx.wrap("_affinity")
torch.fx.wrap("_num_kept")
torch.fx.wrap("_score_single_rest")


class Ranking(NamedTuple):
    """What one hourglass block hands to the next beside the map.

    Attributes:
        cls: The class token (B, 1, D).
        scores: How much each patch token matters (B, N), float32 or wider; None before the first
            block.
    """

    cls: Tensor
    scores: Tensor | None


def pool_scores(scores: Tensor, shape: torch.Size) -> Tensor:
    """Scores of a map halved in height and width, with the same sum.

    Args:
        scores: (B, N), N the cells of `shape`.
        shape: (H, W) or (T, H, W); odd sides lose their last row or column.

    Shape:
        (B, N) -> (B, N / 4).
    """
    window = (*(1,) * (len(shape) - 2), 2, 2)
    pool = F.avg_pool3d if len(shape) == 3 else F.avg_pool2d
    pooled = pool(scores.unflatten(1, shape).unsqueeze(1), window).flatten(1)
    return pooled * (scores.sum(1, keepdim=True) / pooled.sum(1, keepdim=True))


def _affinity(query: Tensor, key: Tensor) -> Tensor:
    """How queries (..., n, d) attend to keys (..., N, d): (..., n, N), float32 or wider.

    Logits of half precision would overflow, or be rounded by more than what tells tokens apart.
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    device = query.device.type
    has_autocast = torch.amp.is_autocast_available(device)  # tensors without data have none
    with torch.autocast(device, enabled=False) if has_autocast else nullcontext():
        logits = query.to(wide) * query.shape[-1] ** -0.5 @ key.to(wide).transpose(-2, -1)
        return logits.softmax(-1)


def _num_kept(tokens: Tensor, keep_ratio: float) -> int:
    return int(tokens.shape[1] * keep_ratio)


def _score_single_rest(scores: Tensor, rest: Tensor, num_kept: int, keep_ratio: float) -> Tensor:
    """Scores (B, N), where only one token is not kept moved towards `rest` (B, 1), its attention.

    Official: such a token is its own stand-in and takes its score.
    """
    if scores.shape[1] - num_kept != 1:
        return scores
    return torch.lerp(scores, rest.expand_as(scores), keep_ratio)


class RankingMHRA(nn.Module):
    """Global relation that also tells how the first token attends to all.

    Args:
        dim: Channels D.
        num_heads: Must divide `dim`.

    Shape:
        tokens (B, N, D) -> (B, N, D), and the first token's attention (B, N), averaged over heads.

    Raises:
        ValueError: `dim` is not a multiple of `num_heads`.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f"num_heads is {num_heads}, expected a divisor of dim {dim}")
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Attend over tokens (B, N, D); only the first row of the affinity is ever formed."""
        query, key, value = split_heads(self.qkv(tokens), self.num_heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        affinity = _affinity(query[:, :, :1], key)  # (B, heads, 1, N)
        return self.proj(attended.transpose(1, 2).flatten(2)), affinity.mean(1).squeeze(1)


class HourglassBlock(ScaledBlock):
    """A global block that relates only the class token, the best tokens and a mean of the rest.

    Args:
        dim: Channels D.
        num_heads: Heads of the attention; must divide `dim`.
        mlp_ratio: Width of the FFN over `dim`.
        drop_path_rate: Probability in [0, 1) with which a sample skips a branch.
        ndim: 3 for videos, 2 for images.
        keep_ratio: Share of the patch tokens that are related, in (0, 1]; also the weight with
            which their new scores enter the old ones.
        layer_scale: Initial value of the factors on both branches, or None for none.

    Shape:
        map (B, D, ...) and ranking -> map (B, D, ...) and ranking.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        mlp_ratio: float,
        drop_path_rate: float,
        ndim: int,
        keep_ratio: float,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.gamma_1 = layer_scale_parameter((dim,), layer_scale)
        self.gamma_2 = layer_scale_parameter((dim,), layer_scale)
        self.dpe: nn.Module = DPE(dim, ndim=ndim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.mhra = RankingMHRA(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.ffn = FFN(dim, int(dim * mlp_ratio), ndim=None)
        self.drop_path = DropPath(drop_path_rate)
        self.keep_ratio = keep_ratio

    def forward(self, x: Tensor, ranking: Ranking) -> tuple[Tensor, Ranking]:
        """Shrink, relate and recover the tokens of a map (B, D, ...)."""
        shape = x.shape[2:]
        tokens = map_to_tokens(self.dpe(x))  # (B, N, D)
        if self.keep_ratio == 1 or ranking.scores is None:
            tokens, ranking = self._relate_all(tokens, ranking)
        else:
            tokens, ranking = self._relate_best(tokens, ranking.cls, ranking.scores)
        return tokens_to_map(tokens, shape), ranking

    def _relate_all(self, tokens: Tensor, ranking: Ranking) -> tuple[Tensor, Ranking]:
        related, _, affinity = self._transform(torch.cat([ranking.cls, tokens], 1))
        scores = affinity[:, 1:]
        if ranking.scores is not None:
            scores = torch.lerp(ranking.scores, scores, self.keep_ratio)
        return related[:, 1:], Ranking(related[:, :1], scores)

    def _relate_best(self, tokens: Tensor, cls: Tensor, scores: Tensor) -> tuple[Tensor, Ranking]:
        num_kept = _num_kept(tokens, self.keep_ratio)
        best = scores.topk(num_kept, dim=1, sorted=False).indices  # (B, n), in any order
        rows = best.unsqueeze(2).expand(-1, -1, tokens.shape[2])  # (B, n, D)
        weights = scores.scatter(1, best, 0.0)
        weights = (weights / weights.sum(1, keepdim=True)).to(tokens.dtype)
        rest = weights.unsqueeze(1) @ tokens  # (B, 1, D), stands for the tokens that are not kept
        related, change, affinity = self._transform(
            torch.cat([cls, tokens.gather(1, rows), rest], 1)  # (B, n + 2, D)
        )
        # The rest follow their stand-in; drop path does not touch what they get.
        moved = tokens + change[:, -1:]
        scatter = moved.scatter if isinstance(moved, Proxy) else moved.scatter_  # see `layers.add`
        tokens = scatter(1, rows, related[:, 1:-1].to(moved.dtype))
        new = torch.lerp(scores.gather(1, best), affinity[:, 1:-1], self.keep_ratio)
        scores = _score_single_rest(scores, affinity[:, -1:], num_kept, self.keep_ratio)
        return tokens, Ranking(related[:, :1], scores.scatter(1, best, new))

    def _transform(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """MHRA and FFN: the tokens, the sum of both branches, the class token's attention."""
        related, affinity = self.mhra(self.norm1(tokens))
        related = scale(self.gamma_1, related)
        tokens = tokens + self.drop_path(related)
        transformed = scale(self.gamma_2, self.ffn(self.norm2(tokens)))
        return tokens + self.drop_path(transformed), related + transformed, affinity
