"""Schedules of the published dense recipes, stepped at every optimiser step.

They follow mmcv's updaters, in which a linear warm-up multiplies the scheduled rate. Official:
mmcv/runner/hooks/lr_updater.py, as `object_detection`, `semantic_segmentation` and
`pose_estimation` call it.
"""

import logging
import math
from collections.abc import Callable, Sequence

from lightning.pytorch.utilities import rank_zero_only
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

_logger = logging.getLogger(__name__)
LONGEST_WARMUP = 1 / 5  # of a training: 5 of 25 epochs, UCF101 and HMDB51


def check_steps(total_steps: float, steps_per_epoch: float) -> None:
    """Refuse a training without steps.

    Raises:
        ValueError: one of the two is not above 0.
    """
    if not (total_steps > 0 and steps_per_epoch > 0):
        raise ValueError(
            f"total_steps is {total_steps} and steps_per_epoch {steps_per_epoch}, expected numbers "
            "above 0"
        )


def fitting_warmup(warmup: float, total_steps: float, *, name: str) -> float:
    """Steps of a warm-up, shortened with a word if it does not fit, as in a short trial.

    It becomes a fifth of the training, the largest share that a published recipe has.

    Args:
        warmup: Its steps, as asked for.
        total_steps: Optimiser steps in all.
        name: The argument that asks for it.
    """
    if warmup < total_steps:
        return warmup
    fitting = total_steps * LONGEST_WARMUP
    rank_zero_only(_logger.warning)(
        f"the warm-up of {warmup:g} steps ({name}) does not fit into a training of "
        f"{total_steps:g}; it is shortened to {fitting:g}"
    )
    return fitting


def poly_with_warmup(
    optimizer: Optimizer,
    *,
    total_steps: float,
    steps_per_epoch: float,
    warmup_steps: int = 1500,
    warmup_ratio: float = 1e-6,
    power: float = 1.0,
) -> LambdaLR:
    """A power of the share of steps that are left, down to 0: UperNet on ADE20K.

    Args:
        optimizer: Its learning rates are the base rates.
        total_steps: Optimiser steps in all, warm-up included.
        steps_per_epoch: Optimiser steps in one epoch; the rate does not depend on it.
        warmup_steps: Steps of the warm-up; one that does not fit is shortened, see
            `fitting_warmup`.
        warmup_ratio: Share of the scheduled rate at the first step, rising linearly to 1.
        power: 1 is a straight line.

    Raises:
        ValueError: a number is out of range.
    """
    if not power > 0:
        raise ValueError(f"power is {power}, expected a number above 0")

    def share(step: int) -> float:
        return (1 - min(step / total_steps, 1.0)) ** power

    check_steps(total_steps, steps_per_epoch)
    return _with_warmup(optimizer, share, total_steps, warmup_steps, warmup_ratio)


def cosine_with_warmup(
    optimizer: Optimizer,
    *,
    total_steps: float,
    steps_per_epoch: float,
    warmup_steps: int = 1000,
    warmup_ratio: float = 0.1,
    end_ratio: float = 1e-8,
) -> LambdaLR:
    """Half a cosine from the first step to the last: Semantic FPN on ADE20K.

    The cosine counts from step 0, so that the warm-up cuts into it; `optim.warmup_cosine` begins
    it at the end of the warm-up.

    Args:
        optimizer: Its learning rates are the base rates.
        total_steps: Optimiser steps in all, warm-up included.
        steps_per_epoch: Optimiser steps in one epoch; the rate does not depend on it.
        warmup_steps: Steps of the warm-up; one that does not fit is shortened, see
            `fitting_warmup`.
        warmup_ratio: Share of the scheduled rate at the first step, rising linearly to 1.
        end_ratio: Share of the base rate after the last step.

    Raises:
        ValueError: a number is out of range.
    """
    if not 0 <= end_ratio <= 1:
        raise ValueError(f"end_ratio is {end_ratio}, expected a share in [0, 1]")

    def share(step: int) -> float:
        progress = min(step / total_steps, 1.0)
        return end_ratio + (1 - end_ratio) * (1 + math.cos(math.pi * progress)) / 2

    check_steps(total_steps, steps_per_epoch)
    return _with_warmup(optimizer, share, total_steps, warmup_steps, warmup_ratio)


def step_with_warmup(
    optimizer: Optimizer,
    *,
    total_steps: float,
    steps_per_epoch: float,
    drop_epochs: Sequence[int] = (8, 11),
    drop_factor: float = 0.1,
    warmup_steps: int = 500,
    warmup_ratio: float = 0.001,
) -> LambdaLR:
    """The base rate, multiplied at given epochs: detection and pose on COCO.

    Args:
        optimizer: Its learning rates are the base rates.
        total_steps: Optimiser steps in all, warm-up included.
        steps_per_epoch: Optimiser steps in one epoch.
        drop_epochs: After so many epochs the rate drops, in rising order.
        drop_factor: What each drop multiplies the rate by.
        warmup_steps: Steps of the warm-up; one that does not fit is shortened, see
            `fitting_warmup`.
        warmup_ratio: Share of the scheduled rate at the first step, rising linearly to 1.

    Raises:
        ValueError: a number is out of range, or the epochs do not rise.
    """
    epochs = list(drop_epochs)
    if epochs != sorted(set(epochs)) or (epochs and epochs[0] < 1):
        raise ValueError(f"drop_epochs is {epochs}, expected rising numbers of epochs above 0")
    if not 0 < drop_factor <= 1:
        raise ValueError(f"drop_factor is {drop_factor}, expected a number in (0, 1]")

    def share(step: int) -> float:
        # The epochs may have no whole number of steps, where gradients are accumulated.
        epoch = int(step / steps_per_epoch + 1e-9)
        return drop_factor ** sum(epoch >= drop for drop in epochs)

    check_steps(total_steps, steps_per_epoch)
    return _with_warmup(optimizer, share, total_steps, warmup_steps, warmup_ratio)


def _with_warmup(
    optimizer: Optimizer,
    share: Callable[[int], float],
    total_steps: float,
    warmup_steps: int,
    warmup_ratio: float,
) -> LambdaLR:
    """A scheduler of `share`, a step's part of the base rate, under the linear warm-up."""
    if warmup_steps < 0:
        raise ValueError(f"warmup_steps is {warmup_steps}, expected 0 or more")
    if not 0 < warmup_ratio <= 1:
        raise ValueError(f"warmup_ratio is {warmup_ratio}, expected a share in (0, 1]")
    warmup = fitting_warmup(warmup_steps, total_steps, name="warmup_steps")

    def factor(step: int) -> float:
        if step >= warmup:
            return share(step)
        return share(step) * (1 - (1 - step / warmup) * (1 - warmup_ratio))

    return LambdaLR(optimizer, factor)
