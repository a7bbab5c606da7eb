"""Whole trainings for dense tasks: shapes, recipes in two processes, and after a kill."""

import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import launch_ranks, start_ranks

from video_uniformer.cli import test as testing
from video_uniformer.cli import train
from video_uniformer.demo.shapes import write_shapes

pytest.importorskip("pycocotools")
pytestmark = pytest.mark.slow

Run = Callable[..., Any]
QUIET = ("callbacks.progress=null", "data.num_workers=1", "trainer.accelerator=cpu")
TINY = (*QUIET, "model.variant=test", "model.dim=16", "~logger.tensorboard")
SEGMENTATION = (
    *("experiment=uniformer_b_upernet_h14_ade20k", "data=shapes", "data.prepare=null", *TINY),
    *("model.checkpoint_blocks=[0,0,0,0]", "scene.crop_size=64", "scene.short_side=64"),
    *("scene.long_side=128", "data.batch_size=4", "trainer.max_steps=9", "task.init=null"),
    *("trainer.check_val_every_n_epoch=1", "optim.schedule.warmup_steps=2"),
)
POSE = (
    *("experiment=uniformer_s_pose_256x192_coco", "data=shapes_keypoints", "data.prepare=null"),
    *(*TINY, "person.height=64", "person.width=64", "data.batch_size=4", "trainer.max_epochs=2"),
    *("trainer.check_val_every_n_epoch=1", "optim.schedule.warmup_steps=2", "task.init=null"),
    *("trainer.precision=32-true", "data.eval_batch_size=4", "optim.schedule.drop_epochs=[1]"),
)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen pictures to learn from, and five to be tested on."""
    root = tmp_path_factory.mktemp("data") / "shapes"
    write_shapes(root, size=64, num_train=12, num_val=5)
    return root


def best_score(folder: Path) -> float:
    """Of the validations of a training."""
    best = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)
    [score] = [s["best_model_score"] for s in best["callbacks"].values() if "best_model_score" in s]
    return float(score)


def test_shapes_are_segmented(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = ("experiment=shapes_segmentation", f"data.root={tmp_path / 'shapes'}", *QUIET)
    ran = run(train.main, *settings, f"output_dir={out}")
    assert ran.status == 0, ran.err
    assert best_score(out) >= 0.9


def test_joints_of_shapes_are_found(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = ("experiment=shapes_pose", f"data.root={tmp_path / 'shapes'}", *QUIET)
    ran = run(train.main, *settings, f"output_dir={out}")
    assert ran.status == 0, ran.err
    assert best_score(out) >= 0.7


@pytest.mark.parametrize("recipe", [SEGMENTATION, POSE], ids=["segmentation", "pose"])
def test_recipe_runs_in_two_processes_and_is_tested_the_same_in_one(
    recipe: tuple[str, ...], shapes: Path, tmp_path: Path
) -> None:
    settings = (*recipe, f"data.root={shapes}")
    out, metrics = tmp_path / "out", []
    two = ("trainer.devices=2", f"output_dir={out}")
    ranks = launch_ranks(train.main, *settings, *two, cwd=tmp_path)
    assert [rank.status for rank in ranks] == [0, 0], ranks[0].err
    for devices in (1, 2):
        folder = tmp_path / f"test{devices}"
        told = (f"ckpt_path={out}/checkpoints/last.ckpt", f"trainer.devices={devices}")
        tested = launch_ranks(
            testing.main, *settings, *told, f"output_dir={folder}", cwd=tmp_path, number=devices
        )
        assert all(rank.status == 0 for rank in tested), tested[0].err
        metrics.append(json.loads((folder / "metrics.json").read_text()))
    assert metrics[0] == metrics[1]
    assert metrics[0]["evaluated"] == metrics[0]["listed"]


@pytest.mark.parametrize("recipe", [SEGMENTATION, POSE], ids=["segmentation", "pose"])
def test_killed_training_ends_as_if_nothing_had_happened_to_it(
    recipe: tuple[str, ...], shapes: Path, tmp_path: Path
) -> None:
    settings = (*recipe, f"data.root={shapes}", "callbacks.last.every_n_train_steps=1")
    rng = random.Random(len(recipe))
    for out, num_kills in (("whole", 0), ("killed", 2)):
        told = (*settings, f"output_dir={tmp_path / out}")
        for _ in range(num_kills):
            ranks = start_ranks(train.main, *told, cwd=tmp_path, number=1)
            give_up = time.monotonic() + 60
            while not (tmp_path / out / "checkpoints/last.ckpt").exists() and ranks.is_running():
                assert time.monotonic() < give_up
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.6))
            ranks.send(signal.SIGKILL, to_group=True)
            ranks.wait()
        [rank] = launch_ranks(train.main, *told, cwd=tmp_path, number=1)
        assert rank.status == 0, rank.err
    whole, killed = (
        torch.load(tmp_path / out / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for out in ("whole", "killed")
    )
    for part, tensor in whole.items():
        assert torch.equal(tensor, killed[part]), part
