"""The blocks of UniFormer: position, relation, transformation, each added to its input.

Shape letters: B batch, D dim, N tokens, T frames, H W cells. All take a map (B, D, ...) and give
one of the same shape.
"""

import torch
import torch.nn.functional as F
from pytorchvideo.layers.drop_path import DropPath
from torch import Tensor, nn

from video_uniformer.models.folding import Foldable, fold_into_next, fold_scale
from video_uniformer.models.uniformer.layers import (
    BATCH_NORM,
    DPE,
    FFN,
    GlobalMHRA,
    LocalMHRA,
    add,
    fuse_dpe,
    map_to_tokens,
    tokens_to_map,
)


def layer_scale_parameter(shape: tuple[int, ...], value: float | None) -> nn.Parameter | None:
    """Factors of a branch that start at `value`, or None for a branch without them."""
    return None if value is None else nn.Parameter(torch.full(shape, float(value)))


def scale(gamma: nn.Parameter | None, branch: Tensor) -> Tensor:
    """`branch` times its layer scale, if it has one."""
    return branch if gamma is None else gamma * branch


class ScaledBlock(Foldable):
    """What the blocks with one relation have in common: a DPE, and a layer scale per branch."""

    gamma_1: nn.Parameter | None
    gamma_2: nn.Parameter | None
    dpe: nn.Module
    mhra: nn.Module
    ffn: FFN

    def fuse(self) -> None:
        """Fold the layer scales into the branches' last layers, and `x +` into the DPE's kernel."""
        fold_scale(self.gamma_1, self.mhra.get_submodule("proj"))
        fold_scale(self.gamma_2, self.ffn.fc2)
        self.gamma_1 = self.gamma_2 = None
        self.dpe = fuse_dpe(self.dpe)


