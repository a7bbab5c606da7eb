"""Decisions that all processes of a training take alike."""

from typing import Any

import torch
from torch import distributed


class Agreement:
    """The largest of what the processes say, found on the processors: no device is waited for."""

    def __init__(self) -> None:
        self._group: Any = None  # torch's own type has numbers in it

    def largest(self, value: int) -> int:
        """The largest value of all processes; every one of them has to ask."""
        if not distributed.is_available() or not distributed.is_initialized():
            return value
        if distributed.get_world_size() == 1:
            return value
        if self._group is None and distributed.get_backend() != "gloo":
            self._group = distributed.new_group(backend="gloo")
        said = torch.tensor(value)
        distributed.all_reduce(said, distributed.ReduceOp.MAX, group=self._group)
        return int(said)
