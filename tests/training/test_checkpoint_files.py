"""Checkpoints through kills, full disks and wrong bytes."""

import errno
import multiprocessing
import os
import random
import shutil
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import files_at_most, small_disk
from torch import Tensor

from video_uniformer.system.atomic import UNFINISHED
from video_uniformer.training.checkpoint_files import CheckpointFiles, write_checkpoint

MEGABYTE = 1_000_000
fork = multiprocessing.get_context("fork")


def state(value: float, num_bytes: int = MEGABYTE) -> dict[str, Any]:
    """A checkpoint in which every number is the same."""
    return {
        "state_dict": {"weight": torch.full((num_bytes // 4,), float(value))},
        "global_step": value,
    }


def value_in(path: Path) -> float:
    """The number in a checkpoint, all of whose bytes are right."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    content = torch.load(path, weights_only=True)
    lowest, highest = content["state_dict"]["weight"].aminmax()
    assert lowest == highest == content["global_step"]
    return float(lowest)


def last_saved(path: Path) -> int:
    return int(value_in(path)) if path.exists() else 0


def save_for_ever(path: Path, ready: int) -> None:
    torch.set_num_threads(1)
    files = CheckpointFiles()
    for value in range(last_saved(path) + 1, 1_000_000):
        files.save_checkpoint(state(value, 4 * MEGABYTE), path)
        os.write(ready, b".")


@pytest.fixture
def files() -> Iterator[CheckpointFiles]:
    files = CheckpointFiles()
    yield files
    files.failure = None
    files.teardown()


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where `$TMPDIR` (and `tmp_path`) is on another file system."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("only one file system")
    folder = memory / f"checkpoints-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def kill_while_saving(path: Path, times: int) -> None:
    """Kill a process that saves for ever, and see each time that the last file is whole."""
    chance = random.Random(0)
    seen = [0]
    for _ in range(times):
        reader, writer = os.pipe()
        process = fork.Process(target=save_for_ever, args=(path, writer))
        process.start()
        os.read(reader, 1)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.join()
        os.close(reader)
        os.close(writer)
        left = {file.name for file in path.parent.iterdir()}
        assert left <= {path.name, f".{path.name}{UNFINISHED}"}  # a whole one, about to be renamed
        seen.append(last_saved(path))
    assert seen == sorted(seen)
    assert seen[-1] > times / 2  # it was saving when it was killed


def test_checkpoint_survives_50_kills_while_saving(tmp_path: Path) -> None:
    path = tmp_path / "run" / "last.ckpt"
    path.parent.mkdir()
    kill_while_saving(path, 50)


def test_checkpoint_survives_kills_where_the_temporary_folder_is_on_another_file_system(
    other_file_system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    kill_while_saving(other_file_system / "last.ckpt", 10)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_the_last_checkpoint_and_says_what_is_missing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4 * MEGABYTE) as disk:
        path = disk / "last.ckpt"
        write_checkpoint(state(1), path)
        with pytest.raises(OSError, match=r"last.ckpt cannot be written") as caught:
            write_checkpoint(state(2, 8 * MEGABYTE), path)
        assert str(caught.value).startswith(
            f"{path} cannot be written (No space left on device: its tensors take 8.0 MB, "
        )
        assert str(caught.value).endswith(" MB are free); the earlier one is still there")
        assert value_in(path) == 1
        assert list(disk.iterdir()) == [path]
        write_checkpoint(state(3), path)
        assert value_in(path) == 3


@pytest.mark.parametrize("size", [0, 100, 70_000, 500_000, 999_990])
def test_file_that_may_not_grow_leaves_the_last_checkpoint(size: int, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(state(1), path)
    with files_at_most(size), pytest.raises(OSError, match="File too large") as caught:
        write_checkpoint(state(2), path)
    assert str(caught.value) == (
        f"{path} cannot be written ({os.strerror(errno.EFBIG)}); the earlier one is still there"
    )
    assert value_in(path) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_first_checkpoint_that_cannot_be_written_says_that_there_is_none(tmp_path: Path) -> None:
    with files_at_most(1000), pytest.raises(OSError, match=r"; there is none before it$"):
        write_checkpoint(state(1), tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").touch()
    with pytest.raises(OSError, match=r"checkpoints/last.ckpt cannot be written \(File exists\)"):
        write_checkpoint(state(1), tmp_path / "checkpoints" / "last.ckpt")


def test_checkpoint_that_reads_otherwise_than_it_was_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(state(1), path)
    torch.serialization.set_crc32_options(False)  # the sums in the file are then not of its bytes
    try:
        with pytest.raises(OSError, match=r"reads otherwise than it was written\); the earlier"):
            write_checkpoint(state(2), path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert value_in(path) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_loaded_again_is_no_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"Unsupported|WeightsUnpickler") as caught:
        write_checkpoint({"state_dict": {}, "path": tmp_path}, tmp_path / "last.ckpt")
    assert not isinstance(caught.value, OSError)
    assert list(tmp_path.iterdir()) == []


def test_saving_returns_before_the_file_is_there(files: CheckpointFiles, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    files.save_checkpoint(state(1, 100 * MEGABYTE), path)
    assert not path.exists()
    files.wait()
    assert value_in(path) == 1


def test_values_are_those_of_the_moment_of_the_call(files: CheckpointFiles, tmp_path: Path) -> None:
    checkpoint = state(1, 20 * MEGABYTE)
    files.save_checkpoint(checkpoint, tmp_path / "last.ckpt")
    checkpoint["state_dict"]["weight"].zero_()
    checkpoint["state_dict"]["other"] = torch.zeros(1)
    checkpoint["global_step"] = 0
    files.wait()
    assert value_in(tmp_path / "last.ckpt") == 1


def test_loading_waits_for_what_is_being_saved(files: CheckpointFiles, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    files.save_checkpoint(state(1), path)
    files.save_checkpoint(state(2, 20 * MEGABYTE), path)
    assert files.load_checkpoint(path, weights_only=True)["global_step"] == 2


def test_removal_waits_for_what_is_to_replace_it(files: CheckpointFiles, tmp_path: Path) -> None:
    old, new = tmp_path / "old.ckpt", tmp_path / "new.ckpt"
    files.save_checkpoint(state(1), old)
    files.save_checkpoint(state(2, 20 * MEGABYTE), new)
    files.remove_checkpoint(old)
    assert list(tmp_path.iterdir()) == [new]


def fail_to_save(files: CheckpointFiles, path: Path) -> None:
    with files_at_most(1000):
        files.save_checkpoint(state(2), path)
        while files.failure is None:
            time.sleep(0.001)


@pytest.mark.parametrize("what", ["save", "wait", "load", "remove", "teardown"])
def test_failure_is_raised_by_what_comes_next_and_once(
    what: str, files: CheckpointFiles, tmp_path: Path
) -> None:
    path = tmp_path / "last.ckpt"
    files.save_checkpoint(state(1), path)
    files.wait()
    fail_to_save(files, path)
    calls = {
        "save": lambda: files.save_checkpoint(state(3), path),
        "wait": files.wait,
        "load": lambda: files.load_checkpoint(path),
        "remove": lambda: files.remove_checkpoint(path),
        "teardown": files.teardown,
    }
    with pytest.raises(OSError, match=r"last.ckpt cannot be written .* still there"):
        calls[what]()
    assert value_in(path) == 1
    files.wait()
    files.teardown()


def test_weights_that_are_not_finite_are_not_written(
    files: CheckpointFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "last.ckpt"
    files.save_checkpoint(state(1), path)
    files.wait()
    bad = state(2)
    bad["state_dict"]["head.weight"] = torch.tensor([1.0, float("inf")])
    bad["state_dict"]["norm.running_var"] = torch.tensor([float("nan")])

    def save() -> None:
        files.save_checkpoint(bad, path)
        files.wait()

    save()
    assert f"{path} is not written, as head.weight is not finite" in caplog.text
    assert value_in(path) == 1
    files.save_checkpoint(state(3), path)
    files.wait()
    assert value_in(path) == 3


def test_infinite_value_beside_the_weights_is_written(
    files: CheckpointFiles, tmp_path: Path
) -> None:
    best = torch.tensor(float("-inf"))  # of a metric that was never measured
    files.save_checkpoint({**state(1), "best": best}, tmp_path / "last.ckpt")
    files.wait()
    assert value_in(tmp_path / "last.ckpt") == 1


def test_weights_that_are_not_finite_cost_no_earlier_file(
    files: CheckpointFiles, tmp_path: Path
) -> None:
    old, new = tmp_path / "epoch=1.ckpt", tmp_path / "epoch=2.ckpt"
    files.save_checkpoint(state(1), old)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files.save_checkpoint(state(float("nan")), new)
        files.remove_checkpoint(old)
    assert value_in(old) == 1


def test_half_precision_and_whole_numbers_are_looked_at_too(
    files: CheckpointFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def save(tensor: Tensor) -> None:
        files.save_checkpoint({"state_dict": {"weight": tensor}}, tmp_path / "last.ckpt")
        files.wait()

    for dtype in (torch.bfloat16, torch.float16, torch.int64, torch.bool):
        save(torch.ones(3, dtype=dtype))
    save(torch.full((9,), 3e38))  # whose sum is infinite
    save(torch.zeros(0))
    assert torch.load(tmp_path / "last.ckpt")["state_dict"]["weight"].shape == (0,)
    assert caplog.text == ""
    save(torch.tensor([float("nan")], dtype=torch.bfloat16))
    assert "weight is not finite" in caplog.text


def test_addresses_are_left_to_lightning(files: CheckpointFiles) -> None:
    address = "memory://run/last.ckpt"
    files.save_checkpoint(state(1), address)
    assert files.load_checkpoint(address, weights_only=True)["global_step"] == 1
    files.remove_checkpoint(address)
    with pytest.raises(FileNotFoundError):
        files.load_checkpoint(address)
