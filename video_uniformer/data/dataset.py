"""Videos of a list as tensors: sampler x decoder x transform."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from video_uniformer.data.annotations import Annotations
from video_uniformer.data.decoding import open_video


class VideoDataset(Dataset[dict[str, Tensor]]):
    """The videos of an annotation list.

    Every item is seeded by (seed, epoch, index) alone: it does not depend on workers, batches or
    processes.

    Args:
        annotations: (root=, class_names=) -> samples and class names.
        root: Folder that relative paths start from.
        sampler: Number of frames -> indices (clips, T).
        transform: uint8 (clips, T, H, W, 3) -> float32 (V, C, T, H, W).
        decoder: Name of a decoder of `open_video`.
        class_names: Names in the order of the labels, or None to take the list's own.
        seed: Seed of the random draws.

    Shape:
        items hold `video` (V, C, T, H, W), `label` () and `video_index` ().

    Raises:
        ValueError: the list is unreadable; at access, the video is.
    """

    def __init__(
        self,
        annotations: Callable[..., Annotations],
        *,
        root: str | Path,
        sampler: Callable[[int], Tensor],
        transform: Callable[[Tensor], Tensor],
        decoder: str = "decord",
        class_names: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.samples, self.class_names = annotations(root=root, class_names=class_names)
        self.sampler = sampler
        self.transform = transform
        self.decoder = decoder
        self.seed = seed

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.samples)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Tensor]:
        """Decode and transform the video at an index, or (index, epoch); no epoch means 0."""
        index, epoch = item if isinstance(item, tuple) else (item, 0)
        path, label = self.samples[index]
        with torch.random.fork_rng(devices=[]), open_video(path, self.decoder) as video:
            # Not torch.manual_seed: that would seed the GPUs too.
            torch.default_generator.manual_seed(_mix_seed(self.seed, epoch, index))
            clips = self.transform(video.frames(self.sampler(len(video))))
        return {
            "video": clips,
            "label": torch.tensor(label),
            "video_index": torch.tensor(index),
        }


def _mix_seed(*parts: int) -> int:
    """One 64-bit seed from several numbers, well spread for neighbouring ones."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0])
