"""A classification task of milliseconds: random clips, small networks, a quiet trainer."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from video_uniformer import ClipSpec, create_uniformer
from video_uniformer.outcomes import OK, SKIPPED
from video_uniformer.training.optim import adamw, warmup_cosine
from video_uniformer.training.tasks.classification import Classification

CLIP = ClipSpec(num_frames=2, stride=1, size=32, num_clips=2)


class Data(lightning.LightningDataModule):
    """Random clips, two videos a batch; class 0 is dark and class 1 bright; some may be bad."""

    def __init__(
        self,
        num_videos: int = 4,
        num_views: int = 2,
        scale: float = 1.0,
        bad: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.class_names = ["dark", "bright"]
        labels = torch.arange(num_videos) % 2
        noise = torch.randn(num_videos, num_views, 3, 2, 32, 32)
        videos = scale * (noise + 2 * labels.view(-1, 1, 1, 1, 1, 1))
        self.items = [
            {
                "video": torch.zeros_like(video) if bad.get(index) == SKIPPED else video,
                "label": label,
                "video_index": torch.tensor(index),
                "status": torch.tensor(bad.get(index, OK)),
                "problem": f"reason {index}" if index in bad else "",
            }
            for index, (video, label) in enumerate(zip(videos, labels, strict=True))
        ]

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.items, batch_size=2)  # type: ignore[arg-type]

    val_dataloader = test_dataloader = train_dataloader


def make_task(network: nn.Module | None = None, **settings: Any) -> Classification:
    torch.manual_seed(1)
    return Classification(
        create_uniformer("test", num_classes=2) if network is None else network,
        optimizer=partial(adamw, lr_per_32_videos=1e-2, batch_size=2),
        schedule=partial(warmup_cosine, warmup_epochs=0),
        input=CLIP,
        **settings,
    )


def make_trainer(tmp_path: Path, **settings: Any) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{
            "enable_checkpointing": False,
            "num_sanity_val_steps": 0,
            "max_epochs": 1,
            **settings,
        },
    )


def logged(trainer: lightning.Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


class Recorder:
    """Mixing that keeps what it was given and makes plain targets soft."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor]] = []

    def __call__(self, clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append((clips.clone(), labels.clone()))
        return clips, 0.75 * F.one_hot(labels, 2) + 0.25 * F.one_hot(1 - labels, 2)


class Fixed(nn.Module):
    """A network that answers the same logits for every clip, whatever happens."""

    def __init__(self, logits: Sequence[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.config = {"variant": "fixed"}

    def forward(self, video: Tensor) -> Tensor:
        return self.logits.expand(len(video), -1)
