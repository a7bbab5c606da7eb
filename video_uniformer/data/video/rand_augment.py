"""RandAugment for video: the published operations and magnitudes on uint8 frames.

The machinery is PyTorchVideo's (`AugmentTransform`, `OpSampler`); the table of operations is ours,
because PyTorchVideo's `RandAugment` lacks SolarizeAdd, knows only the "increasing" magnitudes,
draws operations without replacement, fills uint8 frames with black and darkens the border between
picture and fill. The published networks saw Pillow's operations. Here the point operations are
look-up tables, as in Pillow, and equal to it; they take a third to a sixth of the time of
torchvision's. Color and Sharpness are torchvision's, equal to Pillow's within one grey level. So
are Rotate, Shear and Translate here: the neighbours of each pixel and their weights are worked out
once for all frames, in a third of Pillow's time. (The cubic kernel of `grid_sample` is another.)
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pytorchvideo.transforms.augmentations import AugmentTransform
from pytorchvideo.transforms.transforms import OpSampler
from torchvision.transforms.v2.functional import adjust_saturation, adjust_sharpness


def create_rand_augment(
    *,
    num_ops: int = 4,
    magnitude: float = 7,
    std: float = 0.5,
    increasing: bool = True,
    prob: float = 0.5,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """RandAugment with one draw for all frames of a clip.

    The default is the published `rand-m7-n4-mstd0.5-inc1`. The other published strings:
    `rand-m5-n2-mstd0.25` is `num_ops=2, magnitude=5, std=0.25, increasing=False`, and `rand` is
    `num_ops=2, magnitude=10, std=0, increasing=False`.
    Source: official `slowfast/datasets/rand_augment.py`.

    Args:
        num_ops: Operations drawn per clip, out of 15, with replacement.
        magnitude: Mean strength, 0 to 10.
        std: Standard deviation of the strength, which is drawn anew for every operation and
            clipped to 0 to 10.
        increasing: Whether every operation changes more at a greater strength ("inc1").
        prob: Probability that a drawn operation is applied.

    Returns:
        A picklable callable, uint8 (T, 3, H, W) -> the same. It draws from torch's global
        generator and leaves its argument as it is.

    Raises:
        ValueError: An argument is out of range.
    """
    if type(num_ops) is not int or not 1 <= num_ops <= len(_OPERATIONS):
        raise ValueError(
            f"num_ops is {num_ops!r}, expected a whole number, 1 to {len(_OPERATIONS)}"
        )
    if not 0 <= magnitude <= 10:
        raise ValueError(f"magnitude is {magnitude!r}, expected 0 to 10")
    if not 0 <= std < math.inf:
        raise ValueError(f"std is {std!r}, expected a number >= 0")
    if type(increasing) is not bool:
        raise ValueError(f"increasing is {increasing!r}, expected true or false")
    if not 0 <= prob <= 1:
        raise ValueError(f"prob is {prob!r}, expected 0 to 1")
    operations = {**_OPERATIONS, **_INCREASING} if increasing else _OPERATIONS
    transforms = [
        AugmentTransform(
            name,
            float(magnitude),
            prob=prob,
            name_to_transform_func={name: operation.apply},
            level_to_arg={name: operation.argument},
            transform_max_paras={name: (operation.start, operation.slope)},
            transform_hparas={"fill": 128},
            sampling_hparas={"sampling_std": std},
        )
        for name, operation in operations.items()
    ]
    return OpSampler(transforms, num_sample_op=num_ops, replacement=True)


class _Operation(NamedTuple):
    """One operation; its argument is `start` at strength 0 and `start + slope` at strength 10."""

    apply: Callable[..., torch.Tensor]
    argument: Callable[[float, tuple[float, float]], tuple[float]] | None = None
    start: float = 0
    slope: float = 0


def _linear(level: float, line: tuple[float, float]) -> tuple[float]:
    return (line[0] + line[1] * level / 10,)


def _linear_int(level: float, line: tuple[float, float]) -> tuple[float]:
    return (line[0] + math.trunc(line[1] * level / 10),)


def _either_side(level: float, line: tuple[float, float]) -> tuple[float]:
    sign = 1 if torch.rand(()) < 0.5 else -1
    return (line[0] + sign * line[1] * level / 10,)


def _levels() -> torch.Tensor:
    """The grey levels, as a table that changes nothing."""
    return torch.arange(256).view(1, 1, 256)


def _look_up(video: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Replace each value by the entry of its frame's and channel's table, (T or 1, 3 or 1, 256)."""
    entries = tables.to(torch.uint8).expand(*video.shape[:2], 256).flatten()
    return entries.index_select(0, _entry_numbers(video)).view(video.shape)


