"""Sampled indices are those of the published code: the tables are literal."""

import dataclasses
import json
import pickle

import pytest
import torch

from video_uniformer.data.video import sampling
from video_uniformer.data.video.sampling import (
    ClipSpec,
    dense_clip,
    dense_random,
    dense_uniform,
    segments_random,
    segments_uniform,
)


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split()]


# (L, T, stride, clips, clip, indices); the step is (T stride - 1) / (T - 1), hence 134 -> 139.
DENSE = [
    (300, 16, 4, 1, 0, "118 122 126 130 134 139 143 147 151 155 160 164 168 172 176 181"),
    (300, 16, 4, 4, 0, "0 4 8 12 16 21 25 29 33 37 42 46 50 54 58 63"),
    (300, 16, 4, 4, 1, "78 82 86 90 94 99 103 107 111 115 120 124 128 132 136 141"),
    (300, 16, 4, 4, 3, "234 238 242 246 250 255 259 263 267 271 276 280 284 288 292 297"),
    (300, 8, 8, 5, 4, "236 245 254 263 272 281 290 299"),
    (250, 8, 8, 4, 2, "124 133 142 151 160 169 178 187"),
    (64, 8, 8, 4, 3, "0 9 18 27 36 45 54 63"),
    (40, 16, 4, 4, 2, "0 4 8 12 16 21 25 29 33 37 39 39 39 39 39 39"),
    (3, 8, 8, 1, 0, "0 2 2 2 2 2 2 2"),
    (1, 8, 8, 4, 3, "0 0 0 0 0 0 0 0"),
    (5, 3, 4, 1, 0, "0 4 4"),
    (10, 1, 4, 1, 0, "3"),
]

# (L, T, clips, clip, frame numbers from 1, as the frame files are numbered).
SEGMENTS = [
    (40, 16, 1, 0, "2 4 7 9 12 14 17 19 22 24 26 29 31 34 36 39"),
    (30, 16, 1, 0, "1 3 5 6 8 10 12 14 15 17 19 21 23 25 26 28"),
    (16, 16, 1, 0, "1 2 3 4 5 6 7 8 9 9 10 11 12 13 14 15"),
    (10, 16, 1, 0, "1 2 2 3 3 4 4 5 5 6 7 7 8 8 9 9"),
    (45, 8, 1, 0, "3 9 14 19 25 31 36 41"),
    (60, 16, 2, 0, "2 6 9 13 17 20 24 28 32 35 39 43 46 50 54 57"),
    (60, 16, 2, 1, "3 7 10 14 18 21 25 29 33 36 40 44 47 51 55 58"),
    (
        77,
        32,
        1,
        0,
        "2 4 7 9 12 14 16 19 21 23 26 28 30 33 35 38 40 42 45 47 50 52 54 57 59 61 64 66 68 71 "
        "73 76",
    ),
    (1, 4, 1, 0, "1 1 1 1"),
]

# (L, T, smallest and largest frame number of each segment, from 1).
SEGMENT_RANGES = [
    (
        40,
        16,
        "1-3 3-6 6-8 8-11 11-13 13-16 16-18 18-21 21-23 23-25 25-28 28-30 30-33 33-35 35-38 38-40",
    ),
    (12, 8, "1-2 2-4 4-5 5-7 7-8 8-9 9-11 11-12"),
]


@pytest.mark.parametrize(("total", "frames", "stride", "clips", "clip", "expected"), DENSE)
def test_dense_uniform_gives_the_published_indices(
    total: int, frames: int, stride: int, clips: int, clip: int, expected: str
) -> None:
    sampled = dense_uniform(total, num_frames=frames, stride=stride, num_clips=clips)
    assert sampled.shape == (clips, frames)
    assert sampled.dtype == torch.long
    assert sampled[clip].tolist() == numbers(expected)


def test_dense_clip_starts_between_frames_as_published() -> None:
    sampled = dense_clip(300, 100.7, num_frames=16, stride=4)
    expected = "100 104 109 113 117 121 125 130 134 138 142 146 151 155 159 163"
    assert sampled.tolist() == [numbers(expected)]


