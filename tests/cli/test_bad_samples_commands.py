"""Every listed video is accounted for, wherever metrics are printed, logged or saved."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ranks import launch_ranks

from video_uniformer.cli import test as testing
from video_uniformer.cli import train as training

# Measuring coverage, a worker warns at its start; as an error that would end it.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Module video_uniformer was previously imported"),
]

Run = Callable[..., Any]
SKIP = ("data.bad_samples.on_bad_sample=skip", "data.bad_samples.budget=0.5")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def words(out: str) -> list[str]:
    """The lines without the frames of tables."""
    return [" ".join(line.replace("│", " ").split()) for line in out.splitlines()]


@pytest.fixture
def eight(videos: Path, video_file: Callable[..., Path]) -> Path:
    """Eight validation videos: 1 is empty, 4 is text, 6 is absent."""
    for index in range(8):
        video_file(num_frames=12, grey=40 + 25 * index, name=f"videos/val{index}.mp4")
    (videos / "val1.mp4").write_bytes(b"")
    (videos / "val4.mp4").write_text("this is no video\n" * 100)
    (videos / "val6.mp4").unlink()
    (videos / "val.csv").write_text("".join(f"val{i}.mp4 {i % 2}\n" for i in range(8)))
    return videos


GOOD, BAD = (0, 2, 3, 5, 7), (1, 4, 6)


def test_test_tells_how_many_videos_it_rests_on(
    run: Run, tiny: Sequence[str], eight: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = run(testing.main, *tiny, *SKIP, f"ckpt_path={checkpoint}", f"output_dir={out}")
    assert (ran.status, ran.err) == (0, "")
    lines = words(ran.out)
    assert "samples evaluated 5 of 8" in lines
    assert f"bad samples: 3 (3 skipped), listed in {out / 'bad_samples.csv'}" in lines
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["evaluated"], metrics["listed"]) == (5, 8)


def test_tables_have_a_row_for_every_video(
    run: Run, tiny: Sequence[str], eight: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(testing.main, *tiny, *SKIP, f"ckpt_path={checkpoint}", f"output_dir={out}")
    rows = table(out / "scores.csv")
    assert [row["path"] for row in rows] == [str(eight / f"val{i}.mp4") for i in range(8)]
    assert [index for index in range(8) if rows[index]["status"] == "skipped"] == list(BAD)
    assert rows[1]["reason"] == "the file is empty, expected a video"
    assert (rows[1]["label"], rows[1]["predicted"], rows[1]["dark"]) == ("bright", "", "")
    assert all(float(rows[index]["dark"]) >= 0 for index in GOOD)
    bad = table(out / "bad_samples.csv")
    assert [(Path(row["path"]).name, row["split"]) for row in bad] == [
        (f"val{index}.mp4", "test") for index in BAD
    ]
    listed = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
    assert [Path(entry["path"]).name for entry in listed] == ["val1.mp4", "val4.mp4"]


def test_training_tells_how_many_videos_its_metrics_rest_on(
    run: Run, tiny: Sequence[str], eight: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (eight / "train3.mp4").write_bytes(b"")
    ran = run(training.main, *tiny, *SKIP, f"output_dir={out}")
    assert (ran.status, ran.err) == (0, "")
    assert "epoch 0: evaluated 5 of 8: loss " in " ".join(words(ran.out))
    assert "bad samples: 4 (4 skipped), listed in" in ran.out
    [row] = [row for row in table(out / "csv" / "version_0" / "metrics.csv") if row["val/top1"]]
    assert (float(row["val/evaluated"]), float(row["val/listed"])) == (5, 8)
    assert [row["split"] for row in table(out / "bad_samples.csv")] == [
        "train",
        "val",
        "val",
        "val",
    ]


def test_training_on_substitutes_evaluates_the_listed_videos(
    run: Run, tiny: Sequence[str], eight: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (eight / "train3.mp4").write_bytes(b"")
    settings = (*SKIP, "data.bad_samples.in_training=substitute", "data.num_workers=1")
    ran = run(training.main, *tiny, *settings, f"output_dir={out}")
    assert (ran.status, ran.err) == (0, "")
    assert "bad samples: 4 (3 skipped, 1 substituted)" in " ".join(words(ran.out))


@pytest.mark.parametrize("main", [training.main, testing.main])
def test_evaluation_on_substitutes_is_one_line(
    main: Callable[[], None], run: Run, tiny: Sequence[str], checkpoint: Path
) -> None:
    settings = ["output_dir=out", "data.bad_samples.on_bad_sample=substitute"]
    settings += [f"ckpt_path={checkpoint}"] if main is testing.main else []
    ran = run(main, *tiny, *settings)
    assert ran.status == 1
    assert ran.err.startswith("error: on_bad_sample is 'substitute' for 'val', where a video is")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.bad_samples.on_bad_sample=skp", "on_bad_sample is 'skp', expected one of"),
        ("data.bad_samples.budget=2", "budget is 2, expected a share"),
        ("data.bad_samples.quarantine=videos/train.csv", "quarantine is videos/train.csv, which"),
    ],
)
def test_policy_that_makes_no_sense_is_one_line(
    setting: str, message: str, run: Run, tiny: Sequence[str]
) -> None:
    ran = run(training.main, *tiny, *SKIP, "output_dir=out", setting)
    assert ran.status == 1
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1


def test_list_with_too_many_bad_samples_is_one_line(
    run: Run, tiny: Sequence[str], eight: Path, checkpoint: Path
) -> None:
    settings = ("data.bad_samples.on_bad_sample=skip", f"ckpt_path={checkpoint}", "output_dir=out")
    ran = run(testing.main, *tiny, *settings)
    assert ran.status == 1
    assert ran.err.startswith("error: 3 of the 8 test samples are bad, more than the share 0.05 ")
    assert f"{eight / 'val1.mp4'}: the file is empty" in ran.err
    assert ran.err.count("\n") == 1


def test_list_of_bad_samples_alone_is_one_line(
    run: Run, tiny: Sequence[str], eight: Path, checkpoint: Path
) -> None:
    (eight / "val.csv").write_text("val1.mp4 0\nval4.mp4 1\n")
    settings = (*SKIP, "data.bad_samples.budget=1", f"ckpt_path={checkpoint}", "output_dir=out")
    ran = run(testing.main, *tiny, *settings)
    assert ran.status == 1
    assert ran.err.startswith("error: evaluated 0 of 2 samples, expected at least one; the first: ")
    assert ran.err.count("\n") == 1


def test_later_run_reads_the_list_of_an_earlier_one(
    run: Run, tiny: Sequence[str], eight: Path, checkpoint: Path, tmp_path: Path
) -> None:
    shared = (f"data.bad_samples.quarantine={tmp_path / 'shared.jsonl'}", f"ckpt_path={checkpoint}")
    run(testing.main, *tiny, *SKIP, *shared, f"output_dir={tmp_path / 'first'}")
    shutil.copy(eight / "val0.mp4", eight / "val1.mp4")
    run(testing.main, *tiny, *SKIP, *shared, f"output_dir={tmp_path / 'second'}")
    statuses = [row["status"] for row in table(tmp_path / "second" / "scores.csv")]
    assert statuses[1] == "skipped"  # by now it could be read, but is not opened


TWO_PROCESSES = ("trainer.devices=2", "trainer.strategy=ddp")


def launch(
    name: str, *arguments: str, cwd: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a console command in its own process, as the launcher of several needs it."""
    return subprocess.run(
        [sys.executable, "-m", "video_uniformer", name, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "HYDRA_FULL_ERROR": "0", **variables},
    )


