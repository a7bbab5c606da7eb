"""Optimiser and schedule of the published recipes."""

import logging
import math

from lightning.pytorch.utilities import rank_zero_only
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from video_uniformer.models.uniformer.layers import ConvEmbed, ConvStem
from video_uniformer.models.uniformer.network import UniFormer, UniFormerMaps
from video_uniformer.training.schedules import LONGEST_WARMUP, check_steps, fitting_warmup

_logger = logging.getLogger(__name__)
NO_DECAY = ("norms_and_biases", "norms", "none")


def adamw(
    network: nn.Module,
    *,
    lr_per_32_videos: float | None = None,
    lr_per_512_images: float | None = None,
    lr: float | None = None,
    batch_size: int,
    weight_decay: float = 0.05,
    no_decay: str = "norms_and_biases",
) -> AdamW:
    """AdamW with the published parameter groups and batch/learning-rate rule.

    Official: slowfast/models/optimizer.py; for images timm's groups, which are the same here.
    Biases and one-dimensional parameters (the norms) are not decayed; depthwise kernels are. Dense
    tasks have other groups: see `no_decay`. On CUDA the step is fused, which lets it be skipped
    without waiting for the device.

    Args:
        network: The network to train.
        lr_per_32_videos: Peak learning rate for 32 videos per step; grows linearly with the batch.
        lr_per_512_images: The same for 512 images per step.
        lr: Peak learning rate whatever the batch. One of the three is given.
        batch_size: Samples per optimiser step, over all devices.
        weight_decay: Decay of the other parameters.
        no_decay: What is not decayed. "norms_and_biases": biases and whatever has one dimension.
            "norms": the norms of the UniFormer backbone alone (UperNet, detection); biases and the
            batch norms of other heads are decayed. "none": all is decayed (Semantic FPN, pose).

    Raises:
        ValueError: none of the three learning rates, or several; or one that is not positive, or
            such a batch size; or `no_decay` is another word.
    """
    rate = _peak_lr(lr_per_32_videos, lr_per_512_images, lr, batch_size)
    exempt = _without_decay(network, no_decay)
    decayed = [parameter for parameter in network.parameters() if id(parameter) not in exempt]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": list(exempt.values()), "weight_decay": 0.0},
    ]
    is_fused = all(parameter.is_cuda for parameter in network.parameters())
    optimizer = AdamW(groups, lr=rate, fused=is_fused or None)
    # Lightning clips no gradients that the optimiser unscales; told this, scaler and trainer do it.
    optimizer._step_supports_amp_scaling = False
    return optimizer


def _peak_lr(
    lr_per_32_videos: float | None,
    lr_per_512_images: float | None,
    lr: float | None,
    batch_size: int,
) -> float:
    """The rate for this batch by the one of the three rules that is given."""
    rates = {
        "lr_per_32_videos": (lr_per_32_videos, 32),
        "lr_per_512_images": (lr_per_512_images, 512),
    }
    rates["lr"] = (lr, batch_size)
    given = [(name, rate, per) for name, (rate, per) in rates.items() if rate is not None]
    if len(given) != 1:
        named = " and ".join(f"{name} {rate}" for name, rate, _ in given) or "none"
        raise ValueError(f"given learning rates: {named}; expected one of {', '.join(rates)}")
    [(name, rate, per)] = given
    if rate <= 0 or batch_size <= 0:
        raise ValueError(f"{name} is {rate} and batch_size {batch_size}, expected positive numbers")
    return rate * batch_size / per


def _without_decay(network: nn.Module, no_decay: str) -> dict[int, nn.Parameter]:
    """The parameters that are not decayed, by their ids, in the network's order."""
    if no_decay not in NO_DECAY:
        raise ValueError(f"no_decay is {no_decay!r}, expected one of {', '.join(NO_DECAY)}")
    norms = _backbone_norms(network) if no_decay == "norms" else set()
    return {
        id(parameter): parameter
        for name, parameter in network.named_parameters()
        if id(parameter) in norms
        or (no_decay == "norms_and_biases" and (parameter.ndim <= 1 or name.endswith(".bias")))
    }


def _backbone_norms(network: nn.Module) -> set[int]:
    """Ids of the parameters that have "norm" in their published names.

    Official: mmcv's `paramwise_cfg` goes by names. The heads' batch norms are called `bn` there,
    those of convolutional stems and embeds have numbers (`patch_embed1.proj.1`): they are decayed.
    """
    backbones = [part for part in network.modules() if isinstance(part, UniFormer | UniFormerMaps)]
    modules = [module for backbone in backbones for module in backbone.modules()]
    numbered = {
        id(part)
        for module in modules
        if isinstance(module, ConvStem | ConvEmbed)
        for part in module.modules()
    }
    return {
        id(parameter)
        for module in modules
        if isinstance(module, nn.LayerNorm | nn.modules.batchnorm._BatchNorm)
        and id(module) not in numbered
        for parameter in module.parameters()
    }


def warmup_cosine_lr(
    epoch: float,
    *,
    peak_lr: float,
    num_epochs: float,
    warmup_epochs: float,
    start_lr: float = 1e-6,
    end_lr: float = 1e-6,
) -> float:
    """Learning rate at a fractional epoch: a line up to the peak, then half a cosine down.

    Official: slowfast/utils/lr_policy.py, `cosine`; warm-up epochs count among `num_epochs`.
    """
    if epoch < warmup_epochs:
        return start_lr + (peak_lr - start_lr) * epoch / warmup_epochs
    progress = min((epoch - warmup_epochs) / (num_epochs - warmup_epochs), 1.0)
    return end_lr + (peak_lr - end_lr) * (1 + math.cos(math.pi * progress)) / 2


