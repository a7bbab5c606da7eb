"""What has been done already, one line each, so that work that was cut off goes on where it was."""

import hashlib
import json
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Any


class Journal:
    """A file of JSON lines that grows by one line a finished piece of work.

    Lines are written whole, so that a process killed at any moment loses the line that it was
    writing and no other.

    Args:
        path: The file; made, with its folder, if it is not there.

    Raises:
        ValueError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._entries: dict[str, Any] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that a line is one write.
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise ValueError(
                f"{path} cannot be written ({error.strerror}), expected a folder of one's own"
            ) from error
        self._file.seek(0)
        content = self._file.read()
        for line in content.splitlines():
            self._take_in(line)
        if content and not content.endswith(b"\n"):  # torn
            self._file.write(b"\n")

    def _take_in(self, line: bytes) -> None:
        try:
            key, value = json.loads(line)
            self._entries[str(key)] = value
        except (ValueError, TypeError):
            return

    def find(self, key: str) -> Any:
        """The last value noted for a key, or None."""
        return self._entries.get(key)

    def add(self, key: str, value: Any) -> None:
        """Note a value for a key; both survive as JSON has them."""
        self._file.write(f"{json.dumps([key, value])}\n".encode())
        self._entries[key] = value

    def close(self) -> None:
        """Give back the file."""
        self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def file_key(path: Path, *settings: object) -> str | None:
    """A key that changes when a file does: its path, size, time of change, and settings.

    Args:
        path: A file, or a folder, whose key changes with the name, size and time of what it holds.
        settings: Further values that the work depends on, as JSON has them.

    Returns:
        None where the file cannot be asked.
    """
    try:
        status = path.stat()
        entries = [_hash_entries(path)] if stat.S_ISDIR(status.st_mode) else []
    except (OSError, ValueError):
        return None
    facts = os.fspath(path.absolute()), status.st_size, status.st_mtime_ns
    return json.dumps([*facts, *entries, *settings])


def _hash_entries(folder: Path) -> str:
    """A hash of what a folder holds; its own time stays when a file in it is written over."""
    entries = []
    with os.scandir(folder) as found:
        for entry in found:
            try:
                status = entry.stat()
            except OSError:  # a link that leads nowhere
                status = entry.stat(follow_symlinks=False)
            entries.append((entry.name, status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps(sorted(entries)).encode()).hexdigest()
