"""Segments and keypoints drawn upon the picture they were found in."""

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from video_uniformer.labels.palettes import Colour
from video_uniformer.system.atomic import replacing_file

UNLABELLED = 255
"""The label of pixels whose class is unknown, in data sets of fewer classes."""

_PIXELS_PER_BORDER = 500  # of the shorter side, to one pixel of a border's width
_BORDER_BRIGHTNESS = 0.3
_ROWS = 256  # at a time, so that what is computed of them stays small
_LINE_SHARE = 1 / 160  # of the picture's shorter side
_PERSON_SHARE = 1 / 35  # of the longer side of a person's keypoints
_THINNEST = 1.5  # pixels, of a line
_OUTLINE = 0.35  # of a line's width, to each side
_JOINT = 0.85  # radius, of a line's width
_DARK, _LIGHT = (25, 25, 25), (255, 255, 255)

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.integer]


def overlay(
    pixels: Pixels, labels: Labels, palette: Sequence[Colour], *, opacity: float = 0.5
) -> Pixels:
    """Tint each segment with the colour of its class, with dark borders in between.

    Args:
        pixels: uint8 RGB (H, W, 3).
        labels: (H, W). Pixels of `UNLABELLED`, where the palette has no such colour, stay as they
            are.
        palette: The colour of each class.
        opacity: Share of the colour, 0 to 1.

    Returns:
        A new picture.

    Raises:
        ValueError: Sizes differ, a label has no colour, or `opacity` is out of range.
    """
    _check_pixels(pixels)
    if labels.shape != pixels.shape[:2]:
        raise ValueError(f"labels is {labels.shape}, expected {pixels.shape[:2]}, as the picture")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity is {opacity}, expected 0 to 1")
    _check_labels(labels, len(palette))
    colours = np.zeros((max(len(palette), UNLABELLED + 1), 3), np.float32)
    colours[: len(palette)] = np.multiply(palette, opacity)
    kept = np.full(len(colours), 1 - opacity, np.float32)
    if len(palette) <= UNLABELLED:
        kept[UNLABELLED] = 1
    tinted = np.empty_like(pixels)
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        of_rows = labels[rows]
        tinted[rows] = pixels[rows] * kept[of_rows, None] + colours[of_rows] + 0.5
    borders = _borders(labels, max(1, round(min(labels.shape) / _PIXELS_PER_BORDER)))
    tinted[borders] = tinted[borders] * _BORDER_BRIGHTNESS
    return tinted


