"""Pairs: training steps of the demo's network with everything that guards a training, and bare."""

import logging
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from benchmarks.timing import Pair, Runner
from video_uniformer import ClipSpec, create_uniformer
from video_uniformer.training.callbacks.finite_steps import FiniteSteps
from video_uniformer.training.callbacks.interruptions import Interruptions
from video_uniformer.training.callbacks.last_checkpoint import LastCheckpoint
from video_uniformer.training.callbacks.optimizer_settings import OptimizerSettings
from video_uniformer.training.callbacks.step_seeds import StepSeeds
from video_uniformer.training.checkpoint_files import CheckpointFiles
from video_uniformer.training.optim import adamw, warmup_cosine
from video_uniformer.training.tasks.classification import Classification

# One epoch of `experiment=motions`.
NUM_STEPS, BATCH_SIZE, NUM_CLASSES = 62, 32, 10
CLIP = ClipSpec(num_frames=8, stride=None, size=64)
PROMISED = 0.97


def training_pairs(folder: Path) -> list[Pair]:
    """Check that guarding changes no weight, and pair a guarded training with a bare one.

    Args:
        folder: Where checkpoints go.

    Raises:
        ValueError: the weights differ.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    shape = (BATCH_SIZE, 1, 3, CLIP.num_frames, CLIP.size, CLIP.size)
    batch = {
        "video": torch.randn(shape),
        "label": torch.arange(BATCH_SIZE) % NUM_CLASSES,
        "video_index": torch.arange(BATCH_SIZE),
    }
    guarded, bare = (partial(_train, batch, folder, is_guarded=on) for on in (True, False))
    for ours, theirs in zip(guarded(), bare(), strict=True):
        if not torch.equal(ours, theirs):
            raise ValueError("a guarded training gives other weights")
    runners = Runner("guarded", guarded), Runner("bare", bare)
    task = "train the demo's network"
    return [Pair(task, *runners, num_clips=NUM_STEPS * BATCH_SIZE, accept=PROMISED)]


def _train(batch: dict[str, Any], folder: Path, *, is_guarded: bool) -> Sequence[torch.Tensor]:
    torch.manual_seed(1)
    task = Classification(
        create_uniformer("tiny", num_classes=NUM_CLASSES, drop_path_rate=0.0),
        optimizer=partial(adamw, lr_per_32_videos=2e-3, batch_size=BATCH_SIZE),
        schedule=partial(warmup_cosine, warmup_steps=2),
        input=CLIP,
    )
    trainer = lightning.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        max_epochs=1,
        gradient_clip_val=20.0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=is_guarded,
        callbacks=_guards(folder) if is_guarded else None,
        plugins=[CheckpointFiles()] if is_guarded else None,
    )
    trainer.fit(task, DataLoader([batch] * NUM_STEPS, batch_size=None))  # type: ignore[arg-type]
    return [parameter.detach() for parameter in task.parameters()]


def _guards(folder: Path) -> list[Callback]:
    last = folder / "last.ckpt"
    return [
        StepSeeds(),
        OptimizerSettings(),
        FiniteSteps(folder / "skipped_steps.csv", checkpoint=last),
        Interruptions(),
        LastCheckpoint(last, every_minutes=15),
    ]