class LocalBlock(ScaledBlock):
    """UniFormer block of stages 1 and 2: DPE, local MHRA and FFN on the map, batch-normalised.

    Args:
        dim: Channels D.
        mlp_ratio: Width of the FFN over `dim`.
        drop_path_rate: Probability in [0, 1) with which a sample skips a branch.
        ndim: 3 for videos, 2 for images.
        layer_scale: Initial value of the factors on both branches, or None for none.

    Shape:
        (B, D, ...) -> (B, D, ...).
    """

    def __init__(
        self,
        dim: int,
        *,
        mlp_ratio: float,
        drop_path_rate: float,
        ndim: int,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        shape = (1, dim, *(1,) * ndim)
        self.gamma_1 = layer_scale_parameter(shape, layer_scale)
        self.gamma_2 = layer_scale_parameter(shape, layer_scale)
        self.dpe: nn.Module = DPE(dim, ndim=ndim)
        self.norm1: nn.Module = BATCH_NORM[ndim](dim)
        self.mhra = LocalMHRA(dim, ndim=ndim)
        self.norm2: nn.Module = BATCH_NORM[ndim](dim)
        self.ffn = FFN(dim, int(dim * mlp_ratio), ndim=ndim)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Paper, equations 1 to 3, on a map (B, D, ...)."""
        x = self.dpe(x)
        x = add(x, self.drop_path(scale(self.gamma_1, self.mhra(self.norm1(x)))))
        return add(x, self.drop_path(scale(self.gamma_2, self.ffn(self.norm2(x)))))

    def fuse(self) -> None:
        """As its base, and fold the norms into the branches' first layers."""
        self.norm1 = fold_into_next(self.norm1, self.mhra.get_submodule("value"))
        self.norm2 = fold_into_next(self.norm2, self.ffn.fc1)
        super().fuse()


class GlobalBlock(ScaledBlock):
    """UniFormer block of stages 3 and 4: DPE on the map, global MHRA and FFN on its tokens.

    Args:
        dim: Channels D.
        num_heads: Heads of the attention; must divide `dim`.
        mlp_ratio: Width of the FFN over `dim`.
        drop_path_rate: Probability in [0, 1) with which a sample skips a branch.
        ndim: 3 for videos, 2 for images.
        layer_scale: Initial value of the factors on both branches, or None for none.
        window_size: Cells along a side of the square windows of an image within which tokens are
            related, or None to relate all; the weights fit either.

    Shape:
        (B, D, ...) -> (B, D, ...).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        mlp_ratio: float,
        drop_path_rate: float,
        ndim: int,
        layer_scale: float | None = None,
        window_size: int | None = None,
    ) -> None:
        super().__init__()
        self.gamma_1 = layer_scale_parameter((dim,), layer_scale)
        self.gamma_2 = layer_scale_parameter((dim,), layer_scale)
        self.dpe: nn.Module = DPE(dim, ndim=ndim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.mhra = GlobalMHRA(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.ffn = FFN(dim, int(dim * mlp_ratio), ndim=None)
        self.drop_path = DropPath(drop_path_rate)
        self.window_size = window_size

    def forward(self, x: Tensor) -> Tensor:
        """Paper, equations 1 to 3, on a map (B, D, ...)."""
        shape = x.shape[2:]
        tokens = map_to_tokens(self.dpe(x))  # (B, N, D)
        normed = self.norm1(tokens)
        if self.window_size is None:
            related = self.mhra(normed)
        else:
            related = self._relate_in_windows(normed.unflatten(1, shape), self.window_size)
        tokens = add(tokens, self.drop_path(scale(self.gamma_1, related)))
        tokens = add(tokens, self.drop_path(scale(self.gamma_2, self.ffn(self.norm2(tokens)))))
        return tokens_to_map(tokens, shape)

    def _relate_in_windows(self, x: Tensor, size: int) -> Tensor:
        """Normed tokens (B, H, W, D), related within windows -> (B, N, D).

        Official: object_detection's uniformer.py pads with zeros after the norm, and the padding
        takes part: its keys and values are the projection's biases.
        """
        height, width = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, -width % size, 0, -height % size))
        rows, columns = x.shape[1] // size, x.shape[2] // size
        windows = x.unflatten(2, (columns, size)).unflatten(1, (rows, size)).transpose(2, 3)
        related = self.mhra(windows.reshape(-1, size * size, x.shape[-1]))
        joined = related.reshape(-1, rows, columns, size, size, x.shape[-1]).transpose(2, 3)
        return joined.flatten(3, 4).flatten(1, 2)[:, :height, :width].flatten(1, 2)


class DividedBlock(Foldable):
    """A global block for videos that relates tokens along time first, then within each frame.

    Official: slowfast/models/uniformer.py, `SplitSABlock`; no weights are published for it. The
    residual of the attention within frames skips the one along time, so that time enters through
    queries, keys and values alone.

    Args:
        dim: Channels D.
        num_heads: Heads of both attentions; must divide `dim`.
        mlp_ratio: Width of the FFN over `dim`.
        drop_path_rate: Probability in [0, 1) with which a branch is skipped: drawn for each place
            along time, for each frame within frames, and for each sample by the FFN.

    Shape:
        (B, D, T, H, W) -> (B, D, T, H, W).
    """

    def __init__(
        self, dim: int, num_heads: int, *, mlp_ratio: float, drop_path_rate: float
    ) -> None:
        super().__init__()
        self.dpe: nn.Module = DPE(dim, ndim=3)
        self.time_norm = nn.LayerNorm(dim, eps=1e-6)
        self.time_mhra = GlobalMHRA(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.mhra = GlobalMHRA(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.ffn = FFN(dim, int(dim * mlp_ratio), ndim=None)
        self.drop_path = DropPath(drop_path_rate)

    def start_without_time(self) -> None:
        """Initialise so that the attention along time adds nothing yet."""
        nn.init.zeros_(self.time_mhra.qkv.weight)
        nn.init.zeros_(self.time_mhra.qkv.bias)
        nn.init.ones_(self.time_mhra.proj.weight)
        nn.init.zeros_(self.time_mhra.proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Relate along time, within frames, transform: (B, D, T, H, W), unchanged."""
        shape = x.shape[2:]
        batch, frames, cells = x.shape[0], shape[0], shape[1] * shape[2]
        frame_tokens = map_to_tokens(self.dpe(x)).unflatten(1, (frames, cells))  # (B, T, HW, D)
        place_tokens = frame_tokens.transpose(1, 2).flatten(0, 1)  # (B HW, T, D)
        timed = place_tokens + self.drop_path(self.time_mhra(self.time_norm(place_tokens)))
        timed = timed.unflatten(0, (batch, cells)).transpose(1, 2).flatten(0, 1)  # (B T, HW, D)
        related = self.drop_path(self.mhra(self.norm1(timed)))
        tokens = (frame_tokens.flatten(0, 1) + related).unflatten(0, (batch, frames)).flatten(1, 2)
        tokens = tokens + self.drop_path(self.ffn(self.norm2(tokens)))  # (B, N, D)
        return tokens_to_map(tokens, shape)

    def fuse(self) -> None:
        """Fold `x +` into the DPE's kernel."""
        self.dpe = fuse_dpe(self.dpe)
