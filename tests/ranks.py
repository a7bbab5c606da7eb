"""A command in a process of its own, or in several as torchrun starts them, without the imports.

A new interpreter, and each that Lightning's own launcher starts, imports for 20 seconds; here a
server that has imported everything forks the processes. It has run nothing, so no thread is lost.
"""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType
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
    told: dict[str, str],
    main: Callable[[], None],
    arguments: list[str],
    cwd: Path,
    rank: int,
    number: int,
) -> None:
    os.setsid()
    # Of the loader's workers; the server has passed on its own.
    multiprocessing.set_start_method("fork", force=True)
    os.environ["HYDRA_FULL_ERROR"] = "0"
    os.environ.update(told)
    if number > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    os.chdir(cwd)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(cwd / f"rank{rank}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    import torch

    torch.set_num_threads(1)
    sys.argv = [main.__module__, *arguments]
    main()


class Ranks:
    """The processes of a command that has been started, each with a session of its own."""

    def __init__(self, processes: list[BaseProcess], cwd: Path) -> None:
        self.processes, self.cwd = processes, cwd

    def send(self, number: int, rank: int | None = None, *, to_group: bool = False) -> None:
        """Send a signal to one process or to all, or to their whole groups."""
        for process in self.processes if rank is None else [self.processes[rank]]:
            with suppress(ProcessLookupError):
                (os.killpg if to_group else os.kill)(_number_of(process), number)

    def is_running(self) -> bool:
        """Whether one of the processes has not ended."""
        return any(process.exitcode is None for process in self.processes)

    def left_behind(self) -> list[str]:
        """Whatever is still there of what they have started."""
        return processes_of(*map(_number_of, self.processes))

    def wait(self, seconds: float = 300) -> list[Rank]:
        """Wait for all of them.

        Raises:
            TimeoutError: One was still there at the end of the time; all are killed.
        """
        _wait(self.processes, seconds)
        return [
            Rank(
                process.exitcode or 0,
                (self.cwd / f"rank{rank}.out").read_text(),
                (self.cwd / f"rank{rank}.err").read_text(),
            )
            for rank, process in enumerate(self.processes)
        ]


def start_ranks(
    main: Callable[[], None],
    *arguments: str,
    cwd: Path,
    number: int = 2,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Ranks:
    """Run a command's `main` in `number` processes.

    A single one is a plain command; what stands in `sys.path` here can be imported there.
    """
    _context.set_forkserver_preload(PRELOADED)
    told = {**(_torchrun_variables(number) if number > 1 else {}), **variables}
    processes = [
        _context.Process(target=_start, args=(told, main, list(arguments), cwd, rank, number))
        for rank in range(number)
    ]
    for process in processes:
        process.start()
    return Ranks(processes, cwd)


def launch_ranks(
    main: Callable[[], None], *arguments: str, cwd: Path, number: int = 2, seconds: float = 300
) -> list[Rank]:
    """Run a command's `main` in `number` processes, and wait for all of them; see `Ranks.wait`."""
    return start_ranks(main, *arguments, cwd=cwd, number=number).wait(seconds)


def processes_of(*sessions: int) -> list[str]:
    """Names of the processes of some sessions, but those that have ended."""
    return [name for session, name in _living() if session in sessions]


def _number_of(process: BaseProcess) -> int:
    assert process.pid is not None
    return process.pid


def _living() -> Iterator[tuple[int, str]]:
    """Session and name of every process that has not ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            name, rest = (folder / "stat").read_text().rsplit(") ", 1)
            state, _, _, session = rest.split()[:4]
            if state not in "ZX":
                yield int(session), name


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
