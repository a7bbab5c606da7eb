"""A confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure


def draw_confusion(
    path: Path,
    counts: np.ndarray,
    class_names: Sequence[str],
    title: str,
    *,
    unit: str = "samples",
) -> Path:
    """Draw the share of each class's samples per prediction; few classes get names.

    Args:
        path: Of the picture.
        counts: (K, K), row label, column prediction.
        class_names: K names.
        title: Above it.
        unit: What was counted.

    Returns:
        The file written.
    """
    num_classes = len(class_names)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(max(4.0, 2 + 0.45 * num_classes), 16)
    # Names are plain text, whatever signs of a formula they hold.
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = _plot_share(share, counts, class_names, side, unit)
        figure.suptitle(title)
        figure.savefig(path, dpi=120)
    return path


def _plot_share(
    share: np.ndarray, counts: np.ndarray, class_names: Sequence[str], side: float, unit: str
) -> Figure:
    num_classes = len(class_names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label=f"share of the class's {unit}", shrink=0.8)
    axes.set(xlabel="predicted", ylabel="label")
    if num_classes <= 60:
        ticks = range(num_classes)
        axes.set_xticks(ticks, class_names, rotation=90)
        axes.set_yticks(ticks, class_names)
    if num_classes <= 20:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if share[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=color)
    return figure
