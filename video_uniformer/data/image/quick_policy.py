"""timm's policies, with shears, shifts and sharpness made quicker and posterising made safe."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from timm.data.auto_augment import AugmentOp, AutoAugment, RandAugment

from video_uniformer.data.image import row_shifts

_SMOOTH_SIZE, _SMOOTH_SUM = 3, 13  # rows of the kernel, and the sum of its weights
Augment = Callable[[Image.Image], Image.Image]


def operations_of(augment: Augment) -> list[AugmentOp]:
    """The operations that timm's augmentation chooses among; none of any other."""
    if isinstance(augment, RandAugment):
        return list(augment.ops)
    if isinstance(augment, AutoAugment):
        return [operation for row in augment.policy for operation in row]
    return []


def mend_posterizing(augment: Augment) -> None:
    """Have posterising to no bits give black, in place, as older versions of Pillow did.

    timm asks for it at the upper end of magnitudes; newer versions raise, which ends a training.
    """
    for operation in operations_of(augment):
        if operation.name.startswith("Posterize"):
            operation.aug_fn = _posterize


def quicken(augment: Augment) -> None:
    """Replace shears and shifts, in place, by those of `row_shifts`, and sharpness.

    They are within one grey level of Pillow's.

    Args:
        augment: With one interpolation, not one drawn for each picture.
    """
    for operation in operations_of(augment):
        operation.aug_fn = _QUICK.get(operation.name, operation.aug_fn)


def _posterize(
    image: Image.Image, bits: int, *, fillcolor: Sequence[int], resample: int
) -> Image.Image:
    return ImageOps.posterize(image, bits) if bits else Image.new(image.mode, image.size)


def _sharpness(
    image: Image.Image, factor: float, *, fillcolor: Sequence[int], resample: int
) -> Image.Image:
    """As Pillow's `ImageEnhance.Sharpness`, to the bit."""
    return Image.blend(smoothed(image), image, factor)


def smoothed(image: Image.Image) -> Image.Image:
    """`ImageFilter.SMOOTH` of 8-bit RGB, to the bit, in a third of the time."""
    if min(image.size) < _SMOOTH_SIZE:
        return image.filter(ImageFilter.SMOOTH)
    pixels = np.array(image)
    lines = pixels.reshape(image.height, -1).astype(np.uint16)
    columns = lines[:-2] + lines[1:-1] + lines[2:]
    total = columns[:, :-6] + columns[:, 3:-3] + columns[:, 6:]
    total += 4 * lines[1:-1, 3:-3]
    total += _SMOOTH_SUM // 2  # rounds; no sum lies half-way
    total //= _SMOOTH_SUM
    pixels[1:-1, 1:-1] = total.reshape(image.height - 2, -1, 3)  # the border stays as it is
    return Image.fromarray(pixels)


def _translate_x_rel(
    image: Image.Image, share: float, *, fillcolor: Sequence[int], resample: int
) -> Image.Image:
    pixels = share * image.width
    return row_shifts.translate_x(image, pixels, fillcolor=fillcolor, resample=resample)


def _translate_y_rel(
    image: Image.Image, share: float, *, fillcolor: Sequence[int], resample: int
) -> Image.Image:
    pixels = share * image.height
    return row_shifts.translate_y(image, pixels, fillcolor=fillcolor, resample=resample)


_QUICK = {
    "ShearX": row_shifts.shear_x,
    "ShearY": row_shifts.shear_y,
    "Sharpness": _sharpness,
    "SharpnessIncreasing": _sharpness,
    "TranslateX": row_shifts.translate_x,
    "TranslateY": row_shifts.translate_y,
    "TranslateXRel": _translate_x_rel,
    "TranslateYRel": _translate_y_rel,
}
