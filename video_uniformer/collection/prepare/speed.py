"""How fast training would read videos: decoding and augmentation, on one processor."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from video_uniformer.clip import ClipSpec
from video_uniformer.data.annotations import Annotations, Sample
from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.data.video.sampling import train_sampler
from video_uniformer.data.video.train_transforms import train_transform

CLIP = ClipSpec(num_frames=16, stride=4, size=224)
"""The clip that is read: the published 16x4 at 224 pixels."""


def clips_per_second(
    before: Sequence[Path], after: Sequence[Path], clip: ClipSpec = CLIP
) -> tuple[float, float]:
    """Read one clip of each video as training does, without worker processes.

    Both collections are timed in turns, from files that the system has read just before: neither
    pays for what only the first reader waits for.

    Args:
        before: Intact videos.
        after: The same ones, encoded anew.
        clip: What is read of each.

    Returns:
        Clips a second of the old videos, and of the new.

    Raises:
        ValueError: There is no video, not as many of both, or one is unreadable.
    """
    if not before:
        raise ValueError("before is empty, expected videos")
    if len(after) != len(before):
        raise ValueError(f"after has {len(after)} videos, expected {len(before)} as before")
    old, new = (_dataset(paths, clip).__getitem__ for paths in (before, after))
    old_seconds, new_seconds = seconds_in_turns([old, new], len(before))
    return len(before) / old_seconds, len(before) / new_seconds


def seconds_in_turns(reads: Sequence[Callable[[int], object]], count: int) -> list[float]:
    """Time several ways to read the same things, side by side.

    Args:
        reads: Each is called with 0 to `count` - 1, twice each; the second time counts.
        count: Number of things.

    Returns:
        The seconds of each way. None is always the first to be timed.
    """
    seconds = [0.0] * len(reads)
    for index in range(count):
        for read in reads:
            read(index)
        for turn in range(len(reads)):
            place = (index + turn) % len(reads)
            began = time.perf_counter()
            reads[place](index)
            seconds[place] += time.perf_counter() - began
    return seconds


def _dataset(paths: Sequence[Path], clip: ClipSpec) -> VideoDataset:
    return VideoDataset(
        partial(_as_annotations, paths),
        root=".",
        sampler=train_sampler(clip),
        transform=train_transform(clip, num_views=1),
    )


def _as_annotations(
    paths: Sequence[Path], *, root: str | Path, class_names: Sequence[str] | None
) -> Annotations:
    return Annotations([Sample(Path(root) / path, 0) for path in paths], ["any"])
