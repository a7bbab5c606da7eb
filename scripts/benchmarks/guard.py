"""Pairs: loading clips with PyAV against decord, and with a deadline for every file or without."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.decoding import OURS, write_moving_video
from benchmarks.timing import Pair, Runner
from video_uniformer.clip import ClipSpec
from video_uniformer.data.annotations import Annotations, Sample
from video_uniformer.data.decoding.guard.deadline import DecodeGuard
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.sampling import Sampler, eval_sampler, train_sampler
from video_uniformer.data.video.train_transforms import train_transform
from video_uniformer.data.video.transforms import eval_transform

NUM_CLIPS = 12  # read in one run
PROMISED = 0.98
PROMISED_OF_PYAV = 1.1  # of decord, at loading
CLIP = ClipSpec(num_frames=16, stride=4, size=224)


def guard_pairs(folder: Path) -> list[Pair]:
    """Write a video, check that the clips are equal, and pair the data sets.

    Args:
        folder: Where the video goes.

    Raises:
        ValueError: the clips differ.
    """
    path = folder / "guarded.mp4"
    write_moving_video(path, gop=12)
    pairs = []
    for purpose, sampler, transform in _purposes():
        task = f"load for {purpose}"
        pairs += [_pair(path, task, decoder, sampler, transform) for decoder in OURS]
        datasets = {
            decoder: _dataset(path, decoder, sampler, transform) for decoder in ("pyav", "decord")
        }
        if not torch.equal(datasets["pyav"][0]["video"], datasets["decord"][0]["video"]):
            raise ValueError(f"the clips of another decoder are others, {task}")
        pyav, decord = (Runner(OURS[name], partial(_load, datasets[name])) for name in datasets)
        pairs.append(Pair(task, pyav, decord, NUM_CLIPS, PROMISED_OF_PYAV))
    return pairs


def _purposes() -> Iterator[tuple[str, Sampler, Callable[[Tensor], Tensor]]]:
    yield "training", train_sampler(CLIP), train_transform(CLIP)
    yield "validation", eval_sampler(CLIP, num_clips=1), eval_transform(CLIP, num_crops=1)


def _pair(
    path: Path,
    task: str,
    decoder: str,
    sampler: Sampler,
    transform: Callable[[Tensor], Tensor],
) -> Pair:
    guarded, direct = (_dataset(path, decoder, sampler, transform) for _ in range(2))
    guard = DecodeGuard(60)
    guarded.reader = VideoReader(BadSamplePolicy(), decoder, opener=guard.open)
    if not torch.equal(guarded[0]["video"], direct[0]["video"]):
        raise ValueError(f"the clips of a guarded data set are others, {task}")
    name = OURS[decoder]
    contender = Runner(f"{name}, guarded", partial(_load, guarded), partial(_cpu_seconds, guard))
    promised = PROMISED if "training" in task else None
    return Pair(task, contender, Runner(name, partial(_load, direct)), NUM_CLIPS, promised)


def _dataset(
    path: Path, decoder: str, sampler: Sampler, transform: Callable[[Tensor], Tensor]
) -> VideoDataset:
    return VideoDataset(
        partial(_list, path),
        root=path.parent,
        sampler=sampler,
        transform=transform,
        decoder=decoder,
    )


def _cpu_seconds(guard: DecodeGuard) -> float:
    """Of this process and the guard's child."""
    if guard.child_pid is None:
        raise ValueError("the guard has no child, expected the one that decodes")
    child_clock = (~guard.child_pid << 3) | 2  # as clock_getcpuclockid(3) gives it on Linux
    return time.process_time() + time.clock_gettime(child_clock)


def _list(path: Path, *, root: Path, class_names: Sequence[str] | None) -> Annotations:
    return Annotations([Sample(path, 0)] * NUM_CLIPS, ["a class"])


def _load(dataset: VideoDataset) -> None:
    for index in range(len(dataset)):
        dataset[index]
