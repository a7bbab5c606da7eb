"""The test pipeline of segmentation: sizes, resizing, normalisation."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.scene_transforms import (
    aligned_size,
    normalised_scene,
    rescaled_size,
    resized_image,
    scene_input,
    segmentation_eval_transform,
)


@pytest.mark.parametrize(
    ("size", "sides", "expected"),
    [
        ((512, 683), (2048, 512), (512, 683)),  # 512 / 512
        ((256, 256), (2048, 512), (512, 512)),
        ((683, 512), (2048, 512), (683, 512)),
        ((300, 400), (2048, 512), (512, 683)),  # x 1.70667: 682.67
        ((480, 2560), (2048, 512), (384, 2048)),  # the longer side decides: x 0.8
        ((1200, 1600), (1024, 256), (256, 341)),  # x 0.21333: 341.33
        ((5, 3), (10, 3), (5, 3)),
        ((2, 5), (100, 3), (3, 8)),  # x 1.5: 7.5 goes up
        ((1, 9000), (2048, 512), (1, 2048)),  # x 0.228: a side that would be 0
    ],
)
def test_a_picture_is_scaled_to_fit(
    size: tuple[int, int], sides: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert rescaled_size(*size, *sides) == expected


@pytest.mark.parametrize(
    ("size", "multiple", "expected"),
    [
        ((512, 683), 32, (512, 704)),
        ((512, 512), 32, (512, 512)),
        ((513, 1), 32, (544, 32)),
        ((512, 683), 1, (512, 683)),
    ],
)
def test_sides_are_made_up_to_multiples(
    size: tuple[int, int], multiple: int, expected: tuple[int, int]
) -> None:
    assert aligned_size(*size, multiple) == expected


def test_resizing_is_bilinear_between_centres_without_antialiasing() -> None:
    row = torch.tensor([0, 100, 200, 40], dtype=torch.uint8).expand(3, 1, 4)
    # Centres at -0.25, 0.25, ... of the old pixels, cut at the borders.
    assert resized_image(row, 1, 8)[0, 0].tolist() == [0, 25, 75, 125, 175, 160, 80, 40]
    # Halved, each is the mean of two; at a quarter, of the middle two alone.
    assert resized_image(row, 1, 2)[0, 0].tolist() == [50, 120]
    assert resized_image(row, 1, 1)[0, 0].tolist() == [150]


def test_resizing_stays_within_one_level_of_the_exact_values() -> None:
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 61, 83), np.uint8))
    for size in ((40, 50), (97, 130)):
        exact = torch.nn.functional.interpolate(image[None].double(), size, mode="bilinear")[0]
        error = resized_image(image, *size).double() - exact
        assert error.abs().max() < 1.01
        assert error.mean().abs() < 0.05


def test_pixels_are_normalised_per_channel() -> None:
    spec = SceneSpec(mean=(0.0, 0.2, 0.4), std=(1.0, 0.5, 0.2))
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(3, 1, 3)
    expected = torch.tensor([[0.0, 0.2, 1.0], [-0.4, 0.0, 1.6], [-2.0, -1.0, 3.0]])
    torch.testing.assert_close(normalised_scene(image, spec)[:, 0], expected)


def test_bgr_turns_the_channels_round_before_they_are_normalised() -> None:
    spec = SceneSpec(mean=(0.0, 0.0, 0.4), std=(1.0, 1.0, 0.2), channel_order="bgr")
    image = torch.tensor([[[51]], [[102]], [[204]]], dtype=torch.uint8)
    expected = torch.tensor([0.8, 0.4, -1.0])
    torch.testing.assert_close(normalised_scene(image, spec)[:, 0, 0], expected)


@pytest.mark.parametrize(("multiple", "expected"), [(1, (64, 85)), (32, (64, 96))])
def test_a_test_shows_the_whole_picture_and_keeps_the_mask(
    picture_file: Callable[..., Path], multiple: int, expected: tuple[int, int]
) -> None:
    spec = SceneSpec(short_side=64, long_side=256, crop_size=64, multiple=multiple)
    transform = pickle.loads(pickle.dumps(segmentation_eval_transform(spec)))
    mask = np.random.default_rng(0).integers(0, 9, (96, 128), np.uint8)
    item = transform(Picture(picture_file()), mask)
    assert item["image"].shape == (3, *expected)
    assert item["image"].dtype == torch.float32
    assert item["image"].is_contiguous()
    assert item["mask"].dtype == torch.int64
    assert item["mask"].tolist() == mask.tolist()


def test_aligning_resizes_what_was_scaled_already(picture_file: Callable[..., Path]) -> None:
    picture = Picture(picture_file())
    spec = SceneSpec(short_side=64, long_side=256, multiple=32)
    pixels = torch.from_numpy(np.array(picture.rgb())).permute(2, 0, 1)
    twice = resized_image(resized_image(pixels, 64, 85), 64, 96)
    assert torch.equal(scene_input(picture, spec), normalised_scene(twice, spec))
