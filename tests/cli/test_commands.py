"""The commands as a user runs them: in their own processes, on real clips, from a wheel."""

import csv
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import launch_ranks

from video_uniformer import create_uniformer
from video_uniformer.cli import predict as predicting
from video_uniformer.cli import test as testing
from video_uniformer.cli import train as training

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
ROOT = Path(__file__).parents[2]


MODULE = (sys.executable, "-m", "video_uniformer")


def command(
    name: str, *arguments: str, cwd: Path, status: int = 0, program: Sequence[str] = MODULE
) -> tuple[str, str]:
    """Run a console command; its output and its complaints."""
    ran = subprocess.run(
        [*program, name, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "HYDRA_FULL_ERROR": "0"},
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout, ran.stderr


def metrics(folder: Path) -> list[dict[str, str]]:
    [file] = folder.glob("csv/version_0/metrics.csv")
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


TWO_PROCESSES = ("trainer.devices=2", "trainer.strategy=ddp")


def test_two_processes_give_the_metrics_of_one(
    run: Run, tiny: Sequence[str], checkpoint: Path, tmp_path: Path
) -> None:
    settings = (*tiny, f"ckpt_path={checkpoint}")
    run(testing.main, *settings, f"output_dir={tmp_path / 'one'}")
    both = (*settings, *TWO_PROCESSES, f"output_dir={tmp_path / 'two'}")
    ranks = launch_ranks(testing.main, *both, cwd=tmp_path)
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * 2
    reports = [
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")
    ]
    assert reports[0]["evaluated"] == 3
    assert reports[0] == reports[1]


def test_validation_in_two_processes_equals_testing_in_one(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    both, one = tmp_path / "both", tmp_path / "one"
    settings = (*tiny, *TWO_PROCESSES, f"output_dir={both}")
    ranks = launch_ranks(training.main, *settings, cwd=tmp_path)
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * 2
    last = both / "checkpoints" / "last.ckpt"
    settings = (f"ckpt_path={last}", "clip.num_clips=1", f"output_dir={one}")
    run(testing.main, *tiny, *settings)
    [row] = [row for row in metrics(both) if row["val/loss"]]
    report = json.loads((one / "metrics.json").read_text())
    for name in ("loss", "top1"):
        assert round(float(row[f"val/{name}"]), 6) == report[name]


@pytest.mark.parametrize("name", ["train", "test", "predict"])
def test_scripts_of_a_checkout_are_the_commands(name: str, tmp_path: Path) -> None:
    words = ["--help"] if name == "predict" else ["--cfg", "job"]
    script = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *words]
    ran = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == command(name, *words, cwd=tmp_path)[0]


def test_sweep_runs_the_command_once_for_each_value(tiny: Sequence[str], tmp_path: Path) -> None:
    settings = (*tiny, "hydra.sweep.dir=sweep", "+trainer.limit_train_batches=1", "logger=csv")
    [ran] = launch_ranks(training.main, "-m", *settings, "seed=0,1", cwd=tmp_path, number=1)
    assert (ran.status, ran.err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == [
        "0",
        "1",
    ]


def test_folder_of_own_configs_adds_to_ours(tiny: Sequence[str], tmp_path: Path) -> None:
    own = tmp_path / "own" / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\nseed: 77\n")
    out, err = command(
        "train",
        "--config-dir",
        str(tmp_path / "own"),
        "--cfg",
        "job",
        "experiment=mine",
        cwd=tmp_path,
    )
    assert err == ""
    assert "seed: 77" in out


def test_error_in_one_of_two_processes_ends_both(
    tiny: Sequence[str], videos: Path, tmp_path: Path
) -> None:
    """No video is read before both have met."""
    (videos / "train1.mp4").write_bytes(b"")
    settings = (*TWO_PROCESSES, f"output_dir={tmp_path / 'out'}", "trainer.max_epochs=9")
    ranks = launch_ranks(training.main, *tiny, *settings, cwd=tmp_path)
    assert all(rank.status != 0 for rank in ranks)
    told = [f"error: {videos / 'train1.mp4'}: the file is empty" in rank.err for rank in ranks]
    assert any(told)


def test_resuming_gives_the_losses_of_an_uninterrupted_run(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    settings = ("trainer.max_epochs=4", "trainer.log_every_n_steps=1")
    every_epoch = ("callbacks.best.filename='epoch={epoch}'", "callbacks.best.save_top_k=-1")
    whole, rest = tmp_path / "whole", tmp_path / "rest"
    ran = run(training.main, *tiny, *settings, *every_epoch, f"output_dir={whole}")
    assert (ran.status, ran.err) == (0, "")
    middle = whole / "checkpoints" / "epoch=1.ckpt"
    resumed = (f"ckpt_path='{middle}'", f"output_dir={rest}")
    ran = run(training.main, *tiny, *settings, *resumed)
    assert (ran.status, ran.err) == (0, "")
    names = ("step", "train/loss", "val/loss", "val/top1", "lr-AdamW/pg1")

    def later(folder: Path) -> list[list[str]]:
        rows = [row for row in metrics(folder) if int(row["step"]) >= 4]
        return [[row.get(name, "") for name in names] for row in rows]

    assert later(rest) == later(whole)
    assert len(later(rest)) >= 4


def test_two_videos_are_overfitted_and_then_recognised(
    run: Run, tiny: Sequence[str], videos: Path, tmp_path: Path
) -> None:
    for split in ("train", "val"):
        (videos / f"{split}.csv").write_text("train0.mp4 0\ntrain1.mp4 1\n")
    transform = "data.datasets.train.transform"
    plain = (
        *(f"{transform}.{key}" for key in ("rand_augment=null", "erase_prob=0", "num_views=1")),
        *("task.mixing=null", "trainer.max_epochs=25", "trainer.check_val_every_n_epoch=25"),
        *("model.drop_path_rate=0", "optim.optimizer.lr_per_32_videos=0.05"),
    )
    out = tmp_path / "out"
    ran = run(training.main, *tiny, *plain, f"output_dir={out}")
    assert (ran.status, ran.err) == (0, "")
    best = out / "checkpoints" / "best.ckpt"
    run(testing.main, *tiny, f"ckpt_path={best}", f"output_dir={tmp_path / 'tested'}")
    assert json.loads((tmp_path / "tested" / "metrics.json").read_text())["top1"] == 1
    pictures = [str(videos / "train0.mp4"), str(videos / "train1.mp4")]
    ran = run(predicting.main, *pictures, "--checkpoint", str(best), "--json")
    assert [answer["top"][0]["class"] for answer in json.loads(ran.out)] == ["dark", "bright"]


@pytest.mark.parametrize(("data", "decoder"), [("videos", "decord"), ("folder", "pyav")])
def test_real_clips_from_training_to_prediction(
    data: str, decoder: str, run: Run, tiny: Sequence[str], shared_data: Path, tmp_path: Path
) -> None:
    folder, out = shared_data / "daily_actions", tmp_path / "out"
    settings = [f"data={data}", f"data.root={folder}", f"data.decoder={decoder}"]
    if data == "videos":
        settings.append("data.class_names.source=classes.txt")
    settings += [text for text in tiny if not text.startswith(("data=", "data.root", "data.class"))]
    ran = run(training.main, *settings, "trainer.max_steps=2", f"output_dir={out}")
    assert (ran.status, ran.err) == (0, "")
    last = out / "checkpoints" / "last.ckpt"
    tested = tmp_path / "tested"
    ran = run(testing.main, *settings, f"ckpt_path={last}", f"output_dir={tested}")
    assert (ran.status, ran.err) == (0, "")
    assert json.loads((tested / "metrics.json").read_text())["evaluated"] >= 4
    sheets = ("--sheet", str(tmp_path / "sheets"), "--decoder", decoder)
    ran = run(
        predicting.main, str(folder / "walking"), "--checkpoint", str(last), "--json", *sheets
    )
    assert (ran.status, ran.err) == (0, "")
    answers = json.loads(ran.out)
    assert len(answers) == len(list((folder / "walking").iterdir()))
    assert {row["class"] for row in answers[0]["top"]} == {
        "falling",
        "sitting",
        "standing",
        "walking",
    }


def test_fine_tuning_of_the_small_network_on_real_clips(
    run: Run, tiny: Sequence[str], shared_data: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "image.pth"
    torch.save({"model": create_uniformer("small", ndim=2).state_dict()}, weights)
    folder = shared_data / "daily_actions"
    settings = [text for text in tiny if not text.startswith("model.")]
    ran = run(
        training.main,
        *settings,
        f"data.root={folder}",
        f"task.init={weights}",
        "trainer.max_steps=2",
        f"output_dir={tmp_path / 'out'}",
    )
    assert (ran.status, ran.err) == (0, "")
    assert "2 reinitialised" in ran.out
    assert (tmp_path / "out" / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.parametrize("name", ["train", "test", "predict"])
def test_help_is_worth_reading(name: str, tmp_path: Path) -> None:
    out, err = command(name, "--help", cwd=tmp_path)
    assert err == ""
    assert f"video-uniformer {name}" in out
    assert not list(tmp_path.iterdir())


def test_misspelt_override_ends_before_anything_is_made(tmp_path: Path) -> None:
    _, err = command("train", "modle.variant=base", cwd=tmp_path, status=1)
    assert err == "error: there is no config key 'modle.variant'; did you mean 'model.variant'?\n"
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", str(ROOT), "--no-deps", "--wheel-dir", str(folder)]
    ran = subprocess.run([sys.executable, *build], capture_output=True, text=True, check=False)
    if "No matching distribution found for hatchling" in ran.stderr:
        pytest.skip("hatchling, which builds the wheel, cannot be fetched")
    assert ran.returncode == 0, ran.stderr
    [path] = folder.glob("video_uniformer-*.whl")
    return path


def test_wheel_carries_configs_and_labels(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"video_uniformer/conf/{path.relative_to(ROOT / 'conf')}"
        for path in (ROOT / "conf").rglob("*.yaml")
    }
    labels = ROOT / "video_uniformer" / "labels"
    wanted |= {f"video_uniformer/labels/{path.name}" for path in labels.glob("*.txt")}
    assert wanted <= names
    assert not [name for name in names if name.startswith(("tests/", "conf/"))]


def test_wheel_trains_and_predicts_away_from_the_checkout(
    wheel: Path, tiny: Sequence[str], videos: Path, tmp_path: Path
) -> None:
    site, away = tmp_path / "site", tmp_path / "away"
    away.mkdir()
    install = ["-m", "pip", "install", "--no-deps", "--quiet", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, *install], check=True)

    def module(name: str, *arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "video_uniformer", name, *arguments],
            cwd=away,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(site)},
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    where = [sys.executable, "-c", "import video_uniformer; print(video_uniformer.__file__)"]
    found = subprocess.run(
        where, cwd=away, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(site)}
    )
    assert found.stdout.startswith(str(site))
    module("train", *tiny, "output_dir=out")
    last = away / "out" / "checkpoints" / "last.ckpt"
    answers = json.loads(
        module("predict", str(videos / "val0.mp4"), "--checkpoint", str(last), "--json")
    )
    assert {row["class"] for row in answers[0]["top"]} == {"dark", "bright"}
