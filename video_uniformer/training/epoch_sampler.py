"""The order of a training's samples: by epoch, dealt out to processes, repeated if wanted."""

from collections.abc import Iterator, Sized
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DistributedSampler

_REPEATED_MULTIPLE = 256  # of items in an epoch with repeats, as published


class EpochSampler(DistributedSampler[Any]):
    """torch's `DistributedSampler` over whole optimiser steps, giving (index, epoch).

    An item thus knows its epoch: persistent workers hold a copy of the data set, which an epoch set
    on it would never reach. The items that make up a step do not depend on the number of processes.

    With repeats (repeated augmentation, arXiv 1901.09335), an epoch walks the order with every
    index as many times in a row, so that copies of a sample meet in a step, and ends after as many
    items as without: an item is (index, epoch, number of the copy). Official: samplers.py of
    image_classification, which cuts to a multiple of 256 items.

    Args:
        dataset: Only its length counts.
        world_size: Number of processes.
        rank: Which of them this is.
        seed: Seed of the order.
        step_size: Items of a step over all processes, a multiple of their number; what does not
            fill a step at the end of an epoch is left out.
        num_repeats: Copies of a sample that follow each other.
        start: Epoch, and items of it that this process has had already: a training that resumes
            goes on there, and nothing is read to get there.
    """

    def __init__(
        self,
        dataset: Sized,
        *,
        world_size: int,
        rank: int,
        seed: int,
        step_size: int,
        num_repeats: int = 1,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(
            dataset,  # type: ignore[arg-type]
            num_replicas=world_size,
            rank=rank,
            shuffle=True,
            seed=seed,
            drop_last=True,
        )
        num_items = self._num_indices = len(dataset)
        if num_repeats > 1 and num_items >= _REPEATED_MULTIPLE:
            num_items -= num_items % _REPEATED_MULTIPLE
        self.total_size = num_items // step_size * step_size
        self.num_samples = self.total_size // world_size
        self._start, self._num_repeats = start, num_repeats
        # Lightning asks for the first items before it tells the epoch.
        self.epoch = start[0]

    def __iter__(self) -> Iterator[Any]:
        """This process's items of the current epoch, but those that it has had."""
        epoch, skipped = self.epoch, 0
        if epoch == self._start[0]:
            skipped = self._start[1]
        if self._num_repeats == 1:
            return ((index, epoch) for index in islice(super().__iter__(), skipped, None))
        return islice(self._repeated(epoch), skipped, None)

    def _repeated(self, epoch: int) -> Iterator[Any]:
        generator = torch.Generator().manual_seed(self.seed + epoch)
        order = torch.randperm(self._num_indices, generator=generator).tolist()
        for place in range(self.rank, self.total_size, self.num_replicas):
            first, copy = divmod(place, self._num_repeats)
            yield order[first], epoch, copy
