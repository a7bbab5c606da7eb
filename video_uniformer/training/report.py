"""What a test leaves behind: a row per video, accuracy per class, the confusion matrix."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from torchmetrics.functional.classification import multiclass_confusion_matrix

from video_uniformer.training.scores import ScoreTable


def write_report(
    folder: Path, table: ScoreTable, *, paths: Sequence[Path], class_names: Sequence[str]
) -> list[Path]:
    """Write `metrics.json`, `scores.csv`, `classes.csv`, `confusion.csv` and `confusion.png`.

    Args:
        folder: Made when absent.
        table: The scores of all videos.
        paths: Path of each video, by `video_index`.
        class_names: K names.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    num_classes = len(class_names)
    counts = multiclass_confusion_matrix(table.scores, table.label, num_classes).cpu().numpy()
    names = ("metrics.json", "scores.csv", "classes.csv", "confusion.csv")
    files = [folder / name for name in names]
    _write_metrics(files[0], table)
    _write_scores(files[1], table, paths, class_names)
    _write_classes(files[2], counts, class_names)
    rows = [[name, *row] for name, row in zip(class_names, counts.tolist(), strict=True)]
    _write_csv(files[3], [["label \\ predicted", *class_names], *rows])
    return [*files, _draw_confusion(folder / "confusion.png", counts, class_names)]


def _write_metrics(path: Path, table: ScoreTable) -> None:
    """The number of videos and the metrics over them, six decimals each."""
    metrics = {name: round(float(value), 6) for name, value in table.summary().items()}
    content = json.dumps({"videos": len(table.label), **metrics}, indent=2)
    path.write_text(f"{content}\n", encoding="utf-8")


def _write_scores(
    path: Path, table: ScoreTable, paths: Sequence[Path], class_names: Sequence[str]
) -> None:
    """One row per video: path, label, prediction, then the probability of every class."""
    probabilities = table.scores.softmax(1).tolist()
    predicted = table.scores.argmax(1).tolist()
    rows: list[list[object]] = [["path", "label", "predicted", "correct", *class_names]]
    for index, label, answer, row in zip(
        table.video_index.tolist(), table.label.tolist(), predicted, probabilities, strict=True
    ):
        names = [class_names[label], class_names[answer], int(label == answer)]
        rows.append([paths[index], *names, *(f"{value:.6g}" for value in row)])
    _write_csv(path, rows)


def _write_classes(path: Path, counts: np.ndarray, class_names: Sequence[str]) -> None:
    """One row per class: videos, correct ones, accuracy (empty when the class has no video)."""
    rows: list[list[object]] = [["class", "videos", "correct", "top1"]]
    for index, name in enumerate(class_names):
        videos, correct = int(counts[index].sum()), int(counts[index, index])
        rows.append([name, videos, correct, f"{correct / videos:.4f}" if videos else ""])
    _write_csv(path, rows)


def _write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _draw_confusion(path: Path, counts: np.ndarray, class_names: Sequence[str]) -> Path:
    """Share of each class's videos per prediction, as a picture; few classes get names."""
    num_classes = len(class_names)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(max(4.0, 2 + 0.45 * num_classes), 16)
    # Names are plain text, whatever signs of a formula they hold.
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = _plot_share(share, counts, class_names, side)
        figure.savefig(path, dpi=120)
    return path


def _plot_share(
    share: np.ndarray, counts: np.ndarray, class_names: Sequence[str], side: float
) -> Figure:
    num_classes = len(class_names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label="share of the class's videos", shrink=0.8)
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
