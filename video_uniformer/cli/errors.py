"""One clear line for what a user got wrong, instead of a traceback."""

import functools
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

# What a user can mend, beside Hydra's own errors; all else is a bug and keeps its traceback.
USER_ERRORS = (ValueError, OSError, ModuleNotFoundError, FloatingPointError)
TRACEBACK_VARIABLE = "HYDRA_FULL_ERROR"

# How torch says that a loader's worker died or could not hand over its batch, and what helps. The
# order matters: what fills the shared memory, or takes all file handles, may kill workers too.
LOADER_DEATHS = (
    (
        r"Too many open files|items of ancdata",
        "loader workers ran out of file handles: raise the limit (ulimit -n 65536), or lower "
        "data.num_workers",
    ),
    (
        r"Bus error|torch_\w+>.*No space left on device|shared memory",
        "the shared memory that loader workers hand batches over in is full: enlarge /dev/shm "
        "(docker run --shm-size=8g), or lower data.num_workers",
    ),
    (
        r"DataLoader worker \(pid.*\) (is killed|exited)",
        "a loader worker was ended from outside, as happens when memory runs out: lower "
        "data.num_workers or data.batch_size",
    ),
)


def _loaded(module: str, name: str) -> tuple[type[BaseException], ...]:
    """An error's class, if its library is there; what is not imported cannot have raised it."""
    return (getattr(sys.modules[module], name),) if module in sys.modules else ()


def _user_errors() -> tuple[type[BaseException], ...]:
    return (
        *USER_ERRORS,
        *_loaded("hydra.errors", "HydraException"),
        *_loaded("omegaconf.errors", "OmegaConfBaseException"),
    )


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print the reason of an error that a user can mend on one line and exit with status 1.

    Set the environment variable HYDRA_FULL_ERROR=1 to see the traceback instead.
    """
    try:
        yield
    except Exception as error:
        line = mendable(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        raise SystemExit(1) from None


def mendable(error: Exception) -> str | None:
    """What a user can mend, in one line; None for a bug, or where tracebacks are asked for."""
    if os.environ.get(TRACEBACK_VARIABLE) == "1":
        return None
    if isinstance(error, _user_errors()):
        return reason(error)
    return loader_advice(error) if isinstance(error, RuntimeError) else None


class EntryPoint(Protocol):
    """A command's `main`, with the words after its name; None: those of this process."""

    def __call__(self, arguments: Sequence[str] | None = None) -> None:
        """Run the command."""


def checked_output(command: EntryPoint) -> EntryPoint:
    """Let a command end with status 1 where its output cannot be written.

    It says why in one line; where nobody reads on (`| head`) it does so without a word.
    """

    @functools.wraps(command)
    def run(arguments: Sequence[str] | None = None) -> None:
        try:
            try:
                command(arguments)
            finally:
                sys.stdout.flush()
        except OSError as error:
            # What is still to be written would fail again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                print(f"error: standard output: {reason(error)}", file=sys.stderr)
            raise SystemExit(1) from None

    return run


def loader_advice(error: BaseException) -> str | None:
    """What to do about a loader's worker that died, with torch's words; None if none did.

    Torch tells the signal in the error that its own error was raised from.
    """
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None and str(link) not in texts:
        texts.append(str(link))
        link = link.__cause__ or link.__context__
    for pattern, advice in LOADER_DEATHS:
        for text in reversed(texts):
            if found := re.search(rf"[^\n]*({pattern})[^\n]*", text):
                return f"{advice} ({found[0].strip()})"
    return None


def reason(error: BaseException) -> str:
    """The innermost cause, in one line.

    Hydra wraps what a constructor raises, and a loader's worker sends its error with a traceback:
    the reason is the cause of the one and the last line of the other.
    """
    wrappers = _loaded("hydra.errors", "HydraException")
    while isinstance(error, wrappers) and error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if "worker process" in lines[0]:
        return re.sub(r"^[\w.]+: ", "", lines[-1])
    return lines[0]
