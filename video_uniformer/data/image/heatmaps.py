"""Training targets of pose networks: a Gaussian at every joint.

Source: mmpose 0.16, `top_down_transform.py`, `TopDownGenerateTarget` (MSRA).
"""

import torch
from torch import Tensor

STRIDE = 4  # pixels of the input per cell of a heatmap


def heatmap_targets(
    points: Tensor, visible: Tensor, *, height: int, width: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """Heatmaps and weights of one person.

    A Gaussian has the value 1 at the cell nearest to its joint, and 0 from 3 sigma on, in x as in
    y.

    Args:
        points: x and y of J joints in the network's input, pixels; of those that are not visible
            anything.
        visible: Which of them are labelled.
        height: Of the heatmaps, cells.
        width: Likewise.
        sigma: Standard deviation, cells.

    Shape:
        (J, 2) and (J,) -> float32 (J, height, width) and (J,): 1 where a joint counts, else 0.
    """
    visible = visible.bool()
    # `trunc`, as Python's `int`: below zero it rounds up.
    cells = (points.double() / STRIDE + 0.5).masked_fill(~visible[:, None], 0).trunc()  # (J, 2)
    radius = int(3 * sigma)
    sides = torch.tensor([width, height])
    # Official: a patch that ends right before the first cell counts, with an empty target.
    is_near = ((cells - radius < sides) & (cells + radius + 1 >= 0)).all(1)
    weights = (visible & is_near).float()
    across, down = (
        _bell(torch.arange(side) - cells[:, axis, None], radius, sigma)
        for axis, side in enumerate((width, height))
    )
    heatmaps = down[:, :, None] * across[:, None, :]  # (J, height, width)
    return (heatmaps * weights[:, None, None]).float(), weights


def _bell(distance: Tensor, radius: int, sigma: float) -> Tensor:
    return torch.exp(-distance.square() / (2 * sigma**2)) * (distance.abs() <= radius)