def warmup_cosine(
    optimizer: Optimizer,
    *,
    total_steps: float,
    steps_per_epoch: float,
    warmup_epochs: float = 0,
    warmup_steps: int | None = None,
    start_lr: float = 1e-6,
    end_lr: float = 1e-6,
) -> LambdaLR:
    """`warmup_cosine_lr` as a scheduler that is stepped once per optimiser step.

    A warm-up that does not fit into the training, as in a short trial of a long recipe, is
    shortened to a fifth of it, the largest share that a published recipe has; a line says so.

    Args:
        optimizer: Its learning rates are the peaks.
        total_steps: Optimiser steps in all, warm-up included, wherever their limit comes from.
        steps_per_epoch: Optimiser steps in one epoch.
        warmup_epochs: Epochs of the linear warm-up.
        warmup_steps: Its steps, for recipes that count these; None: as many as `warmup_epochs` has.
        start_lr: Learning rate of the first step.
        end_lr: Learning rate after the last step.

    Raises:
        ValueError: a warm-up below 0, or steps that are not above 0.
    """
    check_steps(total_steps, steps_per_epoch)
    name, warmup = ("warmup_epochs", warmup_epochs * steps_per_epoch)
    if warmup_steps is not None:
        name, warmup = "warmup_steps", warmup_steps
    if warmup < 0:
        given = warmup_epochs if warmup_steps is None else warmup_steps
        raise ValueError(f"{name} is {given}, expected 0 or more")
    warmup = fitting_warmup(warmup, total_steps, name=name)
    peak_lr = optimizer.param_groups[0]["lr"]

    def factor(step: int) -> float:
        lr = warmup_cosine_lr(
            step,
            peak_lr=peak_lr,
            num_epochs=total_steps,
            warmup_epochs=warmup,
            start_lr=start_lr,
            end_lr=end_lr,
        )
        return lr / peak_lr

    return LambdaLR(optimizer, factor)


def epoch_cosine_lr(
    epoch: int,
    *,
    peak_lr: float,
    num_epochs: int,
    warmup_epochs: int,
    start_lr: float = 1e-6,
    end_lr: float = 1e-5,
) -> float:
    """Learning rate of a whole epoch: a line up to the peak, then half a cosine down.

    timm's `CosineLRScheduler`: the cosine counts from epoch 0, so that the warm-up cuts into it,
    and what comes after `num_epochs` runs at `end_lr`.
    """
    if epoch < warmup_epochs:
        return start_lr + (peak_lr - start_lr) * epoch / warmup_epochs
    if epoch >= num_epochs:
        return end_lr
    return end_lr + (peak_lr - end_lr) * (1 + math.cos(math.pi * epoch / num_epochs)) / 2


def epoch_cosine(
    optimizer: Optimizer,
    *,
    total_steps: float,
    steps_per_epoch: float,
    warmup_epochs: int = 5,
    cooldown_epochs: int = 0,
    start_lr: float = 1e-6,
    end_lr: float = 1e-5,
    lags: bool = False,
) -> LambdaLR:
    """`epoch_cosine_lr` as a scheduler that is stepped once per optimiser step.

    A warm-up that does not fit into the training is shortened to a fifth of it; a line says so.

    Args:
        optimizer: Its learning rates are the peaks.
        total_steps: Optimiser steps in all.
        steps_per_epoch: Optimiser steps in one epoch.
        warmup_epochs: Epochs of the linear warm-up.
        cooldown_epochs: Last epochs, after the cosine, at `end_lr`.
        start_lr: Learning rate of the first epoch.
        end_lr: Where the cosine ends; above the peak it counts as the peak.
        lags: Whether each epoch but the first has the rate of the one before. Official: the
            standard and light scripts tell the scheduler the epoch that has ended, so that the
            first two epochs run at `start_lr`.

    Raises:
        ValueError: a count below 0, or steps that are not above 0.
    """
    check_steps(total_steps, steps_per_epoch)
    counts = {"warmup_epochs": warmup_epochs, "cooldown_epochs": cooldown_epochs}
    for name, count in counts.items():
        if type(count) is not int or count < 0:
            raise ValueError(f"{name} is {count!r}, expected a whole number >= 0")
    num_epochs = max(1, round(total_steps / steps_per_epoch) - cooldown_epochs)
    if warmup_epochs and warmup_epochs >= num_epochs:
        fitting = int(num_epochs * LONGEST_WARMUP)
        rank_zero_only(_logger.warning)(
            f"the warm-up of {warmup_epochs} epochs (warmup_epochs) does not fit into a training "
            f"of {num_epochs}; it is shortened to {fitting}"
        )
        warmup_epochs = fitting
    peak_lr = optimizer.param_groups[0]["lr"]

    def factor(step: int) -> float:
        epoch = int(step / steps_per_epoch + 1e-9)
        lr = epoch_cosine_lr(
            max(0, epoch - 1) if lags else epoch,
            peak_lr=peak_lr,
            num_epochs=num_epochs,
            warmup_epochs=warmup_epochs,
            start_lr=start_lr,
            end_lr=min(end_lr, peak_lr),
        )
        return lr / peak_lr

    return LambdaLR(optimizer, factor)
