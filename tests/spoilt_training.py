"""A training of milliseconds that can be spoilt: in a loss, a gradient or an input."""

import csv
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.training.callbacks.finite_steps import FiniteSteps

NAN, INF = float("nan"), float("inf")


class Data(lightning.LightningDataModule):
    """Pictures of noise, two a batch, named 0.mp4 and so on; some of them spoilt by a value."""

    def __init__(
        self,
        places: Iterable[int] = range(16),
        spoilt: Mapping[int, float] = MappingProxyType({}),
        key: str = "video_index",
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        pictures = torch.randn(16, 2, 4, 4, generator=generator)
        for index, value in spoilt.items():
            pictures[index, 0, 1, 1] = value
        self.items = [{"video": pictures[index], key: torch.tensor(index)} for index in places]

    def dataset(self, split: str) -> Any:
        assert split == "train"
        return SimpleNamespace(
            samples=[SimpleNamespace(path=f"{index}.mp4") for index in range(16)]
        )

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.items, batch_size=2)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Any]:
        clean = [{"video": torch.ones(2, 4, 4), "video_index": torch.tensor(0)}] * 2
        return DataLoader(clean, batch_size=2)  # type: ignore[arg-type]


class Task(lightning.LightningModule):
    """A convolution with a batch norm, AdamW and decay; a fault may be put into its losses.

    Args:
        fault: (batch number, loss) -> loss.
        fused: Whether the optimiser is.
    """

    def __init__(
        self, fault: Callable[[int, Tensor], Tensor] | None = None, *, fused: bool = False
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.network = nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 1)
        )
        self.fault, self.fused = fault, fused
        self.validated: list[float] = []

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        loss = (self.network(batch["video"]) - 1).square().mean()
        loss = self.fault(batch_index, loss) if self.fault else loss
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        self.validated.append(self.network(batch["video"]).sum().item())

    def configure_optimizers(self) -> Any:
        parameters = self.parameters()
        optimizer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1, fused=self.fused)
        optimizer._step_supports_amp_scaling = False  # as `optim.adamw` has it
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Watch(lightning.Callback):
    """Keep copies of weights, buffers and the optimiser's state before and after every step."""

    def __init__(self) -> None:
        self.before: list[list[Tensor]] = []
        self.after: list[list[Tensor]] = []
        self.rates: list[float] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.before.append(everything(trainer, pl_module))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.after.append(everything(trainer, pl_module))
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def everything(trainer: Any, task: Any) -> list[Tensor]:
    [optimizer] = trainer.optimizers
    state = [value for one in optimizer.state.values() for value in one.values()]
    return [value.detach().clone() for value in (*task.state_dict().values(), *state)]


def equal(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


def is_finite(task: Task) -> bool:
    return all(torch.isfinite(value).all() for value in task.state_dict().values())


class Ran:
    """A training under the callback, with what it left behind."""

    def __init__(
        self,
        tmp_path: Path,
        task: Task,
        data: Data,
        *,
        trainer: Mapping[str, Any] = MappingProxyType({}),
        lag: int | None = None,
        ckpt_path: Path | None = None,
        guard: type[FiniteSteps] = FiniteSteps,
        **settings: Any,
    ) -> None:
        self.path = tmp_path / "out" / "skipped_steps.csv"
        self.guard = guard(
            self.path, **{"checkpoint": tmp_path / "last.ckpt", "then": "stop", **settings}
        )
        self.guard.lag = lag
        self.task, self.watch = task, Watch()
        others = dict(trainer)
        callbacks = [self.guard, self.watch, *others.pop("callbacks", [])]
        self.trainer = lightning.Trainer(
            default_root_dir=tmp_path,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
            num_sanity_val_steps=0,
            **{"accelerator": "cpu", "max_epochs": 1, "gradient_clip_val": 20.0, **others},
        )
        self.trainer.fit(task, data, ckpt_path=ckpt_path, weights_only=True)

    @property
    def rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file))

    def skipped(self, column: str = "step") -> list[str]:
        return [row[column] for row in self.rows]


def spoil_loss(*batches: int, value: float = NAN) -> Callable[[int, Tensor], Tensor]:
    return lambda number, loss: loss * value if number in batches else loss


class SpoilGradient:
    """A hook on one weight that puts a value into its gradient at some batches, not the loss."""

    def __init__(self, task: Task, *batches: int, value: float = NAN, factor: float = 1) -> None:
        self.batches, self.value, self.factor, self.number = batches, value, factor, -1
        task.network[3].weight.register_hook(self._spoil)

    def _spoil(self, gradient: Tensor) -> Tensor:
        self.number += 1
        if self.number not in self.batches:
            return gradient
        spoilt = gradient * self.factor
        spoilt[0, 0] += self.value
        return spoilt


def faulty(kind: str, *, fused: bool = False) -> tuple[Task, Data]:
    """A training whose fourth step is not finite."""
    if kind == "loss":
        return Task(spoil_loss(3), fused=fused), Data()
    if kind == "input":
        return Task(fused=fused), Data(spoilt={7: NAN})
    task = Task(fused=fused)
    SpoilGradient(task, 3, value=INF)
    return task, Data()


# The last of four videos in the second epoch's order: that of the fourth step, in the last process.
SPOILT_PLACE = int(torch.randperm(4, generator=torch.Generator().manual_seed(1))[-1])


class SpoiltVideos(VideoDataset):
    """One clip of one video is NaN in the second epoch."""

    def __getitem__(self, item: Any) -> dict[str, Any]:
        sample = super().__getitem__(item)
        if item == (SPOILT_PLACE, 1):
            sample["video"][0, 0, 0, 0, 0] = NAN
        return sample


class TellWeights(lightning.Callback):
    """Print the sum of all weights when the training ends, in every process."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        total = sum(parameter.double().sum().item() for parameter in pl_module.parameters())
        sys.stdout.write(f"ends with {total!r}\n")
