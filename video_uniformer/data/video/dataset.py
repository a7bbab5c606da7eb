"""Videos of a list as tensors: sampler x decoder x transform."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from video_uniformer.data.annotations import Annotations
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.policy_reading import Outcome, read_or_substitute, seed_torch
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.sampling import Sampler

_BLACK_PIXELS = 64  # of each side; any would do, transforms scale


class VideoDataset(Dataset[dict[str, Any]]):
    """The videos of an annotation list.

    Every item is seeded by (seed, epoch, index) alone: it does not depend on workers, batches or
    processes. So is the video that stands in for a bad one, by these and the number of the try.

    Args:
        annotations: (root=, class_names=) -> samples and class names.
        root: Folder that relative paths start from.
        sampler: Number of frames, and their times -> indices (clips, T).
        transform: uint8 (clips, T, H, W, 3) -> float32 (V, C, T, H, W).
        decoder: Name of a decoder of `open_video`.
        class_names: Names in the order of the labels, or None to take the list's own.
        seed: Seed of the random draws.
        bad_samples: What to do with a video that cannot be read, as `BadSamplePolicy.for_split`
            gives it for this list; None raises.
        frame_counts: (root=) -> playable frames by path, as a scan has counted them; None knows
            none. See `open_video`.
        damage: (root=) -> what is wrong with damaged videos, by path, as a scan has found it; None
            knows of none. See `VideoReader.read`.

    Shape:
        items hold `video` (V, C, T, H, W), `label` () and `video_index` (), the place in the list;
        `status` () is a place in `outcomes.STATUSES` and `problem` says what is wrong, "" where
        nothing is. A skipped video is a black clip; a substituted one has the label of the video
        that stands in, and its own index and problem.

    Raises:
        ValueError: the list is unreadable; at access, the video is, where that is to raise.
    """

    def __init__(
        self,
        annotations: Callable[..., Annotations],
        *,
        root: str | Path,
        sampler: Sampler,
        transform: Callable[[Tensor], Tensor],
        decoder: str = "auto",
        class_names: Sequence[str] | None = None,
        seed: int = 0,
        bad_samples: BadSamplePolicy | None = None,
        frame_counts: Callable[..., Mapping[Path, int]] | None = None,
        damage: Callable[..., Mapping[Path, str]] | None = None,
    ) -> None:
        self.samples, self.class_names = annotations(root=root, class_names=class_names)
        self.sampler = sampler
        self.transform = transform
        self.seed = seed
        policy = BadSamplePolicy() if bad_samples is None else bad_samples
        self.reader = VideoReader(policy, decoder)
        self._frame_counts = {} if frame_counts is None else frame_counts(root=root)
        self._damage = {} if damage is None else damage(root=root)
        self._substitutes = policy.on_bad_sample == "substitute"

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.samples)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Any]:
        """Decode and transform the video at an index, or (index, epoch); no epoch means 0."""
        index, epoch = item if isinstance(item, tuple) else (item, 0)
        place = self.seed, epoch, index
        with torch.random.fork_rng(devices=[]):
            (frames, status, problem), shown = self._read(index, place)
            clips = self.transform(self._black(place) if frames is None else frames)
        return {
            "video": clips,
            "label": torch.tensor(self.samples[shown].label),
            "video_index": torch.tensor(index),
            "status": torch.tensor(status),
            "problem": problem,
        }

    def _read(self, index: int, place: tuple[int, ...]) -> tuple[Outcome[Tensor], int]:
        """Frames of the video at an index, or of one that stands in, and whose they are."""
        if self._substitutes:
            return read_or_substitute(self._read_seeded, index, place=place, num_samples=len(self))
        return self._read_seeded(index, place), index

    def _read_seeded(self, index: int, place: tuple[int, ...]) -> Outcome[Tensor]:
        """Read a clip, with the generator left where the transform goes on from."""
        path = self.samples[index].path
        reading = self.reader.read(
            path,
            _SeededSampler(self.sampler, place),
            num_frames=self._frame_counts.get(path),
            damage=self._damage.get(path, ""),
        )
        return Outcome(reading.frames, reading.status, reading.problem)

    def _black(self, place: tuple[int, ...]) -> Tensor:
        """Frames that the transform makes a clip of the usual shape of."""
        seed_torch(*place)
        shape = (*self.sampler(1, torch.zeros(1)).shape, _BLACK_PIXELS, _BLACK_PIXELS, 3)
        return torch.zeros(shape, dtype=torch.uint8)


@dataclass(frozen=True)
class _SeededSampler:
    """A sampler that seeds the generator first, so that every try at a video draws the same."""

    sampler: Sampler
    seeds: tuple[int, ...]

    @property
    def needs_times(self) -> bool:
        return self.sampler.needs_times

    def __call__(self, total_frames: int, times: Tensor | None = None, /) -> Tensor:
        seed_torch(*self.seeds)
        return self.sampler(total_frames, times)
