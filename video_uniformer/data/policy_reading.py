"""Reading samples as a policy for bad ones says: what is tried again, salvaged, or set aside."""

import errno
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from video_uniformer.data.decoding.guard.deadline import DeadlineError, KilledError
from video_uniformer.data.decoding.interface import system_errno
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.quarantine import Quarantine
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED, SUBSTITUTED, SampleError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_RETRY_PAUSE_SECONDS = 1.0
_MOST_SUBSTITUTES = 10
_SHORTAGES = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
)  # of handles, memory, processes


class Outcome(NamedTuple, Generic[T]):
    """What became of a sample.

    Attributes:
        content: What was read; None where it is skipped.
        status: Place in `STATUSES`.
        problem: What is wrong with it; empty where nothing is.
    """

    content: T | None
    status: int
    problem: str


class Attempt(Protocol[T_co]):
    """One try at a sample."""

    def __call__(self, *, salvage: bool) -> tuple[T_co, str]:
        """What was read, and what a salvaged sample lacks, in words.

        Raises:
            SampleError, OSError: it cannot be read.
        """


class PolicyReading:
    """Applies a policy to tries at samples.

    Args:
        policy: What to do with bad samples; `substitute` is the caller's to do, this skips.

    Raises:
        ValueError: The policy's quarantine list cannot be used.
    """

    def __init__(self, policy: BadSamplePolicy) -> None:
        self._policy = policy
        self._quarantine: Quarantine | None = None
        # A run that ends at the first bad sample sets nothing aside, and asks each file anew.
        if policy.quarantine is not None and policy.on_bad_sample != "raise":
            self._quarantine = Quarantine(policy.quarantine)

    def __call__(
        self,
        path: Path,
        attempt: Attempt[T],
        *,
        known: SampleError | None = None,
        files: Sequence[Path] = (),
    ) -> Outcome[T]:
        """Try a sample.

        One that fails goes on the quarantine list, unless it is merely absent or not ours to read:
        such a file may come back, and asking for it costs nothing.

        Args:
            path: The sample, for the list and for messages.
            attempt: Reads it, and is asked again at every further try.
            known: What is known to be wrong with it, which is then not read as it is.
            files: What it is read from, such as an archive, or a picture and its mask; none where
                it is a file itself.

        Raises:
            SampleError: The sample is bad, and the policy is to raise.
            OSError: The machine is short of something, which is not the sample's fault.
        """
        salvages = self._policy.on_bad_sample == "salvage"
        listed = self._quarantine.reason_for(path, salvages) if self._quarantine else None
        if listed is not None:
            return Outcome(None, SKIPPED, listed)
        try:
            if known is not None:
                raise known
            return Outcome(self._try(attempt, salvage=False)[0], OK, "")
        except (SampleError, OSError) as error:
            if self._policy.on_bad_sample == "raise" or _is_shortage(error):
                raise
            failure = error
        held = files or (path,)
        # What hangs one decoder is left: a second wait could be as long as the first.
        if salvages and not isinstance(failure, DeadlineError):
            return self._salvage(path, attempt, _explain(path, failure), held)
        return self._skip(path, failure, _explain(path, failure), held)

    def _salvage(
        self, path: Path, attempt: Attempt[T], problem: str, held: Sequence[Path]
    ) -> Outcome[T]:
        try:
            content, lost = self._try(attempt, salvage=True)
        except (SampleError, OSError) as error:
            if _is_shortage(error):
                raise
            problem = f"{problem}; not salvaged ({_explain(path, error)})"
            return self._skip(path, error, problem, held)
        return Outcome(content, SALVAGED, f"{problem}; {lost}" if lost else problem)

    def _skip(
        self, path: Path, failure: Exception, problem: str, held: Sequence[Path]
    ) -> Outcome[T]:
        """Leave a sample out, and list it where that will not change by itself."""
        is_hang = isinstance(failure, DeadlineError)
        # In this order: after a hang the disk itself may be what hangs, and is not asked.
        is_lasting = is_hang or (
            not isinstance(failure, KilledError) and all(os.access(file, os.R_OK) for file in held)
        )
        if self._quarantine is not None and is_lasting:
            is_lost = is_hang or self._policy.on_bad_sample == "salvage"
            self._quarantine.add(path, problem, is_lost=is_lost)
        return Outcome(None, SKIPPED, problem)

    def _try(self, attempt: Attempt[T], *, salvage: bool) -> tuple[T, str]:
        for retries_left in reversed(range(self._policy.retries + 1)):
            try:
                return attempt(salvage=salvage)
            except (SampleError, OSError):
                if not retries_left:
                    raise
                time.sleep(_RETRY_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")


def read_or_substitute(
    read: Callable[[int, tuple[int, ...]], Outcome[T]],
    index: int,
    *,
    place: tuple[int, ...],
    num_samples: int,
) -> tuple[Outcome[T], int]:
    """Read the sample at an index, or one that stands in for it where it is bad.

    Args:
        read: (index, parts of a seed) -> what became of a sample.
        index: The sample wanted.
        place: Parts of its seed; the number of the try is a further one.
        num_samples: Length of the list.

    Returns:
        What was read, with the problem of the sample that it stands in for, and its index.
    """
    first = read(index, place)
    if first.status == SKIPPED and num_samples > 1:
        for attempt in range(1, _MOST_SUBSTITUTES + 1):
            seed_torch(*place, attempt)
            other = (index + int(torch.randint(1, num_samples, ()))) % num_samples
            instead = read(other, (*place, attempt))
            if instead.status != SKIPPED:
                return Outcome(instead.content, SUBSTITUTED, first.problem), other
    return first, index


def spread_seed(*parts: int) -> int:
    """A seed made of several numbers, well spread for neighbouring ones."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0])


def seed_torch(*parts: int) -> None:
    """Seed PyTorch's generator of this processor by several numbers."""
    # Not torch.manual_seed: that would seed the GPUs too.
    torch.default_generator.manual_seed(spread_seed(*parts))


def _is_shortage(error: Exception) -> bool:
    return not isinstance(error, DeadlineError) and system_errno(error) in _SHORTAGES


def _explain(path: Path, error: Exception) -> str:
    """The reason alone, in one line: tables name the path elsewhere."""
    lines = str(error).removeprefix(f"{path}: ").splitlines()
    return lines[0] if lines and lines[0] else type(error).__name__
