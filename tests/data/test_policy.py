"""What is done with bad videos, in training and evaluation."""

from typing import Any

import pytest

from video_uniformer.data.policy import BadSamplePolicy


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "on_bad_sample",
            "skp",
            "on_bad_sample is 'skp', expected one of .*; did you mean 'skip'?",
        ),
        ("in_training", "drop", "in_training is 'drop', expected one of raise, skip, substitute,"),
        ("budget", 1.5, "budget is 1.5, expected a share from 0 to 1 of the list"),
        ("budget", -0.1, "budget is -0.1, expected a share"),
        ("budget", "abc", "budget is 'abc', expected a share"),
        ("deadline_seconds", "abc", "deadline_seconds is 'abc', expected seconds above 0, or null"),
        ("deadline_seconds", 0, "deadline_seconds is 0, expected seconds above 0, or null"),
        ("retries", -1, "retries is -1, expected a whole number >= 0"),
        ("retries", 0.5, "retries is 0.5, expected a whole number >= 0"),
    ],
)
def test_policy_that_makes_no_sense_is_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BadSamplePolicy(**{field: value})


@pytest.mark.parametrize(
    ("on_bad_sample", "in_training", "split", "expected"),
    [
        ("skip", None, "train", "skip"),
        ("skip", None, "val", "skip"),
        ("skip", "substitute", "train", "substitute"),
        ("skip", "substitute", "test", "skip"),
        ("substitute", "raise", "train", "raise"),
        ("raise", "skip", "val", "raise"),
    ],
)
def test_training_may_have_a_way_of_its_own(
    on_bad_sample: str, in_training: str | None, split: str, expected: str
) -> None:
    policy = BadSamplePolicy(on_bad_sample, in_training=in_training)
    assert policy.for_split(split).on_bad_sample == expected


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_never_substitutes(split: str) -> None:
    with pytest.raises(ValueError, match=f"'substitute' for '{split}', where a video is never"):
        BadSamplePolicy("substitute").for_split(split)
