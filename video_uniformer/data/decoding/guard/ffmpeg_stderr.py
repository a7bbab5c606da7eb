"""What a decoder's library writes on standard error, in a process that listens to it.

FFmpeg makes up what damage has destroyed, and its decoders in decord and torchcodec return such
pictures as if nothing were wrong. All that tells of it is a line on standard error. A process that
decodes for another (see `process`) has no other use for standard error, and listens to it.
"""

import os
import sys
from pathlib import Path

_NAME = "complaints"
_HARMLESS = b"[swscaler @"  # says that a pixel format is deprecated: of every full-range file


def listen() -> None:
    """From now on, keep what this process writes on standard error; on Linux only."""
    if sys.platform == "linux":
        memory = os.memfd_create(_NAME)
        os.dup2(memory, 2)
        os.close(memory)


def is_listening() -> bool:
    """Whether this process keeps what it writes on standard error."""
    try:
        return str(Path("/proc/self/fd/2").readlink()).startswith(f"/memfd:{_NAME}")
    except OSError:  # another system, or closed
        return False


def heard() -> bool:
    """Whether damage was complained of since the last call; never where nobody listens."""
    size = os.fstat(2).st_size if is_listening() else 0
    if size == 0:
        return False
    lines = os.pread(2, size, 0).splitlines()
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)
    return any(not line.startswith(_HARMLESS) for line in lines)
