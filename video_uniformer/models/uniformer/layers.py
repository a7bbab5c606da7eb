"""The parts of a UniFormer block, written once for videos (3 axes) and images (2 axes).

Shape letters: B batch, C channels, T frames, H W pixels or cells, N tokens, D dim, K classes.
Maps are (B, D, T, H, W) or (B, D, H, W) and lie channels-last in memory from stem to head, so that
turning a map into tokens (B, N, D) and back is a view.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.grad import conv3d_weight

from video_uniformer.models.folding import Foldable, fold_into_conv

CONV: dict[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORM: dict[int, Callable[..., nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MEMORY_FORMAT = {2: torch.channels_last, 3: torch.channels_last_3d}


class _Depthwise3d(torch.autograd.Function):
    """A depthwise convolution whose input gradient is a convolution with the mirrored kernel.

    The same numbers to rounding. On a CPU the forward kernel of a channels-last map is 10 to 20
    times as fast as the kernel that autograd would call for the gradient of the input.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        padding = weight.shape[-1] // 2
        return F.conv3d(x, weight, bias, padding=padding, groups=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        same = {"padding": weight.shape[-1] // 2, "groups": weight.shape[0]}
        grad_x = F.conv3d(grad, weight.flip(2, 3, 4), **same)
        grad_weight = conv3d_weight(x, weight.shape, grad, **same)
        return grad_x, grad_weight, grad.sum((0, 2, 3, 4))


class _DepthwiseConv3d(nn.Conv3d):
    def forward(self, x: Tensor) -> Tensor:
        trains_here = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if isinstance(x, Proxy) or x.device.type != "cpu" or not trains_here or self.bias is None:
            return super().forward(x)
        autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if autocast else x.dtype
        return _Depthwise3d.apply(x.to(dtype), self.weight.to(dtype), self.bias.to(dtype))


def depthwise(dim: int, kernel_size: int, *, ndim: int) -> nn.Module:
    """Depthwise convolution that keeps the size: kernel `kernel_size` along every axis."""
    conv = _DepthwiseConv3d if ndim == 3 else nn.Conv2d
    return conv(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)


def add(x: Tensor, branch: Tensor) -> Tensor:
    """`x + branch`, for a branch that nobody else holds.

    Without gradients the sum takes the branch's memory: on a CPU, fresh memory for a large map
    costs more than the addition. A traced graph may hold any of its tensors, so there it takes new.
    """
    if torch.is_grad_enabled() or isinstance(branch, Proxy) or branch.dtype != x.dtype:
        return x + branch
    return branch.add_(x)


def gelu(x: Tensor) -> Tensor:
    """GELU of a tensor that nobody else holds; without gradients in its own memory, as `add`."""
    in_place = not torch.is_grad_enabled() and not isinstance(x, Proxy)
    return torch.ops.aten.gelu_(x) if in_place else F.gelu(x)


def map_to_tokens(x: Tensor) -> Tensor:
    """(B, D, ...) -> (B, N, D), time slowest, then rows, then columns; a view if channels-last."""
    return x.flatten(2).transpose(1, 2)


def tokens_to_map(tokens: Tensor, shape: Sequence[int]) -> Tensor:
    """(B, N, D) -> (B, D, *shape), the inverse of `map_to_tokens`."""
    return tokens.transpose(1, 2).unflatten(2, shape)


class PatchEmbed(nn.Module):
    """Shrink a map by a strided convolution, then normalise over channels.

    UniFormer (arXiv 2201.04676), "Overall architecture".

    Args:
        in_dim: Channels of the input.
        dim: Channels D of the output.
        kernel_size: Kernel per axis; its length (2 or 3) is the rank of the map.
        stride: Stride per axis.
        padding: Padding per axis.

    Shape:
        (B, in_dim, ...) -> (B, dim, ...); a remainder at the right or bottom edge is dropped.
    """

    def __init__(
        self,
        in_dim: int,
        dim: int,
        *,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
    ) -> None:
        super().__init__()
        conv = CONV[len(kernel_size)]
        self.proj = conv(in_dim, dim, tuple(kernel_size), tuple(stride), tuple(padding))
        # Official: uniformer.py leaves PyTorch's eps here, the blocks' layer norms use 1e-6.
        self.norm = nn.LayerNorm(dim, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """Embed (B, in_dim, ...) -> (B, dim, ...)."""
        return self.norm(self.proj(x).movedim(1, -1)).movedim(-1, 1)


class ConvStem(Foldable):
    """Shrink the input to a quarter by two overlapping convolutions with batch norms.

    UniFormer (arXiv 2201.09450), the stem of S† and of the light networks. The second convolution
    halves the time axis of a video.

    Args:
        in_dim: Channels of the input.
        dim: Channels D of the output.
        ndim: 3 for videos, 2 for images.

    Shape:
        (B, in_dim, ...) -> (B, D, ...); sizes are rounded up.
    """

    def __init__(self, in_dim: int, dim: int, *, ndim: int) -> None:
        super().__init__()
        stride = (1, 2, 2)[-ndim:]
        self.conv1 = CONV[ndim](in_dim, dim // 2, 3, stride, 1)
        self.norm1: nn.Module = BATCH_NORM[ndim](dim // 2)
        self.conv2 = CONV[ndim](dim // 2, dim, 3, 2, 1)
        self.norm2: nn.Module = BATCH_NORM[ndim](dim)

    def forward(self, x: Tensor) -> Tensor:
        """Embed (B, in_dim, ...) -> (B, D, ...)."""
        x = gelu(self.norm1(self.conv1(x)))
        return self.norm2(self.conv2(x))

    def fuse(self) -> None:
        """Fold both norms into the convolutions before them."""
        self.norm1 = fold_into_conv(self.conv1, self.norm1)
        self.norm2 = fold_into_conv(self.conv2, self.norm2)


class ConvEmbed(Foldable):
    """Halve a map of an image by an overlapping convolution, then batch-normalise it.

    UniFormer (arXiv 2201.09450), between the stages of S†.

    Args:
        in_dim: Channels of the input.
        dim: Channels D of the output.

    Shape:
        (B, in_dim, H, W) -> (B, D, H/2, W/2), rounded up.
    """

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_dim, dim, 3, 2, 1)
        self.norm: nn.Module = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Embed (B, in_dim, H, W) -> (B, D, H/2, W/2)."""
        return self.norm(self.proj(x))

    def fuse(self) -> None:
        """Fold the norm into the convolution."""
        self.norm = fold_into_conv(self.proj, self.norm)


class DPE(nn.Module):
    """Dynamic position embedding: add a depthwise convolution of the map to the map.

    UniFormer (arXiv 2201.04676), "Dynamic position embedding". Its zero padding tells a token where
    it is; no size is built in, so any input size works.

    Args:
        dim: Channels D.
        ndim: 3 for videos, 2 for images.

    Shape:
        (B, D, ...) -> (B, D, ...).
    """

    def __init__(self, dim: int, *, ndim: int) -> None:
        super().__init__()
        self.conv = depthwise(dim, 3, ndim=ndim)

    def forward(self, x: Tensor) -> Tensor:
        """Add the embedding to (B, D, ...)."""
        return add(x, self.conv(x))


def fuse_dpe(dpe: nn.Module) -> nn.Module:
    """The convolution of a DPE, with one more tap of its kernel that adds the input itself."""
    if not isinstance(dpe, DPE):
        return dpe  # it is that convolution already
    tap = dpe.conv.get_parameter("weight")[:, 0]
    for size in tap.shape[1:]:
        tap = tap.select(1, size // 2)
    tap += 1  # (D,), the middle of each channel's kernel
    return dpe.conv


class LocalMHRA(nn.Module):
    """Relate every token to its 5x5(x5) neighbourhood by a learned, input-independent affinity.

    UniFormer (arXiv 2201.04676), "Relation aggregator", local token affinity: value and fusion are
    pointwise convolutions, the affinity is a depthwise one (one head per channel).

    Args:
        dim: Channels D.
        ndim: 3 for videos, 2 for images.

    Shape:
        (B, D, ...) -> (B, D, ...).
    """

    def __init__(self, dim: int, *, ndim: int) -> None:
        super().__init__()
        self.value = CONV[ndim](dim, dim, 1)
        self.affinity = depthwise(dim, 5, ndim=ndim)
        self.proj = CONV[ndim](dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Aggregate (B, D, ...) -> (B, D, ...)."""
        return self.proj(self.affinity(self.value(x)))


def split_heads(qkv: Tensor, num_heads: int) -> list[Tensor]:
    """Queries, keys and values (B, heads, N, d) of one projection (B, N, 3 D)."""
    query, key, value = qkv.chunk(3, dim=-1)  # by name, which a tracer can follow
    return [
        part.unflatten(-1, (num_heads, -1)).transpose(1, 2)  # (B, heads, N, d)
        for part in (query, key, value)
    ]


class GlobalMHRA(nn.Module):
    """Relate every space-time token to every other.

    UniFormer (arXiv 2201.04676), "Relation aggregator", global token affinity.

    Args:
        dim: Channels D.
        num_heads: Must divide `dim`.

    Shape:
        tokens (B, N, D) -> (B, N, D), with N = T'H'W'.

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

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend over tokens (B, N, D) -> (B, N, D)."""
        query, key, value = split_heads(self.qkv(tokens), self.num_heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).flatten(2))  # (B, N, D)


class FFN(nn.Module):
    """Feed-forward network: widen, GELU, narrow.

    Pointwise convolutions on maps (`ndim` 2 or 3), linear layers on tokens (`ndim` None).

    Args:
        dim: Channels D.
        hidden_dim: Channels in between.
        ndim: Rank of the map, or None for tokens.

    Shape:
        (B, D, ...) or (B, N, D), unchanged.
    """

    def __init__(self, dim: int, hidden_dim: int, *, ndim: int | None) -> None:
        super().__init__()
        self.fc1: nn.Module
        self.fc2: nn.Module
        if ndim is None:
            self.fc1, self.fc2 = nn.Linear(dim, hidden_dim), nn.Linear(hidden_dim, dim)
        else:
            self.fc1, self.fc2 = CONV[ndim](dim, hidden_dim, 1), CONV[ndim](hidden_dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x` by itself."""
        return self.fc2(gelu(self.fc1(x)))
