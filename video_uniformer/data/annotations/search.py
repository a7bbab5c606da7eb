"""Files found by looking: what folders hold, and what the globs of a command line stand for."""

import fnmatch
import glob
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from video_uniformer.system.file_kinds import (
    AUDIO,
    OTHER,
    PICTURE,
    PICTURE_SUFFIXES,
    TEXT,
    VIDEO,
    choose_pictures,
    is_unread_picture,
    is_video_name,
    kind_of,
    kinds_of,
    suffix_of,
)
from video_uniformer.system.printable import show_name

_logger = logging.getLogger(__name__)
_REASONS = {
    PICTURE: "pictures",
    AUDIO: "sound",
    TEXT: "text",
    OTHER: "unknown",
}
_MOVES = "moves: a video or an animation"
_UNREAD = "pictures of a format that is not read"
_BESIDE_FRAMES = "not of the format of most frames"
_HIDDEN = "hidden"
_SHOWN_KINDS = 8

SPLIT_FOLDERS = ("train", "training", "val", "valid", "validation", "test", "testing")
"""Names of folders that make a folder above them a data set with splits."""

Inside = frozenset[tuple[int, int]]


class LeftOut:
    """The files that a search has left out, counted by suffix and reason.

    Attributes:
        counts: Number of files by (suffix, reason); hidden ones are counted without their suffix.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return self.counts.total()

    def __str__(self) -> str:
        """Such as `left out 4 files: 2 .txt (text), 1 .m4a (sound), 1 hidden`; not every kind."""
        parts = [f"{count} {kind}" for kind, count in [*self.kinds().items()][:_SHOWN_KINDS]]
        more = ", ..." if len(self.counts) > _SHOWN_KINDS else ""
        files = "1 file" if len(self) == 1 else f"{len(self)} files"
        return show_name(f"left out {files}: {', '.join(parts)}{more}")

    def kinds(self) -> dict[str, int]:
        """How many files of each kind there are, in words such as `.txt (text)`, most first."""
        return {
            reason if reason == _HIDDEN else f"{suffix or 'without a suffix'} ({reason})": count
            for (suffix, reason), count in self.counts.most_common()
        }

    def add(self, names: Iterable[str], reason: str) -> None:
        """Count files."""
        self.counts.update((suffix_of(name), reason) for name in names)

    def add_hidden(self, num_files: int) -> None:
        """Count files whose names begin with a dot, such as `._a.mp4` of a Mac."""
        if num_files:
            self.counts["", _HIDDEN] += num_files

    def remove(self, files: Iterable[Path]) -> None:
        """Count these no longer."""
        for file in files:
            kind = kind_of(file)
            if file.name.startswith("."):
                self.counts -= Counter([("", _HIDDEN)])
            elif kind in _REASONS:
                self.counts -= Counter([(suffix_of(file.name), _REASONS[kind])])

    def log(self, place: Path | str) -> None:
        """Say in one line what was left out of a place, if anything was."""
        if len(self):
            _logger.warning("%s: %s", show_name(str(place)), self)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir() raises on a link that points to itself; Path.is_dir() says no.
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and Path(entry).is_dir())


def list_folder(
    folder: Path, left_out: LeftOut | None = None, *, holds: str = "videos"
) -> tuple[list[str], list[str]]:
    """Return the sorted names of the folders and of the files in a folder, without hidden ones.

    Args:
        folder: Which is read.
        left_out: Counts the hidden files; None where nobody is told.
        holds: What it should hold, for messages.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder, expected one with {holds}")
    folders: list[str] = []
    files: list[str] = []
    num_hidden = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = _is_folder(entry)
            if not entry.name.startswith("."):
                (folders if is_folder else files).append(entry.name)
            elif not is_folder:
                num_hidden += 1
    if left_out is not None:
        left_out.add_hidden(num_hidden)
    return sorted(folders), sorted(files)


def pick_videos(folder: Path, names: Sequence[str], left_out: LeftOut) -> list[str]:
    """The video files among the files of a folder; the others are counted."""
    videos = []
    for name, kind in zip(names, kinds_of(folder, names), strict=True):
        if kind == VIDEO:
            videos.append(name)
        else:
            left_out.add([name], _REASONS[kind])
    return videos


def pick_pictures(folder: Path, names: Sequence[str], left_out: LeftOut) -> list[str]:
    """The still pictures among the files of a folder; the others are counted.

    What moves is none, as its first frame is hardly what was meant; a GIF of one frame is one.
    """
    pictures = []
    for name, kind in zip(names, kinds_of(folder, names, prefer=PICTURE), strict=True):
        if kind != PICTURE:
            left_out.add([name], _MOVES if kind == VIDEO else _REASONS[kind])
        elif is_unread_picture(name):
            left_out.add([name], _UNREAD)
        else:
            pictures.append(name)
    return pictures


def is_frame_folder(folder: Path, names: Sequence[str], left_out: LeftOut) -> bool:
    """Tell whether a folder of these files is a video, one picture a frame; count its others.

    Args:
        folder: Which is not read.
        names: Its files, no videos among them.
        left_out: Counts its files besides the frames, if it is one.
    """
    frames = set(choose_pictures(names))
    if not frames:
        return False
    others = [name for name in names if name not in frames]
    beside = [name for name in others if suffix_of(name) in PICTURE_SUFFIXES]
    left_out.add(beside, _BESIDE_FRAMES)
    pick_videos(folder, sorted(set(others).difference(beside)), left_out)
    return True


