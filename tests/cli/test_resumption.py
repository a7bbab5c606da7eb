"""`video-uniformer train` given again: what it goes on from, what it refuses, what it leaves."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damage import DAMAGES

from video_uniformer import create_uniformer
from video_uniformer.cli.train import main
from video_uniformer.system.atomic import UNFINISHED

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
LOG = "trainer.log_every_n_steps=1"


def rows(out: Path, version: int = 0) -> list[dict[str, str]]:
    with (out / "csv" / f"version_{version}" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def values(out: Path, name: str) -> list[str]:
    return [row[name] for row in rows(out) if row.get(name)]


def step_of(path: Path) -> int:
    return int(torch.load(path, weights_only=True)["global_step"])


def snapshot(out: Path) -> dict[str, tuple[int, bytes]]:
    """Whatever a training writes; Hydra's own files are written by every command."""
    return {
        str(path.relative_to(out)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".hydra" not in path.parts and path.name != "train.log"
    }


def refused(ran: Any) -> str:
    """The one line of a command that was refused."""
    assert ran.status == 1, ran
    [line] = ran.err.splitlines()
    assert line.startswith("error: ")
    return str(line.removeprefix("error: "))


@pytest.fixture
def out(run: Run, tiny: Sequence[str], tmp_path: Path) -> Path:
    """The folder of a training of one epoch, of two steps."""
    out = tmp_path / "out"
    ran = run(main, *tiny, LOG, f"output_dir={out}")
    assert (ran.status, ran.err) == (0, "")
    return out


@pytest.fixture
def again(run: Run, tiny: Sequence[str], out: Path) -> Callable[..., Any]:
    """The same command again, with further words."""
    return lambda *words: run(main, *tiny, LOG, f"output_dir={out}", *words)


def test_finished_training_is_said_to_be_so_and_left_alone(again: Run, out: Path) -> None:
    before = snapshot(out)
    ran = again()
    assert (ran.status, ran.err) == (0, "")
    assert (
        f"{out / 'checkpoints' / 'last.ckpt'} is a finished training (1 epochs, 2 steps" in ran.out
    )
    assert "a larger trainer.max_epochs goes on, another output_dir starts anew" in ran.out
    assert "wrote" not in ran.out
    assert snapshot(out) == before


def test_objective_of_a_finished_training_is_its_best_score(tiny: Sequence[str], out: Path) -> None:
    from hydra import compose, initialize_config_dir

    from video_uniformer.cli.config_groups import config_folder
    from video_uniformer.cli.train import train

    [score] = [float(value) for value in values(out, "val/top1")]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", [*tiny, f"output_dir={out}"])
    assert train(config) == pytest.approx(score)


def test_larger_limit_goes_on_and_the_same_command_is_then_finished(again: Run, out: Path) -> None:
    ran = again("trainer.max_epochs=3")
    assert (ran.status, ran.err) == (0, "")
    assert f"going on from {out / 'checkpoints' / 'last.ckpt'}, step 2" in ran.out
    assert step_of(out / "checkpoints" / "last.ckpt") == 6
    by_epoch = [row["epoch"] for row in rows(out) if row["val/top1"]]
    assert by_epoch == ["0", "1", "2"]
    losses = [int(row["step"]) for row in rows(out) if row["train/loss"]]
    assert losses == list(range(6))
    assert "is a finished training (3 epochs, 6 steps" in again("trainer.max_epochs=3").out


def test_what_a_killed_process_left_is_cleared_away(again: Run, out: Path) -> None:
    left = out / "checkpoints" / f".last.ckpt{UNFINISHED}"
    left.write_bytes(b"half")
    ran = again("trainer.max_epochs=2")
    assert (ran.status, ran.err) == (0, "")
    assert {path.name for path in left.parent.iterdir()} == {"best.ckpt", "last.ckpt"}


def test_limit_of_steps_is_one_too(again: Run, out: Path) -> None:
    steps = ("trainer.max_epochs=10", "trainer.max_steps=5")
    ran = again(*steps)
    assert (ran.status, ran.err) == (0, "")
    assert step_of(out / "checkpoints" / "last.ckpt") == 5
    assert "5 steps" in (text := again(*steps).out)
    assert "a larger trainer.max_steps goes on" in text


def test_resume_never_is_refused_where_there_is_a_training(again: Run, out: Path) -> None:
    before = snapshot(out)
    line = refused(again("resume=never", "trainer.max_epochs=2"))
    assert line == (
        f"output_dir is '{out}', which holds a training of 2 steps, expected another folder, or "
        "resume=auto to go on"
    )
    assert snapshot(out) == before


def test_resume_never_starts_where_there_is_none(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    ran = run(main, *tiny, f"output_dir={tmp_path / 'out'}", "resume=never")
    assert (ran.status, ran.err) == (0, "")


def test_unknown_choice_is_refused(run: Run, tiny: Sequence[str]) -> None:
    assert refused(run(main, *tiny, "output_dir=out", "resume=typo")) == (
        "resume is 'typo', expected auto or never; ckpt_path=FILE resumes from a file"
    )


@pytest.mark.parametrize("name", ["bit flips", "cut", "zero tail"])
def test_damaged_checkpoint_falls_back_to_the_next(name: str, again: Run, out: Path) -> None:

    last = out / "checkpoints" / "last.ckpt"
    damage = DAMAGES[name][1]
    last.write_bytes(damage(last.read_bytes(), 0.5, np.random.default_rng(1))[0])
    ran = again("trainer.max_epochs=2")
    assert (ran.status, ran.err) == (0, "")
    [line] = [line for line in ran.out.splitlines() if line.endswith(": left aside")]
    assert line.startswith(f"{last} is ")
    assert f"going on from {out / 'checkpoints' / 'best.ckpt'}, step 2" in ran.out
    assert step_of(last) == 4
    assert [row["epoch"] for row in rows(out) if row["val/top1"]] == ["0", "1"]


def test_folder_of_damaged_checkpoints_is_not_written_over(again: Run, out: Path) -> None:
    for path in (out / "checkpoints").iterdir():
        path.write_bytes(b"")
    before = snapshot(out)
    ran = again()
    assert ran.status == 1
    assert ran.err.startswith(f"error: output_dir is '{out}', where no checkpoint can be read (")
    assert ran.err.endswith(".ckpt is empty), expected one that can, or another folder\n")
    assert snapshot(out) == before


def test_checkpoint_from_elsewhere_begins_a_folder_that_is_then_gone_on_with(
    run: Run, tiny: Sequence[str], out: Path, tmp_path: Path
) -> None:
    first = out / "checkpoints" / "last.ckpt"
    new = tmp_path / "new"
    command = (*tiny, LOG, f"ckpt_path={first}", f"output_dir={new}")
    before = snapshot(out)
    ran = run(main, *command, "trainer.max_epochs=2")
    assert (ran.status, ran.err) == (0, "")
    assert f"going on from {first}, step 2" in ran.out
    assert snapshot(out) == before
    ran = run(main, *command, "trainer.max_epochs=3")
    assert (ran.status, ran.err) == (0, "")
    assert f"going on from {new / 'checkpoints' / 'last.ckpt'}, step 4" in ran.out
    assert [int(row["step"]) for row in rows(new) if row["train/loss"]] == [2, 3, 4, 5]


def test_log_of_another_training_is_not_gone_on_with(
    run: Run, tiny: Sequence[str], out: Path, tmp_path: Path
) -> None:
    """One that was ended before its first checkpoint may have left one in the folder."""
    other = tmp_path / "new" / "csv" / "version_0" / "metrics.csv"
    other.parent.mkdir(parents=True)
    other.write_text("step,train/loss\n7,7.0\n")
    words = (f"ckpt_path={out / 'checkpoints' / 'last.ckpt'}", f"output_dir={tmp_path / 'new'}")
    ran = run(main, *tiny, LOG, *words, "trainer.max_epochs=2")
    assert (ran.status, ran.err) == (0, "")
    assert other.read_text() == "step,train/loss\n7,7.0\n"
    logged = [int(row["step"]) for row in rows(tmp_path / "new", 1) if row["train/loss"]]
    assert logged == [2, 3]


def test_checkpoint_of_the_folder_is_taken_as_given(again: Run, out: Path) -> None:
    kept = out / "checkpoints" / "kept.ckpt"
    kept.write_bytes((out / "checkpoints" / "last.ckpt").read_bytes())
    again("trainer.max_epochs=3")
    ran = again("trainer.max_epochs=3", f"ckpt_path={kept}")
    assert (ran.status, ran.err) == (0, "")
    assert f"going on from {kept}, step 2" in ran.out
    assert [int(row["step"]) for row in rows(out) if row["train/loss"]] == list(range(6))


def swap_classes(videos: Path) -> None:
    (videos / "classes.txt").write_text("bright\ndark\n")


def lengthen_list(videos: Path) -> None:
    with (videos / "train.csv").open("a") as file:
        file.write("train0.mp4 0\n")


def add_class(videos: Path) -> None:
    (videos / "classes.txt").write_text("dark\nbright\nred\n")


@pytest.mark.parametrize(
    ("words", "value", "expected"),
    [
        (["data.batch_size=4"], "data.batch_size is 4", "expected 2 "),
        (["trainer.accumulate_grad_batches=2"], "accumulate_grad_batches is 2", "expected 1 "),
        (["seed=1"], "seed is 1", "expected 0 "),
        (["model.variant=xxs"], "whose network has variant 'test'", "expected 'xxs' "),
        (["+model.layer_scale=0.5"], "whose network has layer_scale None", "expected 0.5 "),
        (swap_classes, "whose class 0 is 'dark'", "expected 'bright' "),
        (lengthen_list, "the number of training samples is 5", "expected 4 "),
        (add_class, "whose network has num_classes 2", "expected 3 "),
    ],
)
def test_training_that_became_another_is_refused(
    words: list[str] | Callable[[Path], None],
    value: str,
    expected: str,
    again: Run,
    out: Path,
    videos: Path,
) -> None:
    if callable(words):
        words(videos)
        words = []
    before = snapshot(out)
    line = refused(again("trainer.max_epochs=2", *words))
    assert value in line
    assert expected in line
    assert "task.init=FILE" in line
    after = snapshot(out)
    assert {name: after.get(name) for name in before if "checkpoints" in name} == {
        name: before[name] for name in before if "checkpoints" in name
    }


def test_learning_rate_and_decay_that_are_given_anew_are_applied(again: Run, out: Path) -> None:
    settings = ("optim.optimizer.lr_per_32_videos=0.016", "optim.optimizer.weight_decay=0.2")
    ran = again("trainer.max_epochs=2", *settings)
    assert (ran.status, ran.err) == (0, "")
    [line] = [line for line in ran.out.splitlines() if line.startswith("resumed with ")]
    assert "peak learning rate 0.001 (was 6.25e-06)" in line
    assert "weight decay 0.2 (was 0.05)" in line
    rates = [float(value) for value in values(out, "lr/pg1")]
    assert max(rates[:2]) <= 6.25e-6
    assert 1e-4 < rates[2] <= 1e-3
    saved = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    groups = saved["optimizer_states"][0]["param_groups"]
    assert 0.2 in [group["weight_decay"] for group in groups]


@pytest.mark.parametrize("inside", [True, False])
def test_checkpoint_of_an_earlier_release_is_gone_on_with(
    inside: bool, run: Run, tiny: Sequence[str], again: Run, out: Path, tmp_path: Path
) -> None:
    """It had no state of the data, said `classifier`, and nothing of logs or these callbacks."""
    path = out / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    content["classifier"] = {
        "network": {"variant": "test", "num_classes": 2, "drop_path_rate": 0.1},
        "clip": content["description"]["input"],
        "class_names": ["dark", "bright"],
        "fusion": "logits",
    }
    new = [name for name in content if name in ("description", "logged_rows", "DataModule")]
    for name in new:
        del content[name]
    content["callbacks"] = {
        name: state for name, state in content["callbacks"].items() if "ModelCheckpoint" in name
    }
    assert len(new) == 3
    (out / "checkpoints" / "best.ckpt").unlink()
    torch.save(content, path)
    if inside:
        ran = again("trainer.max_epochs=2")
    else:
        words = (f"ckpt_path={path}", f"output_dir={tmp_path / 'new'}", "trainer.max_epochs=2")
        ran = run(main, *tiny, *words)
    assert (ran.status, ran.err) == (0, "")
    last = (out if inside else tmp_path / "new") / "checkpoints" / "last.ckpt"
    assert step_of(last) == 4
    network = create_uniformer("test", num_classes=2)
    state = torch.load(last, weights_only=True)["state_dict"]
    assert len(state) == len(network.state_dict())


@pytest.mark.slow
def test_training_that_was_stopped_early_is_finished(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    out = tmp_path / "early"
    stop = "+callbacks.stop={_target_: lightning.pytorch.callbacks.EarlyStopping,"
    stop += " monitor: val/loss, patience: 1, mode: max}"
    command = (*tiny, stop, "optim.optimizer.lr_per_32_videos=1e-2", f"output_dir={out}")
    assert run(main, *command, "trainer.max_epochs=30").status == 0
    before = snapshot(out)
    stopped_at = step_of(out / "checkpoints" / "last.ckpt")
    assert stopped_at < 60
    ran = run(main, *command, "trainer.max_epochs=30")
    assert "is a finished training" in ran.out
    assert snapshot(out) == before
    ran = run(main, *command, "trainer.max_epochs=31")
    assert f"going on from {out}/checkpoints/last.ckpt, step {stopped_at}" in ran.out
