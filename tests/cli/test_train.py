"""`video-uniformer train` on tiny videos: what it writes, resuming, and the fine-tuning start."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from video_uniformer import load_classifier
from video_uniformer.cli.train import main

Run = Callable[..., Any]


def metrics(folder: Path, version: int = 0) -> list[dict[str, str]]:
    with (folder / "csv" / f"version_{version}" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_training_leaves_checkpoints_logs_and_silence(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = run(main, *tiny, f"output_dir={out}", "trainer.log_every_n_steps=1")
    assert (ran.status, ran.err) == (0, "")
    assert "UniFormer test: 0.09 M parameters, 2 classes, 4 frames, stride 2, 32 x 32" in ran.out
    assert {file.name for file in (out / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert list((out / "tensorboard").glob("events.*"))
    rows = metrics(out)
    logged = {name for row in rows for name, value in row.items() if value}
    assert logged >= {"train/loss", "train/top1", "val/loss", "val/top1", "epoch", "step"}
    assert logged >= {"train/clips_per_second", "train/data_wait"}
    assert len([row for row in rows if row["val/top1"]]) == 1


@pytest.mark.slow
def test_checkpoint_of_a_training_is_a_classifier(
    run: Run, tiny: Sequence[str], videos: Path, tmp_path: Path
) -> None:
    run(main, *tiny, f"output_dir={tmp_path / 'out'}")
    classifier = load_classifier(tmp_path / "out" / "checkpoints" / "best.ckpt")
    assert classifier.class_names == ("dark", "bright")
    assert (classifier.clip.num_frames, classifier.clip.size, classifier.clip.num_clips) == (
        4,
        32,
        2,
    )
    assert classifier(videos / "val0.mp4").probabilities.sum().item() == pytest.approx(1)


def test_training_of_a_few_steps_leaves_a_checkpoint(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    ran = run(main, *tiny, f"output_dir={tmp_path / 'out'}", "trainer.max_steps=1")
    assert (ran.status, ran.err) == (0, "")
    content = torch.load(tmp_path / "out" / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["global_step"] == 1


@pytest.mark.slow
def test_resuming_goes_on_at_the_next_epoch(run: Run, tiny: Sequence[str], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(main, *tiny, f"output_dir={first}")
    last = first / "checkpoints" / "last.ckpt"
    ran = run(main, *tiny, f"output_dir={second}", f"ckpt_path={last}", "trainer.max_epochs=3")
    assert (ran.status, ran.err) == (0, "")
    assert [row["epoch"] for row in metrics(second) if row["val/top1"]] == ["1", "2"]


@pytest.mark.slow
def test_resuming_keeps_earlier_logs_and_needs_no_first_weights(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(main, *tiny, f"output_dir={out}")
    last = f"ckpt_path={out / 'checkpoints' / 'last.ckpt'}"
    again = (last, "task.init=absent.pth", "trainer.max_epochs=2")
    ran = run(main, *tiny, f"output_dir={out}", *again)
    assert (ran.status, ran.err) == (0, "")
    assert [row["epoch"] for row in metrics(out) if row["val/top1"]] == ["0", "1"]
    assert [path.name for path in (out / "csv").iterdir()] == ["version_0"]


@pytest.mark.slow
def test_fine_tuning_starts_from_a_checkpoint_with_other_classes(
    run: Run, tiny: Sequence[str], checkpoint: Path, videos: Path, tmp_path: Path
) -> None:
    (videos / "classes.txt").write_text("dark\nbright\nred\n")
    ran = run(main, *tiny, f"output_dir={tmp_path / 'out'}", f"task.init={checkpoint}")
    assert (ran.status, ran.err) == (0, "")
    assert f"weights from {checkpoint}: " in ran.out
    assert "2 reinitialised" in ran.out
    classifier = load_classifier(tmp_path / "out" / "checkpoints" / "last.ckpt")
    assert classifier.class_names == ("dark", "bright", "red")


@pytest.mark.slow
def test_data_from_class_folders(
    run: Run, tiny: Sequence[str], video_file: Callable[..., Path], tmp_path: Path
) -> None:
    for split in ("train", "val"):
        for name in ("dark", "bright"):
            video_file(num_frames=12, name=f"folders/{split}/{name}/a.mp4")
    others = [text for text in tiny if not text.startswith("data")]
    settings = ("data=folder", f"data.root={tmp_path / 'folders'}", "data.batch_size=2")
    ran = run(main, *others, *settings, "data.num_workers=0", f"output_dir={tmp_path / 'out'}")
    assert (ran.status, ran.err) == (0, "")
    classifier = load_classifier(tmp_path / "out" / "checkpoints" / "last.ckpt")
    assert classifier.class_names == ("bright", "dark")


@pytest.mark.slow
def test_loggers_and_callbacks_can_be_left_out(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = run(main, *tiny, f"output_dir={out}", "~logger.tensorboard", "callbacks.progress=null")
    assert (ran.status, ran.err) == (0, "")
    assert not (out / "tensorboard").exists()
