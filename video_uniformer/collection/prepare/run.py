"""All files of a collection, side by side, remembering what is done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from video_uniformer.collection.prepare.encode import Encoding, Prepared, part_path, prepare_file
from video_uniformer.collection.prepare.layout import Job
from video_uniformer.system.journal import Journal, file_key
from video_uniformer.system.processes import Outcome, Task, run_killable

_SECONDS_PER_MEGABYTE = 20.0  # encoding a long video takes long
_BYTES_PER_MEGABYTE = 1e6


def prepare_files(
    jobs: Sequence[Job],
    encoding: Encoding,
    *,
    journal: Journal,
    deadline_seconds: float = 300.0,
    num_workers: int = 1,
    on_done: Callable[[Path], None] = lambda path: None,
) -> dict[Path, Prepared]:
    """Encode files in processes of their own, each of which is killed at the file's deadline.

    Args:
        jobs: Old and new files.
        encoding: How.
        journal: What it knows is not done again, if neither the old file nor `encoding` has
            changed and the new file is there as it was written. Files that failed are tried again.
        deadline_seconds: For a small file; each megabyte adds 20.
        num_workers: How many files are encoded side by side.
        on_done: Called with each old file's path as it is done.

    Returns:
        What became of each file, by the old path.

    Raises:
        ValueError: `deadline_seconds` is not above 0, or `num_workers` is less than 1.
    """
    if not deadline_seconds > 0:
        raise ValueError(f"deadline_seconds is {deadline_seconds}, expected seconds above 0")
    results: dict[Path, Prepared] = {}
    keys = {job: file_key(job.source, str(job.target), asdict(encoding)) for job in jobs}

    def tasks() -> Iterator[Task]:
        for job, key in keys.items():
            known = _recall(journal, key, job.target)
            if known is None:
                yield Task(job, deadline_seconds + _extra_seconds(job.source))
            else:
                results[job.source] = known
                on_done(job.source)

    work = partial(_prepare, encoding)
    try:
        with closing(run_killable(work, tasks(), num_workers=num_workers)) as outcomes:
            for outcome in outcomes:
                job = outcome.task.argument
                results[job.source] = _settle(outcome, journal, keys[job])
                on_done(job.source)
    finally:
        for job in jobs:  # where it was interrupted
            if job.source not in results:
                _remove_part(job)
    return results


def _prepare(encoding: Encoding, job: Job) -> Prepared:
    return prepare_file(job.source, job.target, encoding)


def _extra_seconds(path: Path) -> float:
    try:
        return path.stat().st_size / _BYTES_PER_MEGABYTE * _SECONDS_PER_MEGABYTE
    except (OSError, ValueError):
        return 0.0


def _recall(journal: Journal, key: str | None, target: Path) -> Prepared | None:
    entry: Any = None if key is None else journal.find(key)
    try:
        result = Prepared(**entry)
        return result if target.stat().st_size == result.target_bytes else None
    except (TypeError, OSError):  # not known, of another version, or gone
        return None


def _settle(outcome: Outcome, journal: Journal, key: str | None) -> Prepared:
    """Note a file that is done; of one that failed, remove what is there."""
    result = _result(outcome)
    if result.problem:
        _remove_part(outcome.task.argument)
    elif key is not None:
        journal.add(key, asdict(result))
    return result


def _remove_part(job: Job) -> None:
    """Remove what an encoder wrote that was killed, and so could not do it itself."""
    with suppress(OSError):
        part_path(job.target).unlink()


def _result(outcome: Outcome) -> Prepared:
    if outcome.failure:
        return Prepared(f"{outcome.failure}: {outcome.reason}")
    result: Prepared = outcome.result
    return result
