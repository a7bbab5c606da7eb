"""Random numbers of one item, whoever draws them: torch, timm's `random` and NumPy."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.data import get_worker_info

from video_uniformer.data.policy_reading import spread_seed


@contextmanager
def generators_kept() -> Iterator[None]:
    """Leave the three generators afterwards as they were.

    Not in a worker of a loader, where they are nobody else's: it takes time.
    """
    if get_worker_info() is not None:
        yield
        return
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])


def reseed(*parts: int) -> None:
    """Seed the three generators by several numbers."""
    seed = spread_seed(*parts)
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
