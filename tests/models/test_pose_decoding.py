"""Heatmaps to joints: peaks, mirrored passes, places in the picture."""

import math

import pytest
import torch
from torch import Tensor

from video_uniformer.models.heads.pose_decoding import flip_back, map_to_picture, peaks

HEIGHT, WIDTH = 6, 7


def heatmap(**values: float) -> Tensor:
    """Zeros but for values at `cXrY`, column X and row Y."""
    drawn = torch.zeros(HEIGHT, WIDTH)
    for place, value in values.items():
        drawn[int(place[3]), int(place[1])] = value
    return drawn


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"c3r2": 9}, (3, 2)),
        ({"c3r2": 9, "c4r2": 5}, (3.25, 2)),
        ({"c3r2": 9, "c4r2": 5, "c2r2": 6}, (2.75, 2)),
        ({"c3r2": 9, "c3r3": 5}, (3, 2.25)),
        ({"c3r2": 9, "c3r1": 5, "c2r2": 1}, (2.75, 1.75)),
        ({"c3r2": 9, "c2r2": -1}, (3.25, 2)),
        # Columns 2 to 5 and rows 2 to 4 are inner ones, of 7 and 6.
        ({"c2r2": 9, "c3r2": 1, "c2r3": 1}, (2.25, 2.25)),
        ({"c5r4": 9, "c6r4": 1, "c5r5": 1}, (5.25, 4.25)),
        ({"c1r2": 9, "c2r2": 1, "c1r3": 1}, (1, 2)),
        ({"c2r1": 9, "c3r1": 1, "c2r2": 1}, (2, 1)),
        ({"c6r4": 9, "c5r4": 1, "c6r3": 1}, (6, 4)),
        ({"c5r5": 9, "c4r5": 1, "c5r4": 1}, (5, 5)),
        ({"c0r0": 9, "c1r0": 1}, (0, 0)),
    ],
)
def test_peaks_lean_to_the_higher_neighbour_off_the_border(
    values: dict[str, float], expected: tuple[float, float]
) -> None:
    keypoints, scores = peaks(heatmap(**values)[None])
    assert keypoints.tolist() == [list(expected)]
    assert scores.tolist() == [9]


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_without_a_positive_value_there_is_no_peak(value: float) -> None:
    keypoints, scores = peaks(torch.full((1, HEIGHT, WIDTH), value))
    assert keypoints.tolist() == [[-1, -1]]
    assert scores.isnan().item() if math.isnan(value) else scores.tolist() == [value]


def test_batches_and_joints_are_independent() -> None:
    torch.manual_seed(0)
    heatmaps = torch.randn(3, 4, 9, 8)
    keypoints, scores = peaks(heatmaps)
    assert keypoints.shape == (3, 4, 2)
    assert scores.shape == (3, 4)
    for person in range(3):
        for joint in range(4):
            alone, score = peaks(heatmaps[person, joint][None])
            assert torch.equal(alone[0], keypoints[person, joint])
            assert torch.equal(score[0], scores[person, joint])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_quarters_of_cells_survive_any_precision(dtype: torch.dtype) -> None:
    heatmaps = torch.zeros(1, 90, 90, dtype=dtype)
    heatmaps[0, 80, 81], heatmaps[0, 80, 82] = 1, 0.5
    keypoints, scores = peaks(heatmaps)
    assert keypoints.tolist() == [[81.25, 80]]
    assert keypoints.dtype == scores.dtype == torch.float32


def test_heatmaps_of_one_cell_have_a_peak() -> None:
    assert peaks(torch.ones(1, 1, 1))[0].tolist() == [[0, 0]]


def test_mirrored_heatmaps_swap_sides_and_move_one_cell() -> None:
    first, second, third = [[1.0, 2, 3, 4]], [[5.0, 6, 7, 8]], [[9.0, 10, 11, 12]]
    back = flip_back(torch.tensor([[first, second, third]]), [(1, 2)])
    assert back.tolist() == [[[[4, 4, 3, 2]], [[12, 12, 11, 10]], [[8, 8, 7, 6]]]]


def test_mirrored_heatmaps_stay_as_they_are() -> None:
    heatmaps = torch.randn(1, 3, 4, 5)
    kept = heatmaps.clone()
    flip_back(heatmaps, [(0, 1)])
    assert torch.equal(heatmaps, kept)


def test_cells_are_mapped_to_the_picture_by_hand() -> None:
    cells = torch.tensor([[[0.0, 0], [24, 32], [48, 64]], [[12, 16], [-1, -1], [0.25, 0.5]]])
    centers, scales = torch.tensor([[50.0, 60], [10, 20]]), torch.tensor([[96.0, 128], [24, 32]])
    found = map_to_picture(cells, centers, scales, height=64, width=48)
    assert found.tolist() == [
        [[2, -4], [50, 60], [98, 124]],
        [[4, 12], [-2.5, 3.5], [-1.875, 4.25]],
    ]


def test_decoding_a_pass_and_its_mirror_image_agree_up_to_the_shift() -> None:
    torch.manual_seed(0)
    heatmaps = torch.rand(1, 2, 8, 8)
    mirrored = heatmaps.flip(-1)[:, [1, 0]]
    back = flip_back(mirrored, [(0, 1)])
    assert torch.equal(back[..., 1:], heatmaps[..., :-1])
