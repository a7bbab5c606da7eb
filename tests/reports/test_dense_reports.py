"""What tests of segmentation and pose leave behind."""

import csv
import json
from pathlib import Path

import torch

from video_uniformer.outcomes import OK, SKIPPED
from video_uniformer.reports.pose_report import write_pose_report
from video_uniformer.reports.scene_report import write_scene_report
from video_uniformer.training.metrics.keypoints import FoundPersons, KeypointTable
from video_uniformer.training.metrics.segmentation import SegmentationTable

PATHS = [Path("a.jpg"), Path("b.jpg"), Path("c.jpg")]
INDEX, STATUS = torch.tensor([0, 1]), torch.tensor([OK, SKIPPED])  # the third was never met
PROBLEMS = ("", "cut short")


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_scene_report_tells_classes_and_pictures(tmp_path: Path) -> None:
    """Of 10 pixels: wall 6 of 7 right, floor 2 of 3, and no tree."""
    confusion = torch.tensor([[6, 1, 0], [1, 2, 0], [0, 0, 0]])
    table = SegmentationTable(INDEX, STATUS, PROBLEMS, confusion)
    names = ["wall", "floor", "tree"]
    files = write_scene_report(tmp_path / "out", table, paths=PATHS, class_names=names)
    assert all(file.is_file() for file in files)
    out = tmp_path / "out"
    assert json.loads((out / "metrics.json").read_text()) == {
        "evaluated": 1,
        "listed": 3,
        "miou": 0.625,  # 6/8 and 2/4
        "mean_accuracy": 0.761905,  # 6/7 and 2/3
        "accuracy": 0.8,
    }
    assert rows(out / "classes.csv")[1:] == [
        ["wall", "0.75", "0.857143", "7"],
        ["floor", "0.5", "0.666667", "3"],
        ["tree", "", "", "0"],
    ]
    assert rows(out / "pictures.csv")[1:] == [
        ["a.jpg", "ok", ""],
        ["b.jpg", "skipped", "cut short"],
        ["c.jpg", "", ""],
    ]
    assert rows(out / "confusion.csv")[1] == ["wall", "6", "1", "0"]


def test_pose_report_tells_persons_and_results(tmp_path: Path) -> None:
    keypoints = torch.zeros(2, 4, 3)
    score, area = torch.tensor([0.5, 0.0]), torch.ones(2)
    persons = FoundPersons(INDEX, INDEX + 7, keypoints, score, area, STATUS, PROBLEMS)
    entries: list[dict[str, object]] = [{"image_id": 7, "score": 0.5}]
    table = KeypointTable(persons, entries, {"AP": 0.25, "APL": float("nan")})
    out = tmp_path / "out"
    write_pose_report(out, table, paths=PATHS)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics == {"evaluated": 1, "listed": 3, "ap": 0.25}
    assert json.loads((out / "keypoints.json").read_text()) == entries
    assert rows(out / "persons.csv")[1:] == [
        ["a.jpg", "ok", "", "0.5"],
        ["b.jpg", "skipped", "cut short", "0.0"],
        ["c.jpg", "", "", ""],
    ]
