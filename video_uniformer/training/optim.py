"""Optimiser and schedule of the published recipes."""

import logging
import math

from lightning.pytorch.utilities import rank_zero_only
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

_logger = logging.getLogger(__name__)
_LONGEST_WARMUP = 1 / 5  # of a training: 5 of 25 epochs, UCF101 and HMDB51


def adamw(
    network: nn.Module,
    *,
    lr_per_32_videos: float | None = None,
    lr_per_512_images: float | None = None,
    lr: float | None = None,
    batch_size: int,
    weight_decay: float = 0.05,
) -> AdamW:
    """AdamW with the published parameter groups and batch/learning-rate rule.

    Official: slowfast/models/optimizer.py; for images timm's groups, which are the same here.
    Biases and one-dimensional parameters (the norms) are not decayed; depthwise kernels are. On
    CUDA the step is fused, which lets it be skipped without waiting for the device.

    Args:
        network: The network to train.
        lr_per_32_videos: Peak learning rate for 32 videos per step; grows linearly with the batch.
        lr_per_512_images: The same for 512 images per step.
        lr: Peak learning rate whatever the batch. One of the three is given.
        batch_size: Samples per optimiser step, over all devices.
        weight_decay: Decay of the other parameters.

    Raises:
        ValueError: none of the three learning rates, or several; or one that is not positive, or
            such a batch size.
    """
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
    decayed: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        is_exempt = parameter.ndim <= 1 or name.endswith(".bias")
        (exempt if is_exempt else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": exempt, "weight_decay": 0.0},
    ]
    is_fused = all(parameter.is_cuda for parameter in network.parameters())
    optimizer = AdamW(groups, lr=rate * batch_size / per, fused=is_fused or None)
    # Lightning clips no gradients that the optimiser unscales; told this, scaler and trainer do it.
    optimizer._step_supports_amp_scaling = False
    return optimizer


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
    if not (total_steps > 0 and steps_per_epoch > 0):
        raise ValueError(
            f"total_steps is {total_steps} and steps_per_epoch {steps_per_epoch}, expected numbers "
            "above 0"
        )
    name, warmup = ("warmup_epochs", warmup_epochs * steps_per_epoch)
    if warmup_steps is not None:
        name, warmup = "warmup_steps", warmup_steps
    if warmup < 0:
        given = warmup_epochs if warmup_steps is None else warmup_steps
        raise ValueError(f"{name} is {given}, expected 0 or more")
    if warmup >= total_steps:
        fitting = total_steps * _LONGEST_WARMUP
        rank_zero_only(_logger.warning)(
            f"the warm-up of {warmup:g} steps ({name}) does not fit into a training of "
            f"{total_steps:g}; it is shortened to {fitting:g}"
        )
        warmup = fitting
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
    if not (total_steps > 0 and steps_per_epoch > 0):
        raise ValueError(
            f"total_steps is {total_steps} and steps_per_epoch {steps_per_epoch}, expected numbers "
            "above 0"
        )
    counts = {"warmup_epochs": warmup_epochs, "cooldown_epochs": cooldown_epochs}
    for name, count in counts.items():
        if type(count) is not int or count < 0:
            raise ValueError(f"{name} is {count!r}, expected a whole number >= 0")
    num_epochs = max(1, round(total_steps / steps_per_epoch) - cooldown_epochs)
    if warmup_epochs and warmup_epochs >= num_epochs:
        fitting = int(num_epochs * _LONGEST_WARMUP)
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
