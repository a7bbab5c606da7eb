"""Masks as COCO's compressed run lengths."""

import numpy as np
import numpy.typing as npt
import pytest

from video_uniformer.inference.rle import decode_mask, encode_mask


def random_mask(height: int, width: int, share: float, seed: int = 0) -> npt.NDArray[np.bool_]:
    return np.random.default_rng(seed).random((height, width)) < share


def large_disc() -> npt.NDArray[np.bool_]:
    """Runs of hundreds of pixels, which grow and shrink."""
    rows, columns = np.ogrid[:700, :500]
    return (rows - 340) ** 2 + (columns - 260) ** 2 < 200**2


MASKS = [
    *(random_mask(height, width, 0.5) for height, width in ((1, 1), (1, 9), (9, 1), (37, 53))),
    *(random_mask(60, 80, share) for share in (0.001, 0.1, 0.9, 0.999)),
    np.zeros((20, 30), bool),
    np.ones((20, 30), bool),
    np.ones((4000, 3000), bool),
    large_disc(),
    ~large_disc(),
]


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        ([[0, 1], [1, 1]], "13"),  # runs 1, 3
        ([[1, 0], [1, 0]], "022"),  # 0, 2, 2: the first run is of zeros
        ([[0, 0, 0], [0, 0, 0]], "6"),
        ([[1, 1, 1]], "03"),
        ([[0] * 15], "?"),  # the largest number of one character
        ([[0] * 16], "`0"),  # 16 = 16 + 0 * 32, more to come, whose sign is plus
        ([[0] * 40], "X1"),  # 8 + 1 * 32
        ([[0, 1, 1, 1, 0, 0, 1]], "132N"),  # 1, 3, 2, 1 - 3 = -2
        ([[0] + [1] * 40 + [0] * 2 + [1]], "1X12iN"),  # 1, 40, 2, 1 - 40 = -39
    ],
)
def test_runs_are_written_in_base_32(mask: list[list[int]], counts: str) -> None:
    assert encode_mask(np.array(mask)) == counts
    assert decode_mask(counts, len(mask), len(mask[0])).tolist() == np.array(mask, bool).tolist()


@pytest.mark.parametrize("mask", MASKS)
def test_decoding_undoes_encoding(mask: npt.NDArray[np.bool_]) -> None:
    assert np.array_equal(decode_mask(encode_mask(mask), *mask.shape), mask)


@pytest.mark.parametrize("mask", MASKS)
def test_coco_writes_the_same(mask: npt.NDArray[np.bool_]) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    theirs = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert encode_mask(mask) == theirs["counts"].decode()


def test_any_number_but_zero_belongs_to_the_object() -> None:
    assert encode_mask(np.array([[0, 255], [-1, 2]])) == "13"


@pytest.mark.parametrize("shape", [(4,), (2, 2, 1), (0, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"mask is \(.*\), expected \(height, width\)"):
        encode_mask(np.zeros(shape, bool))


@pytest.mark.parametrize("counts", ["1", "", "5", "4N"])
def test_counts_of_another_size_are_refused(counts: str) -> None:
    with pytest.raises(ValueError, match=r"counts is of .* pixels, expected 4, 2 x 2"):
        decode_mask(counts, 2, 2)


def test_negative_run_is_refused() -> None:
    with pytest.raises(ValueError, match="counts is of 4 pixels, expected 4"):
        decode_mask("6N", 2, 2)


@pytest.mark.parametrize("character", ["/", "p", "\n", "é"])
def test_unknown_character_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match=r"counts has .*, expected characters '0' to 'o'"):
        decode_mask(f"1{character}", 2, 2)


def test_number_cut_short_is_refused() -> None:
    with pytest.raises(ValueError, match="counts ends within a number"):
        decode_mask("1`", 2, 2)
