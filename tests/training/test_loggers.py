"""The logs of a training: interrupted, resumed, and on a disk that is full."""

import csv
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from full_disk import files_at_most, small_disk
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from video_uniformer.training.loggers import CSVLog, TensorBoardLog

ROWS = [
    {"train/loss": 2.0, "epoch": 0},
    {"train/loss": 1.5, "epoch": 0},
    {"val/top1": 0.5, "epoch": 0},
    {"train/loss": 1.25, "epoch": 1},
]


def log(logger: CSVLog, rows: list[dict[str, float]], start: int = 0) -> None:
    for step, row in enumerate(rows, start):
        logger.log_metrics(row, step)


def read(folder: Path, version: int = 0) -> list[dict[str, str]]:
    with (folder / "csv" / f"version_{version}" / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]


def steps(folder: Path, version: int = 0) -> list[int]:
    return [int(row["step"]) for row in read(folder, version)]


def interrupted(folder: Path) -> None:
    """A training that has logged four rows and written them."""
    logger = CSVLog(folder)
    log(logger, ROWS)
    logger.save()


def test_rows_are_counted_as_they_are_logged(tmp_path: Path) -> None:
    logger = CSVLog(tmp_path)
    assert logger.num_rows == 0
    log(logger, ROWS)
    assert logger.num_rows == 4
    logger.save()
    assert logger.num_rows == 4


def test_resumed_log_keeps_the_rows_of_its_checkpoint_and_no_later_ones(tmp_path: Path) -> None:
    interrupted(tmp_path)
    before = read(tmp_path)
    logger = CSVLog(tmp_path, keep_rows=2)
    assert logger.num_rows == 2
    logger.log_metrics({"train/loss": 1.0, "epoch": 0}, 2)
    assert logger.num_rows == 3
    logger.finalize("success")
    assert read(tmp_path) == [
        *before[:2],
        {"train/loss": "1.0", "epoch": "0", "step": "2"},
    ]
    assert [path.name for path in (tmp_path / "csv").iterdir()] == ["version_0"]


def test_resumed_log_is_there_before_anything_is_logged(tmp_path: Path) -> None:
    interrupted(tmp_path)
    assert CSVLog(tmp_path, keep_rows=3).experiment is not None
    assert steps(tmp_path) == [0, 1, 2]


def test_log_that_is_not_used_leaves_the_file_alone(tmp_path: Path) -> None:
    """Another process than the first of a training makes one too."""
    interrupted(tmp_path)
    CSVLog(tmp_path, keep_rows=1).finalize("success")
    assert steps(tmp_path) == [0, 1, 2, 3]


def test_resuming_before_the_first_row_empties_the_log(tmp_path: Path) -> None:
    interrupted(tmp_path)
    logger = CSVLog(tmp_path, keep_rows=0)
    log(logger, ROWS[:1], 7)
    logger.save()
    assert steps(tmp_path) == [7]


def test_resumed_log_takes_new_columns(tmp_path: Path) -> None:
    interrupted(tmp_path)
    logger = CSVLog(tmp_path, keep_rows=3)
    logger.log_metrics({"lr": 0.1}, 3)
    logger.save()
    logger.log_metrics({"another": 1.0}, 4)
    logger.save()
    assert steps(tmp_path) == [0, 1, 2, 3, 4]
    assert read(tmp_path)[2:] == [
        {"val/top1": "0.5", "epoch": "0", "step": "2"},
        {"lr": "0.1", "step": "3"},
        {"another": "1.0", "step": "4"},
    ]


def test_columns_are_those_of_the_rows_that_are_kept(tmp_path: Path) -> None:
    interrupted(tmp_path)
    CSVLog(tmp_path, keep_rows=2).experiment.save()
    header = (tmp_path / "csv" / "version_0" / "metrics.csv").read_text().splitlines()[0]
    assert header == "epoch,step,train/loss"


@pytest.mark.parametrize("keep_rows", [0, 3])
def test_resumed_log_without_a_file_begins_one(keep_rows: int, tmp_path: Path) -> None:
    interrupted(tmp_path)
    (tmp_path / "csv" / "version_0" / "metrics.csv").unlink()
    logger = CSVLog(tmp_path, keep_rows=keep_rows)
    assert logger.num_rows == 0
    log(logger, ROWS[3:], 3)
    logger.save()
    assert steps(tmp_path) == [3]


def test_resumed_log_without_a_folder_begins_one(tmp_path: Path) -> None:
    logger = CSVLog(tmp_path, keep_rows=3)
    log(logger, ROWS[3:], 3)
    logger.save()
    assert steps(tmp_path) == [3]


def test_log_that_was_cut_keeps_what_is_whole(tmp_path: Path) -> None:
    interrupted(tmp_path)
    path = tmp_path / "csv" / "version_0" / "metrics.csv"
    path.write_text(path.read_text()[:-9] + ",,,,,too,many")
    logger = CSVLog(tmp_path, keep_rows=3)
    logger.save()
    assert steps(tmp_path) == [0, 1, 2]


def test_new_training_beside_an_earlier_one_has_a_file_of_its_own(tmp_path: Path) -> None:
    interrupted(tmp_path)
    logger = CSVLog(tmp_path)
    log(logger, ROWS[:1], 9)
    logger.save()
    assert (steps(tmp_path), steps(tmp_path, 1)) == ([0, 1, 2, 3], [9])


