"""The files that a test leaves behind."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from video_uniformer.outcomes import SALVAGED, SKIPPED
from video_uniformer.reports.test_report import write_report
from video_uniformer.training.metrics.scores import ScoreTable

NAMES = ["walk", "sit, slowly", "fall"]
# Videos 1, 4 and 5 of six: two walk, of which one looks like a fall; one sits, and is seen to.
# Video 2 was skipped, and the run ended before videos 0 and 3; of video 5 some frames are lost.
TABLE = ScoreTable(
    torch.tensor([1, 2, 4, 5]),
    torch.tensor([0, 2, 0, 1]),
    torch.tensor([[0.6, 0.3, 0.1], [math.nan] * 3, [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]]).log(),
    torch.tensor([0, SKIPPED, 0, SALVAGED]),
    ("", "the file is empty", "", "cut short"),
)


LABELS = [1, 0, 2, 2, 0, 1]


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "new" / "folder"
    paths = [Path(f"video {index}.mp4") for index in range(6)]
    files = write_report(folder, TABLE, paths=paths, labels=LABELS, class_names=NAMES)
    assert sorted(files) == sorted(folder.iterdir())
    return folder


def test_metrics_are_those_of_the_table(report: Path) -> None:
    loss = -(math.log(0.6) + math.log(0.2) + math.log(0.8)) / 3
    assert json.loads((report / "metrics.json").read_text()) == {
        "evaluated": 3,
        "listed": 6,
        "loss": pytest.approx(loss, abs=5e-5),
        "top1": 0.666667,
    }


def test_scores_have_one_row_for_every_listed_video(report: Path) -> None:
    head = ["path", "label", "predicted", "correct", "status", "reason"]
    seat, none = "sit, slowly", [""] * 3
    assert read_csv(report / "scores.csv") == [
        [*head, "walk", seat, "fall"],
        ["video 0.mp4", seat, "", "", "not reached", "", *none],
        ["video 1.mp4", "walk", "walk", "1", "ok", "", "0.6", "0.3", "0.1"],
        ["video 2.mp4", "fall", "", "", "skipped", "the file is empty", *none],
        ["video 3.mp4", "fall", "", "", "not reached", "", *none],
        ["video 4.mp4", "walk", "fall", "0", "ok", "", "0.2", "0.3", "0.5"],
        ["video 5.mp4", seat, seat, "1", "salvaged", "cut short", "0.1", "0.8", "0.1"],
    ]


def test_classes_tell_their_accuracy_and_one_without_videos_tells_none(report: Path) -> None:
    assert read_csv(report / "classes.csv") == [
        ["class", "evaluated", "listed", "correct", "top1"],
        ["walk", "2", "2", "1", "0.5000"],
        ["sit, slowly", "1", "2", "1", "1.0000"],
        ["fall", "0", "2", "0", ""],
    ]


def test_confusion_counts_predictions_of_each_label(report: Path) -> None:
    assert read_csv(report / "confusion.csv") == [
        ["label \\ predicted", "walk", "sit, slowly", "fall"],
        ["walk", "1", "0", "1"],
        ["sit, slowly", "0", "1", "0"],
        ["fall", "0", "0", "0"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [25, 80])
def test_confusion_is_drawn_for_few_and_many_classes(num_classes: int, tmp_path: Path) -> None:
    labels, all_well = torch.tensor([0, 1, 1]), torch.zeros(3, dtype=torch.long)
    scores = torch.eye(num_classes)[:3]
    table = ScoreTable(torch.arange(3), labels, scores, all_well, ("",) * 3)
    names = [rf"class $\{index}$" for index in range(num_classes)]  # signs of a formula
    write_report(tmp_path, table, paths=[Path("a.mp4")] * 3, labels=[0, 1, 1], class_names=names)
    with Image.open(tmp_path / "confusion.png") as image:
        assert image.format == "PNG"
        assert min(image.size) >= 400


def test_report_on_no_video_is_refused(tmp_path: Path) -> None:
    skipped = torch.full((6,), SKIPPED)
    scores = torch.full((6, 3), math.nan)
    table = ScoreTable(torch.arange(6), torch.zeros(6).long(), scores, skipped, ("bad",) * 6)
    with pytest.raises(ValueError, match="evaluated 0 of 6 samples"):
        write_report(tmp_path, table, paths=[Path("a.mp4")] * 6, labels=LABELS, class_names=NAMES)
