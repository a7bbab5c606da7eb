"""Boxes of persons by the names of their pictures, as a detector found them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from video_uniformer.data.annotations.coco_persons import Box
from video_uniformer.system.text_lines import read_json

_NAMES = ("path", "file_name")


class PersonBox(NamedTuple):
    """A found person.

    Attributes:
        box: Left, top, width and height, pixels; perhaps outside the picture.
        score: Of the detector.
        frame: Number of the frame of a video, from 0; None for a picture, or for all frames.
        image_id: COCO's number of the picture, if it is told.
    """

    box: Box
    score: float
    frame: int | None
    image_id: int | None


class PersonBoxes:
    """The persons of many pictures.

    Args:
        boxes: By the names that the file has for the pictures.
    """

    def __init__(self, boxes: Mapping[str, list[PersonBox]]) -> None:
        self._boxes = boxes

    def of(self, path: Path, frame: int | None = None) -> list[PersonBox]:
        """The persons of a picture, or of a frame of a video, in the order of the file.

        Args:
            path: The file. It is known by its whole path, or by any end of it, such as its name.
            frame: Number of the frame; None for a picture.
        """
        parts = path.parts
        ends = [str(Path(*parts[start:])) for start in range(len(parts))]
        found = [box for end in ends for box in self._boxes.get(end, [])]
        return [box for box in found if box.frame in (None, frame)]


def read_person_boxes(path: str | Path) -> PersonBoxes:
    """Read boxes by file name.

    Args:
        path: JSON, a list of objects with `file_name` or `path`, and `bbox`: left, top, width and
            height in pixels; perhaps also `score`, 1 where it is absent, `frame` and `image_id`.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is of another format.
    """
    path = Path(path)
    content = read_json(path, keep_repeated=False)
    if not isinstance(content, list):
        raise ValueError(f"{path}: holds {type(content).__name__}, expected a list of boxes")
    boxes: dict[str, list[PersonBox]] = {}
    for number, entry in enumerate(content, 1):
        if not isinstance(entry, dict):
            raise ValueError(f"{path}: box {number} is {entry!r}, expected an object")
        name = next((entry[key] for key in _NAMES if key in entry), None)
        if not isinstance(name, str) or not name:
            raise ValueError(f"{path}: box {number} has no file_name, expected one, or a path")
        boxes.setdefault(str(Path(name)), []).append(_read_box(path, number, entry))
    return PersonBoxes(boxes)


def _read_box(path: Path, number: int, entry: Mapping[str, object]) -> PersonBox:
    sides = entry.get("bbox")
    if not isinstance(sides, list) or len(sides) != 4 or not all(map(_is_number, sides)):
        raise ValueError(
            f"{path}: bbox of box {number} is {sides!r}, expected [left, top, width, height]"
        )
    score = entry.get("score", 1.0)
    if not isinstance(score, int | float) or not _is_number(score):
        raise ValueError(f"{path}: score of box {number} is {score!r}, expected a number")
    left, top, width, height = map(float, sides)
    frame, image_id = (_whole(path, number, entry, key) for key in ("frame", "image_id"))
    return PersonBox((left, top, width, height), float(score), frame, image_id)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # JSON of Python knows NaN


def _whole(path: Path, number: int, entry: Mapping[str, object], key: str) -> int | None:
    value = entry.get(key)
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{path}: {key} of box {number} is {value!r}, expected a whole number")
    return value if isinstance(value, int) else None
