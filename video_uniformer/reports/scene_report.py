"""What a test of segmentation leaves behind: a row per picture, IoU per class, the confusion."""

import json
from collections.abc import Sequence
from pathlib import Path

from video_uniformer.outcomes import STATUSES
from video_uniformer.reports.confusion import draw_confusion
from video_uniformer.reports.csv_files import write_csv
from video_uniformer.training.metrics.segmentation import SegmentationTable


def write_scene_report(
    folder: Path, table: SegmentationTable, *, paths: Sequence[Path], class_names: Sequence[str]
) -> list[Path]:
    """Write `metrics.json`, `pictures.csv`, `classes.csv`, `confusion.csv` and `confusion.png`.

    All rest on the pixels of the pictures that could be evaluated; `metrics.json` says how many of
    how many these are, and `pictures.csv` has a row for every listed picture, with its status and
    what is wrong.

    Args:
        folder: Made when absent.
        table: Of all pictures.
        paths: Path of each listed picture, by its place.
        class_names: K names.

    Returns:
        The files written.

    Raises:
        ValueError: no picture was evaluated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {name: round(float(value), 6) for name, value in table.summary().items()}
    numbers = {"evaluated": table.num_evaluated, "listed": len(paths)}
    names = ("metrics.json", "pictures.csv", "classes.csv", "confusion.csv", "confusion.png")
    files = [folder / name for name in names]
    files[0].write_text(f"{json.dumps({**numbers, **metrics}, indent=2)}\n", encoding="utf-8")
    write_csv(files[1], [["path", "status", "problem"], *_pictures(table, paths)])
    classes = _classes(table, class_names)
    write_csv(files[2], [["class", "iou", "accuracy", "pixels"], *classes])
    counts = table.confusion.cpu().numpy()
    rows = [[name, *row] for name, row in zip(class_names, counts.tolist(), strict=True)]
    write_csv(files[3], [["label \\ predicted", *class_names], *rows])
    title = f"pixels of {table.num_evaluated} of {len(paths)} pictures"
    draw_confusion(files[4], counts, class_names, title, unit="pixels")
    return files


def _pictures(table: SegmentationTable, paths: Sequence[Path]) -> list[list[object]]:
    """Path, status and problem of every listed picture; empty words for those never met."""
    found = dict(
        zip(
            table.sample_index.tolist(),
            zip(table.status.tolist(), table.problem, strict=True),
            strict=True,
        )
    )
    rows: list[list[object]] = []
    for index, path in enumerate(paths):
        status, problem = found.get(index, (None, ""))
        rows.append([path, "" if status is None else STATUSES[status], problem])
    return rows


def _classes(table: SegmentationTable, class_names: Sequence[str]) -> list[list[object]]:
    """IoU and accuracy, 0 to 1, and labelled pixels of each class; empty where there is none."""
    columns = (table.class_iou(), table.class_accuracy(), table.confusion.sum(1))
    rows = zip(class_names, *(column.tolist() for column in columns), strict=True)
    return [[name, _known(iou), _known(accuracy), pixels] for name, iou, accuracy, pixels in rows]


def _known(value: float) -> object:
    return "" if value != value else round(value, 6)  # NaN is no number