def test_dense_random_starts_everywhere_the_clip_fits() -> None:
    torch.manual_seed(0)
    starts = {int(dense_random(20, num_frames=4, stride=4)[0, 0]) for _ in range(200)}
    assert starts == {0, 1, 2, 3}  # the last start, 4, has probability zero


def test_dense_random_of_a_short_video_repeats_the_last_frame() -> None:
    assert dense_random(5, num_frames=3, stride=4).tolist() == [[0, 4, 4]]


@pytest.mark.parametrize(("total", "frames", "clips", "clip", "expected"), SEGMENTS)
def test_segments_uniform_gives_the_published_frames(
    total: int, frames: int, clips: int, clip: int, expected: str
) -> None:
    sampled = segments_uniform(total, num_frames=frames, num_clips=clips)
    assert sampled.shape == (clips, frames)
    assert sampled.dtype == torch.long
    assert (sampled[clip] + 1).tolist() == numbers(expected)


@pytest.mark.parametrize(("total", "frames", "expected"), SEGMENT_RANGES)
def test_segments_random_reaches_exactly_the_published_ranges(
    total: int, frames: int, expected: str
) -> None:
    torch.manual_seed(0)
    sampled = torch.cat([segments_random(total, num_frames=frames) for _ in range(300)]) + 1
    ranges = [f"{low}-{high}" for low, high in zip(sampled.amin(0), sampled.amax(0), strict=True)]
    assert " ".join(ranges) == expected


def test_segments_random_draws_evenly_within_a_segment() -> None:
    torch.manual_seed(0)
    sampled = torch.cat([segments_random(31, num_frames=10) for _ in range(2000)])
    shares = sampled[:, 4].bincount(minlength=16)[12:] / 2000  # segment 4 is frames 12 to 15
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.04, rtol=0)


def test_every_index_exists_for_any_length_and_number_of_clips() -> None:
    for total in range(1, 40):
        for clips in (1, 2, 7):
            dense = dense_uniform(total, num_frames=5, stride=3, num_clips=clips)
            segments = segments_uniform(total, num_frames=5, num_clips=clips)
            both = torch.cat([dense, segments, segments_random(total, num_frames=5)])
            assert both.min() >= 0
            assert both.max() < total


def test_random_samplers_follow_the_seed() -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append(
            [dense_random(300, num_frames=8, stride=8), segments_random(300, num_frames=8)]
        )
    assert torch.equal(torch.cat(draws[0]), torch.cat(draws[1]))


@pytest.mark.parametrize("stride", [None, 4])
def test_samplers_of_a_spec_are_dense_with_a_stride_and_segments_without(
    stride: int | None,
) -> None:
    spec = ClipSpec(num_frames=16, stride=stride, size=224, num_clips=4)
    sampled = sampling.eval_sampler(spec)(300)
    if stride is None:
        expected = segments_uniform(300, num_frames=16, num_clips=4)
    else:
        expected = dense_uniform(300, num_frames=16, stride=4, num_clips=4)
    assert torch.equal(sampled, expected)


@pytest.mark.parametrize("stride", [None, 4])
def test_train_sampler_gives_one_random_clip(stride: int | None) -> None:
    sampler = sampling.train_sampler(ClipSpec(num_frames=16, stride=stride, size=224))
    torch.manual_seed(0)
    first, second = sampler(300), sampler(300)
    assert first.shape == (1, 16)
    assert not torch.equal(first, second)


def test_test_sampler_takes_another_number_of_clips() -> None:
    spec = ClipSpec(num_frames=16, stride=4, size=224, num_clips=4)
    assert sampling.eval_sampler(spec, num_clips=1)(300)[0, 0] == 118


