"""The list of the videos that runs set aside."""

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO


class Quarantine:
    """A file that lists bad videos, which any number of processes read and add to.

    One JSON object a line: the video's absolute `path`, the `reason`, `when` (UTC) it was added,
    and whether it `is_lost`: it hangs, or salvaging it was tried in vain. Lines are added whole,
    and read as they come.

    Args:
        path: The file; made, with its folder, when the first video is added.

    Raises:
        ValueError: The file is something else, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._reasons: dict[str, tuple[str, bool]] = {}
        self._num_read = 0  # bytes
        self._check_writable()
        self._read_on()
        if self._num_read and not self._reasons:
            raise ValueError(f"quarantine is {self.path}, which lists no videos, expected its list")

    def __len__(self) -> int:
        """Number of videos listed."""
        self._read_on()
        return len(self._reasons)

    def reason_for(self, path: str | Path, only_lost: bool = False) -> str | None:
        """Why a video is listed, or None where it is not.

        Args:
            path: The video.
            only_lost: Leave out those that may still be salvaged.
        """
        self._read_on()
        # `Path.resolve` would follow links, and ask a disk that may be what stalls.
        reason, is_lost = self._reasons.get(os.path.abspath(path), (None, True))  # noqa: PTH100
        return reason if is_lost or not only_lost else None

    def add(self, path: str | Path, reason: str, *, is_lost: bool = True) -> None:
        """List a video, unless it is listed.

        Args:
            path: The video.
            reason: What is wrong with it.
            is_lost: It hangs, or salvaging it was tried in vain.

        Raises:
            ValueError: The file cannot be written.
        """
        if self.reason_for(path, only_lost=is_lost) is not None:
            return
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        name = os.path.abspath(path)  # noqa: PTH100
        entry = {"path": name, "reason": reason, "when": when, "is_lost": is_lost}
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
        if not os.access(place, os.W_OK):
            raise self._unwritable("permission denied")

    def _unwritable(self, why: str | None) -> ValueError:
        return ValueError(
            f"quarantine is {self.path}, which cannot be written ({why}), expected a file that "
            "bad videos can be added to"
        )

    def _read_on(self) -> None:
        """Take in what was added since the last look; start anew if lines were taken out."""
        try:
            size = self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            size = 0
        if size < self._num_read:
            self._reasons, self._num_read = {}, 0
        if size == self._num_read:
            return
        with self.path.open("rb") as file:
            file.seek(self._num_read)
            added = file.read()
        self._num_read += added.rfind(b"\n") + 1
        for line in added.splitlines():  # the last may lack its end, and is then read once more
            self._take_in(line)

    def _take_in(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            path, reason = str(entry["path"]), str(entry["reason"])
            is_lost = bool(entry.get("is_lost", True))
        except (ValueError, KeyError, TypeError):  # torn, when a disk was full
            return
        if is_lost or path not in self._reasons:
            self._reasons[path] = reason, is_lost


def _line_break(file: BinaryIO) -> bytes:
    """What is to be written ahead of a new line: an edited or torn file may lack its last break."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"
