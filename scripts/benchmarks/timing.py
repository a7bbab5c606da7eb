"""Time contenders beside the references they are compared with."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from rich.console import Console


@dataclass(frozen=True)
class Runner:
    """Something to time.

    Attributes:
        name: What a reader knows it by.
        run: Does the work once.
        cpu_clock: CPU seconds of whatever does it.
    """

    name: str
    run: Callable[[], object]
    cpu_clock: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class Pair:
    """A contender and its reference, at the same work.

    Attributes:
        task: What both do.
        contender: Who is measured.
        reference: Whom it is measured against.
        num_clips: Clips in one run.
        accept: The least ratio we promise, or None; among contenders with the same task, reference
            and promise, the fastest has to keep it.
    """

    task: str
    contender: Runner
    reference: Runner
    num_clips: int
    accept: float | None = None


@dataclass(frozen=True)
class Row:
    """What the runs of one pair gave.

    Attributes:
        task: What both did.
        contender: Who was measured.
        reference: Whom it was measured against.
        clock: "wall", or "CPU" for the process's time on all cores; the next four are by it.
        clips_per_second: Of the contender, median over the runs.
        ratio: How many times faster than the reference, median over the pairs of runs.
        low: The lowest of the pairs.
        high: The highest of the pairs.
        other_ratio: As `ratio`, by the other clock.
        accept: The least ratio we promise, or None.
    """

    task: str
    contender: str
    reference: str
    clock: str
    clips_per_second: float
    ratio: float
    low: float
    high: float
    other_ratio: float
    accept: float | None


CLOCKS = ("wall", "CPU")
Seconds = tuple[float, float]  # by each of them


def _seconds(runner: Runner, device: str) -> Seconds:
    """One run, the device's work included."""
    wall, cpu = time.perf_counter(), runner.cpu_clock()
    runner.run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, runner.cpu_clock() - cpu


def measure(
    pairs: Sequence[Pair],
    *,
    repeats: int,
    console: Console,
    clock: str = "wall",
    device: str = "cpu",
) -> list[Row]:
    """Time all pairs in turn, `repeats` times over, after one round that does not count.

    A contender runs right after its reference, so that a machine that is slow for a while is slow
    for both.
    """
    times: list[list[tuple[Seconds, Seconds]]] = [[] for _ in pairs]
    with console.status("") as status:
        for number in range(repeats + 1):
            for pair, runs in zip(pairs, times, strict=True):
                status.update(f"round {number} of {repeats}: {pair.task}, {pair.contender.name}")
                reference = _seconds(pair.reference, device)
                runs.append((reference, _seconds(pair.contender, device)))
    rows = [_row(pair, runs[1:], clock) for pair, runs in zip(pairs, times, strict=True)]
    return _promised_of_the_best(rows)


def _row(pair: Pair, runs: Sequence[tuple[Seconds, Seconds]], clock: str) -> Row:
    index = CLOCKS.index(clock)
    ratios = [reference[index] / own[index] for reference, own in runs]
    return Row(
        task=pair.task,
        contender=pair.contender.name,
        reference=pair.reference.name,
        clock=clock,
        clips_per_second=pair.num_clips / statistics.median(own[index] for _, own in runs),
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        other_ratio=statistics.median(
            reference[1 - index] / own[1 - index] for reference, own in runs
        ),
        accept=pair.accept,
    )


def _promised_of_the_best(rows: Sequence[Row]) -> list[Row]:
    """Of contenders with one task, reference and promise, only the fastest has to keep it."""
    best: dict[tuple[str, str, float | None], Row] = {}
    for row in rows:
        key = row.task, row.reference, row.accept
        if key not in best or row.ratio > best[key].ratio:
            best[key] = row
    fastest = {id(row) for row in best.values()}
    return [row if id(row) in fastest else replace(row, accept=None) for row in rows]
