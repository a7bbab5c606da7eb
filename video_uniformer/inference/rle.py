"""Masks as COCO's compressed run lengths, the text in its annotation and result files.

A mask is read column by column; the lengths of its runs of zeros and ones, the first of zeros, are
written in base 32. From the fourth on a length is told by how much it exceeds the one before the
last. Source: `common/maskApi.c` of the COCO API, `rleEncode`, `rleToString`.
"""

import numpy as np
import numpy.typing as npt

_BITS, _SIGN, _MORE = 5, 16, 32  # of a character: its share of the number, and what the rest means
_FIRST = 48  # the character of 0
_DIRECT = 3  # lengths that stand for themselves


def encode_mask(mask: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> str:
    """Write a mask as `counts`, which COCO has beside the `size` [H, W].

    Args:
        mask: (H, W); what is not zero belongs to the object.

    Raises:
        ValueError: The mask has other dimensions, or no pixel.

    Example:
        >>> encode_mask(np.array([[0, 1], [1, 1]]))
        '13'
    """
    if mask.ndim != 2 or not mask.size:
        raise ValueError(f"mask is {mask.shape}, expected (height, width)")
    column_by_column = mask.astype(bool).ravel(order="F")
    changes = np.flatnonzero(column_by_column[1:] != column_by_column[:-1]) + 1
    ends = [*([0] if column_by_column[0] else []), *changes.tolist(), mask.size]
    lengths = np.diff(ends, prepend=0)
    lengths[_DIRECT:] -= lengths[_DIRECT - 2 : -2].copy()
    return "".join(map(_characters, lengths.tolist()))


def _characters(number: int) -> str:
    """A number in base 32, lowest digits first, with its sign in the last."""
    text = ""
    while True:
        digit, number = number & (_MORE - 1), number >> _BITS
        if number == (-1 if digit & _SIGN else 0):
            return text + chr(_FIRST + digit)
        text += chr(_FIRST + digit + _MORE)


def decode_mask(counts: str, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Read a mask from `counts` and the two numbers of `size`.

    Args:
        counts: As COCO compresses it.
        height: Of the mask, pixels.
        width: Of the mask, pixels.

    Returns:
        (H, W).

    Raises:
        ValueError: `counts` is damaged, or of a mask of another size.
    """
    lengths = _numbers(counts)
    for index in range(_DIRECT, len(lengths)):
        lengths[index] += lengths[index - 2]
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise ValueError(
            f"counts is of {sum(lengths)} pixels, expected {height * width}, {height} x {width}"
        )
    column_by_column = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return column_by_column.reshape((height, width), order="F")


def _numbers(counts: str) -> list[int]:
    numbers, number, shift = [], 0, 0
    for character in counts:
        digit = ord(character) - _FIRST
        if not 0 <= digit < 2 * _MORE:
            raise ValueError(f"counts has {character!r}, expected characters '0' to 'o'")
        number |= (digit & (_MORE - 1)) << shift
        shift += _BITS
        if not digit & _MORE:
            numbers.append(number - (1 << shift) if digit & _SIGN else number)
            number, shift = 0, 0
    if shift:
        raise ValueError("counts ends within a number, expected it whole")
    return numbers
