"""The list of the videos that runs set aside."""

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from video_uniformer.system.journal import Entries, Journal


class Quarantine:
    """A file that lists bad samples, which any number of processes read and add to.

    One JSON object a line: the video's absolute `path`, the `reason`, `when` (UTC) it was added,
    and whether it `is_lost`: it hangs, or salvaging it was tried in vain. See `Journal`.

    Args:
        path: The file; made, with its folder, when the first video is added.

    Raises:
        ValueError: The file is something else, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._journal = Journal(self.path, name="quarantine", note=_note_video)
        if self._journal.is_foreign:
            raise ValueError(f"quarantine is {self.path}, which lists no videos, expected its list")

    def __len__(self) -> int:
        """Number of videos listed."""
        return len(self._journal)

    def reason_for(self, path: str | Path, only_lost: bool = False) -> str | None:
        """Why a video is listed, or None where it is not.

        Args:
            path: The video.
            only_lost: Leave out those that may still be salvaged.
        """
        found: tuple[str, bool] | None = self._journal.find(_absolute(path))
        if found is None:
            return None
        reason, is_lost = found
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
        self._journal.append(
            {"path": _absolute(path), "reason": reason, "when": when, "is_lost": is_lost}
        )


def _absolute(path: str | Path) -> str:
    # `Path.resolve` would follow links, and ask a disk that may be what stalls.
    return os.path.abspath(path)  # noqa: PTH100


def _note_video(entries: Entries, entry: Any) -> None:
    """Note reason and loss; that a video is lost is never taken back."""
    path, is_lost = str(entry["path"]), bool(entry.get("is_lost", True))
    if is_lost or path not in entries:
        entries[path] = str(entry["reason"]), is_lost
