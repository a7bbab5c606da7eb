"""Trainings that are killed, or told to stop, at any moment: nothing is lost, nothing is left."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_videos import write_video
from ranks import Rank, Ranks, processes_of, start_ranks
from spies import seen

from video_uniformer.cli.train import main

pytestmark = pytest.mark.slow

STEPS_PER_EPOCH, NUM_EPOCHS = 4, 3
# The random moments of the kills; more of them are tried by setting the variable.
NUM_KILLS = int(os.environ.get("NUM_KILLS", "4"))
SETTINGS = (
    *("data=videos", "data.class_names.source=classes.txt", "data.batch_size=4"),
    *("data.eval_batch_size=1", "data.num_workers=1", "model.variant=test", "clip.num_frames=4"),
    *("clip.stride=2", "clip.size=32", "clip.num_clips=2", "optim.schedule.warmup_epochs=1"),
    *("trainer.accelerator=cpu", f"trainer.max_epochs={NUM_EPOCHS}", "trainer.log_every_n_steps=1"),
    *("~logger.tensorboard", "callbacks.last.every_n_train_steps=3"),
    *("callbacks.progress=null", "+callbacks.spy._target_=spies.Spy"),
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    for split, count in (("train", STEPS_PER_EPOCH * 4 + 1), ("val", 4)):
        lines = []
        for index in range(count):
            grey = 20 + 120 * (index % 2) + 5 * index
            size = {"width": 64, "height": 48, "fps": 25, "gop": 12}
            write_video(root / f"{split}{index}.mp4", num_frames=12, grey=grey, **size)
            lines.append(f"{split}{index}.mp4 {index % 2}\n")
        (root / f"{split}.csv").write_text("".join(lines))
    (root / "classes.txt").write_text("dark\nbright\n")
    return root


class Training:
    """The same command again and again."""

    def __init__(self, videos: Path, out: Path, number: int, *settings: str) -> None:
        out.mkdir()
        self.out, self.number = out, number
        strategy = ("trainer.strategy=ddp",) if number > 1 else ()
        self.arguments = (
            *SETTINGS,
            f"data.root={videos}",
            f"trainer.devices={number}",
            *strategy,
            f"output_dir={out}",
            f"+callbacks.spy.folder={out}",
            *settings,
        )

    def start(self, **variables: str) -> Ranks:
        cwd, number = self.out, self.number
        return start_ranks(main, *self.arguments, cwd=cwd, number=number, variables=variables)

    def start_and_await(self, kind: str, number: int, **variables: str) -> Ranks:
        """Start it, and wait until it has begun so many more batches."""
        before = seen(self.out).number(kind)
        ranks = self.start(**variables)
        give_up = time.monotonic() + 100
        while ranks.is_running() and seen(self.out).number(kind) < before + number:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        return ranks

    def run(self) -> list[Rank]:
        return self.start().wait()

    def weights(self) -> dict[str, torch.Tensor]:
        return content(self.out / "checkpoints" / "last.ckpt")["state_dict"]

    def metrics(self) -> str:
        return (self.out / "csv" / "version_0" / "metrics.csv").read_text()


def content(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def assert_equal(training: Training, whole: Training) -> None:
    """That a training with interruptions has done what another has done without."""
    assert seen(training.out).places() == seen(whole.out).places()
    weights = training.weights()
    for name, tensor in whole.weights().items():
        assert torch.equal(weights[name], tensor), name


@pytest.fixture(scope="module")
def whole(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Training]:
    """The training in so many processes, without interruption."""
    done: dict[int, Training] = {}

    def run(number: int) -> Training:
        if number not in done:
            out = tmp_path_factory.mktemp("whole") / str(number)
            done[number] = Training(videos, out, number)
            assert [rank.status for rank in done[number].run()] == [0] * number
        return done[number]

    return run


def start_alone(training: Training) -> subprocess.Popen[str]:
    """The command as a user gives it, in a session of its own."""
    here = Path(__file__).parents[1]
    paths = os.pathsep.join([str(here), str(here.parent)])
    return subprocess.Popen(
        [sys.executable, here.parent / "scripts" / "train.py", *training.arguments],
        cwd=training.out,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def await_end(ranks: Ranks, seconds: float) -> list[str]:
    """What is left behind after so many seconds at most."""
    give_up = time.monotonic() + seconds
    while (left := ranks.left_behind()) and time.monotonic() < give_up:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("number", [1, 2])
def test_killed_training_ends_as_if_nothing_had_happened(
    number: int, whole: Callable[[int], Training], videos: Path, tmp_path: Path
) -> None:
    training = Training(videos, tmp_path / "out", number)
    rng = random.Random(number)
    for _ in range(NUM_KILLS):
        ranks = training.start_and_await("train", number * rng.randint(1, 4))
        time.sleep(rng.uniform(0, 0.2))  # the rest of a step, a validation, a saving
        ranks.send(signal.SIGKILL)
        ranks.wait()
        assert not await_end(ranks, 10)
        assert not [file for file in training.out.rglob("*") if "unfinished" in file.name]
    assert [rank.status for rank in training.run()] == [0] * number
    assert_equal(training, whole(number))


@pytest.mark.parametrize(
    ("number", "name", "to_group", "moment", "status"),
    [
        (1, "SIGTERM", False, ("train", 6), 75),
        (1, "SIGTERM", True, ("val", 2), 75),
        (1, "SIGINT", True, ("train", 3), 130),
        (1, "SIGHUP", False, ("train", 2), 75),
        (2, "SIGTERM", False, ("train", 13), 75),
        (2, "SIGTERM", True, ("val", 3), 75),
    ],
)
def test_training_that_is_told_to_stop_loses_no_step(
    number: int,
    name: str,
    to_group: bool,
    moment: tuple[str, int],
    status: int,
    whole: Callable[[int], Training],
    videos: Path,
    tmp_path: Path,
) -> None:
    training = Training(videos, tmp_path / "out", number, "+callbacks.spy.validation_pause=0.2")
    ranks = training.start_and_await(*moment)
    # Its own group, or one process: the others hear of it from that one.
    ranks.send(signal.Signals[name], None if to_group else number - 1, to_group=to_group)
    assert not await_end(ranks, 10)
    stopped = ranks.wait(1)
    assert [rank.status for rank in stopped] == [status] * number
    place = "in the validation after step" if moment[0] == "val" else "after step"
    assert stopped[0].err.startswith(f"stopped by {name} {place} ")
    assert stopped[0].err.count("\n") == 1
    assert all(rank.err == "" for rank in stopped[1:])
    assert [rank.status for rank in training.run()] == [0] * number
    assert_equal(training, whole(number))
    assert seen(training.out).number("train") == seen(whole(number).out).number("train")
    assert training.metrics().count("\n") == whole(number).metrics().count("\n")


SLURM = {
    **{"SLURM_JOB_ID": "321", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "1"},
    **{"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"},
    **{"SLURM_NTASKS_PER_NODE": "1", "SLURM_ARRAY_JOB_ID": "300", "SLURM_ARRAY_TASK_ID": "7"},
}


def test_job_of_slurm_is_requeued_once(
    whole: Callable[[int], Training], videos: Path, tmp_path: Path
) -> None:
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    path = {"PATH": f"{scontrol.parent}:{os.environ['PATH']}"}
    training = Training(videos, tmp_path / "out", 1)
    ranks = training.start_and_await("train", 5, **SLURM, **path)
    for _ in range(3):
        ranks.send(signal.SIGUSR1)
    assert not await_end(ranks, 10)
    [stopped] = ranks.wait(1)
    assert stopped.status == 75
    assert stopped.err.splitlines()[1:] == ["job 300_7 is requeued"]
    assert (tmp_path / "asked").read_text() == "requeue 300_7\n"
    [again] = training.start(**SLURM, **path).wait()
    assert again.status == 0
    assert_equal(training, whole(1))


def test_processes_that_lightning_starts_stop_together(videos: Path, tmp_path: Path) -> None:
    training = Training(videos, tmp_path / "out", 2, "trainer.max_epochs=1000")
    process = start_alone(training)
    while process.poll() is None and seen(training.out).number("train") < 8:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # the first alone
    began = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 75
    assert err.startswith("stopped by SIGTERM after step ")
    assert err.count("\n") == 1
    assert not processes_of(process.pid)
