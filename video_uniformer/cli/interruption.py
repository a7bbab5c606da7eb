"""How a training that was told to stop ends: a line, an exit status, a place in the queue."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from video_uniformer.system.signals import die_with_parent, ignore_group_signals

if TYPE_CHECKING:
    from lightning import Trainer

    from video_uniformer.training.callbacks.interruptions import Interrupted

# A training that was stopped from outside and can go on: EX_TEMPFAIL of sysexits.h. A scheduler
# sees neither success nor an error. Ctrl-C has the shell's own status.
STOPPED = 75
STOPPED_BY_HAND = 130
_SECONDS_TO_END = 10


def end_with_launcher() -> None:
    """End with the process that has started this one as one of several, however that ends."""
    if _is_follower():
        die_with_parent(os.getppid())


def _is_follower() -> bool:
    """Whether Lightning has started this process for a further device."""
    others = ("TORCHELASTIC_RUN_ID", "SLURM_PROCID")  # set by launchers that watch all processes
    return int(os.environ.get("LOCAL_RANK", "0")) > 0 and not any(
        name in os.environ for name in others
    )


def end_interrupted(interrupted: "Interrupted", trainer: "Trainer") -> NoReturn:
    """Say where the training stands, have it requeued if SLURM has asked for it, and exit.

    Raises:
        SystemExit: with status 75, or 130 after Ctrl-C; 0 in a process that another one of the
            training has started, as an error would make that one kill all others.
    """
    ignore_group_signals()  # that were sent again, while the job is requeued
    _await_others(trainer)
    if trainer.is_global_zero:
        print(f"{interrupted}; {_way_on(interrupted)}", file=sys.stderr)
        if interrupted.signal.name == "SIGUSR1" and "SLURM_JOB_ID" in os.environ:
            _requeue()
    elif _is_follower():
        raise SystemExit(0)
    raise SystemExit(STOPPED_BY_HAND if interrupted.signal == signal.SIGINT else STOPPED)


def _way_on(interrupted: "Interrupted") -> str:
    if interrupted.path is None:
        return "no checkpoint is kept (callbacks.last is null)"
    folder = f"output_dir={interrupted.path.parent.parent}"
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        folder = f"hydra.sweep.dir={HydraConfig.get().sweep.dir}"
    return f"saved in {interrupted.path}; the same command with {folder} goes on"


def _await_others(trainer: "Trainer") -> None:
    """Let the processes that Lightning has started here end before this one does."""
    for process in getattr(trainer.strategy.launcher, "procs", ()):
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_END)


def _requeue() -> None:
    """Put the job back into SLURM's queue."""
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    program = shutil.which("scontrol")
    if program is None:
        print(f"job {job} is not requeued: there is no scontrol", file=sys.stderr)
        return
    done = subprocess.run([program, "requeue", job], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"job {job} is not requeued: {done.stderr.strip()}", file=sys.stderr)
    else:
        print(f"job {job} is requeued", file=sys.stderr)
