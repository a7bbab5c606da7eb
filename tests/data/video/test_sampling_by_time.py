"""Sampling by time: even in seconds where the frame rate varies, and by frame where it does not."""

import dataclasses
import pickle
from typing import Literal

import pytest
import torch

from video_uniformer.clip import ClipSpec
from video_uniformer.data.video import sampling


def even_times(count: int, fps: float = 25.0) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float64) / fps


RATES = {  # frames per second, and the digit after which a container rounds the times
    "PAL": (25.0, 12),
    "NTSC": (30000 / 1001, 12),
    "film, in milliseconds": (24000 / 1001, 3),
    "thirds, in milliseconds": (30.0, 3),
    "fast, in milliseconds": (240.0, 3),
}


@pytest.mark.parametrize("stride", [4, None])
@pytest.mark.parametrize("count", [1, 2, 5, 40, 301])
@pytest.mark.parametrize("rate", RATES)
def test_at_a_constant_rate_sampling_by_time_is_sampling_by_frame(
    rate: str, count: int, stride: int | None
) -> None:
    fps, digits = RATES[rate]
    times = even_times(count, fps).round(decimals=digits)
    by_frame = ClipSpec(num_frames=8, stride=stride, size=32, num_clips=3)
    by_time = dataclasses.replace(by_frame, by="time")
    for sampler in (sampling.eval_sampler, sampling.train_sampler):
        torch.manual_seed(0)
        expected = sampler(by_frame)(count, times)
        torch.manual_seed(0)
        assert torch.equal(sampler(by_time)(count, times), expected)


# Ten frames in the first second, thirty in the next: a mean of 39 / 1.9667 frames per second.
TWO_RATES = torch.cat([even_times(10, 10), 1 + even_times(30, 30)])


def test_sampling_by_time_is_even_in_time_where_the_rate_varies() -> None:
    spec = ClipSpec(num_frames=4, stride=10, size=32, by="time")
    frames = sampling.eval_sampler(spec)(40, TWO_RATES)[0]
    # Frames 0 13 26 39 of the mean rate are shown at 0, 0.656, 1.311 and 1.967 seconds.
    assert frames.tolist() == [0, 6, 19, 39]


def test_parts_are_equal_in_time_where_the_rate_varies() -> None:
    spec = ClipSpec(num_frames=4, stride=None, size=32, by="time")
    frames = sampling.eval_sampler(spec)(40, TWO_RATES)[0]
    # The middles are frames 4, 14, 24 and 33: 0.202, 0.706, 1.210 and 1.664 seconds.
    assert frames.tolist() == [2, 7, 16, 29]


@pytest.mark.parametrize(
    ("position", "times", "expected"),
    [
        (0, [0.0], 0),
        (0, [5.0, 6.0, 7.0], 0),  # times need not begin at zero
        (1, [0.0, 0.4, 2.0], 1),
        (1, [0.0, 1.6, 2.0], 0),
        (1, [0.0, 1.0005, 2.0], 1),  # rounding
        (1, [0.0, 1.1, 2.0], 0),
        (2, [0.0, 1.6, 2.0], 2),
        (1, [0.0, 0.0, 0.0], 2),  # a file without a duration
    ],
)
def test_the_frame_shown_is_the_last_that_has_begun(
    position: int, times: list[float], expected: int
) -> None:
    shown = sampling.shown_at(torch.tensor([[position]]), torch.tensor(times))
    assert (shown.tolist(), shown.dtype) == ([[expected]], torch.long)


def test_orders_apply_to_sampling_by_time() -> None:
    spec = ClipSpec(num_frames=4, stride=10, size=32, by="time")
    assert sampling.eval_sampler(spec, order="still")(40, TWO_RATES).tolist() == [[19] * 4]
    shuffled = sampling.eval_sampler(spec, order="shuffled")(40, TWO_RATES)
    assert sorted(shuffled[0].tolist()) == [0, 6, 19, 39]


def test_sampling_by_frame_ignores_times() -> None:
    spec = ClipSpec(num_frames=4, stride=10, size=32)
    sampler = sampling.eval_sampler(spec)
    assert torch.equal(sampler(40, TWO_RATES), sampler(40))


def test_samplers_by_time_can_be_pickled() -> None:
    sampler = sampling.eval_sampler(ClipSpec(num_frames=4, stride=10, size=32, by="time"))
    assert torch.equal(pickle.loads(pickle.dumps(sampler))(40, TWO_RATES), sampler(40, TWO_RATES))


def test_sampling_by_time_needs_times() -> None:
    sampler = sampling.eval_sampler(ClipSpec(num_frames=4, stride=10, size=32, by="time"))
    with pytest.raises(ValueError, match="times is None, expected the frames' times for"):
        sampler(40)


def test_times_are_one_for_each_frame() -> None:
    sampler = sampling.train_sampler(ClipSpec(num_frames=4, stride=10, size=32, by="time"))
    with pytest.raises(ValueError, match=r"times has shape \(40,\): expected one for each of 41"):
        sampler(41, TWO_RATES)


def test_by_is_frame_or_time() -> None:
    with pytest.raises(ValueError, match="by is 'second', expected 'frame' or 'time'"):
        ClipSpec(num_frames=4, stride=10, size=32, by="second")


@pytest.mark.parametrize(("by", "expected"), [("frame", False), ("time", True)])
def test_sampler_says_whether_it_needs_times(by: Literal["frame", "time"], expected: bool) -> None:
    spec = ClipSpec(num_frames=4, stride=10, size=32, by=by)
    assert sampling.eval_sampler(spec).needs_times is expected
    assert sampling.train_sampler(spec).needs_times is expected
