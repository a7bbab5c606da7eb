"""Heatmaps of a pose network as joints of a picture.

Source: mmpose 0.16, `top_down_eval.py` (`keypoints_from_heatmaps`, default post-processing),
`post_transforms.py` (`flip_back`, `transform_preds`) and `top_down_simple_head.py`
(`shift_heatmap`).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def flip_back(heatmaps: Tensor, flip_pairs: Sequence[tuple[int, int]]) -> Tensor:
    """The heatmaps of mirrored pictures as those of the pictures themselves.

    Left and right change places, and everything moves one cell to the right, where the first column
    stands twice: mirrored and shrunk pictures are off by about that.

    Args:
        heatmaps: Of mirrored pictures.
        flip_pairs: Joints that change places.

    Shape:
        (..., J, h, w), unchanged.
    """
    order = list(range(heatmaps.shape[-3]))
    for left, right in flip_pairs:
        order[left], order[right] = right, left
    mirrored = heatmaps.flip(-1).index_select(-3, torch.tensor(order, device=heatmaps.device))
    return torch.cat([mirrored[..., :1], mirrored[..., :-1]], dim=-1)


def peaks(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Where each heatmap is highest, and how high.

    A peak lies a quarter of a cell towards the higher neighbour, in x and in y; not near a border.

    Shape:
        (..., J, h, w) -> x and y in cells (..., J, 2), and scores (..., J), float32. Heatmaps
        without a value above 0 have their peak at (-1, -1).
    """
    height, width = heatmaps.shape[-2:]
    flat = heatmaps.flatten(-2).float()  # bfloat16 has no quarters of cells beyond 64
    scores, places = flat.max(-1)
    columns, rows = places % width, places // width
    # Official: the second row and column count as a border, the last but one do not.
    is_inner = (columns > 1) & (columns < width - 1) & (rows > 1) & (rows < height - 1)
    centres = torch.where(is_inner, places, 0)

    def slope(step: int) -> Tensor:
        """The sign of what a step forward has more than a step back."""
        after, before = centres + step, centres - step
        # Out of range only where there is no inner cell at all.
        neighbours = torch.stack([after, before], -1).clamp(0, height * width - 1)
        values = flat.gather(-1, neighbours)
        return (values[..., 0] - values[..., 1]).sign() * is_inner

    keypoints = torch.stack([columns + slope(1) / 4, rows + slope(width) / 4], dim=-1)
    is_found = (scores > 0).unsqueeze(-1)
    return torch.where(is_found, keypoints, -1.0), scores


def map_to_picture(
    keypoints: Tensor, centers: Tensor, scales: Tensor, *, height: int, width: int
) -> Tensor:
    """Points of heatmaps as points of the pictures that the crops were cut from.

    Args:
        keypoints: x and y, cells.
        centers: x and y of each crop's centre in its picture, pixels.
        scales: Width and height of each crop in its picture, pixels.
        height: Of the heatmaps, cells.
        width: Likewise.

    Shape:
        (B, J, 2), (B, 2) and (B, 2) -> (B, J, 2).
    """
    cells = torch.tensor([width, height], device=keypoints.device)
    corners = centers - scales / 2
    return keypoints * (scales / cells).unsqueeze(1) + corners.unsqueeze(1)


def find_joints(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    centers: Tensor,
    scales: Tensor,
    *,
    flip_pairs: Sequence[tuple[int, int]] | None,
) -> tuple[Tensor, Tensor]:
    """The joints of persons in the pictures that they were cut from.

    Official: mmpose 0.16 `TopDown.forward_test`, with the configured flip test.

    Args:
        network: Gives heatmaps of images.
        images: Of the crops.
        centers: As in `map_to_picture`.
        scales: As there.
        flip_pairs: As in `flip_back`, to see every crop mirrored too; None sees it once.

    Shape:
        (B, 3, H, W), (B, 2) and (B, 2) -> x and y (B, J, 2), pixels, and scores (B, J).
    """
    heatmaps = network(images)
    if flip_pairs is not None:
        heatmaps = (heatmaps + flip_back(network(images.flip(-1)), flip_pairs)) / 2
    cells, scores = peaks(heatmaps)
    height, width = heatmaps.shape[-2:]
    return map_to_picture(cells, centers, scales, height=height, width=width), scores
