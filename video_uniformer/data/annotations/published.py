"""The annotation files that come with Kinetics, Something-Something V2, UCF101 and HMDB51."""

import csv
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path, PurePosixPath

from video_uniformer.data.annotations.samples import Annotations, Row, label_by_name
from video_uniformer.data.annotations.search import (
    LeftOut,
    find_videos,
    list_folder,
    pick_videos,
)
from video_uniformer.labels.names import (
    ClassLookup,
    match_key,
    read_class_file,
    template_key,
)
from video_uniformer.system.text_lines import Line, find_list, read_json, read_lines

_KINETICS_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_UCF101_LINE = re.compile(r"(?P<path>.*?\S)(?:\s+(?P<label>[+-]?\d+))?", re.ASCII)
_HMDB51_LINE = re.compile(r"(?P<name>.*\S)\s+(?P<use>[012])", re.ASCII)
_HMDB51_USES = {"train": "1", "test": "2"}


def _read_kinetics_rows(file: Path) -> list[tuple[Line, dict[str, str]]]:
    """Read the lines of an official Kinetics file as its named columns."""
    header, *lines = read_lines(file) or [Line(str(file), 1, "")]
    columns = [column.strip() for column in next(csv.reader([header.text]), [])]
    if not {"youtube_id", "time_start", "time_end"}.issubset(columns):
        raise header.error(f"expected the columns {','.join(_KINETICS_COLUMNS)} as the first line")
    if "label" not in columns:
        raise header.error("no column 'label', as in a test split; expected a split with labels")
    rows = []
    for line in lines:
        values = next(csv.reader([line.text]))
        if len(values) != len(columns):
            raise line.error(f"found {len(values)} columns, expected {len(columns)}")
        row = dict(zip(columns, (value.strip() for value in values), strict=True))
        if not row["label"]:
            raise line.error("no label, expected a class name")
        rows.append((line, row))
    if not rows:
        raise ValueError(f"{file}: no videos in the list, expected lines below the header")
    return rows


def _clip_name(line: Line, row: Mapping[str, str]) -> str:
    try:
        start, end = (int(float(row[column])) for column in ("time_start", "time_end"))
    except (ValueError, OverflowError):
        raise line.error("expected time_start and time_end in seconds") from None
    return f"{row['youtube_id']}_{start:06d}_{end:06d}"


