"""What is scanned: videos, or pictures."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.data.annotations.search import (
    LeftOut,
    find_pictures,
    find_samples,
    pick_pictures,
    pick_videos,
)
from video_uniformer.system.file_kinds import (
    PICTURE,
    PICTURE_SUFFIXES,
    VIDEO,
    is_video_name,
    kind_of,
    suffix_of,
)


class Media(NamedTuple):
    """How files of a kind are found.

    Attributes:
        noun: One of them, in a word.
        find: All below a folder; other files are counted.
        pick: Those among the files of a folder, by name; likewise.
        is_one: Whether a file is one.
        has_name: Whether a name ends as one's does.
    """

    noun: str
    find: Callable[[Path, LeftOut], Iterable[Path]]
    pick: Callable[[Path, Sequence[str], LeftOut], list[str]]
    is_one: Callable[[Path], bool]
    has_name: Callable[[str], bool]


VIDEOS = Media(
    noun="video",
    find=find_samples,
    pick=pick_videos,
    is_one=lambda path: kind_of(path) == VIDEO,
    has_name=is_video_name,
)
PICTURES = Media(
    noun="picture",
    find=lambda folder, left_out: (folder / path for path in find_pictures(folder, left_out)),
    pick=pick_pictures,
    is_one=lambda path: kind_of(path, prefer=PICTURE) == PICTURE,
    has_name=lambda name: suffix_of(name) in (*PICTURE_SUFFIXES, ".gif"),
)
