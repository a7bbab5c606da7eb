"""Scores of a picture's pixels, a few rows at a time, so that they never stand in memory at once.

150 classes of a photograph of 12 megapixels are 7 gigabytes.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 32  # of a block

Score = Callable[[Tensor], Tensor]
"""From uint8 (3, h, w) to logits (K, h', w') of any smaller size."""


def resized_rows(
    blocks: Iterable[Tensor], height: int, target_height: int, target_width: int
) -> Iterator[Tensor]:
    """Resize rows that come in blocks; as `F.interpolate`, bilinear, `align_corners=False`.

    Args:
        blocks: The rows from top to bottom.
        height: Number of rows that come.
        target_height: Rows wanted.
        target_width: Columns wanted.

    Shape:
        blocks (K, n, w) -> blocks (K, ROWS, W), the last of what is left.
    """
    upper, lower, shares = _places(height, target_height)
    rest, held, first = iter(blocks), None, 0  # `held` begins with row `first`
    for top in range(0, target_height, ROWS):
        wanted = slice(top, min(top + ROWS, target_height))
        start, end = int(upper[wanted.start]), int(lower[wanted.stop - 1])
        while held is None or first + held.shape[1] <= end:
            block = next(rest)
            if held is None:
                held = block
                continue
            num_passed = min(start - first, held.shape[1])
            first += num_passed
            held = torch.cat([held[:, num_passed:], block], dim=1)
        rows = held[:, start - first : end - first + 1]
        if height != target_height:
            above, below = ((places[wanted] - start).to(rows.device) for places in (upper, lower))
            rows = rows[:, above].lerp_(rows[:, below], shares[wanted, None].to(rows.device))
        yield _with_width(rows[:, : wanted.stop - top], target_width)


def _places(height: int, target_height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per wanted row the rows above and below it, and the share of the one below."""
    centres = torch.arange(target_height, dtype=torch.float32) + 0.5
    sources = (centres * (height / target_height) - 0.5).clamp_(min=0)
    upper = sources.long().clamp_(max=height - 1)
    return upper, (upper + 1).clamp_(max=height - 1), sources - upper


def _with_width(rows: Tensor, width: int) -> Tensor:
    if rows.shape[2] == width:
        return rows
    return F.interpolate(rows[None], (rows.shape[1], width), mode="bilinear")[0]


def whole_rows(score: Score, picture: Tensor) -> Iterator[Tensor]:
    """Logits of a picture that the network sees as a whole.

    Args:
        score: The network.
        picture: uint8 (3, h, w).

    Returns:
        Blocks (K, up to ROWS, w), from top to bottom.
    """
    # Official: the logits are resized to the network's input before they are resized to the
    # picture's own size; once would be natural.
    logits = score(picture)
    return resized_rows(logits.split(ROWS, dim=1), logits.shape[1], *picture.shape[1:])


def windowed_rows(score: Score, picture: Tensor, *, window: int, stride: int) -> Iterator[Tensor]:
    """Logits of a picture that the network sees through windows, averaged where they overlap.

    Source: mmsegmentation's `slide_inference`, which keeps all logits instead.

    Args:
        score: The network.
        picture: uint8 (3, h, w).
        window: Height and width of a window, pixels; less where the picture is smaller.
        stride: Pixels from one window to the next.

    Returns:
        Blocks (K, up to ROWS, w), from top to bottom.
    """
    height, width = picture.shape[1:]
    tops, lefts = window_starts(height, window, stride), window_starts(width, window, stride)
    across = _counts(lefts, window, width).to(picture.device)
    down = _counts(tops, window, height)[:, None].to(picture.device)
    band = None  # the sums of the rows from `top` on
    for top, next_top in pairwise([*tops, height]):
        for left in lefts:
            crop = picture[:, top : top + window, left : left + window]
            logits = F.interpolate(score(crop)[None], crop.shape[1:], mode="bilinear")[0]
            if band is None:
                band = logits.new_zeros(len(logits), crop.shape[1], width)
            band[:, :, left : left + window] += logits
            del logits  # before the network needs memory
        assert band is not None
        for start in range(top, next_top, ROWS):
            end = min(start + ROWS, next_top)
            yield band[:, start - top : end - top] / (down[start:end] * across)
        _move_up(band, next_top - top)


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Where windows begin along a side; the last is moved back to lie inside.

    Args:
        length: Of the side, pixels.
        window: Pixels of a window.
        stride: From one window to the next, pixels.
    """
    num = max(length - window + stride - 1, 0) // stride + 1
    return [max(0, min(number * stride, length - window)) for number in range(num)]


def _counts(starts: list[int], window: int, length: int) -> Tensor:
    """How many windows cover each pixel of a side."""
    counts = torch.zeros(length)
    for start in starts:
        counts[start : start + window] += 1
    return counts


def _move_up(band: Tensor, num_rows: int) -> None:
    """Drop the first rows, and begin as many new ones."""
    for plane in band:  # one by one, since what overlaps is copied
        plane[:-num_rows] = plane[num_rows:].clone()
    band[:, -num_rows:] = 0