def _check_pixels(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(
            f"pixels is {pixels.dtype} {pixels.shape}, expected uint8 (height, width, 3)"
        )


def _check_labels(labels: Labels, num_colours: int) -> None:
    known = labels[labels != UNLABELLED] if num_colours <= UNLABELLED else labels
    if known.size and not 0 <= known.min() <= known.max() < num_colours:
        raise ValueError(
            f"labels has {known.min()} to {known.max()}, expected 0 to {num_colours - 1}, "
            "for which the palette has colours"
        )


def _borders(labels: Labels, width: int) -> npt.NDArray[np.bool_]:
    """Pixels that have another label within `width` to the right or below, half of it each way."""
    borders = np.zeros(labels.shape, bool)
    borders[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    borders[:-1] |= labels[:-1] != labels[1:]
    for axis in (0, 1):
        thin, length = borders.copy(), int(labels.shape[axis])
        for shift in range(-((width - 1) // 2), width // 2 + 1):
            source = slice(max(0, -shift), length - max(0, shift))
            target = slice(max(0, shift), length - max(0, -shift))
            if axis == 0:
                borders[target] |= thin[source]
            else:
                borders[:, target] |= thin[:, source]
    return borders


def picture_png(pixels: Pixels, path: str | Path) -> None:
    """Write a picture as a PNG.

    Args:
        pixels: uint8 RGB (H, W, 3).
        path: The file appears whole or not at all.

    Raises:
        ValueError: `pixels` is of another kind.
    """
    _check_pixels(pixels)
    with replacing_file(path) as file:
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")


def mask_png(labels: Labels, palette: Sequence[Colour], path: str | Path) -> None:
    """Write labels as a PNG whose pixels are the labels themselves, shown in colours.

    Args:
        labels: (H, W), 0 to 255.
        palette: The colours of the labels, at most 256; others are shown in black.
        path: The file appears whole or not at all.

    Raises:
        ValueError: A label is above 255 or negative, or there are more colours.
    """
    if labels.ndim != 2 or not labels.size:
        raise ValueError(f"labels is {labels.shape}, expected (height, width)")
    if not 0 <= labels.min() <= labels.max() <= 255:
        raise ValueError(f"labels has {labels.min()} to {labels.max()}, expected 0 to 255")
    if len(palette) > 256:
        raise ValueError(f"palette has {len(palette)} colours, expected at most 256")
    # Pillow writes as few bits a pixel as the palette needs, whatever the pixels are.
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = np.reshape(palette, (-1, 3))
    image = Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8))
    image.putpalette(colours.tobytes())
    with replacing_file(path) as file:
        image.save(file, format="PNG")


def draw_keypoints(
    pixels: Pixels,
    keypoints: npt.NDArray[np.floating],
    limbs: Sequence[tuple[int, int]],
    *,
    threshold: float = 0.2,
) -> Pixels:
    """Draw the joints of people, and the limbs between them.

    Lines are as wide as suits the picture, but narrower for people who are small in it.

    Args:
        pixels: uint8 RGB (H, W, 3).
        keypoints: (N, J, 3) of N people: x and y, pixels, and score.
        limbs: Pairs of joints; each pair has a colour of its own.
        threshold: Joints of a lower score are left out, and their limbs.

    Returns:
        A new picture.

    Raises:
        ValueError: The keypoints are of another shape, or a limb names a joint there is not.
    """
    _check_pixels(pixels)
    if keypoints.ndim != 3 or keypoints.shape[2] != 3:
        raise ValueError(f"keypoints is {keypoints.shape}, expected (people, joints, 3)")
    for limb in limbs:
        if not all(0 <= joint < keypoints.shape[1] for joint in limb):
            raise ValueError(f"limbs has {limb}, expected joints 0 to {keypoints.shape[1] - 1}")
    drawn = pixels.copy()
    for person in keypoints.astype(np.float64):
        seen = np.isfinite(person).all(1) & (person[:, 2] >= threshold)
        if seen.any():
            _draw_person(drawn, person[:, :2], seen, limbs)
    return drawn


def _draw_person(
    drawn: Pixels,
    places: npt.NDArray[np.float64],
    seen: npt.NDArray[np.bool_],
    limbs: Sequence[tuple[int, int]],
) -> None:
    extent = np.ptp(places[seen], axis=0).max()
    width = min(min(drawn.shape[:2]) * _LINE_SHARE, extent * _PERSON_SHARE)
    width = max(width, _THINNEST)
    strokes = [
        _Stroke(places[start], places[end], _limb_colour(number, len(limbs)))
        for number, (start, end) in enumerate(limbs)
        if seen[start] and seen[end]
    ]
    joints = [_Stroke(place, place, _LIGHT) for place in places[seen]]
    for group, radius in ((strokes, width / 2), (joints, width * _JOINT)):
        for stroke in group:  # all outlines first, so that none lies upon a line
            _paint(drawn, stroke._replace(colour=_DARK), radius + width * _OUTLINE)
        for stroke in group:
            _paint(drawn, stroke, radius)


def _limb_colour(number: int, num_limbs: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(number / num_limbs, 0.85, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


class _Stroke(NamedTuple):
    """A line with round ends; (x, y) in pixels, whose centres have whole numbers."""

    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    colour: Colour


def _paint(drawn: Pixels, stroke: _Stroke, radius: float) -> None:
    """Paint a stroke with smooth edges."""
    size = np.array(drawn.shape[1::-1])
    ends = np.stack([stroke.start, stroke.end])
    left, top = np.clip(np.floor(ends.min(0) - radius - 1), 0, size).astype(int)
    right, bottom = np.clip(np.ceil(ends.max(0) + radius + 2), 0, size).astype(int)
    if left >= right or top >= bottom:
        return
    across = np.arange(left, right) - stroke.start[0]
    down = np.arange(top, bottom)[:, None] - stroke.start[1]
    line = stroke.end - stroke.start
    along = np.clip((across * line[0] + down * line[1]) / max(line @ line, 1e-9), 0, 1)
    distances = np.hypot(across - along * line[0], down - along * line[1])
    cover = np.clip(radius + 0.5 - distances, 0, 1)[..., None]
    box = drawn[top:bottom, left:right]
    box[:] = box + (np.array(stroke.colour) - box) * cover + 0.5
