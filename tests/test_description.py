"""What a checkpoint says of itself, as plain values and back."""

import json
from typing import Any

import pytest

from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.description import (
    Description,
    plain_values,
    read_description,
    said_in,
    task_of,
)

CLIP = ClipSpec(num_frames=4, stride=None, size=32, mean=(0.1, 0.2, 0.3), by="time")
DESCRIPTIONS = {
    "empty": Description(),
    "video": Description(
        task="video_classification",
        network={"variant": "test", "ndim": 3, "layer_scale": None, "checkpoint_blocks": [0, 1]},
        input=CLIP,
        class_names=("a", "naïve", "三"),
        fusion="probabilities",
        source="k400_s_16x8",
    ),
    "image": Description(
        task="image_features",
        network={"variant": "test", "ndim": 2, "num_classes": 0},
        input=ImageSpec(384, crop_share=0.9, interpolation="bilinear"),
    ),
    "a later task": Description(task="detection", class_names=("cat",)),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_description_survives_json(name: str) -> None:
    description = DESCRIPTIONS[name]
    values = json.loads(json.dumps(plain_values(description)))
    assert read_description(values, "a.ckpt") == description


def test_what_is_not_known_is_absent() -> None:
    assert plain_values(Description()) == {}
    assert plain_values(Description(source="a")) == {"source": "a"}


def test_tuples_become_what_every_reader_takes() -> None:
    values = plain_values(Description(network={"checkpoint_blocks": (0, 1, 2, 3)}, input=CLIP))
    assert values["network"] == {"checkpoint_blocks": [0, 1, 2, 3]}
    assert isinstance(values["input"], dict)
    assert values["input"]["mean"] == [0.1, 0.2, 0.3]


def test_key_of_earlier_releases_is_found_and_the_new_one_comes_first() -> None:
    assert said_in({"classifier": {"source": "old"}}) == {"source": "old"}
    both = {"classifier": {"source": "old"}, "description": {"source": "new"}}
    assert said_in(both) == {"source": "new"}
    assert said_in({"description": "a network of mine", "state_dict": {}}) is None


def test_clip_of_earlier_releases_becomes_the_input() -> None:
    clip = {"num_frames": 4, "stride": 2, "size": 32}
    said = {"network": {"variant": "test", "ndim": 3, "num_classes": 2}, "clip": clip}
    read = read_description(said, "a.ckpt")
    assert read.input == read.clip == ClipSpec(**clip)
    assert read.task == "video_classification"


def test_empty_class_names_are_none() -> None:
    assert read_description({"class_names": []}, "a.ckpt").class_names is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"network": "small"}, "its network is 'small', expected a dict"),
        ({"input": [1]}, r"its input is \[1\], expected a dict"),
        ({"input": {"num_frames": 4, "depth": 1}}, "what its input cannot be: .*depth"),
        ({"input": {"size": 0}}, "size is 0, expected a whole number"),
        ({"class_names": ["a", None]}, "expected a list of names"),
        ({"fusion": "median"}, "fusion is 'median', expected one of logits, probabilities"),
        ({"task": 1}, "its task is 1, expected a word"),
        ({"source": b"a"}, "its source is b'a', expected a word"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_description(said, "a.ckpt")


@pytest.mark.parametrize(
    ("network", "task"),
    [
        ({}, None),
        ({"variant": "small"}, "video_classification"),
        ({"ndim": 2}, "image_classification"),
        ({"ndim": 3, "num_classes": 0}, "video_features"),
        ({"ndim": 2, "features_only": True}, "image_features"),
    ],
)
def test_task_of_a_network(network: Any, task: str | None) -> None:
    assert task_of(network) == task