def _entry_numbers(video: torch.Tensor) -> torch.Tensor:
    """Values as positions in one row of T x 3 tables, int32 (T 3 H W,)."""
    # int32 and index_select: a fourth of the time of `table[video]`, which wants int64.
    first = torch.arange(video.shape[0] * video.shape[1], dtype=torch.int32) * 256
    return (first.view(*video.shape[:2], 1, 1) + video).flatten()


def _auto_contrast(video: torch.Tensor, *, fill: int) -> torch.Tensor:
    low, high = (extreme.unsqueeze(-1).double() for extreme in video.flatten(2).aminmax(dim=-1))
    # A tensor, because `255 / tensor` multiplies by a reciprocal, now and then a grey level off.
    scale = torch.where(high > low, torch.tensor(255.0).double() / (high - low), 1)
    offset = torch.where(high > low, -low * scale, 0)
    return _look_up(video, (_levels() * scale + offset).clamp_(0, 255))


def _equalize(video: torch.Tensor, *, fill: int) -> torch.Tensor:
    num_planes = video.shape[0] * video.shape[1]
    counts = torch.bincount(_entry_numbers(video), minlength=256 * num_planes)
    counts = counts.view(*video.shape[:2], 256)
    brightest = video.flatten(2).amax(-1, keepdim=True).long()
    step = (counts.sum(-1, keepdim=True) - counts.gather(-1, brightest)) // 255
    darker = counts.cumsum(-1) - counts
    tables = ((darker + step // 2) // step.clamp(min=1)).clamp_(max=255)
    return _look_up(video, torch.where(step > 0, tables, _levels()))


def _invert(video: torch.Tensor, *, fill: int) -> torch.Tensor:
    return 255 - video


def _posterize(video: torch.Tensor, bits: int, *, fill: int) -> torch.Tensor:
    return video & (256 - 2 ** (8 - bits))


def _solarize(video: torch.Tensor, threshold: int, *, fill: int) -> torch.Tensor:
    # A table and not a comparison of the frames: as uint8, the threshold 256 would be 0.
    return _look_up(video, torch.where(_levels() < threshold, _levels(), 255 - _levels()))


def _solarize_add(video: torch.Tensor, addend: int, *, fill: int) -> torch.Tensor:
    brighter = (_levels() + addend).clamp_(max=255)
    return _look_up(video, torch.where(_levels() < 128, brighter, _levels()))


def _brightness(video: torch.Tensor, factor: float, *, fill: int) -> torch.Tensor:
    return _look_up(video, (_levels() * factor).clamp_(0, 255))


def _contrast(video: torch.Tensor, factor: float, *, fill: int) -> torch.Tensor:
    means = video.sum((-2, -1), dtype=torch.int64) / math.prod(video.shape[-2:])  # (T, 3)
    grey = (means @ torch.tensor([0.299, 0.587, 0.114])).round_().view(-1, 1, 1)
    return _look_up(video, (grey + factor * (_levels() - grey)).clamp_(0, 255))


def _color(video: torch.Tensor, factor: float, *, fill: int) -> torch.Tensor:
    return adjust_saturation(video, factor)


def _sharpness(video: torch.Tensor, factor: float, *, fill: int) -> torch.Tensor:
    # torchvision's depthwise convolution takes an eighth of the time in this layout.
    channels_last = video.contiguous(memory_format=torch.channels_last)
    return adjust_sharpness(channels_last, factor).contiguous()


def _affine(video: torch.Tensor, matrix: Sequence[float], fill: int) -> torch.Tensor:
    """Take each pixel from position `matrix` times its own, in pixels from the top left corner.

    `matrix` is (a, b, c, d, e, f): from (a x + b y + c, d x + e y + f). Between pixels it is
    Pillow's cubic kernel; a position outside gives `fill`.
    """
    a, b, c, d, e, f = matrix
    height, width = video.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) + 0.5,
        torch.arange(width, dtype=torch.float64) + 0.5,
        indexing="ij",
    )
    from_x, from_y = (a * x + b * y + c).flatten(), (d * x + e * y + f).flatten()
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    columns, column_weights = _cubic_taps(from_x[inside], width)
    rows, row_weights = _cubic_taps(from_y[inside], height)
    sources = rows.unsqueeze(2) * width + columns.unsqueeze(1)  # (N, 4, 4)
    weights = row_weights.unsqueeze(2) * column_weights.unsqueeze(1)
    pixels = video.flatten(2).flatten(0, 1).t().contiguous().float()  # (H W, T 3)
    sums = F.embedding_bag(
        sources.flatten(1), pixels, mode="sum", per_sample_weights=weights.flatten(1)
    )
    warped = torch.full(pixels.shape, fill, dtype=torch.uint8)
    # Pillow cuts decimals off; without the margin rounding errors would darken even areas.
    warped[inside] = sums.add_(5e-4).clamp_(0, 255).to(torch.uint8)
    return warped.t().contiguous().view(video.shape)


