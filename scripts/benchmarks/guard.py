"""What the decode guard costs on good files, in CPU time of both processes."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from video_uniformer.data.decoding import Video, open_video
from video_uniformer.data.decoding.guard import DecodeGuard

_CLIP_FRAMES, _STRIDE, _STARTS = 16, 4, (20, 90, 131, 222)


@dataclass(frozen=True)
class GuardCost:
    """What reading a clip of 16 frames costs, from opening the file to closing it.

    Attributes:
        direct_ms: CPU milliseconds per clip with `open_video`, median.
        guarded_ms: The same through the guard, both processes together.
        overhead: Added share of CPU time; median over neighbouring pairs of runs.
        wall_overhead: Added share of wall time, likewise.
    """

    direct_ms: float
    guarded_ms: float
    overhead: float
    wall_overhead: float


def measure_guard(path: Path, *, decoder: str = "auto", repeats: int = 60) -> GuardCost:
    """Read the same clips directly and through a guard, in turn.

    Args:
        path: A video of at least 283 frames.
        decoder: As for `open_video`.
        repeats: Pairs of runs; each run reads four clips.
    """
    pairs = []
    with DecodeGuard(60) as guard:
        _read_clips(guard.open, path, decoder)
        _read_clips(open_video, path, decoder)
        for number in range(repeats):
            runs = [_Run(open_video), _Run(guard.open, guard.child_pid)]
            order = runs if number % 2 else runs[::-1]  # neither always finds the caches warm
            for run in order:
                run.measure(path, decoder)
            pairs.append(runs)
    per_clip = 1000 / len(_STARTS)
    return GuardCost(
        direct_ms=per_clip * statistics.median(direct.cpu for direct, _ in pairs),
        guarded_ms=per_clip * statistics.median(guarded.cpu for _, guarded in pairs),
        overhead=statistics.median(guarded.cpu / direct.cpu for direct, guarded in pairs) - 1,
        wall_overhead=statistics.median(other.wall / one.wall for one, other in pairs) - 1,
    )


class _Run:
    def __init__(self, opener: Callable[[Path, str], Video], child: int | None = None) -> None:
        self.cpu = self.wall = 0.0
        self._opener = opener
        self._clocks = [time.CLOCK_PROCESS_CPUTIME_ID]
        if child is not None:
            self._clocks.append((~child << 3) | 2)  # clock_getcpuclockid(3): a process's CPU time

    def measure(self, path: Path, decoder: str) -> None:
        cpu, wall = self._cpu(), time.perf_counter()
        _read_clips(self._opener, path, decoder)
        self.cpu, self.wall = self._cpu() - cpu, time.perf_counter() - wall

    def _cpu(self) -> float:
        return sum(map(time.clock_gettime, self._clocks))


def _read_clips(opener: Callable[[Path, str], Video], path: Path, decoder: str) -> None:
    for start in _STARTS:
        with opener(path, decoder) as video:
            video.frames(range(start, start + _CLIP_FRAMES * _STRIDE, _STRIDE))
