"""Batch norms over the videos of all processes, for processors too, which torch's refuses."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning.pytorch.plugins import TorchSyncBatchNorm
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class SyncBatchNorms(TorchSyncBatchNorm):
    """The batch norms of a training, synchronised between its processes or left alone.

    torch's `SyncBatchNorm` takes tensors of accelerators alone. Where processes speak through gloo,
    as those of processors do, the norms become `SyncBatchNorm1d`, `2d` and `3d` instead, which are
    the same modules under another class: parameters, keys and what they are instances of remain.
    Classes derived from torch's batch norms keep their own `forward`, and are left alone there.

    Args:
        is_on: Whether the norms are synchronised; "heads": those outside of a network's `backbone`,
            whose statistics stay those of each process, as in the published dense trainings.

    Raises:
        ValueError: `is_on` is another word, or there is no backbone.
    """

    def __init__(self, is_on: bool | str = True) -> None:
        if isinstance(is_on, str) and is_on != "heads":
            raise ValueError(f"sync_batchnorm is {is_on!r}, expected true, false or 'heads'")
        self.is_on = is_on

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronise the model's batch norms.

        Raises:
            ValueError: only those of heads are to be, and the network has no backbone.
        """
        if self.is_on == "heads":
            network = model.get_submodule("network")
            if "backbone" not in dict(network.named_children()):
                raise ValueError(
                    "sync_batchnorm is 'heads', expected a network with a backbone and a head"
                )
            for name, part in list(network.named_children()):
                if name != "backbone":
                    setattr(network, name, self._synchronised(part))
            return model
        return self._synchronised(model) if self.is_on else model

    def _synchronised(self, part: nn.Module) -> nn.Module:
        if dist.is_initialized() and dist.get_backend() != "gloo":
            return super().apply(part)
        _change_classes(part, _SYNCHRONISED)
        return part

    def revert(self, model: nn.Module) -> nn.Module:
        """Make them plain batch norms again."""
        _change_classes(model, {synced: plain for plain, synced in _SYNCHRONISED.items()})
        return super().revert(model)


class _SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """A batch norm whose statistics in training are those of all processes' batches together."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to the same shape; N may differ between processes, and be 0."""
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(input)
        self._check_input_dim(input)
        output, mean, variance, count = _NormaliseTogether.apply(
            input, self.weight, self.bias, self.eps
        )
        self._track(mean, variance, count)
        return output

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or count == 0:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:  # the mean of all batches
            momentum = 1 / int(self.num_batches_tracked)
        unbiased = variance * (count / (count - 1))
        self.running_mean.lerp_(mean.to(self.running_mean), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var), momentum)


class SyncBatchNorm1d(_SyncBatchNorm, nn.BatchNorm1d):
    """`nn.BatchNorm1d` over the batches of all processes."""


class SyncBatchNorm2d(_SyncBatchNorm, nn.BatchNorm2d):
    """`nn.BatchNorm2d` over the batches of all processes."""


class SyncBatchNorm3d(_SyncBatchNorm, nn.BatchNorm3d):
    """`nn.BatchNorm3d` over the batches of all processes."""


_SYNCHRONISED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SyncBatchNorm1d,
    nn.BatchNorm2d: SyncBatchNorm2d,
    nn.BatchNorm3d: SyncBatchNorm3d,
}


def has_synchronised(model: nn.Module) -> bool:
    """Whether a batch norm of the model waits for those of other processes."""
    return any(isinstance(m, _SyncBatchNorm | nn.SyncBatchNorm) for m in model.modules())


def _change_classes(model: nn.Module, classes: dict[type[nn.Module], type[nn.Module]]) -> None:
    for module in model.modules():
        # Not new modules: optimisers, hooks and whoever holds a norm keep the one they know.
        module.__class__ = classes.get(type(module), type(module))


class _NormaliseTogether(torch.autograd.Function):
    """The batch norm of the union of all processes' batches; gradients likewise.

    Each direction takes one collective. With N values per channel in all, x^ the normalised input
    and dy the gradient of the sum of all processes' losses, the input's gradient is

        weight / sigma * (dy - (sum(dy) + x^ * sum(dy * x^)) / N),

    sums over all processes. Gradients of weight and bias are this process's share, as those of any
    other parameter: who averages gradients averages these.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        dtype = torch.promote_types(input.dtype, torch.float32)
        count = input.numel() // input.shape[1]
        # float64: the mean of squares less the squared mean would lose float32's digits.
        sums = torch.zeros(3, input.shape[1], dtype=torch.float64, device=input.device)
        if count:
            moments = torch.var_mean(input.to(dtype), _all_but_channels(input), correction=0)
            variance, mean = (moment.double() for moment in moments)
            sums += torch.stack([torch.ones_like(mean), mean, variance + mean**2]) * count
        dist.all_reduce(sums)
        total = sums[0, 0]
        if total == 1:
            raise ValueError(
                f"the input of a batch norm is {tuple(input.shape)} in training, expected more "
                "than 1 value per channel over all processes"
            )
        mean, mean_square = sums[1] / total.clamp_min(1), sums[2] / total.clamp_min(1)
        variance = (mean_square - mean**2).clamp_min(0)
        scale, shift = (part if part is None else part.to(dtype) for part in (weight, bias))
        means = mean.to(dtype)
        output = F.batch_norm(input, means, variance.to(dtype), scale, shift, eps=eps)
        ctx.save_for_backward(input, scale, means, (variance + eps).rsqrt().to(dtype))
        ctx.total = max(float(total), 1)
        ctx.mark_non_differentiable(mean, variance, total)
        return output, mean, variance, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, inverse_deviation = ctx.saved_tensors
        shape = (1, -1, *(1,) * (input.ndim - 2))
        gradient = gradient.to(mean.dtype)
        normalised = (input - mean.view(shape)) * inverse_deviation.view(shape)
        others = _all_but_channels(input)
        to_bias, to_weight = gradient.sum(others), (gradient * normalised).sum(others)
        to_input = None
        if ctx.needs_input_grad[0]:
            sums = torch.stack([to_bias, to_weight])
            dist.all_reduce(sums)
            slope, curve = (sums / ctx.total).view(2, *shape).unbind()
            scale = inverse_deviation if weight is None else inverse_deviation * weight
            to_input = scale.view(shape) * (gradient - slope - normalised * curve)
            to_input = to_input.to(input.dtype)
        # autograd casts them to the parameters' types.
        own = zip((to_weight, to_bias), ctx.needs_input_grad[1:3], strict=True)
        return to_input, *(part if is_needed else None for part, is_needed in own), None


def _all_but_channels(input: Tensor) -> list[int]:
    return [axis for axis in range(input.ndim) if axis != 1]