def find_videos(folder: Path, left_out: LeftOut) -> Iterator[Path]:
    """Find all video files below a folder, sorted; links are followed, but not in circles.

    Args:
        folder: Where to begin.
        left_out: Counts the other files.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    return (folder / path for path in _find(pick_videos, folder, "", left_out, frozenset()))


def find_pictures(folder: Path, left_out: LeftOut) -> Iterator[str]:
    """Find all still pictures below a folder: each folder's own, sorted, then those within it.

    Args:
        folder: Where to begin.
        left_out: Counts the other files.

    Returns:
        Paths from the folder, as texts: pictures come in millions, of which paths would take long.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    return _find(pick_pictures, folder, "", left_out, frozenset())


def _find(
    pick: Callable[[Path, Sequence[str], LeftOut], list[str]],
    folder: Path,
    prefix: str,
    left_out: LeftOut,
    inside: Inside,
) -> Iterator[str]:
    outside = LeftOut()
    folders, files = list_folder(folder, outside)
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in inside:
        return
    left_out.counts.update(outside.counts)
    yield from (f"{prefix}{name}" for name in pick(folder, files, left_out))
    for name in folders:
        inner = folder / name
        yield from _find(pick, inner, f"{prefix}{name}/", left_out, inside | {identity})


def find_samples(folder: Path, left_out: LeftOut, inside: Inside = frozenset()) -> Iterator[Path]:
    """Find all videos below a folder: files and folders of frames, and what is called like one.

    A folder whose name ends as a video's, and one that cannot be listed, are given too, so that
    whoever opens them says what is wrong.

    Args:
        folder: Where to begin.
        left_out: Counts the other files.
        inside: Device and inode of the folders that the search is in; the recursion's own.
    """
    outside = LeftOut()
    try:
        status = folder.stat()
        folders, files = list_folder(folder, outside)
    except OSError:
        yield folder
        return
    identity = (status.st_dev, status.st_ino)
    if identity in inside:
        return
    left_out.counts.update(outside.counts)
    outside = LeftOut()
    videos = set(pick_videos(folder, files, outside))
    if not videos and not folders and is_frame_folder(folder, files, left_out):
        yield folder
        return
    left_out.counts.update(outside.counts)
    if not videos and not folders and is_video_name(folder.name):
        yield folder
    for name in sorted((*videos, *folders)):
        if name in videos:
            yield folder / name
        else:
            yield from find_samples(folder / name, left_out, inside | {identity})


def expand_paths(arguments: Sequence[str], wanted: str = VIDEO) -> Iterator[Path]:
    """The videos, or pictures, that arguments stand for, sorted within each argument.

    What exists is taken literally, the leading folders of a glob included: `videos [2020]/*.mp4`
    finds the files of the folder `videos [2020]`; so are brackets that else match nothing, such as
    those of `clip [2020] *`. A folder stands for all files of the wanted kind below it, and where
    there are no videos, for all folders of frames; what it holds besides is logged, in one line.
    What matches nothing, and a folder without any, is given as it is, for the reader to refuse.

    Args:
        arguments: As a user gives them, globs unexpanded; `**` stands for any depth.
        wanted: `file_kinds.VIDEO` or `file_kinds.PICTURE`.
    """
    for argument in arguments:
        matches = sorted(dict.fromkeys(_match(argument))) or [Path(argument)]
        left_out = LeftOut()
        found: dict[Path, None] = {}
        for path in matches:
            found.update(dict.fromkeys(_expand(path, wanted, left_out)))
        left_out.log(argument)
        yield from found


def exists(argument: str) -> bool:
    """Whether an argument of `expand_paths` stands for anything that is there."""
    return any(path.exists() for path in _match(argument))


def _expand(path: Path, wanted: str, left_out: LeftOut) -> list[Path]:
    if not path.is_dir():
        return [path]
    besides = LeftOut()
    if wanted == PICTURE:
        files = sorted(path / name for name in find_pictures(path, besides))
    else:
        files = sorted(find_videos(path, besides))
    if not files and wanted == VIDEO:
        besides = LeftOut()
        files = sorted(find_samples(path, besides))
    left_out.counts.update(besides.counts)
    return files or [path]


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
        found = list(_match_names(folder, part, rest))
        # Brackets as they stand: `a [x]*` means `a [x].mp4` where there is no `a x.mp4`.
        yield from found or _match_names(folder, part.replace("[", "[[]"), rest)


def _match_names(folder: Path, pattern: str, rest: Sequence[str]) -> Iterator[Path]:
    for name in _list_names(folder, pattern):
        yield from _match_parts(folder / name, rest)


def _list_names(folder: Path, pattern: str) -> list[str]:
    """Names in a folder that match; hidden ones match a pattern that begins with a dot."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:  # no folder, or one that may not be read
        return []
    shows_hidden = pattern.startswith(".")
    return [n for n in fnmatch.filter(names, pattern) if shows_hidden or not n.startswith(".")]