def _index_by_name(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Map a file name without suffix to its files, each as (class folder or "", path)."""
    found: dict[str, list[tuple[str, str]]] = {}
    for video in find_videos(root, LeftOut()):
        folder = "" if video.parent == root else match_key(video.parent.name)
        found.setdefault(video.stem, []).append((folder, str(video.relative_to(root))))
    return found


def _choose(
    files: Sequence[tuple[str, str]], class_folder: str, class_folders: Set[str]
) -> str | None:
    """Choose the file in the class's own folder, else one that is in no class's folder."""
    other = None
    for folder, file in files:
        if folder == class_folder:
            return file
        if other is None and folder not in class_folders:
            other = file
    return other


def _check_found(num_found: int, file: Path, num_videos: int, root: Path | str) -> None:
    if num_found == 0:
        raise FileNotFoundError(
            f"{file}: none of its {num_videos} videos is in {root}; is the root right?"
        )


def read_kinetics_csv(
    path: Path | str, *, root: Path | str, class_names: Sequence[str] | None = None
) -> Annotations:
    """Read an official Kinetics file: columns label, youtube_id, time_start, time_end, split.

    The video is `{youtube_id}_{start:06d}_{end:06d}`, else `{youtube_id}`, with any video suffix,
    in a folder of the class's name, else in a folder that is no class's, at any depth below `root`.
    A video that is not there keeps its place in the list, as `{youtube_id}_{start}_{end}.mp4`.

    Args:
        path: The CSV file; looked for below `root`, then as given.
        root: Folder of the videos; its file names are read once.
        class_names: The classes in order; space and underscore count as equal. None means the
            labels, sorted, which is not the order of the published networks.

    Raises:
        FileNotFoundError: There is no such file or root, or none of its videos.
        ValueError: The file is empty, has no labels or is of another format, or a label is no
            class.
    """
    file = find_list(path, root)
    rows = _read_kinetics_rows(file)
    index = _index_by_name(Path(root))
    class_folders = {match_key(row["label"]) for _, row in rows}
    class_folders.update(match_key(name) for name in class_names or ())
    labelled, num_found = [], 0
    for line, row in rows:
        clip = _clip_name(line, row)
        class_folder = match_key(row["label"])
        video = _choose(index.get(clip, []), class_folder, class_folders) or _choose(
            index.get(row["youtube_id"], []), class_folder, class_folders
        )
        num_found += video is not None
        labelled.append(Row(line, video or f"{clip}.mp4", row["label"]))
    _check_found(num_found, file, len(rows), root)
    return label_by_name(labelled, root=root, class_names=class_names, origin=str(file))


def _read_something_rows(file: Path) -> list[tuple[Line, str, str]]:
    """Read (place, id, template without brackets) of an official Something-Something file."""
    content = read_json(file)
    if not isinstance(content, list) or not content:
        raise ValueError(f"{file}: no videos, expected a JSON list of objects")
    rows = []
    for number, pairs in enumerate(content, 1):
        is_object = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
        entry = dict(pairs) if is_object else {}
        line = Line(str(file), number, str(entry.get("id", pairs)), "entry")
        if "id" not in entry:
            raise line.error('expected an object with "id" and "template"')
        if not isinstance(entry.get("template"), str):
            raise line.error('no "template", as in the test split; expected a split with labels')
        template = entry["template"].replace("[", "").replace("]", "")
        rows.append((line, str(entry["id"]), template))
    return rows


def read_something_json(
    path: Path | str,
    labels: Path | str,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> Annotations:
    """Read the official Something-Something V2 files.

    The video is `{id}.webm` directly in `root`, else `{id}` with another video suffix, else the
    frame folder `{id}`. A video that is not there keeps its place in the list, as `{id}.webm`.

    Args:
        path: The split, a list of objects with `id` and `template`; looked for
            below `root`, then as given.
        labels: The official `labels.json`, `{template without brackets: index}`; likewise.
        root: Folder of the videos; its file names are read once.
        class_names: The classes in order, with or without brackets. None means the order of
            `labels`, which is not that of the published networks (`something_v2`).

    Raises:
        FileNotFoundError: There is no such file or root, or none of its videos.
        ValueError: A file is empty, has no templates or is of another format, or a template is no
            class.
    """
    file, labels_file = find_list(path, root), find_list(labels, root)
    rows = _read_something_rows(file)
    folders, files = list_folder(Path(root))
    videos = pick_videos(Path(root), files, LeftOut())
    videos.sort(key=lambda name: name.lower().endswith(".webm"))
    # Later entries win: frame folders, then video files, .webm last.
    by_id = {name: name for name in folders} | {Path(name).stem: name for name in videos}
    _check_found(sum(name in by_id for _, name, _ in rows), file, len(rows), root)
    return label_by_name(
        [Row(line, by_id.get(name, f"{name}.webm"), template) for line, name, template in rows],
        root=root,
        class_names=class_names,
        inferred=read_class_file(labels_file),
        origin=str(labels_file),
        key=template_key,
    )


def read_ucf101(
    path: Path | str,
    class_index: Path | str,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> Annotations:
    """Read an official UCF101 split: `class/video.avi label` (from 1), or without the label.

    The class is the folder's name; a label that says another class is an error.

    Args:
        path: `trainlist01.txt`, `testlist01.txt`, ...; looked for below `root`, then as given.
        class_index: `classInd.txt`, lines `index name` from 1; likewise.
        root: Folder of the class folders.
        class_names: The classes in order; None means the order of `class_index`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is empty or of another format, or folder and label disagree.
    """
    file, index_file = find_list(path, root), find_list(class_index, root)
    lookup = ClassLookup(read_class_file(index_file, first=1), str(index_file))
    rows = []
    for line in read_lines(file):
        match = _UCF101_LINE.fullmatch(line.text)
        parts = PurePosixPath(match["path"]).parts if match else ()
        if match is None or len(parts) < 2:
            raise line.error("expected 'class/video.avi' and, in train lists, a label from 1")
        index = lookup.find(parts[-2], line)
        if match["label"] is not None and int(match["label"]) != index + 1:
            raise line.error(
                f"label {match['label']} does not fit the folder {parts[-2]!r}, "
                f"expected {index + 1} as in {index_file}"
            )
        rows.append(Row(line, match["path"], lookup.names[index]))
    if not rows:
        raise ValueError(f"{file}: no videos in the list, expected lines 'class/video.avi label'")
    return label_by_name(rows, root=root, class_names=class_names, inferred=lookup.names)


def _find_hmdb51_lists(folder: Path | str, split: int, root: Path | str) -> dict[str, Path]:
    """Map each class to its list of one split."""
    ending = f"_test_split{split}.txt"
    below = Path(root) / folder
    place = below if below.is_dir() else Path(folder)
    _, files = list_folder(place)
    lists = {name[: -len(ending)]: place / name for name in files if name.endswith(ending)}
    if not lists:
        raise FileNotFoundError(f"{place}: no files *{ending}, expected one a class")
    return lists


def read_hmdb51(
    path: Path | str,
    split: int,
    subset: str,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> Annotations:
    """Read one of the official HMDB51 splits: files `{class}_test_split{n}.txt`.

    Their lines are `name.avi use`, with use 0 (neither), 1 (train) or 2 (test); the video is
    `root/{class}/name.avi`. Names are taken literally: `#`, `(` and `&` occur in them.

    Args:
        path: The folder of the split files; looked for below `root`, then as given.
        split: 1, 2 or 3.
        subset: "train" or "test".
        root: Folder of the class folders.
        class_names: The classes in order; None means the classes of the file names, sorted.

    Raises:
        FileNotFoundError: There is no such folder, or none of the split's files in it.
        ValueError: `subset` is neither, a line has another format, or no video is in the subset.
    """
    if subset not in _HMDB51_USES:
        raise ValueError(f"subset is {subset!r}, expected 'train' or 'test'")
    lists = _find_hmdb51_lists(path, split, root)
    rows = []
    for class_name, file in lists.items():
        for line in read_lines(file):
            match = _HMDB51_LINE.fullmatch(line.text)
            if match is None:
                raise line.error("expected 'name.avi use' with use 0, 1 or 2")
            if match["use"] == _HMDB51_USES[subset]:
                rows.append(Row(line, f"{class_name}/{match['name']}", class_name))
    if not rows:
        raise ValueError(f"{path}: no video of split {split} has the use {subset!r}")
    return label_by_name(rows, root=root, class_names=class_names, inferred=sorted(lists))
