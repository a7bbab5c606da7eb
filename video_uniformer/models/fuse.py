"""Rewrite a trained network into a faster one with the same outputs."""

import copy

import torch
from torch import nn

from video_uniformer.models.layers import BATCH_NORM_EPS, DPE, MEMORY_FORMAT
from video_uniformer.models.uniformer import GlobalBlock, LocalBlock, UniFormer


def fuse_for_inference(network: UniFormer) -> UniFormer:
    """A copy for inference in which batch norms and DPE additions have become kernels.

    Every batch norm stands before a pointwise layer (or, after the mean, before the head's linear
    layer) and is folded into it; the identity in `x + DPE(x)` becomes one more tap of the kernel.
    Exact up to rounding. The copy is in evaluation mode and is not for training.

    Args:
        network: A network with running statistics; left as it is.

    Returns:
        The rewritten copy, in evaluation mode.
    """
    fused = copy.deepcopy(network).eval().requires_grad_(False)
    for module in fused.modules():
        if isinstance(module, LocalBlock) and not isinstance(module.norm1, nn.Identity):
            _fold_norm(module.norm1, module.mhra.value)
            _fold_norm(module.norm2, module.ffn.fc1)
            module.norm1, module.norm2 = nn.Identity(), nn.Identity()
    for module in fused.modules():
        if isinstance(module, LocalBlock | GlobalBlock) and isinstance(module.dpe, DPE):
            module.dpe = _with_identity(module.dpe.conv)
    if isinstance(fused.head.proj, nn.Linear) and not isinstance(fused.norm, nn.Identity):
        _fold_norm(fused.norm, fused.head.proj)
        fused.norm = nn.Identity()
    return fused.to(memory_format=MEMORY_FORMAT[fused.ndim])


def _fold_norm(norm: nn.Module, layer: nn.Module) -> None:
    """Fold an evaluation-mode batch norm into the pointwise or linear layer behind it."""
    statistics, parameters = dict(norm.named_buffers()), dict(norm.named_parameters())
    mean, variance = statistics["running_mean"].double(), statistics["running_var"].double()
    scale = parameters["weight"].double() / torch.sqrt(variance + BATCH_NORM_EPS)  # (D,)
    shift = parameters["bias"].double() - mean * scale
    kernel, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    wide = kernel.double()  # (out, D) or (out, D, 1, 1, 1)
    bias.copy_(bias.double() + wide.flatten(1) @ shift)
    kernel.copy_(wide * scale.view(1, -1, *(1,) * (wide.ndim - 2)))


def _with_identity(conv: nn.Module) -> nn.Module:
    """Add the input itself to the output of a depthwise convolution."""
    tap = conv.get_parameter("weight")[:, 0]
    for size in tap.shape[1:]:
        tap = tap.select(1, size // 2)
    tap += 1  # (D,), the middle of each channel's kernel
    return conv
