"""The test pipeline of segmentation: sizes, resizing, normalisation."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.picture import Picture, PictureError
from video_uniformer.data.image.scene_scaling import resized
from video_uniformer.data.image.scene_transforms import (
    normalised_scene,
    scene_input,
    segmentation_eval_transform,
)


def test_resizing_is_bilinear_between_centres_without_antialiasing() -> None:
    row = torch.tensor([0, 100, 200, 40], dtype=torch.uint8).expand(3, 1, 4)
    # Centres at -0.25, 0.25, ... of the old pixels, cut at the borders.
    assert resized(row, 1, 8)[0, 0].tolist() == [0, 25, 75, 125, 175, 160, 80, 40]
    # Halved, each is the mean of two; at a quarter, of the middle two alone.
    assert resized(row, 1, 2)[0, 0].tolist() == [50, 120]
    assert resized(row, 1, 1)[0, 0].tolist() == [150]


def test_resizing_stays_within_one_level_of_the_exact_values() -> None:
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 61, 83), np.uint8))
    for size in ((40, 50), (97, 130)):
        exact = torch.nn.functional.interpolate(image[None].double(), size, mode="bilinear")[0]
        error = resized(image, *size).double() - exact
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
    twice = resized(resized(pixels, 64, 85), 64, 96)
    assert torch.equal(scene_input(picture, spec), normalised_scene(twice, spec))


def test_several_scales_are_shown_one_after_the_other(picture_file: Callable[..., Path]) -> None:
    picture = Picture(picture_file())
    spec = SceneSpec(short_side=64, long_side=256)
    mask = np.zeros((picture.height, picture.width), np.uint8)
    shown = segmentation_eval_transform(spec, scales=[0.5, 1.0])(picture, mask)["image"]
    assert torch.equal(shown[1], segmentation_eval_transform(spec)(picture, mask)["image"])
    assert shown[0].shape[1] == 32


def test_scale_of_nothing_is_refused() -> None:
    for scales in ([], [1.0, 0.0]):
        with pytest.raises(ValueError, match="expected at least one number above 0"):
            segmentation_eval_transform(SceneSpec(), scales=scales)


def test_picture_that_is_too_narrow_once_scaled_is_named(picture_file: Callable[..., Path]) -> None:
    path = picture_file("strip.png", 10, 400)
    mask = np.zeros((10, 400), np.uint8)
    with pytest.raises(PictureError, match=r"strip\.png: 13 pixels high or wide once it is scaled"):
        segmentation_eval_transform(SceneSpec(64, 512))(Picture(path), mask)
