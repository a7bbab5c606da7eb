"""Pictures to the network's input: the training pipeline.

In the published order: random resized crop, horizontal flip, RandAugment or AutoAugment on the
8-bit picture; `batches` then normalises and erases. timm's augmentations draw from `random` and
NumPy. Source: official `image_classification/datasets.py`, `build_transform`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from PIL import Image
from timm.data.auto_augment import auto_augment_transform, rand_augment_transform
from timm.data.random_erasing import RandomErasing
from torch import Tensor
from torchvision.transforms import ColorJitter

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.batches import drawn_erasing
from video_uniformer.data.image.picture import Box, Picture
from video_uniformer.data.image.quick_crop import quick_crop
from video_uniformer.data.image.quick_policy import Augment, mend_posterizing, quicken
from video_uniformer.data.image.transforms import planes

_CROP_TRIES = 10

TrainTransform = Callable[[Picture], Mapping[str, Tensor]]
"""From a picture to the entries of its sample."""


def train_transform(
    spec: ImageSpec,
    *,
    augment: str | None = "rand-m9-mstd0.5-inc1",
    color_jitter: float = 0.4,
    flip_prob: float = 0.5,
    erase_prob: float = 0.25,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (0.75, 1.3333333333333333),
    scaled_decoding: bool = False,
) -> TrainTransform:
    """Augment as published.

    Args:
        spec: Size, interpolation, normalisation and channel order.
        augment: timm's name of a policy, such as "rand-m9-mstd0.5-inc1" or "v0"; None for none.
        color_jitter: Strength of the jitter of brightness, contrast and saturation, which takes
            part only without a policy; 0 leaves it out.
        flip_prob: Probability of the horizontal flip; 0 where classes differ in left and right.
        erase_prob: Probability of random erasing.
        scale: Smallest and largest area of the crop, as a share of the picture.
        ratio: Smallest and largest width / height of the crop.
        scaled_decoding: Decode large JPEGs at 1/2, 1/4 or 1/8 where the crop stays as large as the
            network's input. A fifth less time for large files, but edges come out up to 12 %
            sharper, or 5 % softer.

    Returns:
        A picklable callable, picture -> `image`, uint8 (3, size, size), and `erased` (5,), of which
        `batches.network_input` makes the network's input; it raises `PictureError`.

    Raises:
        ValueError: An argument is out of range, or there is no such policy.
    """
    check_ranges(flip_prob=flip_prob, erase_prob=erase_prob, scale=scale, ratio=ratio)
    return partial(
        _train_view,
        spec=spec,
        scaled_decoding=scaled_decoding,
        scale=list(scale),
        ratio=list(ratio),
        flip_prob=flip_prob,
        augment=augmentation(augment, color_jitter, spec),
        erase=random_erasing(erase_prob),
    )


def random_erasing(prob: float) -> RandomErasing:
    """What draws the box to erase, for `drawn_erasing`."""
    return RandomErasing(prob, mode="const", max_count=1, device="cpu")


def check_ranges(
    *, flip_prob: float, erase_prob: float, scale: Sequence[float], ratio: Sequence[float]
) -> None:
    """Refuse what no crop, flip or erasing can have.

    Raises:
        ValueError: An argument is out of range.
    """
    for name, prob in (("flip_prob", flip_prob), ("erase_prob", erase_prob)):
        if not 0 <= prob <= 1:
            raise ValueError(f"{name} is {prob!r}, expected 0 to 1")
    if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale is {scale!r}, expected two shares, 0 < smallest <= largest <= 1")
    if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio is {ratio!r}, expected two numbers, 0 < smallest <= largest")


def _augmentation_settings(spec: ImageSpec) -> dict[str, int | tuple[int, ...]]:
    """What timm's policies are told of the input: how far a shift goes, what fills, how to turn."""
    return {
        "translate_const": int(spec.size * 0.45),
        "img_mean": tuple(min(255, round(255 * value)) for value in spec.mean),
        "interpolation": Image.Resampling[spec.interpolation.upper()],
    }


def augmentation(
    policy: str | None, color_jitter: float, spec: ImageSpec, *, draws_interpolation: bool = False
) -> Augment | None:
    """What changes the 8-bit picture, by timm's name of a policy.

    Args:
        policy: As `augment` of `train_transform`.
        color_jitter: As there.
        spec: Tells the fill colour, and the interpolation.
        draws_interpolation: Draw between bilinear and bicubic each time instead.

    Raises:
        ValueError: An argument is out of range, or there is no such policy.
    """
    if color_jitter < 0:
        raise ValueError(f"color_jitter is {color_jitter!r}, expected a strength >= 0")
    if policy is None:
        return ColorJitter(*[color_jitter] * 3) if color_jitter else None
    settings = _augmentation_settings(spec)
    if draws_interpolation:
        del settings["interpolation"]  # timm then draws
    create = rand_augment_transform if policy.startswith("rand") else auto_augment_transform
    try:
        augment = create(policy, settings)
    except (AssertionError, ValueError, KeyError, IndexError):
        raise ValueError(
            f"augment is {policy!r}, expected a policy of timm's such as 'rand-m9-mstd0.5-inc1' or "
            "'v0', or null"
        ) from None
    mend_posterizing(augment)
    if not draws_interpolation:
        quicken(augment)
    return augment


def random_box(picture: Picture, scale: Sequence[float], ratio: Sequence[float]) -> Box:
    """The box of a random resized crop.

    As torchvision's `RandomResizedCrop.get_params` draws it, with all random numbers at once, which
    takes a tenth of the time.
    """
    height, width = picture.height, picture.width
    lowest, highest = math.log(ratio[0]), math.log(ratio[1])
    for share, shape, down, across in torch.rand(_CROP_TRIES, 4, dtype=torch.float64).tolist():
        area = height * width * (scale[0] + share * (scale[1] - scale[0]))
        aspect = math.exp(lowest + shape * (highest - lowest))
        box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            top, left = int(down * (height - box_height + 1)), int(across * (width - box_width + 1))
            return Box(top, left, box_height, box_width)
    return _middle_box(height, width, ratio)


def _middle_box(height: int, width: int, ratio: Sequence[float]) -> Box:
    """The largest box in the middle whose width / height is in the range."""
    box_height, box_width = height, width
    if width / height < ratio[0]:
        box_height = max(1, min(height, round(width / ratio[0])))
    elif width / height > ratio[1]:
        box_width = max(1, min(width, round(height * ratio[1])))
    return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def _train_view(
    picture: Picture,
    *,
    spec: ImageSpec,
    scaled_decoding: bool,
    scale: list[float],
    ratio: list[float],
    flip_prob: float,
    augment: Augment | None,
    erase: RandomErasing,
) -> dict[str, Tensor]:
    box = random_box(picture, scale, ratio)
    image = quick_crop(picture, box, spec.size, spec.interpolation, scaled_decoding=scaled_decoding)
    if torch.rand(()) < flip_prob:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if augment is not None:
        image = augment(image)
    return {"image": planes(image, spec), "erased": drawn_erasing(erase, spec.size)}
