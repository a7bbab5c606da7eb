"""Answers for many files: read ahead on a thread, answered in batches, given in their order."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TypeVar

from video_uniformer.clip import check_count
from video_uniformer.inference.prediction import Failure
from video_uniformer.system.read_ahead import read_ahead

Read = TypeVar("Read")
Answer = TypeVar("Answer")


def answer_stream(
    paths: Iterable[str | Path],
    reading: AbstractContextManager[Callable[[Path], Read]],
    answer: Callable[[list[Read]], list[Answer]],
    *,
    batch_size: int,
) -> Generator[Answer | Failure, None, None]:
    """Answer files one after the other, each as soon as it can be; the next are read meanwhile.

    No more than a few are in memory at a time, however many there are. Close the iterator, or
    exhaust it, to end the reading.

    Args:
        paths: The files.
        reading: Gives what reads a file, as for `read_ahead`.
        answer: Answers those of a batch that could be read.
        batch_size: Files that are answered together.

    Raises:
        ValueError: `batch_size` is below 1. What is wrong with a file is its answer.
    """
    check_count("batch_size", batch_size)
    return _answer_batches(paths, reading, answer, batch_size)


def _answer_batches(
    paths: Iterable[str | Path],
    reading: AbstractContextManager[Callable[[Path], Read]],
    answer: Callable[[list[Read]], list[Answer]],
    batch_size: int,
) -> Generator[Answer | Failure, None, None]:
    batch: list[Read | Failure] = []
    items = read_ahead(map(Path, paths), reading, ahead=batch_size + 1, failed=_failure)
    with closing(items):
        for item in items:
            batch.append(item)
            if len(batch) == batch_size:
                yield from _answer_batch(batch, answer)
                batch = []
        yield from _answer_batch(batch, answer)


def _failure(path: Path, error: Exception) -> Failure:
    lines = str(error).splitlines()
    return Failure(path, lines[0] if lines else type(error).__name__)


def _answer_batch(
    batch: list[Read | Failure], answer: Callable[[list[Read]], list[Answer]]
) -> Iterator[Answer | Failure]:
    """The answers for files, in their order; failures are their own."""
    answers = iter(answer([item for item in batch if not isinstance(item, Failure)]))
    for item in batch:
        yield item if isinstance(item, Failure) else next(answers)
