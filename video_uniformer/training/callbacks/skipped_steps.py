"""Which samples a skipped step was computed from: the suspects, one line, and a CSV file."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import Trainer
from torch import Tensor

from video_uniformer.outcomes import index_in

_NUM_NAMED = 3
_COLUMNS = ("step", "epoch", "batch", "rank", "reason", "norm", "samples")

# How strongly a process suspects its own samples: those of the strongest suspicion are named.
_OTHERS, _GRADIENT, _LOSS, _INPUT = range(4)


class SeenBatch(NamedTuple):
    """What is kept of a batch until its step is judged; the tensors stay on their device.

    Attributes:
        number: Its place in the epoch.
        samples: Places of its samples in the list (B,), or None where the batch tells none.
        sums: A number per sample and input that is finite only if the sample is (B, inputs).
        inputs: The batch, where the sums are only taken when they are asked for.
    """

    number: int
    samples: Tensor | None
    sums: Tensor | None = None
    inputs: Mapping[str, Any] | None = None


class Suspects(NamedTuple):
    """The samples that a process suspects of having spoilt a step.

    Attributes:
        rank: The process.
        strength: How strong the suspicion is; processes are compared by it.
        reason: What was wrong.
        norm: Of the gradients.
        batches: Places of the batches in the epoch.
        samples: Names of the samples.
    """

    rank: int
    strength: int
    reason: str
    norm: float
    batches: tuple[int, ...]
    samples: tuple[str, ...]


def note_batch(batch: Any, number: int, *, is_held: bool) -> SeenBatch:
    """Note whose samples a batch holds and whether they are finite, without waiting for a device.

    Args:
        batch: The task's batch; `outcomes.index_in` finds its samples.
        number: Its place in the epoch.
        is_held: Whether the batch is in memory until its step is judged, and may be looked at then.
    """
    if not isinstance(batch, Mapping):
        return SeenBatch(number, None)
    samples = index_in(batch)
    if samples is None:
        return SeenBatch(number, None)
    if is_held:
        return SeenBatch(number, samples, inputs=batch)
    return SeenBatch(number, samples, _sums(batch, len(samples)))


def _sums(batch: Mapping[str, Any], num_samples: int) -> Tensor | None:
    columns = [c for value in batch.values() if (c := _sums_of(value, num_samples)) is not None]
    return torch.stack(columns, 1) if columns else None


def _sums_of(value: Any, num_samples: int) -> Tensor | None:
    """The sum of each sample's values (B,), which one that is not finite spoils."""
    parts = [value] if isinstance(value, Tensor) else value
    is_list = isinstance(parts, Sequence) and all(isinstance(part, Tensor) for part in parts)
    if not is_list or len(value) != num_samples or not parts[0].is_floating_point():
        return None
    if isinstance(value, Tensor):
        return value.flatten(1).sum(1, dtype=torch.float32) if value.ndim > 1 else value.float()
    return torch.stack([part.sum(dtype=torch.float32) for part in parts])


def find_suspects(
    trainer: Trainer, batches: Sequence[SeenBatch], losses: Tensor, norm: float, limit: float
) -> Suspects:
    """What this process knows of a step that was skipped.

    Args:
        trainer: Its data module names the samples.
        batches: The batches of the step.
        losses: Their losses, in the same order.
        norm: Of the gradients, which all processes share.
        limit: Up to which the norm would have been accepted.
    """
    are_finite = torch.isfinite(losses).tolist()
    if not all(are_finite):
        worst = losses[~torch.isfinite(losses)][0].item()
        strength, reason = _LOSS, f"the loss is {worst}"
        if len(batches) == len(are_finite):
            batches = [b for b, is_fine in zip(batches, are_finite, strict=True) if not is_fine]
    elif math.isfinite(norm) and norm <= limit:
        strength, reason, batches = _OTHERS, "another process's loss is not finite", []
    else:
        strength, reason = _GRADIENT, f"the gradient norm is {norm:.4g}"
        if math.isfinite(limit):
            reason += f", expected at most {limit:.4g}"
    indices = [index for batch in batches for index in _places(batch)]
    if spoilt := [index for batch in batches for index in _spoilt(batch)]:
        strength, reason, indices = _INPUT, f"{reason}: the input is not finite", spoilt
    numbers, names = tuple(batch.number for batch in batches), tuple(_names(trainer, indices))
    return Suspects(trainer.global_rank, strength, reason, norm, numbers, names)


def _places(batch: SeenBatch) -> list[int]:
    return [] if batch.samples is None else batch.samples.tolist()


def _spoilt(batch: SeenBatch) -> list[int]:
    """Places of the batch's samples that are not finite themselves."""
    sums = batch.sums
    if batch.samples is not None and batch.inputs is not None:
        sums = _sums(batch.inputs, len(batch.samples))
    if batch.samples is None or sums is None:
        return []
    return batch.samples[~torch.isfinite(sums).all(1)].tolist()


def _names(trainer: Trainer, indices: Iterable[int]) -> list[str]:
    """The samples' paths, or their places in the list where they have none."""
    dataset = getattr(getattr(trainer, "datamodule", None), "dataset", None)
    samples = getattr(dataset("train"), "samples", None) if callable(dataset) else None
    if samples is None:
        return [str(index) for index in indices]
    return [str(getattr(samples[index], "path", index)) for index in indices]


def strongest(suspects: Sequence[Suspects]) -> list[Suspects]:
    """Those of the processes whose suspicion is the strongest."""
    most = max(each.strength for each in suspects)
    return [each for each in suspects if each.strength == most]


def describe(suspects: Sequence[Suspects]) -> str:
    """What was wrong, and with which samples, in one line."""
    names = [name for each in suspects for name in each.samples]
    if not names:
        return suspects[0].reason
    more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    link = "from" if suspects[0].strength == _INPUT else "among"
    return f"{suspects[0].reason}, {link} {', '.join(names[:_NUM_NAMED])}{more}"


def append_rows(path: Path, suspects: Sequence[Suspects], *, step: int, epoch: int) -> None:
    """Add a skipped step to the CSV file, after what an earlier run of the folder left there.

    A training that goes on from before the step skips it again: it stands in the file already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if any(line.startswith(f"{step},{epoch},") for line in known):
        return
    # Names that are not UTF-8 are told, with their odd bytes as \\udcXX.
    with path.open("a", newline="", encoding="utf-8", errors="backslashreplace") as file:
        rows = csv.writer(file)
        if file.tell() == 0:
            rows.writerow(_COLUMNS)
        for each in suspects:
            batches, names = " ".join(map(str, each.batches)), "; ".join(each.samples)
            rows.writerow([step, epoch, batches, each.rank, each.reason, f"{each.norm:.6g}", names])
