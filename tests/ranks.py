"""A command in a process of its own, or in several as torchrun starts them, without the imports.

A new interpreter, and each that Lightning's own launcher starts, imports for 20 seconds; here a
server that has imported everything forks the processes. It has run nothing, so no thread is lost.
"""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

# How long the others may go on when one has failed, seconds, as under torchrun.
GRACE = 30
PRELOADED = ["video_uniformer.cli.train", "video_uniformer.cli.test", "lightning"]

_context = multiprocessing.get_context("forkserver")


class Rank(NamedTuple):
    """What a process left behind."""

    status: int
    out: str
    err: str


def _start(
    told: dict[str, str], main: Callable[[], None], arguments: list[str], cwd: Path, rank: int
) -> None:
    os.environ["HYDRA_FULL_ERROR"] = "0"
    if told:
        os.environ.update(told, RANK=str(rank), LOCAL_RANK=str(rank))
    os.chdir(cwd)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(cwd / f"rank{rank}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    import torch

    torch.set_num_threads(1)
    sys.argv = [main.__module__, *arguments]
    main()


def launch_ranks(
    main: Callable[[], None], *arguments: str, cwd: Path, number: int = 2, seconds: float = 300
) -> list[Rank]:
    """Run a command's `main` in `number` processes, and wait for all of them.

    A single one is a plain command; what stands in `sys.path` here can be imported there.

    Raises:
        TimeoutError: One was still there at the end of the time; all are killed.
    """
    _context.set_forkserver_preload(PRELOADED)
    told = _torchrun_variables(number) if number > 1 else {}
    processes = [
        _context.Process(target=_start, args=(told, main, list(arguments), cwd, rank))
        for rank in range(number)
    ]
    for process in processes:
        process.start()
    _wait(processes, seconds)
    return [
        Rank(
            process.exitcode or 0,
            (cwd / f"rank{rank}.out").read_text(),
            (cwd / f"rank{rank}.err").read_text(),
        )
        for rank, process in enumerate(processes)
    ]


def _torchrun_variables(number: int) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "test",
    }


def _wait(processes: list[BaseProcess], seconds: float) -> None:
    try:
        for process in processes:
            process.join(seconds)
            if process.exitcode is None:
                raise TimeoutError(f"{process.name} has not ended after {seconds:g} s")
            if process.exitcode:
                seconds = min(seconds, GRACE)
    finally:
        for process in processes:
            process.kill()
            process.join()
