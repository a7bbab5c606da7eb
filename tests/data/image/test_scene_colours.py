"""Photometric distortion: OpenCV's HSV, and how far colours go."""

import colorsys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from video_uniformer.data.image.scene_colours import (
    distorted,
    hsv_from_rgb,
    recoloured,
    rgb_from_hsv,
)
from video_uniformer.data.image.seeding import generators_kept, reseed


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with generators_kept():
        reseed(0)
        yield


def pixel(*rgb: int) -> Tensor:
    return torch.tensor(rgb, dtype=torch.uint8)[:, None, None]


def noise() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 40, 50), np.uint8))


# Hue in steps of two degrees, saturation of 255, as OpenCV's manual defines them for 8 bits.
COLOURS = [
    ((255, 0, 0), (0, 255, 255)),
    ((255, 255, 0), (30, 255, 255)),
    ((0, 255, 0), (60, 255, 255)),
    ((0, 0, 255), (120, 255, 255)),
    ((255, 0, 128), (165, 255, 255)),  # -0.502 sectors: -15.06
    ((200, 100, 100), (0, 128, 200)),  # 127.5 goes up
    ((90, 90, 90), (0, 0, 90)),
    ((0, 0, 0), (0, 0, 0)),
    ((255, 0, 1), (0, 255, 255)),  # -0.1 rounds to 0, not to 180
]


@pytest.mark.parametrize(("rgb", "hsv"), COLOURS)
def test_hsv_is_that_of_opencv(rgb: tuple[int, ...], hsv: tuple[int, ...]) -> None:
    assert tuple(int(value) for value in hsv_from_rgb(pixel(*rgb))) == hsv


def test_hsv_agrees_with_the_standard_library() -> None:
    image = noise()
    hues, saturations, values = (plane.flatten() for plane in hsv_from_rgb(image))
    for place, rgb in enumerate(image.flatten(1).T.tolist()):
        hue, saturation, value = colorsys.rgb_to_hsv(*(level / 255 for level in rgb))
        assert abs((float(hues[place]) - 180 * hue + 90) % 180 - 90) < 0.501
        assert abs(float(saturations[place]) - 255 * saturation) < 0.501
        assert abs(float(values[place]) - 255 * value) < 1e-3


def test_rgb_agrees_with_the_standard_library() -> None:
    hues = torch.arange(180.0)[:, None].expand(180, 4)
    saturations = torch.tensor([0.0, 80.0, 200.0, 255.0]).expand(180, 4)
    values = torch.full((180, 4), 231.0)
    found = rgb_from_hsv(hues, saturations, values).flatten(1).T.tolist()
    for rgb, hue, saturation in zip(
        found, hues.flatten().tolist(), saturations.flatten().tolist(), strict=True
    ):
        exact = colorsys.hsv_to_rgb(hue / 180, saturation / 255, 231 / 255)
        assert all(abs(a - 255 * b) < 0.501 for a, b in zip(rgb, exact, strict=True))


def test_hue_turns_and_wraps_around() -> None:
    assert recoloured(pixel(255, 0, 0), 1.0, 10).flatten().tolist() == [255, 85, 0]
    assert recoloured(pixel(255, 0, 0), 1.0, -10).flatten().tolist() == [255, 0, 85]


def test_saturation_is_multiplied_and_cut() -> None:
    assert recoloured(pixel(200, 100, 100), 0.5, 0).flatten().tolist() == [200, 150, 150]
    assert recoloured(pixel(200, 50, 50), 1.5, 0).flatten().tolist() == [200, 0, 0]


def test_grey_changes_in_brightness_and_contrast_alone() -> None:
    for _ in range(50):
        levels = distorted(pixel(100, 100, 100)).flatten().tolist()
        assert len(set(levels)) == 1
        assert (100 - 32) * 0.5 - 1 <= levels[0] <= (100 + 32) * 1.5


def test_a_sixteenth_of_the_pictures_stays_as_it_is() -> None:
    image = noise()
    same = sum(torch.equal(distorted(image), image) for _ in range(800))
    assert 25 <= same <= 80  # 50 expected; a hue of 0 is one in 36 more


def test_one_seed_gives_one_distortion() -> None:
    image = noise()
    views = []
    for seed in (1, 1, 4):
        reseed(seed)
        views.append(distorted(image))
    assert views[0].dtype == torch.uint8
    assert views[0].shape == image.shape
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
