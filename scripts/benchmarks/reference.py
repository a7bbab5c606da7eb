"""Plain video UniFormers to measure against: the straightforward way to write the papers down.

Contiguous maps, modules one after another, attention written out as a softmax of a matrix product.
Key names are the authors', so `load_weights(network, reference.state_dict())` gives our network the
same weights, and the two must give the same outputs before they are timed.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _FFN(nn.Module):
    def __init__(self, fc1: nn.Module, fc2: nn.Module) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = fc1, nn.GELU(), fc2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, self.scale = num_heads, (dim // num_heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, D), and how the first of them attends to all, (B, heads, N)."""
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
        affinity = (query @ key.transpose(-2, -1) * self.scale).softmax(dim=-1)
        attended = (affinity @ value).transpose(1, 2).reshape(batch, tokens, dim)
        return self.proj(attended), affinity[:, :, 0]


class _LocalBlock(nn.Module):
    def __init__(self, dim: int, ratio: int = 4) -> None:
        super().__init__()
        self.pos_embed = nn.Conv3d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.BatchNorm3d(dim)
        self.conv1 = nn.Conv3d(dim, dim, 1)
        self.conv2 = nn.Conv3d(dim, dim, 1)
        self.attn = nn.Conv3d(dim, dim, 5, padding=2, groups=dim)
        self.norm2 = nn.BatchNorm3d(dim)
        self.mlp = _FFN(nn.Conv3d(dim, ratio * dim, 1), nn.Conv3d(ratio * dim, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.conv2(self.attn(self.conv1(self.norm1(x))))
        return x + self.mlp(self.norm2(x))


class _GlobalBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv3d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, dim // 64)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _FFN(nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        shape = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, D)
        tokens = tokens + self.attn(self.norm1(tokens))[0]
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(shape)


class _PatchEmbed(nn.Module):
    def __init__(self, in_dim: int, dim: int, first: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        kernel, stride, padding = ((3, 4, 4), (2, 4, 4), (1, 0, 0))
        if not first:
            kernel, stride, padding = (1, 2, 2), (1, 2, 2), (0, 0, 0)
        self.proj = nn.Conv3d(in_dim, dim, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x)
        shape = x.shape
        tokens = self.norm(x.flatten(2).transpose(1, 2))  # (B, N, D)
        return tokens.transpose(1, 2).reshape(shape).contiguous()


class PlainUniFormer(nn.Module):
    """UniFormer-S for videos, without anything done for speed.

    Shape:
        (B, 3, T, H, W) -> logits (B, K).
    """

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        dims, depths = (64, 128, 320, 512), (3, 4, 8, 3)
        in_dims = (3, *dims)
        for number, (dim, depth) in enumerate(zip(dims, depths, strict=True), start=1):
            block = _LocalBlock if number < 3 else _GlobalBlock
            embed = _PatchEmbed(in_dims[number - 1], dim, first=number == 1)
            self.add_module(f"patch_embed{number}", embed)
            self.add_module(f"blocks{number}", nn.Sequential(*(block(dim) for _ in range(depth))))
        self.norm = nn.BatchNorm3d(dims[-1])
        self.head = nn.Linear(dims[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of clips (B, 3, T, H, W)."""
        for number in range(1, 5):
            x = self.get_submodule(f"patch_embed{number}")(x)
            x = self.get_submodule(f"blocks{number}")(x)
        return self.head(self.norm(x).flatten(2).mean(-1))


class _Carried(NamedTuple):
    """What one block of the hourglass hands to the next, beside the map."""

    cls: Tensor  # (B, 1, D), the class token
    score: Tensor | None  # (B, N), how much attention each token got so far
    place: Tensor  # (B, N), where each token belongs


class _HourglassBlock(nn.Module):
    def __init__(self, dim: int, num_heads: int, ratio: int, keep: float) -> None:
        super().__init__()
        self.keep = keep
        self.pos_embed = nn.Conv3d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _FFN(nn.Linear(dim, ratio * dim), nn.Linear(ratio * dim, dim))

    def forward(self, x: Tensor, carried: _Carried) -> tuple[Tensor, _Carried]:
        x = x + self.pos_embed(x)
        shape = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, D)
        process = self._process_all if self.keep == 1 else self._process_kept
        tokens, carried = process(tokens, carried)
        return tokens.transpose(1, 2).reshape(shape).contiguous(), carried

    def _process_all(self, tokens: Tensor, carried: _Carried) -> tuple[Tensor, _Carried]:
        joined = torch.cat([carried.cls, tokens], dim=1)
        attended, attention = self.attn(self.norm1(joined))
        joined = joined + attended
        joined = joined + self.mlp(self.norm2(joined))
        score = attention[:, :, 1:].mean(1)
        return joined[:, 1:], carried._replace(cls=joined[:, :1], score=score)

    def _process_kept(self, tokens: Tensor, carried: _Carried) -> tuple[Tensor, _Carried]:
        """Attention and FFN on the best-scored tokens and on one that sums up the rest."""
        assert carried.score is not None
        num_kept = int(tokens.shape[1] * self.keep)
        order = carried.score.argsort(dim=1, descending=True)
        tokens, score, place = _gathered(order, tokens, carried.score, carried.place)
        kept, rest = tokens[:, :num_kept], tokens[:, num_kept:]
        weight = score[:, num_kept:] / score[:, num_kept:].sum(1, keepdim=True)
        summary = (weight.unsqueeze(-1) * rest).sum(1, keepdim=True)  # (B, 1, D)
        joined = torch.cat([carried.cls, kept, summary], dim=1)
        attended, attention = self.attn(self.norm1(joined))
        joined = joined + attended
        transformed = self.mlp(self.norm2(joined))
        joined = joined + transformed
        seen = attention[:, :, 1:-1].mean(1)
        seen = (1 - self.keep) * score[:, :num_kept] + self.keep * seen
        score = torch.cat([seen, score[:, num_kept:]], dim=1)
        rest = rest + (attended + transformed)[:, -1:]
        tokens = torch.cat([joined[:, 1:-1], rest], dim=1)
        tokens, score, place = _gathered(place.argsort(dim=1), tokens, score, place)
        return tokens, _Carried(joined[:, :1], score, place)


def _gathered(
    order: Tensor, tokens: Tensor, score: Tensor, place: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens (B, N, D), scores and places (B, N), all in the order (B, N)."""
    expanded = order.unsqueeze(-1).expand(-1, -1, tokens.shape[-1])
    return tokens.gather(1, expanded), score.gather(1, order), place.gather(1, order)


class _LightStem(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Conv3d(3, dim // 2, 3, stride=(1, 2, 2), padding=1),
            nn.BatchNorm3d(dim // 2),
            nn.GELU(),
            nn.Conv3d(dim // 2, dim, 3, stride=(2, 2, 2), padding=1),
            nn.BatchNorm3d(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class PlainHourglass(nn.Module):
    """The hourglass UniFormer-XXS for videos as it is evaluated, without anything done for speed.

    Every block but the first sorts the tokens by score and back again. The whole attention map is
    computed, although only the class token's row of it gives scores.

    Shape:
        (B, 3, T, H, W) -> logits (B, K).
    """

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        dims, depths, ratio = (56, 112, 224, 448), (2, 5, 8, 2), 3
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims[2]))
        self.patch_embed1 = _LightStem(dims[0])
        self.patch_embed2 = _PatchEmbed(dims[0], dims[1], first=False)
        self.patch_embed3 = _PatchEmbed(dims[1], dims[2], first=False)
        self.patch_embed4 = _PatchEmbed(dims[2], dims[3], first=False)
        self.cls_upsample = nn.Linear(dims[2], dims[3])
        self.blocks1 = nn.Sequential(*(_LocalBlock(dims[0], ratio) for _ in range(depths[0])))
        self.blocks2 = nn.Sequential(*(_LocalBlock(dims[1], ratio) for _ in range(depths[1])))
        keeps = [1.0] + [0.5] * (depths[2] - 1), [0.5] * depths[3]
        self.blocks3, self.blocks4 = (
            nn.ModuleList(_HourglassBlock(dim, dim // 28, ratio, keep) for keep in stage)
            for dim, stage in zip(dims[2:], keeps, strict=True)
        )
        self.norm = nn.BatchNorm3d(dims[3])
        self.norm_cls = nn.LayerNorm(dims[3])  # like `head_cls`, for training only
        self.head = nn.Linear(dims[3], num_classes)
        self.head_cls = nn.Linear(dims[3], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of clips (B, 3, T, H, W)."""
        x = self.blocks1(self.patch_embed1(x))
        x = self.patch_embed3(self.blocks2(self.patch_embed2(x)))
        carried = _Carried(self.cls_token.expand(len(x), -1, -1), None, _positions(x))
        for block in self.blocks3:
            x, carried = block(x, carried)
        assert carried.score is not None
        score = _pooled_scores(carried.score, x.shape)
        x = self.patch_embed4(x)
        carried = _Carried(self.cls_upsample(carried.cls), score, _positions(x))
        for block in self.blocks4:
            x, carried = block(x, carried)
        return self.head(self.norm(x).flatten(2).mean(-1))


def _positions(x: Tensor) -> Tensor:
    """0 to N - 1 for each map of the batch, (B, N)."""
    return torch.arange(x[0, 0].numel(), device=x.device).expand(len(x), -1)


def _pooled_scores(score: Tensor, shape: torch.Size) -> Tensor:
    """The mean scores of 2x2 tokens each, scaled so that their sum stays."""
    pooled = F.avg_pool3d(score.reshape(shape[0], 1, *shape[2:]), (1, 2, 2), (1, 2, 2)).flatten(1)
    return pooled * (score.sum(1, keepdim=True) / pooled.sum(1, keepdim=True))


def move_statistics(network: nn.Module) -> None:
    """Set the running statistics off their initial values, so that outputs depend on them."""
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(buffer, std=0.1)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 1.5)
