"""What a training has seen, written down batch by batch: for tests of interruptions."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from lightning import Callback, LightningModule, Trainer


class Spy(Callback):
    """Append a line for every batch: epoch, number, process, videos, a digest of their pixels.

    Args:
        folder: Where the lines go, one file for each process.
        validation_pause: Seconds that every batch of a validation takes the longer.
    """

    def __init__(self, folder: str, validation_pause: float = 0) -> None:
        self.folder = Path(folder)
        self.validation_pause = validation_pause

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        digest = hashlib.sha256(batch["video"].numpy().tobytes()).hexdigest()
        place = [trainer.current_epoch, batch_idx, trainer.global_rank]
        self._write("train", trainer, place, [*batch["video_index"].tolist(), digest])

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._write("val", trainer, [trainer.current_epoch, batch_idx, trainer.global_rank], [])
        time.sleep(self.validation_pause)

    def _write(self, kind: str, trainer: Trainer, place: list[int], what: list[Any]) -> None:
        with (self.folder / f"seen{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps([kind, place, what]) + "\n")


class Seen(NamedTuple):
    """What a training has seen, in the order of the processes and of time."""

    lines: list[tuple[str, tuple[int, ...], tuple[Any, ...]]]

    def places(self) -> dict[tuple[int, ...], set[tuple[Any, ...]]]:
        """What was trained on at each place; after interruptions, perhaps twice the same."""
        found: dict[tuple[int, ...], set[tuple[Any, ...]]] = {}
        for kind, place, what in self.lines:
            if kind == "train":
                found.setdefault(place, set()).add(what)
        return found

    def number(self, kind: str) -> int:
        """How many batches there were."""
        return sum(line[0] == kind for line in self.lines)


def seen(folder: Path) -> Seen:
    """What the training in a folder has seen."""
    lines = []
    for file in sorted(folder.glob("seen*.jsonl")):
        for text in file.read_text().splitlines():
            kind, place, what = json.loads(text)
            lines.append((kind, tuple(place), tuple(what)))
    return Seen(lines)
