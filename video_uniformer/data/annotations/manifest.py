"""The manifest that a scan writes: one row a listed video, with what decoding it has shown."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from video_uniformer.data.annotations.samples import (
    Annotations,
    Row,
    is_integer,
    label_by_index,
    label_by_name,
)
from video_uniformer.system.text_lines import Line, find_list, read_lines

KEY_COLUMNS = ("path", "label", "split", "status", "frames")
"""The columns that a manifest begins with; others may follow."""

_ENCODED = "file:"


class ManifestRow(NamedTuple):
    """One video of a manifest.

    Attributes:
        line: Where it stands.
        path: Relative to the root, or absolute.
        label: Class name or index; empty where the video has none.
        split: Such as "train".
        status: "ok", or what is wrong with the file.
        num_frames: Playable frames, as counted by decoding; 0 where there are none.
    """

    line: Line
    path: str
    label: str
    split: str
    status: str
    num_frames: int


def encode_name(name: str) -> str:
    """Write a path or label as one line of UTF-8 text from which `decode_name` makes it again.

    Most names stay as they are. One that holds control characters or bytes that are not UTF-8,
    begins or ends with a space, or begins with "file:", becomes "file:" followed by its bytes, the
    odd ones as %XX.
    """
    if name.isprintable() and name == name.strip() and not name.startswith(_ENCODED):
        return name
    return _ENCODED + quote_from_bytes(os.fsencode(name))


def decode_name(text: str) -> str:
    """Undo `encode_name`."""
    if not text.startswith(_ENCODED):
        return text
    return os.fsdecode(unquote_to_bytes(text.removeprefix(_ENCODED)))


def is_manifest_header(text: str) -> bool:
    """Tell whether a line is the first line of a manifest."""
    return tuple(text.split(",")[: len(KEY_COLUMNS)]) == KEY_COLUMNS


def read_manifest_rows(path: Path | str, *, root: Path | str) -> list[ManifestRow]:
    """Read all rows of a manifest.

    Args:
        path: The manifest; looked for below `root`, then as given.
        root: Folder of the data set.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no manifest.
    """
    file = find_list(path, root)
    lines = read_lines(file)
    if not lines or not is_manifest_header(lines[0].text):
        expected = ",".join(KEY_COLUMNS)
        raise ValueError(f"{file}: no manifest, expected a first line that begins {expected}")
    columns = lines[0].text.split(",")
    rows = []
    for line in lines[1:]:
        values = next(csv.reader([line.text]))
        if len(values) != len(columns):
            raise line.error(f"found {len(values)} columns, expected {len(columns)}")
        rows.append(_as_row(line, dict(zip(columns, values, strict=True))))
    return rows


def _as_row(line: Line, values: Mapping[str, str]) -> ManifestRow:
    if not values["frames"].isdecimal():
        raise line.error(f"frames is {values['frames']!r}, expected a whole number")
    return ManifestRow(
        line=line,
        path=decode_name(values["path"]),
        label=decode_name(values["label"]),
        split=decode_name(values["split"]),
        status=values["status"],
        num_frames=int(values["frames"]),
    )


def read_manifest(
    path: Path | str,
    split: str | None = None,
    drop_bad: bool = False,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> Annotations:
    """Read the manifest of a scan as a list of videos and labels.

    Args:
        path: The manifest; looked for below `root`, then as given.
        split: Take the rows of this split alone; None where the manifest has one split.
        drop_bad: Leave out the files whose status is not ok. Otherwise they keep their place, and
            what happens to them is the policy's to say, which counts them.
        root: Folder that relative paths start from.
        class_names: The classes in order; space and underscore count as equal. None means the
            labels of the whole manifest, sorted, so that all its splits agree.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no manifest, has no such split or no usable row, or a label is missing or
            no class.
    """
    rows = read_manifest_rows(path, root=root)
    chosen = [
        row for row in _of_split(rows, split, str(path)) if row.status == "ok" or not drop_bad
    ]
    if not chosen:
        raise ValueError(f"{path}: no videos left, expected rows whose status is ok")
    for row in chosen:
        if not row.label:
            raise row.line.error("no label, expected a class; give --root and lists to the scan")
    labelled = [Row(row.line, row.path, row.label) for row in chosen]
    if class_names is None and not all(is_integer(row.label) for row in labelled):
        names = sorted({row.label for row in rows if row.label})
        return label_by_name(
            labelled, root=root, class_names=None, inferred=names, origin=str(path)
        )
    return label_by_index(labelled, root=root, class_names=class_names)


def read_frame_counts(path: Path | str, *, root: Path | str) -> dict[Path, int]:
    """Read how many playable frames each intact video of a manifest has.

    Args:
        path: The manifest; looked for below `root`, then as given.
        root: Folder that relative paths start from.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no manifest.
    """
    rows = read_manifest_rows(path, root=root)
    return {Path(root) / row.path: row.num_frames for row in rows if row.status == "ok"}


def read_damage(path: Path | str, *, root: Path | str) -> dict[Path, str]:
    """Read what is wrong with the damaged videos of a manifest.

    Args:
        path: The manifest; looked for below `root`, then as given.
        root: Folder that relative paths start from.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no manifest.
    """
    rows = read_manifest_rows(path, root=root)
    damaged = (row for row in rows if row.status == "damaged")
    return {Path(root) / row.path: f"damaged, says {path}" for row in damaged}


def _of_split(rows: list[ManifestRow], split: str | None, origin: str) -> list[ManifestRow]:
    splits = list(dict.fromkeys(row.split for row in rows))
    if split is None and len(splits) > 1:
        raise ValueError(
            f"split is None, but {origin} holds {', '.join(splits)}, expected one of them"
        )
    if split is not None and split not in splits:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(splits)}, as in {origin}")
    return [row for row in rows if split in (None, row.split)]
