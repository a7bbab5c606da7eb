"""Heads that name what every place of an image shows, on the four stage maps.

Official: semantic_segmentation (mmsegmentation 0.13), `UPerHead`, `FCNHead`, and its `fpn_seg`,
`FPN` with `FPNHead`. All maps are resized bilinearly by the places of their pixels' centres
(`align_corners` False), but for the pyramid of Semantic FPN, which repeats pixels.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_uniformer.models.folding import Foldable, fold_into_conv

_DROP_RATE = 0.1  # of whole channels before the classifier, in all published trainings


class ConvNorm(Foldable):
    """Convolution without bias, batch norm, ReLU; the map keeps its size.

    Shape:
        (B, in_dim, H, W) -> (B, dim, H, W).
    """

    def __init__(self, in_dim: int, dim: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_dim, dim, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """The map convolved, normalised, and without what is negative."""
        return F.relu(self.norm(self.conv(x)))

    def fuse(self) -> None:
        """Fold the norm into the convolution."""
        if self.conv.bias is None:
            zeros = self.conv.weight.new_zeros(self.conv.out_channels)
            self.conv.bias = nn.Parameter(zeros, requires_grad=False)
        self.norm = fold_into_conv(self.conv, self.norm)


class MapClassifier(nn.Module):
    """Class scores at every place, by dropout of whole channels and a linear layer.

    Shape:
        (B, dim, H, W) -> (B, K, H, W).
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.drop = nn.Dropout2d(_DROP_RATE)
        self.proj = nn.Conv2d(dim, num_classes, 1)
        nn.init.normal_(self.proj.weight, std=0.01)  # Official: decode_head.py, `init_weights`
        nn.init.zeros_(_bias(self.proj))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.proj(self.drop(x))


class SemanticFPNHead(nn.Module):
    """A feature pyramid whose levels are brought to stride 4 step by step, and added.

    Kirillov et al., "Panoptic Feature Pyramid Networks" (arXiv 1901.02446), section 3.

    Args:
        dims: Channels of the four stage maps.
        num_classes: K.
        pyramid_dim: Channels of the pyramid.
        dim: Channels after it.

    Shape:
        four maps (B, dims[i], H/s, W/s), s = 4, 8, 16, 32 -> logits (B, K, H/4, W/4).
    """

    def __init__(
        self, dims: Sequence[int], num_classes: int, pyramid_dim: int = 256, dim: int = 128
    ) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(d, pyramid_dim, 1) for d in dims)
        self.outputs = nn.ModuleList(
            nn.Conv2d(pyramid_dim, pyramid_dim, 3, padding=1) for _ in dims
        )
        for conv in (*self.laterals, *self.outputs):
            nn.init.xavier_uniform_(conv.weight)  # Official: mmseg/models/necks/fpn.py
            nn.init.zeros_(_bias(conv))
        self.levels = nn.ModuleList(
            nn.ModuleList(ConvNorm(dim if k else pyramid_dim, dim, 3) for k in range(max(1, level)))
            for level in range(len(dims))
        )
        self.classifier = MapClassifier(dim, num_classes)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits of the four stage maps, finest first."""
        pyramid = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for fine, coarse in reversed(list(pairwise(range(len(pyramid))))):
            above = F.interpolate(pyramid[coarse], pyramid[fine].shape[2:], mode="nearest")
            pyramid[fine] = pyramid[fine] + above
        total: Tensor | None = None
        for output, steps, level in zip(self.outputs, self.levels, pyramid, strict=True):
            x = _stepwise(output(level), steps, is_finest=total is None)
            total = x if total is None else total + resized(x, total)
        assert total is not None
        return self.classifier(total)


def _stepwise(x: Tensor, steps: nn.Module, *, is_finest: bool) -> Tensor:
    """A level through its convolutions, each but the finest's followed by twice the size."""
    for step in steps.children():
        x = step(x)
        if not is_finest:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    return x


class UPerHead(nn.Module):
    """Pyramid pooling on the last map, and a feature pyramid over all of them.

    Xiao et al., "Unified Perceptual Parsing for Scene Understanding" (arXiv 1807.10221), section 3.

    Args:
        dims: Channels of the four stage maps.
        num_classes: K.
        dim: Channels of the head.
        pool_sizes: Cells along a side of what the last map is pooled to.

    Shape:
        four maps (B, dims[i], H/s, W/s), s = 4, 8, 16, 32 -> logits (B, K, H/4, W/4).
    """

    def __init__(
        self,
        dims: Sequence[int],
        num_classes: int,
        dim: int = 512,
        pool_sizes: Sequence[int] = (1, 2, 3, 6),
    ) -> None:
        super().__init__()
        self.pool_sizes = tuple(pool_sizes)
        self.pools = nn.ModuleList(ConvNorm(dims[-1], dim, 1) for _ in pool_sizes)
        self.bottleneck = ConvNorm(dims[-1] + len(pool_sizes) * dim, dim, 3)
        self.laterals = nn.ModuleList(ConvNorm(d, dim, 1) for d in dims[:-1])
        self.outputs = nn.ModuleList(ConvNorm(dim, dim, 3) for _ in dims[:-1])
        self.fusion = ConvNorm(len(dims) * dim, dim, 3)
        self.classifier = MapClassifier(dim, num_classes)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits of the four stage maps, finest first."""
        pyramid = [lateral(x) for lateral, x in zip(self.laterals, maps[:-1], strict=True)]
        pyramid.append(self._pooled(maps[-1]))
        for fine, coarse in reversed(list(pairwise(range(len(pyramid))))):
            pyramid[fine] = pyramid[fine] + resized(pyramid[coarse], pyramid[fine])
        levels = [output(x) for output, x in zip(self.outputs, pyramid[:-1], strict=True)]
        levels = [resized(x, levels[0]) for x in (*levels, pyramid[-1])]
        return self.classifier(self.fusion(torch.cat(levels, 1)))

    def _pooled(self, x: Tensor) -> Tensor:
        """The last map (B, dims[-1], h, w) with what its surroundings tell: (B, dim, h, w)."""
        parts = [x]
        for pool, size in zip(self.pools, self.pool_sizes, strict=True):
            parts.append(resized(pool(F.adaptive_avg_pool2d(x, size)), x))
        return self.bottleneck(torch.cat(parts, 1))


class AuxiliaryHead(nn.Module):
    """A second classifier on the map of stage 3, which only training asks.

    Shape:
        (B, dim, H/16, W/16) -> logits (B, K, H/16, W/16).
    """

    def __init__(self, in_dim: int, num_classes: int, dim: int = 256) -> None:
        super().__init__()
        self.conv = ConvNorm(in_dim, dim, 3)
        self.classifier = MapClassifier(dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classifier(self.conv(x))


def resized(x: Tensor, like: Tensor) -> Tensor:
    """A map in the height and width of another, bilinear."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def _bias(conv: nn.Module) -> Tensor:
    bias = conv.bias
    assert isinstance(bias, Tensor)
    return bias
