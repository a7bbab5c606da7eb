"""What a user got wrong is said in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from omegaconf.errors import MissingMandatoryValue

from video_uniformer.cli.errors import (
    TRACEBACK_VARIABLE,
    loader_advice,
    one_line_errors,
    reason,
)
from video_uniformer.data.decoding import VideoError

FROM_A_WORKER = """Caught VideoError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "fetch.py", line 54, in fetch
    data = [self.dataset[idx] for idx in possibly_batched_index]
video_uniformer.data.decoding.interface.VideoError: videos/a b.mp4: the file is empty
"""


def wrapped(error: Exception) -> InstantiationException:
    """As Hydra hands on what a constructor raised."""
    outer = InstantiationException(f"Error in call to target 'a.b':\n{error!r}\nfull_key: task")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("size is 3"), "size is 3"),
        (ValueError("size is 3\nand more"), "size is 3"),
        (ValueError("\n  \nsize is 3"), "size is 3"),
        (ValueError(), "ValueError"),
        (wrapped(ValueError("size is 3")), "size is 3"),
        (wrapped(wrapped(TypeError("no argument"))), "no argument"),
        (VideoError(FROM_A_WORKER), "videos/a b.mp4: the file is empty"),
        (FileNotFoundError(2, "No such file", "a.csv"), "[Errno 2] No such file: 'a.csv'"),
    ],
)
def test_reason_is_the_innermost_cause_in_one_line(error: Exception, expected: str) -> None:
    assert reason(error) == expected


@pytest.mark.parametrize(
    "error",
    [ValueError("why"), OSError("why"), wrapped(TypeError("why")), MissingMandatoryValue("why")],
)
def test_error_of_the_user_is_one_line_and_status_one(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit, one_line_errors():
        raise error
    assert exit.value.code == 1
    assert capsys.readouterr() == ("", "error: why\n")


def test_error_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(AssertionError), one_line_errors():
        raise AssertionError("a bug")


def test_traceback_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACEBACK_VARIABLE, "1")
    with pytest.raises(ValueError, match="why"), one_line_errors():
        raise ValueError("why")


FULL = """Caught RuntimeError in DataLoader worker process 1.
Original Traceback (most recent call last):
  File "worker.py", line 3, in fetch
RuntimeError: unable to write to file </torch_12_34_0>: No space left on device (28)
"""
HANDLES = "received 0 items of ancdata"


def of_a_signal(name: str) -> RuntimeError:
    """As the loader tells of a worker's death, with the signal in the cause."""
    outer = RuntimeError("DataLoader worker (pid(s) 12) exited unexpectedly")
    outer.__cause__ = RuntimeError(f"DataLoader worker (pid 12) is killed by signal: {name}. ")
    return outer


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (of_a_signal("Killed"), r"a loader worker was ended .*data.num_workers .*signal: Killed"),
        (of_a_signal("Bus error"), "the shared memory that loader workers hand batches over in is"),
        (RuntimeError(FULL), r"the shared memory .* is full: enlarge /dev/shm .*left on device"),
        (
            RuntimeError(
                "unable to open shared memory object </torch_1> in read-write mode: "
                "Too many open files (24)"
            ),
            "loader workers ran out of file handles",
        ),
        (RuntimeError(HANDLES), "loader workers ran out of file handles: raise the limit"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (RuntimeError("Caught RuntimeError in DataLoader worker process 1.\nKeyError: 3"), None),
    ],
)
def test_advice_fits_what_the_loader_lacks(error: RuntimeError, advice: str | None) -> None:
    given = loader_advice(error)
    assert (given is None) == (advice is None)
    assert advice is None or re.match(advice, str(given))


def test_other_error_of_torch_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="shapes"), one_line_errors():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.slow
def test_output_that_nobody_reads_ends_a_command_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    line = (sys.executable, "-m", "video_uniformer", "zoo", "--json")
    ran = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, b"")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")
def test_output_that_cannot_be_written_is_an_error() -> None:
    line = (sys.executable, "-m", "video_uniformer", "zoo", "--json")
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, check=False)
    problem = b"error: standard output: [Errno 28] No space left on device\n"
    assert (ran.returncode, ran.stderr) == (1, problem)
