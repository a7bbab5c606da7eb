"""Whole trainings on pictures: digits, a made-up ImageNet in two processes, and after a kill."""

import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from ranks import launch_ranks, start_ranks

from video_uniformer.cli import test as testing
from video_uniformer.cli import token_labels, train

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
SYNSETS = ("n01440764", "n02096051", "n15075141")
TINY = (
    *("model.variant=test", "model.head_dim=null", "image.size=64", "data.batch_size=8"),
    *("data.eval_batch_size=3", "data.num_workers=1", "trainer.accelerator=cpu"),
    *("trainer.max_epochs=2", "optim.schedule.warmup_epochs=1", "~logger.tensorboard"),
    "callbacks.progress=null",
)


def best_top1(folder: Path) -> float:
    """Of the epochs of a training."""
    best = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)
    callbacks = best["callbacks"]
    [score] = [s["best_model_score"] for s in callbacks.values() if "best_model_score" in s]
    return float(score)


def test_digits_are_learnt_and_token_labels_teach_no_worse(run: Run, tmp_path: Path) -> None:
    root, quiet = tmp_path / "digits", ("callbacks.progress=null", "data.num_workers=1")
    data = (f"data.root={root}", *quiet)
    plain, labelled = tmp_path / "plain", tmp_path / "labelled"
    ran = run(train.main, "experiment=digits", *data, f"output_dir={plain}")
    assert ran.status == 0, ran.err
    maps = ("--checkpoint", str(plain / "checkpoints/best.ckpt"), "--batch", "32")
    ran = run(token_labels.main, str(root), *maps, "--output", str(root / "token_labels"))
    assert ran.status == 0, ran.err
    ran = run(train.main, "experiment=digits_token_labels", *data, f"output_dir={labelled}")
    assert ran.status == 0, ran.err
    assert best_top1(plain) >= 0.97
    assert best_top1(labelled) >= max(0.97, best_top1(plain) - 0.01)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synsets, of which one is red, one green and one blue, with maps for most pictures."""
    root = tmp_path_factory.mktemp("imagenet")
    rng = np.random.default_rng(0)
    for split, count in (("train", 11), ("val", 3)):
        for label, synset in enumerate(SYNSETS):
            folder = root / split / synset
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 160, (70 + index, 90, 3), dtype=np.uint8)
                pixels[..., label] += 90
                name = f"{synset}_{index}"
                Image.fromarray(pixels).save(folder / f"{name}.JPEG", quality=90)
                if split == "train" and index:
                    path = root / "token_labels" / split / synset / f"{name}.pt"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    torch.save(torch.rand(2, 5, 18, 18).mul(9).floor(), path)
    return root


@pytest.mark.parametrize("name", ["uniformer_xxs_128_in1k"])
def test_recipe_runs_in_two_processes_and_is_tested_the_same_in_one(
    name: str, run: Run, imagenet: Path, tmp_path: Path
) -> None:
    variant = ("model.variant=test_light",) if "xxs" in name else ()
    settings = (f"experiment={name}", f"data.root={imagenet}", *TINY, *variant)
    out = tmp_path / "out"
    ranks = launch_ranks(
        train.main, *settings, "trainer.devices=2", f"output_dir={out}", cwd=tmp_path
    )
    assert [rank.status for rank in ranks] == [0, 0], ranks[0].err
    last = out / "checkpoints" / "last.ckpt"
    saved = torch.load(last, weights_only=True)
    for state in (saved["state_dict"], saved["model_ema"]):
        assert all(torch.isfinite(value).all() for value in state.values())
    metrics = []
    for number, batch in ((1, 1), (2, 4)):
        tested = tmp_path / f"test{number}"
        told = (*settings, f"ckpt_path={last}", f"output_dir={tested}", f"trainer.devices={number}")
        ranks = launch_ranks(
            testing.main, *told, f"data.eval_batch_size={batch}", cwd=tmp_path, number=number
        )
        assert [rank.status for rank in ranks] == [0] * number, ranks[0].err
        metrics.append(json.loads((tested / "metrics.json").read_text()))
    assert metrics[0] == pytest.approx(metrics[1], abs=2e-6)
    assert metrics[0]["evaluated"] == 9


def test_token_labelling_recipe_runs_in_two_processes(imagenet: Path, tmp_path: Path) -> None:
    settings = ("experiment=uniformer_s_tl_224_in1k", f"data.root={imagenet}", *TINY)
    out = tmp_path / "out"
    ranks = launch_ranks(
        train.main, *settings, "trainer.devices=2", f"output_dir={out}", cwd=tmp_path
    )
    assert [rank.status for rank in ranks] == [0, 0], ranks[0].err
    saved = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in saved["state_dict"].values())
    assert "network.head.aux_proj.weight" in saved["model_ema"]


@pytest.mark.parametrize("name", ["uniformer_s_tl_224_in1k"])
def test_killed_training_on_pictures_ends_as_if_nothing_had_happened(
    name: str, imagenet: Path, tmp_path: Path
) -> None:
    settings = (f"experiment={name}", f"data.root={imagenet}", *TINY, "trainer.precision=32-true")
    often = ("callbacks.last.every_n_train_steps=1", "trainer.max_epochs=3")
    rng = random.Random(name)
    for out, num_kills in (("whole", 0), ("killed", 3)):
        told = (*settings, *often, f"output_dir={tmp_path / out}")
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
        torch.load(tmp_path / out / "checkpoints/last.ckpt", weights_only=True)
        for out in ("whole", "killed")
    )
    for key in ("state_dict", "model_ema"):
        for part, tensor in whole[key].items():
            assert torch.equal(tensor, killed[key][part]), part
