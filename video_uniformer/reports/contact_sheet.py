"""A picture of the frames that a network looked at, with its answer."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

MAX_COLUMNS = 8
COLUMN_INCHES = 1.4
PICTURE_INCHES = 3.5  # of a single picture
MOST_HEIGHT = 4  # times the width
DOTS_PER_INCH = 120


def save_contact_sheet(
    path: str | Path,
    frames: Tensor,
    *,
    indices: Tensor | None,
    title: str,
    answers: Sequence[tuple[str, float]] = (),
) -> None:
    """Draw the frames clip after clip, eight in a row, and the answers as bars below.

    Args:
        path: PNG file to write.
        frames: uint8 (clips, T, H, W, 3), RGB.
        indices: (clips, T) frame numbers in the video; None for a picture, one clip of one frame.
        title: Line at the top.
        answers: Class names with probabilities (0 to 1), best first.

    Raises:
        ValueError: frames and indices disagree.
    """
    if indices is not None and frames.shape[:2] != indices.shape:
        raise ValueError(
            f"frames is {tuple(frames.shape)} and indices {tuple(indices.shape)}, "
            "expected the same clips and frames"
        )
    columns = min(frames.shape[1], MAX_COLUMNS)
    column = PICTURE_INCHES if indices is None else COLUMN_INCHES
    canvas, corners = _paste(frames.flatten(0, 1).numpy(), columns, column)
    numbers = [] if indices is None else indices.flatten().tolist()
    width = column * columns
    picture, bars = width * canvas.shape[0] / canvas.shape[1], 0.3 * len(answers) + 0.3
    heights = [picture, bars] if answers else [picture]
    # Names are plain text, whatever signs of a formula they hold.
    with matplotlib.rc_context({"font.size": 8, "text.parse_math": False}):
        size = (width + 0.4, sum(heights) + 0.6)
        figure = Figure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
        figure.suptitle(title.encode(errors="backslashreplace").decode())  # of names in any bytes
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
        axes = parts[0, 0].subplots()
        axes.axis("off")
        axes.imshow(canvas)
        for (left, top), index in zip(corners, numbers, strict=False):
            axes.text(left, top, f"frame {index}", fontsize=6, va="bottom")
        if answers:
            _draw_answers(parts[1, 0].subplots(), answers)
        figure.savefig(path)


def _paste(
    images: np.ndarray, columns: int, inches: float
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The images (N, H, W, 3), shrunk, in rows on white, and the (left, top) corner of each."""
    width = round(inches * DOTS_PER_INCH)
    height = min(max(1, round(width * images.shape[1] / images.shape[2])), MOST_HEIGHT * width)
    gap, band = width // 25, width // 8  # between frames, and above them for their numbers
    rows = -(-len(images) // columns)
    canvas = Image.new("RGB", (columns * (width + gap), rows * (height + band)), "white")
    corners = []
    for index, image in enumerate(images):
        left, top = index % columns * (width + gap), index // columns * (height + band) + band
        canvas.paste(Image.fromarray(image).resize((width, height)), (left, top))
        corners.append((left, top))
    return np.asarray(canvas), corners


def _draw_answers(axes: Axes, answers: Sequence[tuple[str, float]]) -> None:
    names, values = zip(*answers, strict=True)
    positions = range(len(names))
    axes.barh(positions, values, color="tab:blue", height=0.7)
    axes.set_yticks(positions, names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xticks=[])
    axes.spines[:].set_visible(False)
    for position, value in zip(positions, values, strict=True):
        axes.text(value + 0.01, position, f"{100 * value:.1f} %", va="center")
