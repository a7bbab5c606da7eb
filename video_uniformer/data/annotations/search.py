"""Videos found by looking: what the files, folders and globs of a command line stand for."""

import fnmatch
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from video_uniformer.data.annotations.folders import find_videos


def expand_paths(arguments: Sequence[str]) -> Iterator[Path]:
    """The videos that files, folders and globs stand for, sorted within each argument.

    What exists is taken literally, the leading folders of a glob included: `videos [2020]/*.mp4`
    finds the files of the folder `videos [2020]`. A folder stands for all videos below it. What
    matches nothing, and a folder without videos, is given as it is, for the reader to refuse.

    Args:
        arguments: As a user gives them, globs unexpanded; `**` stands for any depth.
    """
    for argument in arguments:
        matches = sorted(dict.fromkeys(_match(argument))) or [Path(argument)]
        found: dict[Path, None] = {}
        for path in matches:
            videos = sorted(find_videos(path)) if path.is_dir() else []
            found.update(dict.fromkeys(videos or [path]))
        yield from found


def _match(argument: str) -> Iterator[Path]:
    path = Path(argument)
    if path.exists() or not glob.has_magic(argument):
        return iter([path])
    anchor, parts = (path.anchor, path.parts[1:]) if path.anchor else ("", path.parts)
    return _match_parts(Path(anchor), parts)


def _match_parts(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Match the parts of a glob one by one; a part that exists stands for itself."""
    if not parts:
        yield folder
        return
    part, *rest = parts
    if not glob.has_magic(part) or (folder / part).exists():
        if (folder / part).exists():
            yield from _match_parts(folder / part, rest)
    elif part == "**":
        yield from _match_parts(folder, rest or ["*"])
        # Not `Path.glob`: it lists hidden folders, too.
        for inner in glob.iglob("**/", root_dir=folder, recursive=True):  # noqa: PTH207
            yield from _match_parts(folder / inner, rest or ["*"])
    else:
        for name in _list_names(folder, part):
            yield from _match_parts(folder / name, rest)


def _list_names(folder: Path, pattern: str) -> list[str]:
    """Names in a folder that match; hidden ones match a pattern that begins with a dot."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:  # no folder, or one that may not be read
        return []
    shows_hidden = pattern.startswith(".")
    return [n for n in fnmatch.filter(names, pattern) if shows_hidden or not n.startswith(".")]
