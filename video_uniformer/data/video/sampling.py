"""Which frames of a video the network sees.

A sampler turns the number of playable frames into 0-based frame numbers `(clips, T)` and never sees
a file. All arithmetic is that of the published networks; a short video repeats its last frame.

Sampling by time does the same arithmetic on a video of constant rate with as many frames and of the
same length, and takes the frames that are shown at those times.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from video_uniformer.clip import ClipSpec, check_count

ORDERS = ("in_order", "shuffled", "still")

_ROUNDING_SECONDS = 1e-3  # some containers round times to the millisecond
_ROUNDING_FRAMES = 0.25  # but no more than this of the time from a frame to the next


class Sampler(Protocol):
    """From the number of playable frames to frame numbers, LongTensor (clips, T)."""

    @property
    def needs_times(self) -> bool:
        """Whether it is to be given the frames' times, which not every reader has at hand."""

    def __call__(self, total_frames: int, times: torch.Tensor | None = None, /) -> torch.Tensor:
        """Choose frames of a video with `total_frames` playable frames, shown at `times`, s."""


@dataclass(frozen=True)
class ClipSampler:
    """A sampler that draws clips as by frame, and then counts in time or reorders where asked.

    Attributes:
        draw: Number of frames -> frame numbers (clips, T), as for a constant rate.
        by: "frame", or "time": the frames shown when those of a constant rate would be.
        order: One of `ORDERS`.

    Raises:
        ValueError: When called: there are no frames, or times are needed, and not one for each.
    """

    draw: Callable[[int], torch.Tensor]
    by: str = "frame"
    order: str = "in_order"

    @property
    def needs_times(self) -> bool:
        """Whether it goes by time."""
        return self.by == "time"

    def __call__(self, total_frames: int, times: torch.Tensor | None = None, /) -> torch.Tensor:
        """Choose frames of a video with `total_frames` playable frames, shown at `times`, s."""
        clips = self.draw(total_frames)  # (clips, T)
        if self.needs_times:
            clips = shown_at(clips, _checked_times(times, total_frames))
        if self.order == "still":
            middle = clips.shape[1] // 2
            return clips[:, middle : middle + 1].expand_as(clips)
        if self.order == "shuffled":
            return torch.stack([clip[torch.randperm(len(clip))] for clip in clips])
        return clips


def dense_clip(total_frames: int, start: float, *, num_frames: int, stride: int) -> torch.Tensor:
    """Frame numbers of one dense clip that begins at a (fractional) frame.

    Source: official `slowfast/datasets/decoder.py`, `temporal_sampling`.

    Args:
        total_frames: Playable frames of the video.
        start: First frame, 0-based, not necessarily whole.
        num_frames: Frames T of the clip.
        stride: Frames from one sampled frame to the next.

    Shape:
        LongTensor (1, T), values 0 to `total_frames` - 1.

    Raises:
        ValueError: A count is below 1.
    """
    _check_counts(total_frames, num_frames=num_frames, stride=stride)
    # Official: the end point makes the step (T stride - 1) / (T - 1), a little more than `stride`,
    # and float32 decides which fractions fall below a whole number.
    last = start + num_frames * stride - 1
    frames = torch.linspace(start, last, num_frames, dtype=torch.float32)
    return frames.clamp(0, total_frames - 1).long()[None]


def dense_random(total_frames: int, *, num_frames: int, stride: int) -> torch.Tensor:
    """One dense clip that begins anywhere it fits, as in training on Kinetics.

    Source: official `slowfast/datasets/decoder.py`, `get_start_end_idx`.

    Args:
        total_frames: Playable frames of the video.
        num_frames: Frames T of the clip.
        stride: Frames from one sampled frame to the next.

    Shape:
        LongTensor (1, T), values 0 to `total_frames` - 1.

    Raises:
        ValueError: A count is below 1.
    """
    _check_counts(total_frames, num_frames=num_frames, stride=stride)
    room = max(total_frames - num_frames * stride, 0)
    start = torch.rand((), dtype=torch.float64).item() * room
    return dense_clip(total_frames, start, num_frames=num_frames, stride=stride)


