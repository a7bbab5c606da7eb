"""`video-uniformer train` on a disk that fills: one line, and the last good checkpoint."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from full_disk import small_disk
from ranks import Rank, launch_ranks

from video_uniformer.cli.train import main

pytestmark = pytest.mark.slow

KIB = 1024


def train(tiny: Sequence[str], disk: Path, epochs: int) -> Rank:
    words = (f"output_dir={disk / 'out'}", f"trainer.max_epochs={epochs}")
    settings = (*tiny, *words, "trainer.log_every_n_steps=1")
    [ran] = launch_ranks(main, *settings, cwd=disk.parent, number=1)
    return ran


def fill(disk: Path, left: int) -> None:
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - left * KIB))


def assert_one_line(ran: Rank, path: Path) -> None:
    assert ran.status == 1
    [line] = ran.err.splitlines()
    assert line.startswith(f"error: {path} cannot be written (No space left on device")


@pytest.mark.parametrize(
    ("left", "file"),
    [  # in KiB, behind Hydra's own files of 16
        (20, "tensorboard"),
        (24, "tensorboard"),
        (28, "csv/version_0/metrics.csv"),
        (40, "checkpoints/last.ckpt"),
        (1000, "checkpoints/last.ckpt"),
    ],
)
def test_what_the_disk_has_no_room_for_is_named_in_one_line(
    left: int, file: str, tiny: Sequence[str], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 4096 * KIB) as disk:
        fill(disk, left)
        assert_one_line(train(tiny, disk, epochs=3), disk / "out" / file)
        assert not list(disk.rglob("*.ckpt")) + list(disk.rglob(".*.unfinished"))


@pytest.mark.parametrize(
    ("left", "file"), [(0, "csv/version_0/metrics.csv"), (8, "checkpoints/last.ckpt")]
)
def test_training_goes_on_when_there_is_room_again(
    left: int, file: str, tiny: Sequence[str], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 4096 * KIB) as disk:
        assert train(tiny, disk, epochs=1).status == 0
        last = disk / "out" / "checkpoints" / "last.ckpt"
        before = last.read_bytes()
        fill(disk, left)
        assert_one_line(train(tiny, disk, epochs=2), disk / "out" / file)
        assert last.read_bytes() == before
        (disk / "filler").unlink()
        ran = train(tiny, disk, epochs=2)
        assert (ran.status, ran.err) == (0, "")
        assert torch.load(last, weights_only=True)["global_step"] == 4