def report(tmp_path: Path, name: str) -> dict[str, float]:
    content = json.loads((tmp_path / name / "metrics.json").read_text())
    return {key: content[key] for key in ("evaluated", "loss", "top1")}


@pytest.mark.parametrize("batch_size", [1, 3, 8])  # all sizes: training/callbacks/test_bad_samples
def test_metrics_are_those_of_the_good_videos(
    batch_size: int, run: Run, tiny: Sequence[str], eight: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = (*tiny, *SKIP, f"ckpt_path={checkpoint}", f"data.eval_batch_size={batch_size}")
    run(testing.main, *settings, f"output_dir={tmp_path / 'all'}")
    (eight / "val.csv").write_text("".join(f"val{i}.mp4 {i % 2}\n" for i in GOOD))
    run(testing.main, *settings, f"output_dir={tmp_path / 'good'}")
    assert report(tmp_path, "all") == report(tmp_path, "good")
    assert report(tmp_path, "all")["evaluated"] == 5


def test_metrics_of_two_processes_are_those_of_the_good_videos(
    run: Run, tiny: Sequence[str], eight: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = (*tiny, *SKIP, f"ckpt_path={checkpoint}", "data.eval_batch_size=3")
    both = (*settings, *TWO_PROCESSES, f"output_dir={tmp_path / 'all'}")
    ranks = launch_ranks(testing.main, *both, cwd=tmp_path)
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * 2
    assert "samples evaluated 5 of 8" in words(ranks[0].out)
    statuses = [row["status"] for row in table(tmp_path / "all" / "scores.csv")]
    assert [index for index in range(8) if statuses[index] == "skipped"] == list(BAD)
    assert [row["reason"] != "" for row in table(tmp_path / "all" / "bad_samples.csv")] == [
        True
    ] * 3
    (eight / "val.csv").write_text("".join(f"val{i}.mp4 {i % 2}\n" for i in GOOD))
    run(testing.main, *settings, f"output_dir={tmp_path / 'good'}")
    assert report(tmp_path, "all") == report(tmp_path, "good")


def test_process_without_a_video_left_does_not_hold_up_the_other(
    tiny: Sequence[str], eight: Path, tmp_path: Path
) -> None:
    # One video a process and step: the bad one leaves its process none.
    (eight / "train3.mp4").write_bytes(b"")
    out = tmp_path / "out"
    settings = (*tiny, *SKIP, *TWO_PROCESSES, "trainer.max_epochs=2", f"output_dir={out}")
    ranks = launch_ranks(training.main, *settings, cwd=tmp_path)
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * 2
    assert (out / "checkpoints" / "last.ckpt").is_file()
    rows = {Path(row["path"]).name: row["times_seen"] for row in table(out / "bad_samples.csv")}
    assert rows == {f"{name}.mp4": "2" for name in ("train3", "val1", "val4", "val6")}


def test_budget_ends_both_processes(tiny: Sequence[str], eight: Path, tmp_path: Path) -> None:
    for index in (1, 2, 3):
        (eight / f"train{index}.mp4").write_bytes(b"")
    settings = (*tiny, *SKIP, *TWO_PROCESSES, "trainer.max_epochs=50", "output_dir=out")
    ranks = launch_ranks(training.main, *settings, cwd=tmp_path)
    assert [rank.status for rank in ranks] == [1, 1]
    for rank in ranks:
        assert "of the 4 train samples are bad, more than the share 0.5 that" in rank.err
        assert rank.err.count("\n") == 1


FATAL = """
import os
from video_uniformer.data.video.dataset import VideoDataset


class Fatal(VideoDataset):
    def __getitem__(self, item):
        if item[0] == 2:
            os.kill(os.getpid(), {number:d})
        return super().__getitem__(item)
"""


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (signal.SIGKILL, "a loader worker was ended from outside, as happens when memory runs out"),
        (signal.SIGBUS, "the shared memory that loader workers hand batches over in is full"),
    ],
)
def test_death_of_a_worker_is_one_line_of_advice(
    number: int, advice: str, tiny: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "fatal.py").write_text(FATAL.format(number=number))
    settings = ("data.datasets.train._target_=fatal.Fatal", "data.num_workers=2", "output_dir=out")
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))
    ran = launch("train", *tiny, *settings, cwd=tmp_path, PYTHONPATH=path)
    assert ran.returncode == 1
    # Torch has its own word before ours, with a zero byte at its end.
    line = ran.stderr.replace("\0", "").splitlines()[-1]
    assert line.startswith(f"error: {advice}: ")
    assert "data.num_workers" in line


def test_salvaged_videos_are_evaluated_and_counted(
    run: Run, tiny: Sequence[str], eight: Path, damaged: Path, checkpoint: Path
) -> None:
    (eight / "val.csv").write_text("val0.mp4 0\ndamaged.mp4 1\nval4.mp4 0\n")
    salvage = ("data.bad_samples.on_bad_sample=salvage", "data.bad_samples.budget=1")
    clip = ("clip.num_frames=20", "clip.num_clips=1")
    ran = run(testing.main, *tiny, *salvage, *clip, f"ckpt_path={checkpoint}", "output_dir=out")
    assert (ran.status, ran.err) == (0, "")
    assert "samples evaluated 2 of 3" in words(ran.out)
    assert "bad samples: 2 (1 salvaged, 1 skipped), listed in" in ran.out
    rows = table(Path("out") / "scores.csv")
    assert [row["status"] for row in rows] == ["ok", "salvaged", "skipped"]
    assert rows[1]["predicted"] in ("dark", "bright")
