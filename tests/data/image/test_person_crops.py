"""Where a person's crop lies in the picture, and what of the picture it shows."""

import math

import numpy as np
import pytest
import torch
from drawn_pictures import noise
from hostile_pictures import photo
from PIL import Image

from video_uniformer.clip import PersonSpec
from video_uniformer.data.image.person_crops import (
    Region,
    crop_matrix,
    inverse,
    map_points,
    person_region,
    warp,
)

SPEC = PersonSpec(256, 192)


@pytest.mark.parametrize(
    ("box", "region"),
    [
        # Input 192 x 256: aspect 3/4; everything 5/4 larger.
        ((10, 20, 30, 40), (25, 40, 37.5, 50)),
        ((10, 20, 60, 40), (40, 40, 75, 100)),
        ((10, 20, 30, 80), (25, 60, 75, 100)),
        ((0, 0, 1, 1), (0.5, 0.5, 1.25, 5 / 3)),
    ],
)
def test_boxes_are_widened_to_the_inputs_aspect_and_padded(
    box: tuple[float, float, float, float], region: tuple[float, ...]
) -> None:
    assert person_region(box, SPEC) == pytest.approx(region)


def test_padding_is_that_of_the_spec() -> None:
    region = person_region((10, 20, 30, 40), PersonSpec(256, 192, padding=2.0))
    assert region == (25, 40, 60, 80)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        # Region of 40 x 80 around (30, 20) to 20 x 40: scale 1/2, (30, 20) -> (10, 20).
        (0, [[0.5, 0, -5], [0, 0.5, 10]]),
        (90, [[0, 0.5, 0], [-0.5, 0, 35]]),
        (180, [[-0.5, 0, 25], [0, -0.5, 30]]),
        # cos 0.8 and sin 0.6: 10 - 0.4 x 30 - 0.3 x 20 = -8 and 20 + 0.3 x 30 - 0.4 x 20 = 21.
        (math.degrees(math.asin(0.6)), [[0.4, 0.3, -8], [-0.3, 0.4, 21]]),
    ],
)
def test_crop_matrices_by_hand(degrees: float, expected: list[list[float]]) -> None:
    matrix = crop_matrix(Region(30, 20, 40, 80), degrees, height=40, width=20)
    torch.testing.assert_close(matrix, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("degrees", [0, 25, -77])
def test_the_matrix_is_that_of_mmposes_three_points(degrees: float) -> None:
    x, y, width, height = 31.5, 47.25, 60.0, 80.0
    angle = math.radians(degrees)
    above = (x + width / 2 * math.sin(angle), y - width / 2 * math.cos(angle))
    # The third point: from the second, the way from it to the first turned by a right angle.
    third = (above[0] - (y - above[1]), above[1] + (x - above[0]))
    source = torch.tensor([(x, y, 1), (*above, 1), (*third, 1)], dtype=torch.float64)
    target = torch.tensor([(96, 128), (96, 32), (0, 32)], dtype=torch.float64)
    expected = torch.linalg.solve(source, target).T
    matrix = crop_matrix(Region(x, y, width, height), degrees, height=256, width=192)
    torch.testing.assert_close(matrix, expected)


def test_the_regions_edges_are_the_crops() -> None:
    matrix = crop_matrix(Region(30, 20, 40, 80), 0, height=40, width=20)
    corners = torch.tensor([(10.0, -20.0), (50.0, 60.0)])
    assert map_points(corners, matrix).tolist() == [[0, 0], [20, 40]]


def test_the_inverse_maps_back() -> None:
    matrix = crop_matrix(Region(30, 20, 40, 80), 33, height=40, width=20)
    points = torch.rand(5, 2, dtype=torch.float64) * 50
    torch.testing.assert_close(map_points(map_points(points, matrix), inverse(matrix)), points)


@pytest.mark.parametrize("width", [0, -1, math.nan])
def test_a_region_without_width_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match=r"region is .*, expected a width above 0"):
        crop_matrix(Region(1, 1, width, 1), 0, height=4, width=4)


def test_the_identity_shows_the_picture_itself() -> None:
    pixels = noise(1, 12, 9)
    matrix = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
    crop = warp(pixels, matrix, height=9, width=12)
    assert torch.equal(crop, torch.from_numpy(pixels).permute(2, 0, 1))


def test_a_shift_by_whole_pixels_shows_black_outside() -> None:
    pixels = noise(1, 12, 9)
    matrix = torch.tensor([[1.0, 0, -10], [0, 1, 2]], dtype=torch.float64)  # 10 left, 2 down
    crop = warp(pixels, matrix, height=9, width=12).permute(1, 2, 0).numpy()
    assert np.array_equal(crop[2:, :2], pixels[:7, 10:])
    assert not crop[:2].any()
    assert not crop[:, 2:].any()


def test_half_a_pixel_is_the_mean_of_two_and_at_the_edge_half_black() -> None:
    pixels = np.array([[[100, 0, 10], [200, 50, 20]]], np.uint8)
    matrix = torch.tensor([[1.0, 0, 0.5], [0, 1, 0]], dtype=torch.float64)
    crop = warp(pixels, matrix, height=1, width=3)
    assert crop[:, 0].tolist() == [[50, 150, 100], [0, 25, 25], [5, 15, 10]]


@pytest.mark.parametrize("shift", [(100, 0), (-100, 0), (0, 100), (0, -100)])
def test_a_crop_outside_the_picture_is_black(shift: tuple[int, int]) -> None:
    matrix = torch.tensor([[1.0, 0, shift[0]], [0, 1, shift[1]]], dtype=torch.float64)
    crop = warp(noise(1, 12, 9), matrix, height=9, width=12)
    assert crop.shape == (3, 9, 12)
    assert not crop.any()


@pytest.mark.parametrize("sides", [(1, 1), (1, 7), (7, 1)])
def test_pictures_of_one_line_are_warped(sides: tuple[int, int]) -> None:
    pixels = np.full((*sides, 3), 90, np.uint8)
    matrix = crop_matrix(Region(0, 0, 4, 4), 0, height=4, width=4)
    assert int(warp(pixels, matrix, height=4, width=4)[0, 2, 2]) == 90


@pytest.mark.parametrize("degrees", [0, 30, -75])
@pytest.mark.parametrize("width", [30, 90])
def test_warps_are_pillows_within_a_grey_level(degrees: float, width: float) -> None:
    pixels = np.asarray(photo(160, 200))
    matrix = crop_matrix(Region(100.3, 80.6, width, width * 4 / 3), degrees, height=64, width=48)
    crop = warp(pixels, matrix, height=64, width=48).permute(1, 2, 0)
    # Pillow counts from the pixels' corners.
    (a, b, c), (d, e, f) = inverse(matrix).tolist()
    coefficients = (a, b, c + (1 - a - b) / 2, d, e, f + (1 - d - e) / 2)
    expected = Image.fromarray(pixels).transform(
        (48, 64), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    difference = crop.short() - torch.from_numpy(np.array(expected)).short()
    assert difference.abs().max() <= 1
    assert crop.float().std() > 10