def test_latest_of_several_is_gone_on_with(tmp_path: Path) -> None:
    interrupted(tmp_path)
    interrupted(tmp_path)
    CSVLog(tmp_path, keep_rows=1).save()
    assert (steps(tmp_path), steps(tmp_path, 1)) == ([0, 1, 2, 3], [0])


def test_log_resumed_twice_has_each_row_once(tmp_path: Path) -> None:
    interrupted(tmp_path)
    for _ in range(2):
        logger = CSVLog(tmp_path, keep_rows=2)
        log(logger, ROWS[2:], 2)
        logger.save()
    assert steps(tmp_path) == [0, 1, 2, 3]


def test_log_that_cannot_be_written_is_named_and_only_once(tmp_path: Path) -> None:
    logger = CSVLog(tmp_path)
    log(logger, ROWS)
    with (
        files_at_most(10),
        pytest.raises(OSError, match=r"version_0/metrics.csv cannot be written"),
    ):
        logger.save()
    with files_at_most(10):
        logger.finalize("failed")


def test_new_columns_on_a_full_disk_cost_no_rows(tmp_path: Path) -> None:
    interrupted(tmp_path)
    logger = CSVLog(tmp_path, keep_rows=4)
    logger.save()
    logger.log_metrics({"another": 1.0}, 4)
    with (
        files_at_most(10),
        pytest.raises(OSError, match=r"metrics.csv cannot be written \(File too"),
    ):
        logger.save()
    assert steps(tmp_path) == [0, 1, 2, 3]


@pytest.mark.skipif(sys.platform != "linux", reason="files without names")
def test_training_that_is_killed_as_it_resumes_costs_no_rows(tmp_path: Path) -> None:
    interrupted(tmp_path)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # kills at the first byte
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        CSVLog(tmp_path, keep_rows=2).experiment.save()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGXFSZ
    assert steps(tmp_path) == [0, 1, 2, 3]
    assert [path.name for path in (tmp_path / "csv" / "version_0").iterdir()] == ["metrics.csv"]


def test_resuming_on_a_full_disk_costs_no_rows(tmp_path: Path) -> None:
    interrupted(tmp_path)
    logger = CSVLog(tmp_path, keep_rows=2)
    with (
        files_at_most(10),
        pytest.raises(OSError, match=r"metrics.csv cannot be written \(File too"),
    ):
        assert logger.experiment
    assert steps(tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize("make", [CSVLog, lambda folder: TensorBoardLog(folder, name=None)])
def test_folder_that_is_a_file_is_named(make: Callable[[Path], CSVLog], tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OSError, match=r"run/.*cannot be written \(Not a directory|File exists"):
        assert make(tmp_path / "run").experiment


def test_failed_training_ends_with_its_own_error(tmp_path: Path) -> None:
    logger = CSVLog(tmp_path)
    log(logger, ROWS)
    with files_at_most(10):
        logger.finalize("failed")


def test_training_that_ends_well_says_that_its_log_cannot_be_written(tmp_path: Path) -> None:
    logger = CSVLog(tmp_path)
    log(logger, ROWS)
    with files_at_most(10), pytest.raises(OSError, match=r"metrics.csv cannot be written"):
        logger.finalize("success")


def tensorboard(folder: Path, **settings: int) -> TensorBoardLog:
    return TensorBoardLog(folder, name=None, version="tensorboard", **settings)


def test_events_that_cannot_be_written_are_named_once_and_in_one_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """TensorBoard's thread prints a traceback when it meets a full disk."""
    with small_disk(tmp_path / "disk", 32_768) as disk:
        logger = tensorboard(disk)
        logger.log_metrics({"train/loss": 1.0}, 0)
        logger.save()

        def fill() -> None:
            for step in range(1000):
                logger.log_metrics({"train/loss": 1.0}, step)
            logger.save()

        with pytest.raises(OSError, match=r"disk/tensorboard cannot be written \(No space left"):
            fill()
        logger.finalize("failed")
        assert capfd.readouterr() == ("", "")


def test_events_that_cannot_be_begun_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = tensorboard(tmp_path)
    with (
        files_at_most(0),
        pytest.raises(OSError, match=r"tensorboard cannot be written \(File too"),
    ):
        assert logger.experiment
    logger.finalize("failed")
    assert capfd.readouterr() == ("", "")


def test_value_that_tensorboard_cannot_log_is_no_error_of_the_disk(tmp_path: Path) -> None:
    logger = tensorboard(tmp_path)
    with pytest.raises(ValueError, match=r"currently not supported"):
        logger.log_metrics({"train/loss": object()}, 0)
    logger.finalize("success")


def test_errors_of_other_threads_are_still_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = tensorboard(tmp_path)
    assert logger.experiment
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    logger.finalize("success")
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_resumed_events_hide_what_followed_the_checkpoint(tmp_path: Path) -> None:
    for value, first, purge in ((1.0, 0, None), (2.0, 2, 2)):
        logger = TensorBoardLog(tmp_path, name=None, version="tensorboard", purge_step=purge)
        for step in range(first, 4):
            logger.log_metrics({"train/loss": value}, step)
        logger.finalize("success")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("train/loss")
    assert [(event.step, event.value) for event in events] == [(0, 1), (1, 1), (2, 2), (3, 2)]
