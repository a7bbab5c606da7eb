"""What the command says, and how it exits, when its training was told to stop."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from video_uniformer.cli.interruption import end_interrupted
from video_uniformer.system.signals import TO_GROUP
from video_uniformer.training.callbacks.interruptions import Interrupted

PATH = Path("runs/a/checkpoints/last.ckpt")


def end(name: str, path: Path | None = PATH, *, is_first: bool = True) -> Any:
    """The exit status."""
    strategy = SimpleNamespace(launcher=None)
    trainer: Any = SimpleNamespace(strategy=strategy, is_global_zero=is_first)
    stopped = Interrupted(signal.Signals[name], path, "after step 7 of epoch 1")
    with pytest.raises(SystemExit) as exit:
        end_interrupted(stopped, trainer)
    return exit.value.code


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in TO_GROUP}
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("name", "status"), [("SIGTERM", 75), ("SIGHUP", 75), ("SIGUSR1", 75), ("SIGINT", 130)]
)
def test_status_tells_a_stop_from_an_error(
    name: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(name) == status
    assert capsys.readouterr().err == (
        f"stopped by {name} after step 7 of epoch 1; saved in {PATH}; the same command with "
        "output_dir=runs/a goes on\n"
    )


def test_training_that_keeps_no_checkpoint_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert end("SIGTERM", None) == 75
    assert "; no checkpoint is kept (callbacks.last is null)\n" in capsys.readouterr().err


def test_process_that_another_has_started_ends_without_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lightning's launcher would kill the first one at any other status."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert end("SIGTERM", is_first=False) == 0
    assert capsys.readouterr().err == ""


def test_process_of_torchrun_has_the_status_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert end("SIGTERM", is_first=False) == 75


def scontrol(folder: Path, script: str) -> None:
    file = folder / "scontrol"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('test "$*" = "requeue 12"', "job 12 is requeued\n"),
        ("echo no such job >&2; exit 1", "job 12 is not requeued: no such job\n"),
        (None, "job 12 is not requeued: there is no scontrol\n"),
    ],
)
def test_what_became_of_the_job_is_told(
    script: str | None,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if script is not None:
        scontrol(tmp_path, script)
    assert end("SIGUSR1") == 75
    assert capsys.readouterr().err.endswith(told)


def test_other_signals_requeue_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """SLURM itself requeues what it preempts, and a person who cancels a job wants it ended."""
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert end("SIGTERM") == 75
    assert "requeued" not in capsys.readouterr().err
