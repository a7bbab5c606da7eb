"""Which files there are to scan, in which split and with which label."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from video_uniformer.collection.scan.media import VIDEOS, Media
from video_uniformer.data.annotations import (
    Annotations,
    read_frame_list,
    read_kinetics_csv,
    read_list,
)
from video_uniformer.data.annotations.manifest import is_manifest_header, read_manifest_rows
from video_uniformer.data.annotations.search import (
    SPLIT_FOLDERS,
    LeftOut,
    list_folder,
)
from video_uniformer.system.text_lines import Line, read_lines

_ID_AND_TIMES = re.compile(r"(?P<source>.+)_\d{6}_\d{6}")
_GROUP_AND_CLIP = re.compile(r"(?P<source>v_\w+_g\d+)_c\d+")


class Item(NamedTuple):
    """One video or picture as its list or folder states it.

    Attributes:
        path: Where it should be.
        split: Such as "train".
        label: Class name or index; empty where there is none.
    """

    path: Path
    split: str
    label: str

    @property
    def source(self) -> str:
        """The longer video that its name says it was cut from; empty where it does not say.

        Kinetics names clips ID_START_END, with six digits of seconds each; UCF101 names them
        v_CLASS_gGROUP_cCLIP.
        """
        stem = self.path.stem
        match = _ID_AND_TIMES.fullmatch(stem) or _GROUP_AND_CLIP.fullmatch(stem)
        return match["source"] if match else ""


class Listing(NamedTuple):
    """What is to be scanned.

    Attributes:
        items: In the order of lists and folders.
        unlisted: Videos below the root that no list names.
        root: Folder that paths are told from; None where there is no one such.
        folders: That are read: the root where it was given, else those of the sources.
        left_out: In words, the files in these folders that are not to be scanned; empty where
            there are none.
        num_left_out: How many they are.
        left_out_kinds: How many of each kind, in words such as `.txt (text)`; most first.
        media: Videos or pictures.
    """

    items: list[Item]
    unlisted: list[Path]
    root: Path | None
    folders: tuple[Path, ...] = ()
    left_out: str = ""
    num_left_out: int = 0
    left_out_kinds: Mapping[str, int] = MappingProxyType({})
    media: Media = VIDEOS


def read_sources(
    sources: Sequence[str | Path], *, root: str | Path | None = None, media: Media = VIDEOS
) -> Listing:
    """Read lists of videos or pictures, folders that hold them, and such files themselves.

    A list has lines "path label" in any form that training reads, or paths alone, or is an official
    Kinetics file, or a manifest. A folder that holds folders such as `train` and `val` has a split
    for each. Within a split the first folder is the label.

    Args:
        sources: Lists and folders, of which each is a split, called by its name; and single files,
            which are one split, `videos` or `pictures`.
        root: Folder that relative paths in lists start from; None means the list's own. Where it is
            given, what is in it and in no list is found too.
        media: What to look for.

    Raises:
        FileNotFoundError: A list or folder is not there.
        ValueError: A list is of no known format, or nothing is listed.
    """
    paths = [Path(source) for source in sources]
    if root is not None and not Path(root).is_dir():
        raise FileNotFoundError(
            f"root is {root}, which is no folder, expected one with {media.noun}s"
        )
    names = _distinct_names(paths)
    items: list[Item] = []
    left_out = LeftOut()
    for path, name in zip(paths, names, strict=True):
        if path.is_dir():
            items += _read_folder(path, name, left_out, media)
        elif not path.is_file():
            raise FileNotFoundError(f"{path}: no such list or folder")
        elif media.is_one(path):
            items.append(Item(path, f"{media.noun}s", ""))
        else:
            items += _read_list(path, name, path.parent if root is None else Path(root), media)
    if not items:
        found = f" ({left_out})" if len(left_out) else ""
        raise ValueError(f"{', '.join(map(str, paths))}: no {media.noun}s, expected some{found}")
    if root is not None:
        unlisted, left_out = _find_unlisted(Path(root), items, paths, media)
        folders: tuple[Path, ...] = (Path(root),)
    else:
        unlisted = []
        folders = tuple(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))
    words = str(left_out) if len(left_out) else ""
    return Listing(
        items,
        unlisted,
        root=_common_root(folders),
        folders=folders,
        left_out=words,
        num_left_out=len(left_out),
        left_out_kinds=left_out.kinds(),
        media=media,
    )


def _find_unlisted(
    root: Path, items: Sequence[Item], lists: Sequence[Path], media: Media
) -> tuple[list[Path], LeftOut]:
    """The samples below the root that no list names, and what is there besides the lists."""
    left_out = LeftOut()
    listed = {item.path.absolute() for item in items}
    unlisted = [p for p in media.find(root, left_out) if p.absolute() not in listed]
    place = root.absolute()
    left_out.remove(p for p in lists if p.is_file() and p.absolute().is_relative_to(place))
    return unlisted, left_out


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """A short name for each list or folder."""
    names = [path.name if path.is_dir() else path.stem for path in map(Path.absolute, paths)]
    if len(set(names)) == len(names):
        return names
    return [str(path) for path in paths]


def _common_root(folders: Sequence[Path]) -> Path | None:
    """The folder that all paths can be told from, if there is one."""
    if len(folders) == 1:
        return folders[0]
    parents = {folder.parent for folder in folders}
    return parents.pop() if len(parents) == 1 else None


def _read_folder(folder: Path, name: str, left_out: LeftOut, media: Media) -> Iterator[Item]:
    beside = LeftOut()
    inner, files = list_folder(folder, beside)
    splits = [part for part in inner if part.lower() in SPLIT_FOLDERS]
    for split in splits or [""]:
        top = folder / split
        for path in media.find(top, left_out):
            parts = path.relative_to(top).parts
            yield Item(path, split or name, parts[0] if len(parts) > 1 else "")
    if splits:
        left_out.counts.update(beside.counts)
        others = [part for part in inner if part not in splits]
        _count_outside(folder, others, files, left_out, media)


def _count_outside(
    folder: Path, folders: Sequence[str], files: Sequence[str], left_out: LeftOut, media: Media
) -> None:
    """Count the files beside the splits of a folder, samples among them."""
    samples = media.pick(folder, files, left_out)
    for name in folders:
        samples += (path.name for path in media.find(folder / name, left_out))
    left_out.add(samples, "outside of the splits")


def _read_list(file: Path, name: str, root: Path, media: Media) -> list[Item]:
    lines = read_lines(file)
    if not lines:
        raise ValueError(f"{file}: no {media.noun}s in the list, expected lines 'path label'")
    header = lines[0].text
    if is_manifest_header(header):
        rows = read_manifest_rows(file.absolute(), root=root)
        return [Item(root / row.path, row.split, row.label) for row in rows]
    if "youtube_id" in header.split(","):
        return _as_items(read_kinetics_csv(file.absolute(), root=root), name)
    bare = [line for line in lines if _is_bare_path(line, media)]
    if bare == lines or (bare and bare == lines[1:] and header.isidentifier()):
        return [Item(root / line.text, name, "") for line in bare]
    try:
        return _as_items(read_list(file.absolute(), root=root), name)
    except ValueError as error:
        try:
            return _as_items(read_frame_list(file.absolute(), root=root), name)
        except ValueError:
            raise error from None


def _is_bare_path(line: Line, media: Media) -> bool:
    """Whether a line is a path with no label; a path may hold spaces."""
    return media.has_name(line.text) and not re.search(r"[\t,]", line.text)


def _as_items(annotations: Annotations, split: str) -> list[Item]:
    return [
        Item(sample.path, split, annotations.class_names[sample.label])
        for sample in annotations.samples
    ]
