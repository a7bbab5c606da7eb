"""How fast training would read videos: decoding and augmentation, on one processor."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from video_uniformer.data.annotations import Annotations, Sample
from video_uniformer.data.dataset import VideoDataset
from video_uniformer.data.sampling import ClipSpec, train_sampler
from video_uniformer.data.transforms import train_transform

CLIP = ClipSpec(num_frames=16, stride=4, size=224)
"""The clip that is read: the published 16x4 at 224 pixels."""


def clips_per_second(paths: Sequence[Path], clip: ClipSpec = CLIP) -> float:
    """Read one clip of each video as training does, without worker processes.

    Args:
        paths: Intact videos.
        clip: What is read of each.

    Raises:
        ValueError: There is no video, or one is unreadable.
    """
    if not paths:
        raise ValueError("paths is empty, expected videos")
    dataset = VideoDataset(
        partial(_as_annotations, paths),
        root=".",
        sampler=train_sampler(clip),
        transform=train_transform(clip, num_views=1),
    )
    began = time.perf_counter()
    for index in range(len(dataset)):
        dataset[index]
    return len(dataset) / (time.perf_counter() - began)


def _as_annotations(
    paths: Sequence[Path], *, root: str | Path, class_names: Sequence[str] | None
) -> Annotations:
    return Annotations([Sample(Path(root) / path, 0) for path in paths], ["any"])
