"""Random numbers of a training step that depend on its place in the run alone."""

import os
import random
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer


class StepSeeds(Callback):
    """Seed what a step draws (mixing, drop path, dropout) by run, epoch, batch and process.

    A training that resumes thus repeats them without any state of a generator. The items of the
    data set have seeds of their own.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed PyTorch's generators, of all devices, and those of timm's mixing."""
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))  # left by `seed_everything`
        parts = (seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        spread = int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0])
        torch.manual_seed(spread)
        random.seed(spread)
        np.random.seed(spread & 0xFFFFFFFF)