def test_shuffled_clips_have_the_same_frames_in_another_order() -> None:
    spec = ClipSpec(num_frames=16, stride=4, size=224, num_clips=2)
    torch.manual_seed(0)
    shuffled = sampling.eval_sampler(spec, order="shuffled")(300)
    in_order = sampling.eval_sampler(spec)(300)
    assert torch.equal(shuffled.sort().values, in_order)
    assert (shuffled != in_order).any(1).all()


def test_still_clips_repeat_their_middle_frame() -> None:
    spec = ClipSpec(num_frames=4, stride=4, size=224, num_clips=2)
    still = sampling.eval_sampler(spec, order="still")(32)
    assert still.tolist() == [[10, 10, 10, 10], [26, 26, 26, 26]]


@pytest.mark.parametrize("stride", [None, 4])
def test_samplers_reach_worker_processes(stride: int | None) -> None:
    spec = ClipSpec(num_frames=4, stride=stride, size=224)
    copy = pickle.loads(pickle.dumps(sampling.eval_sampler(spec)))
    assert torch.equal(copy(30), sampling.eval_sampler(spec)(30))
    assert pickle.loads(pickle.dumps(sampling.train_sampler(spec)))(30).shape == (1, 4)


def test_spec_survives_plain_types() -> None:
    spec = ClipSpec(
        num_frames=8, stride=None, size=160, num_crops=3, mean=(0.4, 0.5, 0.6), channel_order="bgr"
    )
    plain = dataclasses.asdict(spec)
    assert ClipSpec(**plain) == spec
    assert ClipSpec(**json.loads(json.dumps(plain))) == spec


def test_span_is_the_stretched_clip() -> None:
    assert ClipSpec(num_frames=16, stride=4, size=224).span == 64
    assert dense_uniform(300, num_frames=16, stride=4, num_clips=4)[0, -1] == 63
    assert ClipSpec(num_frames=16, stride=None, size=224).span is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_frames", 0, r"num_frames is 0, expected a whole number >= 1"),
        ("num_frames", 16.0, r"num_frames is 16.0, expected a whole number >= 1"),
        ("stride", 0, r"stride is 0, expected a whole number >= 1, or None"),
        ("size", -1, r"size is -1, expected a whole number >= 1"),
        ("num_clips", 0, r"num_clips is 0, expected a whole number >= 1"),
        ("num_crops", 2, r"num_crops is 2, expected 1 or 3"),
        ("channel_order", "rbg", r"channel_order is 'rbg', expected 'rgb' or 'bgr'"),
        ("mean", (0.45,), r"mean is \(0.45,\), expected three numbers"),
        ("mean", 0.45, r"mean is 0.45, expected three numbers"),
        ("std", ["a", "b", "c"], r"std is \['a', 'b', 'c'\], expected three numbers"),
        ("std", (0.2, 0.0, 0.2), r"std is \(0.2, 0.0, 0.2\), expected three numbers > 0"),
    ],
)
def test_spec_refuses(field: str, value: object, message: str) -> None:
    settings = {"num_frames": 16, "stride": 4, "size": 224, field: value}
    with pytest.raises(ValueError, match=message):
        ClipSpec(**settings)


@pytest.mark.parametrize("stride", [None, 4])
def test_a_video_without_frames_is_refused(stride: int | None) -> None:
    spec = ClipSpec(num_frames=16, stride=stride, size=224)
    for sampler in (sampling.train_sampler(spec), sampling.eval_sampler(spec)):
        with pytest.raises(ValueError, match="total_frames is 0, expected a video of at least 1"):
            sampler(0)


def test_test_sampler_refuses_no_clips() -> None:
    with pytest.raises(ValueError, match="num_clips is 0, expected a whole number >= 1"):
        sampling.eval_sampler(ClipSpec(num_frames=16, stride=4, size=224), num_clips=0)


def test_test_sampler_refuses_an_unknown_order() -> None:
    spec = ClipSpec(num_frames=16, stride=4, size=224)
    with pytest.raises(ValueError, match="order is 'backwards', expected one of in_order"):
        sampling.eval_sampler(spec, order="backwards")
