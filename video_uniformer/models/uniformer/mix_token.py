"""MixToken: a batch mixed with its reverse inside the network, for training with token labels.

Jiang et al., "All Tokens Matter: Token Labeling for Training Better Vision Transformers" (arXiv
2104.10858), "Training with MixToken"; numerics as of the authors' `token_labeling`.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Beta

REDUCTION = 8  # from the map after the stem to that of the last stage


class TokenBox(NamedTuple):
    """Cells of a map, those from `top` to before `bottom` and from `left` to before `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def area(self) -> int:
        """Number of cells."""
        return (self.bottom - self.top) * (self.right - self.left)

    def on_last_map(self) -> "TokenBox":
        """The box of the map after the stem, on that of the last stage."""
        # Official: uniformer.py rounds all sides down; tokens that are mixed in part may be on
        # either side of the border.
        return TokenBox(*(side // REDUCTION for side in self))


class MixedLogits(NamedTuple):
    """What a network with token labels is trained on.

    Attributes:
        logits: (B, K), of the mixed features.
        token_logits: (B, N, K), row by row, put back to the sample that each token shows.
        box: The tokens that were another sample's.
        size: Rows and columns of the tokens.
    """

    logits: Tensor
    token_logits: Tensor
    box: TokenBox
    size: tuple[int, int]


def draw_box(rows: int, columns: int) -> TokenBox:
    """Draw the box that is mixed, whose share of the map is uniform before it is clipped.

    Args:
        rows: Of the map after the stem: H/4.
        columns: Of the same map: W/4.
    """
    share = 1 - float(Beta(1.0, 1.0).sample())
    sides = []
    for size in (rows, columns):
        half = int(size * share**0.5) // 2
        centre = int(torch.randint(size, ()))
        sides.append((max(centre - half, 0), min(centre + half, size)))
    (top, bottom), (left, right) = sides
    return TokenBox(top, left, bottom, right)


def swap(x: Tensor, box: TokenBox) -> Tensor:
    """The maps with the cells of a box from the batch in reverse.

    Shape:
        (B, ..., H, W), unchanged; x itself keeps its values.
    """
    cells = (..., slice(box.top, box.bottom), slice(box.left, box.right))
    swapped = x.clone()
    swapped[cells] = x[cells].flip(0)
    return swapped


def unmix(token_logits: Tensor, box: TokenBox, size: tuple[int, int]) -> Tensor:
    """Put the logits (B, N, K) of tokens in a box back to the samples that they show."""
    maps = token_logits.transpose(1, 2).unflatten(2, size)  # (B, K, H, W)
    return swap(maps, box).flatten(2).transpose(1, 2)
