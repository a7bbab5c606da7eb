"""Which of the paths that a list may mean are there."""

import functools
import os
from pathlib import Path

_MOST_FOLDERS = 4096  # of which the names are kept


class Places:
    """The paths that are there, told from one listing a folder.

    A line that does not tell where its path ends asks for a path a word: looking at each would take
    long where lists are long and files are behind a network.

    Args:
        root: Folder that relative paths start from.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = functools.lru_cache(_MOST_FOLDERS)(_list_names)

    def __contains__(self, path: str) -> bool:
        # Not `Path`, which would take most of the time of reading a long list.
        folder, name = os.path.split(path.rstrip("/"))
        names = self._names(self._root, folder)
        return (self._root / path).exists() if names is None else name in names


def _list_names(root: Path, folder: str) -> frozenset[str] | None:
    """The names in a folder, none where it is not there; None if it may not be listed."""
    try:
        return frozenset(os.listdir(root / folder))  # noqa: PTH208 - as texts, of which there are many
    except PermissionError:
        return None
    except OSError:
        return frozenset()
