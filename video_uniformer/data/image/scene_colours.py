"""Photometric distortion of training pictures for segmentation."""

import torch
from torch import Tensor

_MOST_BRIGHTNESS = 32.0
_FACTORS = (0.5, 1.5)  # of contrast and of saturation
_MOST_HUE = 18  # of 180: OpenCV's hue counts in steps of two degrees
_NUM_HUES = 180


def distorted(image: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue, each in half of the pictures.

    Brightness goes up or down by up to 32; contrast, which is either next or last, is multiplied by
    0.5 to 1.5, as is saturation; hue turns by up to 36 degrees. Between the steps values are cut to
    0 to 255 and to whole numbers.

    Source: mmsegmentation 0.13, `PhotoMetricDistortion`. Where saturation and hue both change, it
    turns the picture into whole numbers of RGB in between, and here it stays in HSV; conversions
    round as OpenCV's, up to one level. Random numbers are torch's, in another order.

    Args:
        image: RGB, uint8 (3, H, W).

    Returns:
        uint8 (3, H, W).
    """
    if _coin():
        image = _scaled(image, 1.0, _uniform(-_MOST_BRIGHTNESS, _MOST_BRIGHTNESS))
    factor = _uniform(*_FACTORS) if _coin() else None
    contrast_is_next = _coin()
    if factor is not None and contrast_is_next:
        image = _scaled(image, factor, 0.0)
    saturation = _uniform(*_FACTORS) if _coin() else 1.0
    # Official: NumPy's randint leaves +18 out; -18 to +18 would be natural.
    hue = int(torch.randint(-_MOST_HUE, _MOST_HUE, ())) if _coin() else 0
    if (saturation, hue) != (1.0, 0):
        image = recoloured(image, saturation, hue)
    if factor is not None and not contrast_is_next:
        image = _scaled(image, factor, 0.0)
    return image


def recoloured(image: Tensor, saturation: float, hue: int) -> Tensor:
    """Multiply the saturation of a picture, and turn its hue.

    Args:
        image: RGB, uint8 (3, H, W).
        saturation: Factor.
        hue: Steps of two degrees.

    Returns:
        uint8 (3, H, W).
    """
    hues, saturations, values = hsv_from_rgb(image)
    hues = (hues + hue) % _NUM_HUES
    return rgb_from_hsv(hues, (saturations * saturation).clamp_(0, 255).floor_(), values)


def hsv_from_rgb(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value of each pixel, as whole numbers of OpenCV's ranges for 8 bits.

    Args:
        image: RGB, uint8 (3, H, W).

    Returns:
        float32 (H, W) each: hue 0 to 179, saturation and value 0 to 255.
    """
    red, green, blue = image.float()
    values = torch.maximum(torch.maximum(red, green), blue)
    chroma = values - torch.minimum(torch.minimum(red, green), blue)
    divisor = chroma.clamp(min=1)
    sector = torch.where(
        values == red,
        (green - blue) / divisor,
        torch.where(values == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hues = _rounded(sector * (_NUM_HUES / 6)) % _NUM_HUES
    return hues, _rounded(255 * chroma / values.clamp(min=1)), values


def rgb_from_hsv(hues: Tensor, saturations: Tensor, values: Tensor) -> Tensor:
    """The picture that `hsv_from_rgb` describes, uint8 (3, H, W), to the nearest level."""
    offsets = torch.tensor([5.0, 3.0, 1.0])[:, None, None]
    places = (offsets + hues * (6 / _NUM_HUES)) % 6
    shares = torch.minimum(places, 4 - places).clamp_(0, 1)
    return _rounded(values - values * saturations / 255 * shares).to(torch.uint8)


def _rounded(values: Tensor) -> Tensor:
    return (values + 0.5).floor_()


def _scaled(image: Tensor, factor: float, offset: float) -> Tensor:
    return (image.float() * factor + offset).clamp_(0, 255).to(torch.uint8)


def _coin() -> bool:
    return bool(torch.rand(()) < 0.5)


def _uniform(low: float, high: float) -> float:
    return low + float(torch.rand(())) * (high - low)
