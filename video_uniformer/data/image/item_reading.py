"""Items of a list of pictures: each seeded for itself, and read as a policy says."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from video_uniformer.data.image.seeding import generators_kept, reseed
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.policy_reading import Outcome, PolicyReading, read_or_substitute


class Listed(Protocol):
    """A sample of a list."""

    @property
    def path(self) -> Path:
        """The picture, for messages and for lists of bad ones."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it is read from."""


S = TypeVar("S", bound=Listed)
T = TypeVar("T")


class ItemNumbers(NamedTuple):
    """What is asked of a data set.

    Attributes:
        item: Its place in the data set.
        epoch: Of the training.
        copy: Of repeated augmentation.
    """

    item: int
    epoch: int = 0
    copy: int = 0


def item_numbers(item: int | tuple[int, ...]) -> ItemNumbers:
    """The numbers of an index, or of (index, epoch[, copy]); what is not given is 0."""
    return ItemNumbers(item) if isinstance(item, int) else ItemNumbers(*item[:3])


class Item(NamedTuple, Generic[T]):
    """What became of a sample.

    Attributes:
        content: What was read, or what stands for a skipped one.
        asked: Place in the list of the sample that was asked for.
        shown: Place in the list of the sample whose content it is.
        status: Place in `outcomes.STATUSES`.
        problem: What is wrong with the sample that was asked for; empty where nothing is.
    """

    content: T
    asked: int
    shown: int
    status: int
    problem: str


class ItemReading(Generic[S, T]):
    """Reads items whose random numbers depend on (seed, epoch, index, copy) alone.

    Args:
        samples: The list.
        attempt: (sample, whether to salvage it) -> its content, and what a salvaged one lacks; it
            raises `SampleError` and `OSError`.
        blank: Makes what stands for a skipped sample.
        seed: Of the random draws.
        bad_samples: What to do with samples that cannot be read; None raises.
        repeats: How often the list is gone through, each time with other random numbers.

    Raises:
        ValueError: The policy's quarantine list cannot be used.
    """

    def __init__(
        self,
        samples: Sequence[S],
        attempt: Callable[[S, bool], tuple[T, str]],
        blank: Callable[[], T],
        *,
        seed: int,
        bad_samples: BadSamplePolicy | None,
        repeats: int = 1,
    ) -> None:
        self._samples = samples
        self._attempt = attempt
        self._blank = blank
        self._seed = seed
        policy = BadSamplePolicy() if bad_samples is None else bad_samples
        self._reading = PolicyReading(policy)
        self._substitutes = policy.on_bad_sample == "substitute"
        self._repeats = repeats

    def __len__(self) -> int:
        """Number of items."""
        return self._repeats * len(self._samples)

    def __call__(self, numbers: ItemNumbers) -> Item[T]:
        """Read an item.

        Raises:
            IndexError: There is no such item.
            SampleError: The sample is bad, and the policy is to raise.
            OSError: It cannot be read, and the policy is to raise; or the machine is short of
                something.
        """
        index, epoch, copy = numbers
        place = (self._seed, epoch, index, copy)
        if not 0 <= index < len(self):
            raise IndexError(f"index is {index}, expected 0 to {len(self) - 1}")
        index %= len(self._samples)
        with generators_kept():
            if self._substitutes:
                (content, status, problem), shown = read_or_substitute(
                    self._read, index, place=place, num_samples=len(self._samples)
                )
            else:
                (content, status, problem), shown = self._read(index, place), index
            if content is None:
                reseed(*place)
                content = self._blank()
        return Item(content, index, shown, status, problem)

    def _read(self, index: int, place: tuple[int, ...]) -> Outcome[T]:
        sample = self._samples[index]

        def attempt(*, salvage: bool) -> tuple[T, str]:
            reseed(*place)  # so that every try at a sample draws the same
            return self._attempt(sample, salvage)

        return self._reading(sample.path, attempt, files=sample.files)