def _cubic_taps(positions: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The four pixels about each position along an axis, int32 (N, 4), and their weights (N, 4).

    Keys' cubic convolution with a = -1. The pixels at the border stand for those beyond it.
    """
    first = (positions - 0.5).floor()
    d = (positions - 0.5 - first).float()
    weights = [-d * (1 - d) ** 2, 1 - 2 * d**2 + d**3, d + d**2 - d**3, -(d**2) * (1 - d)]
    pixels = first.int().unsqueeze(1) + torch.arange(-1, 3, dtype=torch.int32)
    return pixels.clamp_(0, size - 1), torch.stack(weights, 1)


def _rotate(video: torch.Tensor, degrees: float, *, fill: int) -> torch.Tensor:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = video.shape[-1] / 2, video.shape[-2] / 2
    return _affine(video, (cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y), fill)


def _shear_x(video: torch.Tensor, factor: float, *, fill: int) -> torch.Tensor:
    return _affine(video, (1, factor, 0, 0, 1, 0), fill)


def _shear_y(video: torch.Tensor, factor: float, *, fill: int) -> torch.Tensor:
    return _affine(video, (1, 0, 0, factor, 1, 0), fill)


def _translate_x(video: torch.Tensor, share: float, *, fill: int) -> torch.Tensor:
    return _affine(video, (1, 0, share * video.shape[-1], 0, 1, 0), fill)


def _translate_y(video: torch.Tensor, share: float, *, fill: int) -> torch.Tensor:
    return _affine(video, (1, 0, 0, 0, 1, share * video.shape[-2]), fill)


_OPERATIONS: Mapping[str, _Operation] = MappingProxyType(
    {
        "AutoContrast": _Operation(_auto_contrast),
        "Equalize": _Operation(_equalize),
        "Invert": _Operation(_invert),
        "Rotate": _Operation(_rotate, _either_side, 0, 30),
        "Posterize": _Operation(_posterize, _linear_int, 0, 4),
        "Solarize": _Operation(_solarize, _linear_int, 0, 256),
        "SolarizeAdd": _Operation(_solarize_add, _linear_int, 0, 110),
        "Color": _Operation(_color, _linear, 0.1, 1.8),
        "Contrast": _Operation(_contrast, _linear, 0.1, 1.8),
        "Brightness": _Operation(_brightness, _linear, 0.1, 1.8),
        "Sharpness": _Operation(_sharpness, _linear, 0.1, 1.8),
        "ShearX": _Operation(_shear_x, _either_side, 0, 0.3),
        "ShearY": _Operation(_shear_y, _either_side, 0, 0.3),
        "TranslateXRel": _Operation(_translate_x, _either_side, 0, 0.45),
        "TranslateYRel": _Operation(_translate_y, _either_side, 0, 0.45),
    }
)

_INCREASING: Mapping[str, _Operation] = MappingProxyType(
    {
        "Posterize": _Operation(_posterize, _linear_int, 4, -4),
        "Solarize": _Operation(_solarize, _linear_int, 256, -256),
        "Color": _Operation(_color, _either_side, 1, 0.9),
        "Contrast": _Operation(_contrast, _either_side, 1, 0.9),
        "Brightness": _Operation(_brightness, _either_side, 1, 0.9),
        "Sharpness": _Operation(_sharpness, _either_side, 1, 0.9),
    }
)
