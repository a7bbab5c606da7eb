"""Where a training stands, in Lightning's own counters, and how its checkpoints tell it.

Lightning's loops count what was begun, done and completed, and a checkpoint carries these counters
as they are at the moment of saving. From some moments it does not go on where it was: after the
last batch of an epoch it leaves out the end of the epoch, and wherever a validation is due, the
validation. `settle` rewrites the counters of a checkpoint for these, so that a resumed training
does what the first would have done.
"""

from collections.abc import Mapping
from typing import Any

from lightning import Trainer

Counters = dict[str, Any]


def position(trainer: Trainer) -> tuple[int, int]:
    """Epoch, and batches of it that each process has had."""
    loop = trainer.fit_loop
    # Their declared types are those of the simplest counters.
    epoch: Any = loop.epoch_progress.current
    batches: Any = loop.epoch_loop.batch_progress.current
    is_inside = epoch.started > epoch.processed
    return epoch.processed, batches.processed if is_inside else 0


def is_step_end(trainer: Trainer) -> bool:
    """Whether the batch that ends now is the last that its optimiser step accumulates."""
    batches = trainer.fit_loop.epoch_loop.batch_progress
    done: Any = batches.current
    return batches.is_last_batch or done.processed % trainer.accumulate_grad_batches == 0


def validation_is_due(trainer: Trainer) -> bool:
    """Whether a validation follows the batch that ends now, or has begun and not ended."""
    loop = trainer.fit_loop.epoch_loop
    validated: Any = loop.val_loop.batch_progress.current
    if trainer.validating:
        return bool(validated.processed > validated.completed)
    fetcher = trainer.fit_loop._data_fetcher
    return fetcher is not None and loop._should_check_val_fx(fetcher)


def settle(loops: Mapping[str, Counters], trainer: Trainer) -> None:
    """Rewrite the counters of a checkpoint that is being saved, where Lightning needs it.

    Args:
        loops: What stands under `loops` in the checkpoint.
        trainer: The trainer that saves it.
    """
    fit = loops["fit_loop"]
    epoch, batches = fit["epoch_progress"], fit["epoch_loop.batch_progress"]
    if epoch["current"]["processed"] == epoch["current"]["started"]:
        _finish_epoch(fit)
    elif validation_is_due(trainer):
        _await_validation(fit)
    elif batches["is_last_batch"] and not _is_completed(batches):
        _complete_batch(fit)
        fit["epoch_loop.state_dict"]["_batches_that_stepped"] += 1


def awaits_validation(loops: Mapping[str, Counters]) -> bool:
    """Whether a training that goes on from these counters begins with a validation."""
    validated = loops["fit_loop"].get("epoch_loop.val_loop.batch_progress")
    return validated is not None and validated["total"]["started"] > validated["total"]["processed"]


def add_to_step_limit(trainer: Trainer, steps: int) -> None:
    """Move the limit of optimiser steps, if there is one.

    Lightning ends a resumed training that has reached it, even where a validation is to come.
    """
    loop = trainer.fit_loop.epoch_loop
    if loop.max_steps != -1:
        loop.max_steps += steps


def start_anew_at_epoch(trainer: Trainer) -> None:
    """Have an epoch that has not begun start as any other; to be called as the training starts.

    Lightning takes every resumed training with a limit of steps to be inside an epoch.
    """
    if position(trainer)[1] == 0:
        loop = trainer.fit_loop
        for part in (loop, loop.epoch_loop, loop.epoch_loop.val_loop):
            part._restarting = False
        loop.epoch_loop.automatic_optimization._restarting = False


def _finish_epoch(fit: Counters) -> None:
    """As at the start of the next epoch, before anything of it has begun."""
    for counter in fit["epoch_progress"].values():
        counter["completed"] = counter["processed"]
    batches = fit["epoch_loop.batch_progress"]
    batches["current"] = dict.fromkeys(batches["current"], 0)
    batches["is_last_batch"] = False


def _is_completed(batches: Counters) -> bool:
    return bool(batches["current"]["completed"] == batches["current"]["processed"])


def _complete_batch(fit: Counters) -> None:
    batches = fit["epoch_loop.batch_progress"]
    for counter in (batches["total"], batches["current"]):
        counter["completed"] = counter["processed"]


def _await_validation(fit: Counters) -> None:
    """All done up to the validation, whose first batch has begun."""
    _complete_batch(fit)
    evaluated = fit["epoch_loop.val_loop.batch_progress"]
    done = evaluated["total"]["completed"]
    evaluated["total"] = {
        "ready": done + 1,
        "started": done + 1,
        "processed": done,
        "completed": done,
    }
    evaluated["current"] = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    evaluated["is_last_batch"] = False
