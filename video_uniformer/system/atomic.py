"""Files that appear under their name only when they are complete."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

# What file systems answer that know no nameless files (network file systems among them).
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)
UNFINISHED = ".unfinished"  # how the names of files end whose writer was killed
_PERMISSIONS = 0o666  # as `open`, less what the user masks


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path in the same folder whose file takes the place of `path` once it is written.

    The folder is made if it is not there. Where the block raises, what stood under `path` stays.

    Args:
        path: The file to write, or to write anew.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "sums.txt"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("1")
        >>> target.read_text()
        '1'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        temporary = Path(folder) / path.name
        yield temporary
        temporary.replace(path)


@contextmanager
def replacing_file(path: str | Path) -> Iterator[BinaryIO]:
    """An open file, to write and read, that takes the place of `path` when the block ends.

    Until then it has no name, where the system knows such files (Linux, on most local disks): what
    kills the process in between leaves nothing behind. Elsewhere its name ends in `UNFINISHED`.
    Where the block raises, what stood under `path` stays. What was written is on the disk before it
    gets its name.

    Args:
        path: The file to write, or to write anew. Its folder is made if it is not there.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "weights.bin"
        >>> with replacing_file(target) as file:
        ...     _ = file.write(b"all of it")
        >>> target.read_bytes()
        b'all of it'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    unfinished.unlink(missing_ok=True)
    with _open_nameless(path.parent) or unfinished.open("xb+") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not unfinished.exists():
                _name(file, unfinished)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


def _open_nameless(folder: Path) -> BinaryIO | None:
    """A file that has no name in the folder yet; None where there are no such files."""
    if sys.platform != "linux" or not Path("/proc/self/fd").is_dir():  # see `_name`
        return None
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, _PERMISSIONS), "wb+")
    except OSError as error:
        if error.errno in _NO_NAMELESS:
            return None
        raise


def _name(file: BinaryIO, path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # A folder is given so that Python calls linkat(2), which alone follows the link.
        places = {"src_dir_fd": folder, "dst_dir_fd": folder}
        os.link(f"/proc/self/fd/{file.fileno()}", path.name, **places, follow_symlinks=True)
    finally:
        os.close(folder)


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk too, where folders can be synchronised."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
