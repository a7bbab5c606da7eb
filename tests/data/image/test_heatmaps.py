"""Targets of pose networks: where the Gaussians stand, and which joints count."""

import math

import pytest
import torch
from torch import Tensor

from video_uniformer.data.image.heatmaps import STRIDE, heatmap_targets
from video_uniformer.models.heads.pose_decoding import map_to_picture, peaks

HEIGHT, WIDTH = 16, 12


def targets(*points: tuple[float, float], sigma: float = 2, visible: int = 1) -> tuple[Tensor, ...]:
    flags = torch.full((len(points),), visible)
    return heatmap_targets(torch.tensor(points), flags, height=HEIGHT, width=WIDTH, sigma=sigma)


@pytest.mark.parametrize(
    ("point", "cell"),
    [
        ((0, 0), (0, 0)),
        ((1.9, 2.1), (0, 1)),
        ((2, 6), (1, 2)),
        ((20, 33.9), (5, 8)),
        ((44, 60), (11, 15)),
        # Below zero `int` rounds up: -5 / 4 + 1/2 = -0.75 -> 0.
        ((-5, -5), (0, 0)),
    ],
)
def test_the_gaussian_stands_at_the_nearest_cell(
    point: tuple[float, float], cell: tuple[int, int]
) -> None:
    heatmaps, weights = targets(point)
    assert heatmaps.shape == (1, HEIGHT, WIDTH)
    assert heatmaps.dtype == weights.dtype == torch.float32
    assert divmod(int(heatmaps.argmax()), WIDTH) == cell[::-1]
    assert float(heatmaps.max()) == 1
    assert weights.tolist() == [1]


def test_values_fall_as_a_gaussian_and_end_at_three_sigma() -> None:
    heatmap = targets((24, 32), sigma=1)[0][0]  # around column 6, row 8
    row = [0, math.exp(-4.5), math.exp(-2), math.exp(-0.5), 1, math.exp(-0.5)]
    assert heatmap[8, 2:8].tolist() == pytest.approx(row)
    assert heatmap[5, 3:7].tolist() == pytest.approx(
        [math.exp(-(4.5 + n)) for n in (4.5, 2, 0.5, 0)]
    )
    assert not heatmap[:5].any()
    assert not heatmap[12:].any()
    assert int((heatmap > 0).sum()) == 49


def test_a_gaussian_over_the_border_is_cut() -> None:
    whole, cut = targets((20, 32), (-8, 32))[0]  # around columns 5, and -2 + 1/2 -> -1
    assert torch.equal(cut[:, :6], whole[:, 6:])
    assert cut[8, 0] == pytest.approx(math.exp(-1 / 8))
    assert not cut[:, 6:].any()


@pytest.mark.parametrize(
    ("x", "weight", "is_empty"),
    [
        # sigma 2, so six cells to each side; 12 columns, the last is 11.
        (4 * 17, 1, False),
        (4 * 18, 0, True),
        (4 * 100, 0, True),
        (-4 * 6.5, 1, False),
        # Cell -7 reaches to -1 only, and counts nevertheless.
        (-4 * 7.5, 1, True),
        (-4 * 8.5, 0, True),
    ],
)
def test_joints_far_outside_do_not_count(x: float, weight: float, is_empty: bool) -> None:
    for point in ((x, 32.0), (24.0, x if x < 0 else x + 16)):
        heatmaps, weights = targets(point)
        assert weights.tolist() == [weight]
        assert bool(heatmaps.any()) is not is_empty


def test_joints_that_are_not_labelled_have_neither_target_nor_weight() -> None:
    heatmaps, weights = targets((24, 32), visible=0)
    assert not heatmaps.any()
    assert weights.tolist() == [0]


def test_unlabelled_joints_may_be_anywhere() -> None:
    heatmaps, weights = targets((math.nan, math.inf), visible=0)
    assert not heatmaps.any()
    assert weights.tolist() == [0]


def test_a_joint_is_found_within_half_a_cell_of_where_it_was() -> None:
    torch.manual_seed(0)
    points = torch.rand(50, 2) * torch.tensor([STRIDE * (WIDTH - 1.0), STRIDE * (HEIGHT - 1.0)])
    heatmaps, _ = heatmap_targets(points, torch.ones(50), height=HEIGHT, width=WIDTH, sigma=2)
    cells, scores = peaks(heatmaps)
    center, scale = torch.tensor([[24.0, 32.0]]), torch.tensor([[48.0, 64.0]])
    found = map_to_picture(cells[None], center, scale, height=HEIGHT, width=WIDTH)[0]
    assert (found - points).abs().max() <= STRIDE / 2
    assert (found - points).abs().max() > STRIDE / 4
    assert scores.tolist() == [1] * 50
