"""Linear operations that become part of a neighbour's kernel, for inference."""

import torch
from torch import Tensor, nn

BATCH_NORM_EPS = 1e-5  # PyTorch's default, which the published networks keep


class Foldable(nn.Module):
    """A module that can rewrite itself into a faster one with the same outputs."""

    def fuse(self) -> None:
        """Fold norms, layer scales and additions into kernels, in place; again changes nothing.

        In evaluation mode and without gradients only: the module is not for training afterwards.
        """
        raise NotImplementedError


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift (D,), double, of a batch norm in evaluation mode."""
    statistics, parameters = dict(norm.named_buffers()), dict(norm.named_parameters())
    mean, variance = statistics["running_mean"].double(), statistics["running_var"].double()
    scale = parameters["weight"].double() / torch.sqrt(variance + BATCH_NORM_EPS)
    return scale, parameters["bias"].double() - mean * scale


def fold_into_next(norm: nn.Module, layer: nn.Module) -> nn.Module:
    """Fold a batch norm into the pointwise or linear layer behind it; what takes its place."""
    if isinstance(norm, nn.Identity):
        return norm
    scale, shift = _affine(norm)
    kernel, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    wide = kernel.double()  # (out, D) or (out, D, 1, 1, 1)
    bias.copy_(bias.double() + wide.flatten(1) @ shift)
    kernel.copy_(wide * scale.view(1, -1, *(1,) * (wide.ndim - 2)))
    return nn.Identity()


def fold_into_conv(conv: nn.Module, norm: nn.Module) -> nn.Module:
    """Fold a batch norm into the convolution before it; what takes its place."""
    if isinstance(norm, nn.Identity):
        return norm
    scale, shift = _affine(norm)
    _scale_outputs(conv, scale)
    bias = conv.get_parameter("bias")
    bias.copy_(bias.double() + shift)
    return nn.Identity()


def fold_scale(gamma: nn.Parameter | None, layer: nn.Module) -> None:
    """Fold a layer scale, if there is one, into the layer before it."""
    if gamma is not None:
        _scale_outputs(layer, gamma.double().flatten())


def _scale_outputs(layer: nn.Module, scale: Tensor) -> None:
    kernel, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    kernel.copy_(kernel.double() * scale.view(-1, *(1,) * (kernel.ndim - 1)))
    bias.copy_(bias.double() * scale)