def dense_uniform(
    total_frames: int, *, num_frames: int, stride: int, num_clips: int
) -> torch.Tensor:
    """Dense clips spread evenly over the video; a single one lies in its middle.

    Source: official `slowfast/datasets/decoder.py`, `get_start_end_idx`.

    Args:
        total_frames: Playable frames of the video.
        num_frames: Frames T of each clip.
        stride: Frames from one sampled frame to the next.
        num_clips: Number of clips.

    Shape:
        LongTensor (clips, T), values 0 to `total_frames` - 1.

    Raises:
        ValueError: A count is below 1.
    """
    _check_counts(total_frames, num_frames=num_frames, stride=stride, num_clips=num_clips)
    room = max(total_frames - num_frames * stride, 0)
    if num_clips == 1:
        starts = [room // 2]
    else:
        starts = [clip * (room // (num_clips - 1)) for clip in range(num_clips)]
    clips = [dense_clip(total_frames, s, num_frames=num_frames, stride=stride) for s in starts]
    return torch.cat(clips)


def segments_random(total_frames: int, *, num_frames: int) -> torch.Tensor:
    """A random frame from each of T equal parts, as in training on Something-Something.

    Neighbouring parts share their border frame, so a frame may come twice. The light Kinetics
    networks sample by the same rule. Source: official `slowfast/datasets/ssv2.py`,
    `get_seq_frames`.

    Args:
        total_frames: Playable frames of the video.
        num_frames: Number of parts T.

    Shape:
        LongTensor (1, T), values 0 to `total_frames` - 1, never decreasing.

    Raises:
        ValueError: A count is below 1.
    """
    _check_counts(total_frames, num_frames=num_frames)
    borders = _borders(total_frames, num_frames)
    choices = borders[1:] - borders[:-1] + 1
    frames = borders[:-1] + (torch.rand(num_frames, dtype=torch.float64) * choices).long()
    return frames.clamp(max=total_frames - 1)[None]


def segments_uniform(total_frames: int, *, num_frames: int, num_clips: int) -> torch.Tensor:
    """A fixed frame from each of T equal parts: the middle one if there is one clip.

    The light Kinetics networks sample by the same rule. Source: official
    `slowfast/datasets/ssv2.py`, `get_seq_frames`.

    Args:
        total_frames: Playable frames of the video.
        num_frames: Number of parts T.
        num_clips: Number of clips; each takes another place within the parts.

    Shape:
        LongTensor (clips, T), values 0 to `total_frames` - 1.

    Raises:
        ValueError: A count is below 1.
    """
    _check_counts(total_frames, num_frames=num_frames, num_clips=num_clips)
    part = (total_frames - 1) / num_frames
    offsets = [math.floor(part / (num_clips + 1) * (clip + 1)) for clip in range(num_clips)]
    # Official: the last half of the last part is never reached.
    frames = _borders(total_frames, num_frames)[:-1] + torch.tensor(offsets)[:, None]  # (clips, T)
    return frames.clamp(max=total_frames - 1)


def train_sampler(spec: ClipSpec) -> Sampler:
    """The random sampler of training, one clip: dense or segments, as `spec.stride` says."""
    draw = (
        partial(segments_random, num_frames=spec.num_frames)
        if spec.stride is None
        else partial(dense_random, num_frames=spec.num_frames, stride=spec.stride)
    )
    return ClipSampler(draw, by=spec.by)


def eval_sampler(
    spec: ClipSpec,
    *,
    num_clips: int | None = None,
    order: str = "in_order",
) -> Sampler:
    """The sampler of validation and testing: as `spec.stride` says, without chance.

    Args:
        spec: What the network takes.
        num_clips: Instead of `spec.num_clips`; validation takes 1.
        order: "in_order"; "shuffled" permutes the frames of each clip at random and "still" repeats
            its middle frame, to see how much a network's answers rest on the order of the frames.

    Raises:
        ValueError: `num_clips` is below 1, or there is no such order.

    Example:
        >>> sampler = eval_sampler(ClipSpec(num_frames=4, stride=2, size=224, num_clips=2))
        >>> sampler(20).tolist()
        [[0, 2, 4, 7], [12, 14, 16, 19]]
    """
    num_clips = spec.num_clips if num_clips is None else num_clips
    check_count("num_clips", num_clips)
    if order not in ORDERS:
        raise ValueError(f"order is {order!r}, expected one of {', '.join(ORDERS)}")
    draw = (
        partial(segments_uniform, num_frames=spec.num_frames, num_clips=num_clips)
        if spec.stride is None
        else partial(
            dense_uniform, num_frames=spec.num_frames, stride=spec.stride, num_clips=num_clips
        )
    )
    return ClipSampler(draw, by=spec.by, order=order)


def shown_at(frames: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """The frames shown at times that are counted in frames of the mean rate.

    Position k stands for the time k * (t[N-1] - t[0]) / (N - 1) behind the first frame's, and gives
    the last frame that is shown by then.

    Args:
        frames: Positions, 0 to N - 1.
        times: When each frame is shown, rising seconds.

    Shape:
        frames (*any) whole numbers, times (N) -> LongTensor (*any), values 0 to N - 1.
    """
    since_first = times.to(torch.float64) - times[0]
    mean_step = since_first[-1] / max(len(times) - 1, 1)
    tolerance = torch.clamp(_ROUNDING_FRAMES * mean_step, max=_ROUNDING_SECONDS)
    wanted = frames * mean_step + tolerance
    return (torch.searchsorted(since_first, wanted.contiguous(), right=True) - 1).clamp(min=0)


def _checked_times(times: torch.Tensor | None, total_frames: int) -> torch.Tensor:
    if times is None:
        raise ValueError("times is None, expected the frames' times for sampling by time")
    if times.shape != (total_frames,):
        raise ValueError(
            f"times has shape {tuple(times.shape)}: expected one for each of {total_frames} frames"
        )
    return times


def _borders(total_frames: int, num_frames: int) -> torch.Tensor:
    """First frame of each part, then the last frame of the video; (T + 1,), half to even."""
    part = (total_frames - 1) / num_frames
    return (torch.arange(num_frames + 1, dtype=torch.float64) * part).round().long()


def _check_counts(total_frames: int, **counts: int) -> None:
    if total_frames < 1:
        raise ValueError(f"total_frames is {total_frames}, expected a video of at least 1 frame")
    for name, count in counts.items():
        check_count(name, count)
