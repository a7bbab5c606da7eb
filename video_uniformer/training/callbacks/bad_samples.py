"""Every listed sample accounted for: how many were bad, why, and when that is too many."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import torch.distributed
from lightning import Callback, LightningModule, Trainer

from video_uniformer.outcomes import STATUSES, index_in

_NUM_NAMED = 3

Item = TypeVar("Item")


class Policy(Protocol):
    """What a run does with bad samples."""

    @property
    def on_bad_sample(self) -> str:
        """What is done: `raise` ends the run at the first."""

    @property
    def budget(self) -> float:
        """Share of a list, 0 to 1, that may be bad."""

    def for_split(self, split: str) -> "Policy":
        """The policy for "train", "val" or "test"."""


class Problem(NamedTuple):
    """A bad sample of a batch.

    Attributes:
        sample_index: Its place in the list.
        status: Place in `STATUSES`.
        reason: What is wrong with it.
    """

    sample_index: int
    status: int
    reason: str


@dataclass
class BadSample:
    """A bad sample of a list: what is wrong with it, and in how many batches it was met."""

    path: Path
    status: int
    reason: str
    times_seen: int = 0


def problems_of(batch: Mapping[str, Any]) -> list[Problem]:
    """The bad samples of a batch; a batch that tells none has none."""
    texts = batch.get("problem", [])
    # The texts are at hand; tensors would have to be waited for where they are on a device.
    if not any(texts):
        return []
    columns = (index_in(batch).tolist(), batch["status"].tolist(), texts)
    return [Problem(*row) for row in zip(*columns, strict=True) if row[2]]


def gather_items(items: list[Item]) -> list[Item]:
    """The items of all processes, in the order of the processes; all have to ask."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return items
    parts: list[list[Item]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]


class BadSamples(Callback):
    """Count the bad samples of each list, end the run when there are too many, and write them down.

    Counts are made from the batches, over all processes: a sample counts once, however often and
    wherever it is met. The policy is that of the data module; where it raises at the first bad
    sample, there is nothing to count.

    Args:
        path: The CSV file written at the end of a run: path, split, status, reason, times seen.

    Raises:
        ValueError: In a run, more samples of a list are bad than the policy's budget: in training
            at the step where that shows, in validation and test at the end of the pass.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._bad: dict[str, dict[int, BadSample]] = {}
        self._in_pass: dict[int, Problem] = {}

    def state_dict(self) -> dict[str, Any]:
        """What was counted, as plain values, for a training that is resumed."""
        return {
            split: {
                index: (str(sample.path), sample.status, sample.reason, sample.times_seen)
                for index, sample in bad.items()
            }
            for split, bad in self._bad.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        for split, bad in state_dict.items():
            self._bad[split] = {
                index: BadSample(Path(path), *rest) for index, (path, *rest) in bad.items()
            }

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch's bad samples, before the network sees it."""
        if self._policy(trainer, "train") is None:
            return
        found = problems_of(batch)
        # A flag at every step; the texts travel only when there are any.
        if trainer.strategy.reduce_boolean_decision(bool(found), all=False):
            self._count(trainer, "train", gather_items(found))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a pass."""
        self._in_pass = {}

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note the batch's bad samples."""
        self._in_pass.update({problem.sample_index: problem for problem in problems_of(batch)})

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_start = on_validation_batch_start

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the bad samples of the pass."""
        self._count_pass(trainer, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the bad samples of the pass."""
        self._count_pass(trainer, "test")

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Leave the list of a run that ends early."""
        self._write(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the list, and say on one line how long it is."""
        self._write(trainer)
        if self._is_needed(trainer):
            pl_module.print(self._summary())

    def _policy(self, trainer: Trainer, split: str) -> Policy | None:
        """The split's policy; None where it raises."""
        shared: Policy | None = getattr(_datamodule(trainer), "bad_samples", None)
        policy = shared and shared.for_split(split)
        return policy if policy and policy.on_bad_sample != "raise" else None

    def _is_needed(self, trainer: Trainer) -> bool:
        return any(self._policy(trainer, split) for split in ("train", "val", "test"))

    def _count_pass(self, trainer: Trainer, split: str) -> None:
        if self._policy(trainer, split) is None:
            return
        problems = gather_items(list(self._in_pass.values()))
        # A few samples are dealt out twice, so that every process has as many.
        self._count(trainer, split, list({item.sample_index: item for item in problems}.values()))

    def _count(self, trainer: Trainer, split: str, problems: Sequence[Problem]) -> None:
        listed = _datamodule(trainer).dataset(split).samples
        bad = self._bad.setdefault(split, {})
        for index, status, reason in problems:
            sample = bad.setdefault(index, BadSample(listed[index].path, status, reason))
            sample.times_seen += 1
        policy = self._policy(trainer, split)
        if policy and len(bad) > policy.budget * len(listed):
            named = "; ".join(f"{v.path}: {v.reason}" for v in list(bad.values())[:_NUM_NAMED])
            more = "; ..." if len(bad) > _NUM_NAMED else ""
            raise ValueError(
                f"{len(bad)} of the {len(listed)} {split} samples are bad, more than the share "
                f"{policy.budget:g} that data.bad_samples.budget allows ({named}{more}); "
                f"{self.path} lists them"
            )

    def _summary(self) -> str:
        samples = [sample for bad in self._bad.values() for sample in bad.values()]
        if not samples:
            return "bad samples: none"
        counts = Counter(STATUSES[sample.status] for sample in samples)
        parts = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        return f"bad samples: {len(samples)} ({parts}), listed in {self.path}"

    def _write(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero or not self._is_needed(trainer):
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Names that are not UTF-8 are told, with their odd bytes as \\udcXX.
        with self.path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "split", "status", "reason", "times_seen"])
            for split, bad in self._bad.items():
                for _, sample in sorted(bad.items()):
                    status = STATUSES[sample.status]
                    rows.writerow([sample.path, split, status, sample.reason, sample.times_seen])


def _datamodule(trainer: Trainer) -> Any:
    return getattr(trainer, "datamodule", None)
