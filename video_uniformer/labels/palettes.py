"""Colours for classes that are drawn beside each other."""

from functools import cache

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_LEVELS = np.array((0, 30, 60, 90, 120, 150, 180, 205, 230, 255))
_LIGHTNESS = (0.48, 0.93)  # darker and lighter ones are lost in shadows and skies
_CHROMA = (0.06, 0.27)  # greys look like what they are laid upon; more glares

# Björn Ottosson, "A perceptual color space for image processing" (OKLab).
_TO_CONES = np.array(
    (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
)
_TO_OKLAB = np.array(
    (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
)


def palette(num_classes: int) -> list[Colour]:
    """One colour a class, each as different as can be from all before it.

    A shorter palette is the beginning of a longer one.

    Args:
        num_classes: K.

    Raises:
        ValueError: `num_classes` is below 1, or there are not so many colours.

    Example:
        >>> palette(2)
        [(230, 0, 180), (120, 255, 0)]
    """
    colours = _all_colours()
    if not 1 <= num_classes <= len(colours):
        raise ValueError(f"num_classes is {num_classes}, expected 1 to {len(colours)}")
    return list(colours[:num_classes])


@cache
def _all_colours() -> tuple[Colour, ...]:
    """Start with the most colourful one; then always take what is farthest from all taken."""
    colours = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS, indexing="ij"), -1).reshape(-1, 3)
    places = _oklab(colours)
    chroma = np.hypot(places[:, 1], places[:, 2])
    ranges = ((places[:, 0], _LIGHTNESS), (chroma, _CHROMA))
    kept = np.all([(low < values) & (values < high) for values, (low, high) in ranges], axis=0)
    colours, places, chroma = colours[kept], places[kept], chroma[kept]
    order = [int(chroma.argmax())]
    distances = np.full(len(places), np.inf)
    while len(order) < len(places):
        distances = np.minimum(distances, ((places - places[order[-1]]) ** 2).sum(1))
        order.append(int(distances.argmax()))
    return tuple((int(red), int(green), int(blue)) for red, green, blue in colours[order])


def _oklab(colours: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """(N, 3) of sRGB, 0 to 255, to lightness, 0 to 1, and two axes of hue."""
    coded = colours / 255
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return np.cbrt(light @ _TO_CONES.T) @ _TO_OKLAB.T
