"""The scan itself: every file once, side by side, remembering what is done."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from video_uniformer.collection.scan.inspection import (
    CRASHED,
    HUNG,
    UNREADABLE,
    FileReport,
    inspect_file,
)
from video_uniformer.system.journal import Journal, file_key
from video_uniformer.system.processes import Outcome, Task, check_deadline, run_killable

SECONDS_PER_MEGABYTE = 2.0
"""By which the deadline of a file grows with its length, as long videos take long."""

_BYTES_PER_MEGABYTE = 1e6
_PASSING = ("killed", "failed")  # for want of memory, say, and not by the file's fault


def scan_files(
    paths: Sequence[Path],
    *,
    journal: Journal,
    decode: str = "every",
    deadline_seconds: float = 60.0,
    num_workers: int = 1,
    inspect: Callable[[Path, str], FileReport] = inspect_file,
    settings: Sequence[str] = (),
    on_done: Callable[[Path], None] = lambda path: None,
) -> dict[Path, FileReport]:
    """Inspect files in processes of their own, each of which is killed at the file's deadline.

    Args:
        paths: Those that are given twice are looked at once.
        journal: Files that it knows and that have not changed are not looked at again; but for
            those that hung, if there is more time for them now. Files whose process was killed by
            others or raised an error are not noted, as that may pass.
        decode: As for `inspect_file`.
        deadline_seconds: For a small file; each megabyte adds `SECONDS_PER_MEGABYTE`.
        num_workers: How many files are looked at side by side.
        inspect: Called in a worker process with path and `decode`.
        settings: What else the reports rest on, so that the journal keeps those of others apart.
        on_done: Called with each path as it is done.

    Raises:
        ValueError: `deadline_seconds` is not above 0 and finite, or `num_workers` is less than 1.
    """
    check_deadline(deadline_seconds)
    reports: dict[Path, FileReport] = {}
    keys: dict[Path, str | None] = {}

    def tasks() -> Iterator[Task]:
        for path in dict.fromkeys(paths):
            key = keys[path] = file_key(path, decode, *settings)
            deadline = _deadline(path, deadline_seconds)
            known = _recall(journal, key, deadline)
            if known is None:
                yield Task(path, deadline)
            else:
                reports[path] = known
                on_done(path)

    work = partial(_inspect, inspect, decode)
    for outcome in run_killable(work, tasks(), num_workers=num_workers):
        path = outcome.task.argument
        reports[path] = _settle(outcome, journal, keys[path])
        on_done(path)
    return reports


def _inspect(inspect: Callable[[Path, str], FileReport], decode: str, path: Path) -> FileReport:
    return inspect(path, decode)


def _deadline(path: Path, seconds: float) -> float:
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        size = 0
    return seconds + int(size / _BYTES_PER_MEGABYTE) * SECONDS_PER_MEGABYTE


def _recall(journal: Journal, key: str | None, deadline: float) -> FileReport | None:
    entry: Any = None if key is None else journal.find(key)
    try:
        report = FileReport(**entry["report"])
        is_final = report.status != HUNG or entry["deadline"] >= deadline
    except (TypeError, KeyError):  # none, or of another version
        return None
    return report if is_final else None


def _settle(outcome: Outcome, journal: Journal, key: str | None) -> FileReport:
    """Note what became of a file, unless that may pass."""
    report = _report(outcome)
    if key is not None and _is_lasting(outcome, report):
        entry = {"report": asdict(report), "deadline": outcome.task.deadline_seconds}
        journal.add(key, {**entry, "took": round(outcome.seconds, 3)})
    return report


def _is_lasting(outcome: Outcome, report: FileReport) -> bool:
    """Whether looking again would give the same."""
    if outcome.failure:
        return outcome.failure not in _PASSING
    # What has no hash was not even read: looking again costs nothing, and it may be there then.
    return bool(report.content_hash)


def _report(outcome: Outcome) -> FileReport:
    if not outcome.failure:
        report: FileReport = outcome.result
        return report
    status = {"hung": HUNG, "crashed": CRASHED, "killed": CRASHED}.get(outcome.failure, UNREADABLE)
    return FileReport(status, outcome.reason)
