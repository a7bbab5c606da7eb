"""`video-uniformer test`: several views of every video, and a report."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from video_uniformer import load_classifier
from video_uniformer.cli.test import main

Run = Callable[..., Any]


def scores(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def data(videos: Path, tmp_path: Path) -> Sequence[str]:
    settings = ("data=videos", f"data.root={videos}", "data.num_workers=0")
    return (*settings, "trainer.accelerator=cpu", f"output_dir={tmp_path / 'out'}")


@pytest.mark.slow
def test_report_answers_as_predicting_does(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    ran = run(main, *data(videos, tmp_path), f"ckpt_path={checkpoint}")
    assert (ran.status, ran.err) == (0, "")
    out = tmp_path / "out"
    assert {file.name for file in out.iterdir()} >= {
        "metrics.json",
        "scores.csv",
        "classes.csv",
        "confusion.csv",
        "confusion.png",
    }
    rows, classifier = scores(out), load_classifier(checkpoint)
    assert [row["path"] for row in rows] == [str(videos / f"val{i}.mp4") for i in range(3)]
    for row in rows:
        expected = dict(classifier(row["path"]).top())
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, abs=1e-4)


def test_table_tells_metrics_videos_and_views(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    ran = run(main, *data(videos, tmp_path), f"ckpt_path={checkpoint}", "clip.num_crops=3")
    lines = [" ".join(line.replace("│", " ").split()) for line in ran.out.splitlines()]
    assert "samples evaluated 3 of 3" in lines
    assert "views 2 clips x 3 crops" in lines
    right = sum(row["correct"] == "1" for row in scores(tmp_path / "out"))
    assert f"test/top1 {100 * right / 3:.2f} %" in lines


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2])
def test_scores_do_not_depend_on_the_batch(
    batch_size: int, run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = (*data(videos, tmp_path), f"ckpt_path={checkpoint}")
    run(main, *settings, "data.eval_batch_size=3")
    whole = scores(tmp_path / "out")
    run(main, *settings, f"data.eval_batch_size={batch_size}")
    for row, expected in zip(scores(tmp_path / "out"), whole, strict=True):
        assert float(row["dark"]) == pytest.approx(float(expected["dark"]), abs=2e-6)


@pytest.mark.slow
def test_fusion_and_order_can_be_chosen(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = ("task.fusion=probabilities", "data.datasets.val.sampler.order=still")
    ran = run(main, *data(videos, tmp_path), f"ckpt_path={checkpoint}", *settings)
    assert (ran.status, ran.err) == (0, "")


@pytest.mark.slow
def test_published_file_is_tested_with_the_given_classes(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "published.pth"
    torch.save({"model_state": torch.load(checkpoint, weights_only=True)["state_dict"]}, bare)
    clip = ("clip.num_frames=4", "clip.stride=2", "clip.size=32", "clip.num_clips=2")
    settings = ("model.variant=test", "data.class_names.source=classes.txt", *clip)
    ran = run(main, *data(videos, tmp_path), f"ckpt_path={bare}", *settings)
    assert (ran.status, ran.err) == (0, "")
    ours = [row["dark"] for row in scores(tmp_path / "out")]
    run(main, *data(videos, tmp_path), f"ckpt_path={checkpoint}")
    assert ours == [row["dark"] for row in scores(tmp_path / "out")]


@pytest.mark.slow
def test_no_checkpoint_is_one_line(run: Run, videos: Path, tmp_path: Path) -> None:
    ran = run(main, *data(videos, tmp_path))
    assert ran.status == 1
    assert (
        ran.err == "error: ckpt_path is not given, expected a checkpoint to test: ckpt_path=FILE\n"
    )


@pytest.mark.slow
def test_checkpoint_of_other_classes_is_one_line(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    (videos / "classes.txt").write_text("dark\nbright\nred\n")
    settings = ("data.class_names.source=classes.txt",)
    ran = run(main, *data(videos, tmp_path), f"ckpt_path={checkpoint}", *settings)
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert str(checkpoint) in ran.err
