"""Index masks: pictures of which each value is the class of its pixel."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from video_uniformer.data.image.picture import PictureError, picture_errors, read_content

IGNORED = 255
"""The label of pixels that belong to no class: they count neither in losses nor in metrics."""

Labels = npt.NDArray[np.uint8]
"""(H, W), class indices and `IGNORED`."""

_INDEX_MODES = ("1", "L", "P", "I")
# Pillow spreads grey of 2 and 4 bits over 0 to 255, though not indices of a palette.
_SPREAD = {"L;2": 85, "L;4": 17}
_REDUCED = np.array([IGNORED, *range(IGNORED - 1), IGNORED], np.uint8)


def read_mask(
    path: Path, *, height: int, width: int, num_classes: int, reduce_zero_label: bool = False
) -> Labels:
    """Read the mask of a picture.

    Args:
        path: A PNG, or another kind of file that keeps values; grey of 1 to 16 bits, or a palette,
            whose indices are the labels.
        height: Of the upright picture, pixels.
        width: Likewise.
        num_classes: Classes, up to 255, or up to 254 that are counted from 1.
        reduce_zero_label: The classes are counted from 1, and 0 is ignored; see `reduced_labels`.

    Raises:
        PictureError: It is damaged, of another kind or size, or holds labels that are no classes.
        OSError: The file cannot be read.
    """
    values = read_index_mask(path, height=height, width=width)
    last = num_classes if reduce_zero_label else num_classes - 1
    wrong = values[(values < 0) | ((values > last) & (values != IGNORED))]
    if wrong.size:
        counted_from_1 = not reduce_zero_label and wrong.min() == wrong.max() == num_classes
        hint = "; reduce_zero_label is for classes counted from 1" if counted_from_1 else ""
        raise PictureError(
            f"{path}: label {wrong[0]} in {wrong.size} pixels that are no class, expected 0 to "
            f"{last}, or {IGNORED} for ignored ones{hint}"
        )
    labels = values.astype(np.uint8)
    return reduced_labels(labels) if reduce_zero_label else labels


def read_index_mask(path: Path, *, height: int, width: int) -> npt.NDArray[np.integer]:
    """Read the values of a mask (H, W) as they are stored.

    Args:
        path: As of `read_mask`.
        height: Expected, pixels.
        width: Likewise.

    Raises:
        PictureError: It is damaged, or of another kind or size.
        OSError: The file cannot be read.
    """
    content = read_content(path)
    if not content:
        raise PictureError(f"{path}: empty, expected a mask")
    with picture_errors(path):
        file = Image.open(io.BytesIO(content))
    _check_kind(path, file)
    if file.size != (width, height):
        raise PictureError(
            f"{path}: mask of {file.width} x {file.height} pixels, expected {width} x {height}, "
            "as its picture"
        )
    spread = _SPREAD.get(str(file.tile[0][3]), 1) if file.tile else 1
    with picture_errors(path):
        values = np.array(file)
    return values.astype(np.uint8) if values.dtype == np.bool_ else values // spread


def reduced_labels(labels: Labels) -> Labels:
    """Labels whose classes are counted from 1 as those counted from 0.

    Source: mmsegmentation 0.13, `LoadAnnotations` with `reduce_zero_label`.

    Args:
        labels: 0 is what belongs to no class, as is 255.

    Returns:
        0 becomes 255, 255 stays, and all others are one less.
    """
    return _REDUCED[labels]


def _check_kind(path: Path, file: Image.Image) -> None:
    if file.format in ("JPEG", "MPO"):
        raise PictureError(f"{path}: a JPEG, which alters labels, expected a PNG")
    if file.mode.split(";")[0] not in _INDEX_MODES:
        raise PictureError(
            f"{path}: of mode {file.mode}, expected a mask of one whole number a pixel: grey, or a "
            "palette"
        )
