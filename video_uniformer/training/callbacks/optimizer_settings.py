"""Settings of the optimiser that were changed before a training was resumed."""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch.optim.lr_scheduler import LambdaLR

Group = dict[str, Any]


class OptimizerSettings(Callback):
    """Have a resumed training use the learning rate, decay and so on that it is given now.

    PyTorch restores them with the optimiser's state, so that a change would have no effect. What is
    changed is said in one line; the schedule goes on at its step, with the new peak. A factor
    `lr_scale` of another callback, as a training has that was brought back to lower rates, stays.
    """

    def __init__(self) -> None:
        self._given: list[Group] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what is asked for; the checkpoint has not been applied yet."""
        self._given = [
            {name: value for name, value in group.items() if name not in ("params", "lr")}
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
        ]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Apply it."""
        if trainer.ckpt_path is None:
            return
        scale = 1.0
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            scale *= getattr(callback, "lr_scale", 1.0)
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        changes: dict[str, None] = {}  # in order, each once
        for group, given in zip(groups, self._given, strict=True):
            if "initial_lr" in given:
                given["initial_lr"] *= scale
            changes |= dict.fromkeys(_apply(group, given))
        if changes:
            _move_schedules(trainer)
            pl_module.print(f"resumed with {', '.join(changes)}")


def _apply(group: Group, given: Group) -> list[str]:
    """Set a group's values, and tell those that were others."""
    changes = []
    for name, value in given.items():
        before = group.get(name)
        if before != value:
            shown = "peak learning rate" if name == "initial_lr" else name.replace("_", " ")
            changes.append(f"{shown} {value:g} (was {before:g})" if _is_number(value) else shown)
            if name == "initial_lr":
                group["lr"] *= value / before
            group[name] = value
    return changes


def _move_schedules(trainer: Trainer) -> None:
    """Set the schedules' peaks, and the rate of the step that they stand at."""
    for config in trainer.lr_scheduler_configs:
        schedule: Any = config.scheduler
        if not isinstance(schedule, LambdaLR):
            continue
        groups = schedule.optimizer.param_groups
        schedule.base_lrs = [group["initial_lr"] for group in groups]
        for group, factor in zip(groups, schedule.lr_lambdas, strict=True):
            group["lr"] = group["initial_lr"] * factor(schedule.last_epoch)
        schedule._last_lr = [group["lr"] for group in groups]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
