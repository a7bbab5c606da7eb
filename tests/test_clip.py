import dataclasses
import json

import pytest

from video_uniformer.clip import ImageSpec, PersonSpec, SceneSpec


def test_image_survives_json() -> None:
    spec = ImageSpec(192, crop_share=0.9, interpolation="bilinear", channel_order="bgr")
    assert ImageSpec(**json.loads(json.dumps(dataclasses.asdict(spec)))) == spec


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("size", 0, "size is 0, expected a whole number >= 1"),
        ("crop_share", 1.5, "crop_share is 1.5, expected a share above 0 and up to 1"),
        ("crop_share", True, "crop_share is True"),
        ("interpolation", "nearest", "interpolation is 'nearest', expected bilinear or bicubic"),
        ("mean", (1, 2), "mean is \\(1, 2\\), expected three numbers"),
        ("std", (1, 1, 0), "std is \\(1.0, 1.0, 0.0\\), expected three numbers > 0"),
        ("channel_order", "gbr", "channel_order is 'gbr', expected 'rgb' or 'bgr'"),
    ],
)
def test_field_out_of_range_is_refused(field: str, value: object, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        ImageSpec(**{"size": 224, field: value})


@pytest.mark.parametrize(
    "spec", [SceneSpec(short_side=64, long_side=96, multiple=32), PersonSpec(384, 288, sigma=3.0)]
)
def test_scenes_and_persons_survive_json(spec: SceneSpec | PersonSpec) -> None:
    assert type(spec)(**json.loads(json.dumps(dataclasses.asdict(spec)))) == spec


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (SceneSpec, {"crop_size": 0}, "crop_size is 0, expected a whole number >= 1"),
        (SceneSpec, {"long_side": 9}, "long_side is 9, expected at least short_side, 512"),
        (PersonSpec, {"width": 100}, "width is 100, expected a multiple of 32"),
        (PersonSpec, {"sigma": 0}, "sigma is 0, expected a number above 0"),
        (PersonSpec, {"std": (0, 1, 1)}, "std is "),
    ],
)
def test_scene_or_person_out_of_range_is_refused(
    kind: type, fields: dict[str, object], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        kind(**fields)
