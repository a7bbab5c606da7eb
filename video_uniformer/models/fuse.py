"""Rewrite a trained network into a faster one with the same outputs."""

import copy
from typing import TypeVar

import torch
from torch import nn

from video_uniformer.models.heads.classification import TokenLabelHead
from video_uniformer.models.uniformer.blocks import DividedBlock, GlobalBlock, LocalBlock
from video_uniformer.models.uniformer.hourglass import HourglassBlock
from video_uniformer.models.uniformer.layers import (
    BATCH_NORM_EPS,
    DPE,
    MEMORY_FORMAT,
    ConvEmbed,
    ConvStem,
)
from video_uniformer.models.uniformer.network import UniFormer, UniFormerMaps

Network = TypeVar("Network", UniFormer, UniFormerMaps)


def fuse_for_inference(network: Network) -> Network:
    """A copy for inference in which batch norms and DPE additions have become kernels.

    Every batch norm stands beside a convolution or (after the mean) before the head's linear layer,
    and is folded into it; so is every layer scale. The identity in `x + DPE(x)` becomes one more
    tap of the kernel. Exact up to rounding. The copy is in evaluation mode and is not for training.

    Args:
        network: A network with running statistics; left as it is.

    Returns:
        The rewritten copy, in evaluation mode.
    """
    fused = copy.deepcopy(network).eval().requires_grad_(False)
    for module in fused.modules():
        _fuse_module(module)
    if isinstance(fused, UniFormer):
        _fuse_head(fused)
    return fused.to(memory_format=MEMORY_FORMAT[fused.ndim])


def _fuse_module(module: nn.Module) -> None:
    if isinstance(module, ConvStem):
        module.norm1 = _fold_into_conv(module.conv1, module.norm1)
        module.norm2 = _fold_into_conv(module.conv2, module.norm2)
    elif isinstance(module, ConvEmbed):
        module.norm = _fold_into_conv(module.proj, module.norm)
    elif isinstance(module, LocalBlock):
        module.norm1 = _fold_into_next(module.norm1, module.mhra.value)
        module.norm2 = _fold_into_next(module.norm2, module.ffn.fc1)
    if isinstance(module, LocalBlock | GlobalBlock | HourglassBlock):
        _fold_scale(module.gamma_1, module.mhra.proj)
        _fold_scale(module.gamma_2, module.ffn.fc2)
        module.gamma_1 = module.gamma_2 = None
    if isinstance(module, LocalBlock | GlobalBlock | HourglassBlock | DividedBlock):
        module.dpe = _with_identity(module.dpe)


def _fuse_head(network: UniFormer) -> None:
    layers = [network.get_classifier()]
    if isinstance(network.head, TokenLabelHead):
        layers.append(network.head.aux_proj)
    if all(isinstance(layer, nn.Linear) for layer in layers):
        norm = network.norm
        for layer in layers:
            network.norm = _fold_into_next(norm, layer)


def _affine(norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift (D,), double, of a batch norm in evaluation mode."""
    statistics, parameters = dict(norm.named_buffers()), dict(norm.named_parameters())
    mean, variance = statistics["running_mean"].double(), statistics["running_var"].double()
    scale = parameters["weight"].double() / torch.sqrt(variance + BATCH_NORM_EPS)
    return scale, parameters["bias"].double() - mean * scale


def _fold_into_next(norm: nn.Module, layer: nn.Module) -> nn.Module:
    """Fold a batch norm into the pointwise or linear layer behind it; what takes its place."""
    if isinstance(norm, nn.Identity):
        return norm
    scale, shift = _affine(norm)
    kernel, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    wide = kernel.double()  # (out, D) or (out, D, 1, 1, 1)
    bias.copy_(bias.double() + wide.flatten(1) @ shift)
    kernel.copy_(wide * scale.view(1, -1, *(1,) * (wide.ndim - 2)))
    return nn.Identity()


def _fold_into_conv(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """Fold a batch norm into the convolution before it; what takes its place."""
    if isinstance(norm, nn.Identity):
        return norm
    scale, shift = _affine(norm)
    _scale_outputs(conv, scale)
    bias = conv.get_parameter("bias")
    bias.copy_(bias.double() + shift)
    return nn.Identity()


def _fold_scale(gamma: nn.Parameter | None, layer: nn.Module) -> None:
    """Fold a layer scale, if there is one, into the layer before it."""
    if gamma is not None:
        _scale_outputs(layer, gamma.double().flatten())


def _scale_outputs(layer: nn.Module, scale: torch.Tensor) -> None:
    kernel, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    kernel.copy_(kernel.double() * scale.view(-1, *(1,) * (kernel.ndim - 1)))
    bias.copy_(bias.double() * scale)


def _with_identity(dpe: nn.Module) -> nn.Module:
    """A DPE's convolution that also adds the input itself."""
    if not isinstance(dpe, DPE):
        return dpe
    tap = dpe.conv.get_parameter("weight")[:, 0]
    for size in tap.shape[1:]:
        tap = tap.select(1, size // 2)
    tap += 1  # (D,), the middle of each channel's kernel
    return dpe.conv
