"""Scores of pixels, a few rows at a time: the same as all at once."""

from collections.abc import Iterable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from video_uniformer.inference.score_rows import (
    ROWS,
    resized_rows,
    whole_rows,
    window_starts,
    windowed_rows,
)


def quartered(picture: Tensor) -> Tensor:
    """Logits of a cell are sums of its 4 x 4 pixels, which no other cell sees."""
    means = F.avg_pool2d(picture.float(), 4)  # (3, h / 4, w / 4)
    weights = torch.tensor([[1.0, -2.0, 0.5], [0.3, 1.0, -1.0], [-1.0, 0.2, 1.0], [0.1, 0.1, 0.1]])
    return torch.einsum("kc,chw->khw", weights, means)


def blurred(picture: Tensor) -> Tensor:
    """Logits that see two cells to each side, and zeros beyond the border."""
    kernel = torch.linspace(0.5, 1.5, 25).view(1, 1, 5, 5)
    return F.conv2d(quartered(picture)[:, None], kernel, padding=2)[:, 0]


def picture_of(height: int, width: int) -> Tensor:
    source = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(1, 3, height // 16 + 2, width // 16 + 2, generator=source)
    return F.interpolate(coarse, (height, width), mode="bicubic")[0].mul(255).clamp(0, 255).byte()


def joined(rows: Iterable[Tensor]) -> Tensor:
    return torch.cat([block.clone() for block in rows], dim=1)


@pytest.mark.parametrize("size", [(9, 7), (64, 20), (100, 33), (1, 1)])
@pytest.mark.parametrize("target", [(9, 7), (130, 40), (31, 5), (1, 1), (200, 3)])
@pytest.mark.parametrize("block", [1, 5, 32, 100])
def test_rows_are_resized_as_the_whole(
    size: tuple[int, int], target: tuple[int, int], block: int
) -> None:
    scores = torch.randn(3, *size, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(scores[None], target, mode="bilinear")[0]
    found = joined(resized_rows(scores.split(block, dim=1), size[0], *target))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_rows_of_the_wanted_size_stay_bit_for_bit() -> None:
    scores = torch.randn(3, 70, 11)
    assert torch.equal(joined(resized_rows(scores.split(7, dim=1), 70, 70, 11)), scores)


def test_rows_come_in_equal_blocks() -> None:
    blocks = resized_rows([torch.zeros(2, 10, 4)], 10, 2 * ROWS + 3, 4)
    assert [block.shape[1] for block in blocks] == [ROWS, ROWS, 3]


def test_whole_picture_is_resized_to_itself_first() -> None:
    picture = picture_of(48, 80)
    expected = F.interpolate(quartered(picture)[None], (48, 80), mode="bilinear")[0]
    torch.testing.assert_close(joined(whole_rows(quartered, picture)), expected)


@pytest.mark.parametrize(
    ("length", "window", "stride", "expected"),
    [
        (10, 4, 3, [0, 3, 6]),  # fits exactly
        (11, 4, 3, [0, 3, 6, 7]),  # the last is moved back inside
        (4, 4, 3, [0]),
        (3, 4, 3, [0]),  # smaller than a window
        (5, 4, 4, [0, 1]),
        (8, 4, 4, [0, 4]),
        (683, 512, 341, [0, 171]),
        (2048, 512, 341, [0, 341, 682, 1023, 1364, 1536]),
    ],
)
def test_windows_begin_on_a_grid_and_lie_inside(
    length: int, window: int, stride: int, expected: list[int]
) -> None:
    assert window_starts(length, window, stride) == expected


def sums_of_all_windows(picture: Tensor, window: int, stride: int) -> Tensor:
    """The average that keeps everything in memory."""
    height, width = picture.shape[1:]
    sums, counts = torch.zeros(4, height, width), torch.zeros(height, width)
    for top in window_starts(height, window, stride):
        for left in window_starts(width, window, stride):
            crop = picture[:, top : top + window, left : left + window]
            logits = F.interpolate(blurred(crop)[None], crop.shape[1:], mode="bilinear")[0]
            sums[:, top : top + window, left : left + window] += logits
            counts[top : top + window, left : left + window] += 1
    return sums / counts


@pytest.mark.parametrize("size", [(96, 128), (97, 131), (64, 300), (300, 64), (40, 50)])
@pytest.mark.parametrize(("window", "stride"), [(64, 40), (64, 64), (64, 17), (48, 33)])
def test_bands_give_exactly_the_average_of_all(
    size: tuple[int, int], window: int, stride: int
) -> None:
    picture = picture_of(*size)
    found = joined(windowed_rows(blurred, picture, window=window, stride=stride))
    assert torch.equal(found, sums_of_all_windows(picture, window, stride))


def test_window_larger_than_the_picture_shows_it_whole() -> None:
    picture = picture_of(48, 80)
    windows = windowed_rows(blurred, picture, window=512, stride=341)
    whole = joined(whole_rows(blurred, picture))
    torch.testing.assert_close(joined(windows), whole, atol=1e-3, rtol=0)


def far_from_borders(length: int, window: int, stride: int, margin: int) -> Tensor:
    """Where no window that covers a place ends within the margin."""
    far = torch.ones(length, dtype=torch.bool)
    for start in window_starts(length, window, stride):
        far[start : start + margin] = False
        far[start + window - margin : start + window] = False
    return far


def test_windows_answer_as_the_whole_away_from_their_borders() -> None:
    picture = picture_of(192, 256)
    # Two cells of the kernel and half a cell of the resizing, of 4 pixels each.
    far = [far_from_borders(length, 96, 64, 12) for length in picture.shape[1:]]
    inside = far[0][:, None] & far[1]
    whole = joined(whole_rows(blurred, picture))
    windows = joined(windowed_rows(blurred, picture, window=96, stride=64))
    assert inside.float().mean() > 0.2
    assert not torch.equal(whole.argmax(0), windows.argmax(0))  # at the borders
    assert torch.equal(whole.argmax(0)[inside], windows.argmax(0)[inside])
    torch.testing.assert_close(whole[:, inside], windows[:, inside], rtol=1e-4, atol=1e-2)
