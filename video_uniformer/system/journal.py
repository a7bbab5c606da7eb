"""Files of JSON lines: what has been done or found, for runs that go on and others beside them."""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

Entries = dict[str, Any]


def note_pair(entries: Entries, entry: Any) -> None:
    """Note an entry that is a pair of key and value; the last value of a key holds."""
    key, value = entry
    entries[str(key)] = value


class Journal:
    """A file that grows by one JSON line for each finished piece of work.

    Any number of processes read it and add to it: lines are added whole, and read as they come. A
    process that is killed at any moment loses the line that it was writing and no other; lines that
    somebody takes out are forgotten.

    Args:
        path: The file; made, with its folder, when the first line is added.
        name: What messages call it.
        note: (entries by key, the next entry) notes that entry. It raises `ValueError`, `TypeError`
            or `KeyError` at one that is none, which is left out.

    Raises:
        ValueError: The file cannot be written.

    Example:
        >>> from tempfile import mkdtemp
        >>> journal = Journal(Path(mkdtemp()) / "done.jsonl")
        >>> journal.add("a.mp4", {"num_frames": 250})
        >>> Journal(journal.path).find("a.mp4")
        {'num_frames': 250}
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str = "journal",
        note: Callable[[Entries, Any], None] = note_pair,
    ) -> None:
        self.path = path
        self._name, self._note = name, note
        self._entries: Entries = {}
        self._num_read = 0  # bytes
        self._check_writable()
        self._read_on()

    def __len__(self) -> int:
        """Number of keys."""
        self._read_on()
        return len(self._entries)

    @property
    def is_foreign(self) -> bool:
        """Whether the file has lines, and none of them is an entry."""
        return not len(self) and self._num_read > 0

    def find(self, key: str) -> Any:
        """What is noted for a key, or None."""
        self._read_on()
        return self._entries.get(key)

    def add(self, key: str, value: Any) -> None:
        """Note a value for a key; both survive as JSON has them.

        Raises:
            ValueError: The file cannot be written.
        """
        self.append([key, value])

    def append(self, entry: Any) -> None:
        """Add an entry as `note` takes it.

        Raises:
            ValueError: The file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that a line is one write, which processes do not interleave.
            with self.path.open("a+b", buffering=0) as file:
                file.write(_line_break(file) + f"{json.dumps(entry)}\n".encode())
        except OSError as error:
            raise self._unwritable(error.strerror) from error
        self._read_on()

    def _check_writable(self) -> None:
        place = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if place == self.path and not place.is_file():
            raise self._unwritable("it is no file")
        if place != self.path and not place.is_dir():
            raise self._unwritable(f"{place} is no folder")
        if not os.access(place, os.W_OK):
            raise self._unwritable("permission denied")

    def _unwritable(self, why: str | None) -> ValueError:
        return ValueError(
            f"{self._name} is {self.path}, which cannot be written ({why}), expected a file that "
            "lines can be added to"
        )

    def _read_on(self) -> None:
        """Take in what was added since the last look; start anew if lines were taken out."""
        try:
            size = self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            size = 0
        if size < self._num_read:
            self._entries, self._num_read = {}, 0
        if size == self._num_read:
            return
        with self.path.open("rb") as file:
            file.seek(self._num_read)
            added = file.read()
        self._num_read += added.rfind(b"\n") + 1
        for line in added.splitlines():  # the last may lack its end, and is then read once more
            try:
                self._note(self._entries, json.loads(line))
            except (ValueError, TypeError, KeyError):  # torn, when a disk was full
                continue


def _line_break(file: BinaryIO) -> bytes:
    """What is to be written ahead of a new line: an edited or torn file may lack its last break."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


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
