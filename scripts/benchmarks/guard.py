"""Pairs: loading clips with a deadline for every file, against loading them without."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.decoding import write_moving_video
from benchmarks.timing import Pair, Runner
from video_uniformer.data.annotations import Annotations, Sample
from video_uniformer.data.bad_videos import BadVideoPolicy
from video_uniformer.data.dataset import VideoDataset
from video_uniformer.data.sampling import ClipSpec, Sampler, test_sampler, train_sampler
from video_uniformer.data.transforms import eval_transform, train_transform

NUM_CLIPS = 12  # read in one run
DECODERS = ("auto", "pyav")
PROMISED = 0.98
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
    return [
        _pair(path, f"load for {purpose}, {decoder}", decoder, sampler, transform)
        for purpose, sampler, transform in _purposes()
        for decoder in DECODERS
    ]


def _purposes() -> Iterator[tuple[str, Sampler, Callable[[Tensor], Tensor]]]:
    yield "training", train_sampler(CLIP), train_transform(CLIP, num_views=1)
    yield "validation", test_sampler(CLIP, num_clips=1), eval_transform(CLIP, num_crops=1)


def _pair(
    path: Path,
    task: str,
    decoder: str,
    sampler: Sampler,
    transform: Callable[[Tensor], Tensor],
) -> Pair:
    guarded, direct = (
        VideoDataset(
            partial(_list, path),
            root=path.parent,
            sampler=sampler,
            transform=transform,
            decoder=decoder,
            bad_videos=BadVideoPolicy(deadline_seconds=seconds),
        )
        for seconds in (60.0, None)
    )
    if not torch.equal(guarded[0]["video"], direct[0]["video"]):
        raise ValueError(f"the clips of a guarded data set are others, {task}")
    contender = Runner("guarded", partial(_load, guarded))
    return Pair(task, contender, Runner("not guarded", partial(_load, direct)), NUM_CLIPS, PROMISED)


def _list(path: Path, *, root: Path, class_names: Sequence[str] | None) -> Annotations:
    return Annotations([Sample(path, 0)] * NUM_CLIPS, ["a class"])


def _load(dataset: VideoDataset) -> None:
    for index in range(len(dataset)):
        dataset[index]
