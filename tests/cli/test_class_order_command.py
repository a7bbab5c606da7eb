"""A checkpoint's classes against those of the data: reordered, or refused."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from video_uniformer.cli.test import main

Run = Callable[..., Any]


def evaluate(run: Run, videos: Path, checkpoint: Path, output: Path, names: str) -> Any:
    """Run the test on `videos` whose classes are those of a file `names` in its folder."""
    settings = ("data=videos", f"data.root={videos}", "data.num_workers=0")
    where = ("trainer.accelerator=cpu", f"output_dir={output}", f"ckpt_path={checkpoint}")
    return run(main, *settings, *where, f"data.class_names.source={names}")


def scores(folder: Path) -> dict[str, dict[str, float]]:
    with (folder / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["path"]: {name: float(row[name]) for name in ("dark", "bright")} for row in rows}


@pytest.fixture
def turned(videos: Path) -> Path:
    """The same videos and classes, numbered the other way round; a file of other names."""
    (videos / "turned.txt").write_text("bright\ndark\n")
    (videos / "foreign.txt").write_text("cat\ndog\n")
    for name in ("train.csv", "val.csv"):
        rows = [line.split() for line in (videos / name).read_text().splitlines()]
        (videos / f"turned_{name}").write_text("".join(f"{p} {1 - int(k)}\n" for p, k in rows))
    return videos


@pytest.mark.slow
def test_same_classes_in_another_order_are_reordered_with_a_message(
    run: Run, turned: Path, checkpoint: Path, tmp_path: Path
) -> None:
    first = evaluate(run, turned, checkpoint, tmp_path / "a", "classes.txt")
    assert (first.status, "another order" in first.out) == (0, False)
    for name in ("train.csv", "val.csv"):
        (turned / f"turned_{name}").replace(turned / name)
    second = evaluate(run, turned, checkpoint, tmp_path / "b", "turned.txt")
    assert second.status == 0
    assert "same classes in another order: the head was reordered to the data's" in second.out
    expected = scores(tmp_path / "a")
    for path, row in scores(tmp_path / "b").items():
        assert row == pytest.approx(expected[path], abs=1e-6)


@pytest.mark.slow
def test_other_classes_are_refused(
    run: Run, turned: Path, checkpoint: Path, tmp_path: Path
) -> None:
    ran = evaluate(run, turned, checkpoint, tmp_path / "a", "foreign.txt")
    assert ran.status == 1
    assert "trained on 2 classes and the data has 2, 2 of them unknown to it (first 'cat')" in (
        ran.err
    )
