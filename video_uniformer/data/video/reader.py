"""Reading the frames that a sampler chooses, as a policy for bad videos says."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from video_uniformer.data.decoding.guard.deadline import DeadlineError, DecodeGuard, KilledError
from video_uniformer.data.decoding.interface import system_errno
from video_uniformer.data.decoding.opening import Video, VideoError, open_video
from video_uniformer.data.video.policy import BadVideoPolicy
from video_uniformer.data.video.quarantine import Quarantine
from video_uniformer.data.video.sampling import Sampler
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED

_RETRY_PAUSE_SECONDS = 1.0
_MOST_BYTES = 1 << 28  # of several clips' frames at once
_SHORTAGES = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
)  # of handles, memory, processes


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
        policy: What to do with bad videos; `substitute` is the caller's to do, this skips.
        decoder: Name of a decoder of `open_video`.
        opener: Opens videos, with the arguments of `open_video`.

    Raises:
        ValueError: The policy's quarantine list cannot be used.
    """

    def __init__(
        self,
        policy: BadVideoPolicy,
        decoder: str = "auto",
        *,
        opener: Callable[..., Video] = open_video,
    ) -> None:
        self._policy, self._decoder = policy, decoder
        self._open = opener
        self._guard: DecodeGuard | None = None
        if policy.deadline_seconds is not None:
            self._guard = DecodeGuard(policy.deadline_seconds, opener=opener)
            self._open = self._guard.open
        self._quarantine: Quarantine | None = None
        # A run that ends at the first bad video sets nothing aside, and asks each file anew.
        if policy.quarantine is not None and policy.on_bad_video != "raise":
            self._quarantine = Quarantine(policy.quarantine)

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

        A video that fails goes on the quarantine list, unless it is merely absent or not ours to
        read: such a file may come back, and asking for it costs nothing.

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
        salvages = self._policy.on_bad_video == "salvage"
        listed = self._quarantine.reason_for(path, salvages) if self._quarantine else None
        if listed is not None:
            return _skipped(listed)
        request = _Request(path, sampler, short_side, with_times, per_clip)
        try:
            if damage:
                raise VideoError(f"{path}: {damage}")
            return self._read(request, num_frames=num_frames)[0]
        except (VideoError, OSError) as error:
            if self._policy.on_bad_video == "raise" or _is_shortage(error):
                raise
            failure = error
        # What hangs one decoder is left: a second wait could be as long as the first.
        if salvages and not isinstance(failure, DeadlineError):
            return self._salvage(request, _explain(path, failure))
        return self._skip(path, failure, _explain(path, failure))

    def close(self) -> None:
        """End the process that decodes, if there is one; a reading that waits for it fails.

        Harmless when called again, and the reader can be used again.
        """
        if self._guard is not None:
            self._guard.close()

    def _salvage(self, request: "_Request", problem: str) -> Reading:
        try:
            reading, lost = self._read(request, salvage=True)
        except (VideoError, OSError) as error:
            if _is_shortage(error):
                raise
            problem = f"{problem}; not salvaged ({_explain(request.path, error)})"
            return self._skip(request.path, error, problem)
        return reading._replace(status=SALVAGED, problem=f"{problem}; {lost}" if lost else problem)

    def _skip(self, path: Path, failure: Exception, problem: str) -> Reading:
        """Leave a video out, and list it where that will not change by itself."""
        is_hang = isinstance(failure, DeadlineError)
        is_lasting = is_hang or (not isinstance(failure, KilledError) and os.access(path, os.R_OK))
        # In this order: after a hang the disk itself may be what hangs, and is not asked.
        if self._quarantine is not None and is_lasting:
            is_lost = is_hang or self._policy.on_bad_video == "salvage"
            self._quarantine.add(path, problem, is_lost=is_lost)
        return _skipped(problem)

    def _read(
        self, request: "_Request", *, salvage: bool = False, num_frames: int | None = None
    ) -> tuple[Reading, str]:
        """What was read, and what a salvaged video lacks; with retries."""
        for retries_left in reversed(range(self._policy.retries + 1)):
            try:
                with self._open(
                    request.path,
                    self._decoder,
                    salvage=salvage,
                    short_side=request.short_side,
                    num_frames=num_frames,
                ) as video:
                    reading = read_sampled(
                        video,
                        request.sampler,
                        with_times=request.with_times,
                        per_clip=request.per_clip,
                    )
                    return reading, video.salvaged
            except (VideoError, OSError):
                if not retries_left:
                    raise
                time.sleep(_RETRY_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")


class _Request(NamedTuple):
    """What every try at a video has in common."""

    path: Path
    sampler: Sampler
    short_side: int | None
    with_times: bool
    per_clip: Callable[[Tensor], Tensor] | None


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


def _skipped(problem: str) -> Reading:
    return Reading(None, None, None, SKIPPED, problem)


def _is_shortage(error: Exception) -> bool:
    return not isinstance(error, DeadlineError) and system_errno(error) in _SHORTAGES


def _explain(path: Path, error: Exception) -> str:
    """The reason alone, in one line: tables name the path elsewhere."""
    lines = str(error).removeprefix(f"{path}: ").splitlines()
    return lines[0] if lines and lines[0] else type(error).__name__
