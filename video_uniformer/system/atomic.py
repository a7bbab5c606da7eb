"""Files that appear under their name only when they are complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


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
