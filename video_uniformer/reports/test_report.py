"""What a test leaves behind: a row per video, accuracy per class, the confusion matrix."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torchmetrics.functional.classification import multiclass_confusion_matrix

from video_uniformer.outcomes import SKIPPED, STATUSES
from video_uniformer.reports.confusion import draw_confusion
from video_uniformer.reports.csv_files import write_csv
from video_uniformer.training.metrics.scores import ScoreTable


def write_report(
    folder: Path,
    table: ScoreTable,
    *,
    paths: Sequence[Path],
    labels: Sequence[int],
    class_names: Sequence[str],
) -> list[Path]:
    """Write `metrics.json`, `scores.csv`, `classes.csv`, `confusion.csv` and `confusion.png`.

    All rest on the samples that could be evaluated; `metrics.json` says how many of how many these
    are, `classes.csv` says it of each class, and `scores.csv` has a row for every listed sample,
    with its status and what is wrong.

    Args:
        folder: Made when absent.
        table: The scores of all samples.
        paths: Path of each listed sample, by its place.
        labels: Class of each listed sample.
        class_names: K names.

    Returns:
        The files written.

    Raises:
        ValueError: no sample was evaluated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    evaluated = table.evaluated()
    num_classes = len(class_names)
    matrix = multiclass_confusion_matrix(evaluated.scores, evaluated.label, num_classes)
    counts = matrix.cpu().numpy()
    names = ("metrics.json", "scores.csv", "classes.csv", "confusion.csv")
    files = [folder / name for name in names]
    _write_metrics(files[0], table, len(paths))
    listed = [(path, class_names[label]) for path, label in zip(paths, labels, strict=True)]
    _write_scores(files[1], table, listed, class_names)
    _write_classes(files[2], counts, Counter(labels), class_names)
    rows = [[name, *row] for name, row in zip(class_names, counts.tolist(), strict=True)]
    write_csv(files[3], [["label \\ predicted", *class_names], *rows])
    title = f"evaluated {len(evaluated.label)} of {len(paths)} samples"
    return [*files, draw_confusion(folder / "confusion.png", counts, class_names, title)]


def _write_metrics(path: Path, table: ScoreTable, num_listed: int) -> None:
    """The numbers of samples and the metrics over those evaluated, six decimals each."""
    metrics = {name: round(float(value), 6) for name, value in table.summary().items()}
    numbers = {"evaluated": len(table.evaluated().label), "listed": num_listed}
    content = json.dumps({**numbers, **metrics}, indent=2)
    path.write_text(f"{content}\n", encoding="utf-8")


def _write_scores(
    path: Path,
    table: ScoreTable,
    listed: Sequence[tuple[Path, str]],
    class_names: Sequence[str],
) -> None:
    """One row per listed sample: its account, then the probability of every class.

    Samples that were skipped have no answer, and neither have those that a run was too short for.
    """
    head = ["path", "label", "predicted", "correct", "status", "reason"]
    rows: dict[int, list[object]] = {
        index: [*sample, "", "", "not reached", ""] for index, sample in enumerate(listed)
    }
    columns = (table.sample_index, table.label, table.scores.argmax(1), table.status)
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    probabilities = table.scores.softmax(1).tolist()
    for number, problem, row in zip(numbers, table.problem, probabilities, strict=True):
        index, label, answer, status = number
        account = [STATUSES[status], problem]
        if status == SKIPPED:
            rows[index] = [*listed[index], "", "", *account]
            continue
        answers = [class_names[answer], int(label == answer)]
        rows[index] = [*listed[index], *answers, *account, *(f"{value:.6g}" for value in row)]
    write_csv(path, [[*head, *class_names], *(_fill(row, class_names) for row in rows.values())])


def _fill(row: list[object], class_names: Sequence[str]) -> list[object]:
    """The row with empty places for the probabilities that it lacks."""
    return [*row, *[""] * (6 + len(class_names) - len(row))]


def _write_classes(
    path: Path, counts: np.ndarray, listed: Counter[int], class_names: Sequence[str]
) -> None:
    """One row per class: samples evaluated, listed and answered correctly, and the accuracy.

    The accuracy of a class none of whose samples was evaluated stays empty.
    """
    rows: list[list[object]] = [["class", "evaluated", "listed", "correct", "top1"]]
    for index, name in enumerate(class_names):
        evaluated, correct = int(counts[index].sum()), int(counts[index, index])
        share = f"{correct / evaluated:.4f}" if evaluated else ""
        rows.append([name, evaluated, listed[index], correct, share])
    write_csv(path, rows)
