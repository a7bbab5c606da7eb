"""A decoder that hangs, aborts or exits when told to, as no real one does for certain."""

import ctypes
import os
import signal
import time
from pathlib import Path

import torch

from video_uniformer.data.decoding import Video, open_video

_LIBC = ctypes.PyDLL(None)  # its calls keep the interpreter to themselves, as a decoder's may


class Stub(Video):
    """Has what a guard asks of a video, and trouble where the file's name says so."""

    decoder = "stub"

    def __len__(self) -> int:
        return 8

    @property
    def fps(self) -> float:
        return 25.0

    @property
    def times(self) -> torch.Tensor:
        misbehave(self.path, "timing")
        return super().times

    def _read(self, indices: list[int]) -> torch.Tensor:
        misbehave(self.path, "reading")
        return torch.zeros(len(indices), 2, 2, 3, dtype=torch.uint8)

    def _release(self) -> None:
        misbehave(self.path, "closing")


def misbehave(path: Path, moment: str) -> None:
    match path.name.partition(" while "):
        case ("hangs", _, when) if when == moment:
            _LIBC.sleep(1000)
        case ("aborts", _, when) if when == moment:
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            os.abort()
        case ("exits", _, when) if when == moment:
            os._exit(3)
        case ("errs", _, when) if when == moment:
            raise RuntimeError("out of luck")


def open_stub(
    path: str, decoder: str, *, salvage: bool, short_side: int | None, num_frames: int | None
) -> Video:
    """Stand in for a decoder, as none hangs for certain."""
    if Path(path).suffix == ".mp4":
        return open_video(path, decoder, salvage=salvage, short_side=short_side)
    misbehave(Path(path), "opening")
    return Stub(Path(path))


def numbers(frames: torch.Tensor) -> list[int]:
    """Which frames these are, from their grey levels."""
    return ((frames.float().mean(dim=(-1, -2, -3)) - 8) / 4).round().long().tolist()


def is_gone(pid: int | None) -> bool:
    """Wait for a process to end; one that its new parent has not buried yet has ended, too."""
    for _ in range(3000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z" and os.getpid() != parent_of(pid):
            return True
        time.sleep(0.01)
    return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
