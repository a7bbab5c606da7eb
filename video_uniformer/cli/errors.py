"""One clear line for what a user got wrong, instead of a traceback."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

# What a user can mend; all else is a bug and keeps its traceback.
USER_ERRORS = (
    ValueError,
    OSError,
    ModuleNotFoundError,
    FloatingPointError,
    HydraException,
    OmegaConfBaseException,
)
TRACEBACK_VARIABLE = "HYDRA_FULL_ERROR"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print the reason of an error that a user can mend on one line and exit with status 1.

    Set the environment variable HYDRA_FULL_ERROR=1 to see the traceback instead.
    """
    try:
        yield
    except USER_ERRORS as error:
        if os.environ.get(TRACEBACK_VARIABLE) == "1":
            raise
        print(f"error: {reason(error)}", file=sys.stderr)
        raise SystemExit(1) from None


def reason(error: BaseException) -> str:
    """The innermost cause, in one line.

    Hydra wraps what a constructor raises, and a loader's worker sends its error with a traceback:
    the reason is the cause of the one and the last line of the other.
    """
    while isinstance(error, HydraException) and error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if "worker process" in lines[0]:
        return re.sub(r"^[\w.]+: ", "", lines[-1])
    return lines[0]
