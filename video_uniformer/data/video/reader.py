"""Reading the frames that a sampler chooses, as a policy for bad videos says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from video_uniformer.data.decoding.guard.deadline import DecodeGuard
from video_uniformer.data.decoding.opening import Video, VideoError, open_video
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.policy_reading import PolicyReading
from video_uniformer.data.video.sampling import Sampler
from video_uniformer.outcomes import OK

_MOST_BYTES = 1 << 28  # of several clips' frames at once


class Reading(NamedTuple):
    """What was read of a video; tensors are None where it is skipped.

    Attributes:
        frames: uint8 (clips, T, H, W, 3); or what `per_clip` made of them.
        indices: LongTensor (clips, T), the numbers of these frames.
        times: float64 (clips, T), when they are shown: seconds from the video's first frame. None
            too where the sampler does not go by time and nobody asked.
        status: Place in `STATUSES`.
        problem: What is wrong with the video; empty where nothing is.
    """

    frames: Tensor | None
    indices: Tensor | None
    times: Tensor | None
    status: int
    problem: str


class VideoReader:
    """Reads frames of videos as a policy says.

    Args:
        policy: What to do with bad samples; `substitute` is the caller's to do, this skips.
        decoder: Name of a decoder of `open_video`.
        opener: Opens videos, with the arguments of `open_video`.

    Raises:
        ValueError: The policy's quarantine list cannot be used.
    """

    def __init__(
        self,
        policy: BadSamplePolicy,
        decoder: str = "auto",
        *,
        opener: Callable[..., Video] = open_video,
    ) -> None:
        self._decoder, self._open = decoder, opener
        self._guard: DecodeGuard | None = None
        if policy.deadline_seconds is not None:
            self._guard = DecodeGuard(policy.deadline_seconds, opener=opener)
            self._open = self._guard.open
        # A policy that raises at the first failure has nothing to decide.
        decides = policy.on_bad_sample != "raise" or policy.retries > 0
        self._reading = PolicyReading(policy) if decides else None

    def read(
        self,
        path: Path,
        sampler: Sampler,
        *,
        num_frames: int | None = None,
        damage: str = "",
        short_side: int | None = None,
        with_times: bool = False,
        per_clip: Callable[[Tensor], Tensor] | None = None,
    ) -> Reading:
        """Read the frames that a sampler chooses, which is asked anew at every try.

        Args:
            path: The video.
            sampler: Number of frames, and their times where it needs them -> indices (clips, T).
            num_frames: As for `open_video`.
            damage: What is known to be wrong with the video, which is then not read as it is:
                decoders conceal some damage and say nothing.
            short_side: As for `open_video`, pixels.
            with_times: Fill `Reading.times` for any sampler; where a process decodes, asking it
                costs a little.
            per_clip: Called with the frames (1, T, H, W, 3) of each clip before the next is read,
                such as an `eval_transform`; `Reading.frames` are then its results, joined. So no
                more than one clip of large frames is in memory; small clips are read together.

        Raises:
            VideoError: The video is bad, and the policy is to raise.
            OSError: The machine is short of something, which is not the video's fault.
        """

        def attempt(*, salvage: bool) -> tuple[Reading, str]:
            # The count is that of the intact file.
            count = None if salvage else num_frames
            opened = self._open(
                path, self._decoder, salvage=salvage, short_side=short_side, num_frames=count
            )
            with opened as video:
                reading = read_sampled(video, sampler, with_times=with_times, per_clip=per_clip)
                return reading, video.salvaged

        known = VideoError(f"{path}: {damage}") if damage else None
        if self._reading is None:
            if known is not None:
                raise known
            return attempt(salvage=False)[0]
        reading, status, problem = self._reading(path, attempt, known=known)
        if reading is None:
            return Reading(None, None, None, status, problem)
        return reading._replace(status=status, problem=problem)

    def close(self) -> None:
        """End the process that decodes, if there is one; a reading that waits for it fails.

        Harmless when called again, and the reader can be used again.
        """
        if self._guard is not None:
            self._guard.close()


def read_sampled(
    video: Video,
    sampler: Sampler,
    *,
    with_times: bool = False,
    per_clip: Callable[[Tensor], Tensor] | None = None,
) -> Reading:
    """Read the frames that a sampler chooses of an open video.

    Args:
        video: Whoever decodes it.
        sampler: As for `VideoReader.read`.
        with_times: As for `VideoReader.read`.
        per_clip: As for `VideoReader.read`.

    Raises:
        VideoError: The video shows no frame, or one that is chosen is damaged.
    """
    if len(video) == 0:
        raise VideoError(f"{video.path}: no frame can be shown, expected a video")
    indices = sampler(len(video), video.times if sampler.needs_times else None)  # (clips, T)
    if per_clip is None:
        frames = video.frames(indices)  # (clips, T, H, W, 3)
    else:
        frames = torch.cat(list(_each_clip(video, indices, per_clip)))
    times = video.times[indices] if sampler.needs_times or with_times else None
    return Reading(frames, indices, times, OK, "")


def _each_clip(
    video: Video, indices: Tensor, per_clip: Callable[[Tensor], Tensor]
) -> Iterator[Tensor]:
    """What `per_clip` makes of each clip, with as many read at once as are small."""
    first = video.frames(indices[:1])
    at_once = max(1, _MOST_BYTES // first.nbytes)
    yield per_clip(first)
    del first  # its memory is that of the next
    for start in range(1, len(indices), at_once):
        yield from map(per_clip, video.frames(indices[start : start + at_once]).split(1))
