"""Which checkpoint a training goes on from, and whether it may."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import Trainer

from video_uniformer.description import Description
from video_uniformer.training.loop_state import awaits_validation

LOGGED = "logged_rows"  # in checkpoints: rows of the CSV log that belong to them
STOPPED_WITHIN = "stopped_within"  # the limits of a training that ended before them by itself
# Arguments of a network that may be changed in the middle of its training.
_CHANGEABLE = frozenset(("drop_path_rate", "drop_rate", "checkpoint_blocks"))


class Saved(NamedTuple):
    """A checkpoint that a training can go on from.

    Attributes:
        path: The file.
        step: Optimiser steps that were taken.
        epochs_done: Epochs that were completed.
        stopped_within: Largest numbers of epochs and steps of a training that has ended before
            them, as early stopping has it; None if it has not.
        awaits_validation: Whether a validation follows its last step.
        best_score: Best value of the metric that was monitored, if there was one.
        num_logged: Rows of the CSV log that were there; None where the checkpoint does not say.
    """

    path: Path
    step: int
    epochs_done: int
    stopped_within: tuple[int | None, int] | None
    awaits_validation: bool
    best_score: float | None
    num_logged: int | None


@dataclass
class Found:
    """What a folder of checkpoints holds.

    Attributes:
        saved: The one that has come furthest, of those that read well; None if there is none.
        damaged: What is wrong with others.
    """

    saved: Saved | None = None
    damaged: dict[Path, str] = field(default_factory=dict)


class _Unreadable(Exception):
    """Says what is wrong with a file."""


class _OfNoTraining(Exception):
    """Says what a file lacks that reads well."""


def limits_of(trainer: Trainer) -> tuple[int | None, int]:
    """The largest numbers of epochs and steps of a training."""
    return trainer.max_epochs, trainer.max_steps


def find_checkpoint(folder: Path) -> Found:
    """Find the checkpoint in a folder that a training has come furthest with.

    Files that are no checkpoints of a training, weights for example, do not count.

    Args:
        folder: Where a training writes its checkpoints; it need not be there.
    """
    found = Found()
    candidates = []
    for path in sorted(folder.glob("*.ckpt")):
        try:
            candidates.append(_glance(path))
        except _Unreadable as error:
            found.damaged[path] = str(error)
        except _OfNoTraining:
            continue
    for saved in sorted(candidates, key=_how_far, reverse=True):
        try:
            _check_sums(saved.path)
        except _Unreadable as error:
            found.damaged[saved.path] = str(error)
        else:
            found.saved = saved
            break
    return found


def read_saved(path: Path) -> Saved:
    """A checkpoint of a training.

    Raises:
        ValueError: it cannot be read, is damaged, or is none of a training.
    """
    try:
        saved = _glance(path)
        _check_sums(path)
    except _Unreadable as error:
        raise ValueError(f"{path} is {error}, expected a checkpoint of a training") from None
    except _OfNoTraining as error:
        raise ValueError(
            f"{path} is {error}, expected a checkpoint of a training; task.init=FILE starts from "
            "weights alone"
        ) from None
    return saved


def check_resumable(before: Description, now: Description, origin: str) -> None:
    """Refuse to go on with another network, or with classes in another order.

    Args:
        before: What the checkpoint says.
        now: What the training is to be.
        origin: The checkpoint, for messages.

    Raises:
        ValueError: they differ in what cannot be changed.
    """
    instead = "task.init=FILE starts a new training from the weights of another"
    theirs, ours = dict(before.network), dict(now.network)
    for name in [name for name in ours if name not in _CHANGEABLE]:
        if (name in theirs and theirs[name] != ours[name]) or (name == "variant" and not theirs):
            raise ValueError(
                f"ckpt_path is {origin}, whose network has {name} {theirs.get(name)!r}, expected "
                f"{ours[name]!r} as in this training; {instead}"
            )
    if None in (before.class_names, now.class_names) or before.class_names == now.class_names:
        return
    names = zip_longest(before.class_names or (), now.class_names or ())
    place, (their_name, our_name) = next(
        (place, pair) for place, pair in enumerate(names) if pair[0] != pair[1]
    )
    raise ValueError(
        f"ckpt_path is {origin}, whose class {place} is {their_name!r}, expected {our_name!r} as "
        f"in this training's data; {instead}"
    )


def _how_far(saved: Saved) -> tuple[int, int, bool]:
    return saved.step, saved.epochs_done, saved.path.stem == "last"


def _glance(path: Path) -> Saved:
    """Read all but the tensors."""
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            is_empty = path.stat().st_size == 0
            raise _Unreadable("empty" if is_empty else "unreadable (no checkpoint, or cut short)")
        content = torch.load(path, mmap=True, map_location="cpu", weights_only=True)
    except _Unreadable:
        raise
    except Exception as error:  # a damaged file can lead PyTorch to any
        raise _Unreadable(_why(error)) from None
    if not isinstance(content, Mapping) or not content.get("optimizer_states"):
        raise _OfNoTraining("without an optimiser's state")
    try:
        progress = content["loops"]["fit_loop"]["epoch_progress"]["current"]
        step, epochs_done = int(content["global_step"]), int(progress["processed"])
        is_awaiting = awaits_validation(content["loops"])
    except (KeyError, TypeError, ValueError):
        raise _OfNoTraining("without the steps and epochs of a training") from None
    score, num_logged = _best_score(content), content.get(LOGGED)
    stopped = content.get(STOPPED_WITHIN)
    return Saved(path, step, epochs_done, stopped, is_awaiting, score, num_logged)


def _best_score(content: Mapping[str, Any]) -> float | None:
    for name, state in content.get("callbacks", {}).items():
        if name.startswith("ModelCheckpoint") and state.get("monitor"):
            score = state.get("best_model_score")
            return None if score is None else float(score)
    return None


def _check_sums(path: Path) -> None:
    """Compare all bytes with the sums in the file, which PyTorch does not look at."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # as above
        raise _Unreadable(_why(error)) from None
    if damaged is not None:
        raise _Unreadable(f"damaged (at {damaged})")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"unreadable ({error.strerror})"
    return f"unreadable ({(str(error).splitlines() or [type(error).__name__])[0]})"
