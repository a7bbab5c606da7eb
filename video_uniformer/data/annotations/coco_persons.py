"""COCO's files of persons: pictures, annotated persons and detected boxes, each entry checked.

Source: cocodataset.org, "Data format", object detection and key points, and "Results format".
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.skeleton import Skeleton
from video_uniformer.system.text_lines import read_json

Box = tuple[float, float, float, float]
"""Left, top, width and height, pixels."""


class CocoPicture(NamedTuple):
    """A picture as the file states it; sizes in pixels."""

    file_name: str
    width: int
    height: int


class CocoPerson(NamedTuple):
    """An annotated person.

    Attributes:
        annotation_id: The file's, or the place in it where it has none.
        image_id: The picture.
        box: As annotated; of no size where there is none.
        area: Of the person, square pixels; of the box, where the file does not tell.
        keypoints: x, y and visibility of every joint, pixels; the visibility is 0 of what is not
            labelled, 1 of what is hidden, 2 of what is seen.
        is_crowd: Whether it stands for several.
    """

    annotation_id: int
    image_id: int
    box: Box
    area: float
    keypoints: tuple[tuple[float, float, int], ...]
    is_crowd: bool

    @property
    def num_labelled(self) -> int:
        """Joints that are labelled."""
        return sum(visibility > 0 for _, _, visibility in self.keypoints)


class CocoPersons(NamedTuple):
    """What a file of annotations holds.

    Attributes:
        pictures: By their numbers, in the order of the file.
        persons: In the order of the file.
        category_id: The number of the class that is annotated.
    """

    pictures: dict[int, CocoPicture]
    persons: list[CocoPerson]
    category_id: int


class DetectedBox(NamedTuple):
    """A box that a detector has found.

    Attributes:
        image_id: The picture.
        category_id: The class.
        box: In the picture.
        score: Of the detector.
    """

    image_id: int
    category_id: int
    box: Box
    score: float


class _Entry(NamedTuple):
    """One object of a file, and where it stands, for messages."""

    place: str
    content: Mapping[str, object]

    def error(self, key: str, expected: str) -> ValueError:
        if key not in self.content:
            return ValueError(f"{self.place}: no {key}, expected {expected}")
        shown = repr(self.content[key])
        shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
        return ValueError(f"{self.place}: {key} is {shown}, expected {expected}")

    def number(self, key: str, expected: str = "a number") -> float:
        value = self.content.get(key)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(key, expected)
        return value

    def whole(self, key: str, expected: str = "a whole number") -> int:
        value = self.content.get(key)
        if type(value) is not int:
            raise self.error(key, expected)
        return value

    def box(self) -> Box:
        left, top, width, height = self.numbers("bbox", 4, "x, y, width and height")
        return left, top, width, height

    def numbers(self, key: str, count: int, expected: str) -> Sequence[float]:
        values = self.content.get(key)
        if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
            raise self.error(key, expected)
        if len(values) != count or not all(map(math.isfinite, values)):
            raise self.error(key, f"{expected}, finite, not {len(values)} numbers")
        return values


def read_coco_persons(file: Path, skeleton: Skeleton) -> CocoPersons:
    """Read annotated persons, or other things with joints, of one class.

    Args:
        file: JSON with `images`, `annotations` and `categories`.
        skeleton: The joints, in the order in which the file has them.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is of another format, has no picture or other joints, or an annotation is of
            no picture.
    """
    content = read_json(file, keep_repeated=False)
    if not isinstance(content, dict):
        raise ValueError(f"{file}: holds {type(content).__name__}, expected COCO's annotations")
    category_id = _category_id(_entries(file, content, "categories"), file, skeleton)
    pictures: dict[int, CocoPicture] = {}
    for entry in _entries(file, content, "images"):
        image_id = entry.whole("id")
        if image_id in pictures:
            raise entry.error("id", "another number than the pictures before")
        pictures[image_id] = _picture(entry)
    if not pictures:
        raise ValueError(f"{file}: images is empty, expected pictures")
    persons = [
        _person(entry, number, pictures, len(skeleton.joints))
        for number, entry in enumerate(_entries(file, content, "annotations"), 1)
        if entry.whole("category_id") == category_id
    ]
    return CocoPersons(pictures, persons, category_id)


def read_coco_boxes(file: Path) -> list[DetectedBox]:
    """Read the boxes of a detector, COCO's results format.

    Args:
        file: JSON, a list of objects with `image_id`, `category_id`, `bbox` and `score`.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is of another format, or empty.
    """
    content = read_json(file, keep_repeated=False)
    if not isinstance(content, list) or not content:
        shown = "an empty list" if content == [] else type(content).__name__
        raise ValueError(f"{file}: holds {shown}, expected a list of detected boxes")
    return [
        DetectedBox(
            entry.whole("image_id"), entry.whole("category_id"), entry.box(), entry.number("score")
        )
        for entry in _entries(file, {"detections": content}, "detections")
    ]


def _entries(file: Path, content: Mapping[str, object], key: str) -> list[_Entry]:
    values = content.get(key)
    if not isinstance(values, list):
        raise ValueError(f"{file}: no list {key}, expected images, annotations and categories")
    noun = {"categories": "category"}.get(key, key[:-1])
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            raise ValueError(f"{file}, {noun} {number}: is {value!r}, expected an object")
    return [_Entry(f"{file}, {noun} {number}", v) for number, v in enumerate(values, 1)]


def _category_id(categories: Sequence[_Entry], file: Path, skeleton: Skeleton) -> int:
    """The number of the only class with joints; of the only class, where none tells its joints."""
    found = [entry for entry in categories if entry.content.get("keypoints")] or categories
    if len(found) != 1:
        raise ValueError(f"{file}: {len(found)} categories, expected one that has keypoints")
    entry = found[0]
    names = entry.content.get("keypoints")
    if names and names != list(skeleton.joints):
        raise entry.error("keypoints", f"the skeleton's joints, {', '.join(skeleton.joints)}")
    return entry.whole("id")


def _picture(entry: _Entry) -> CocoPicture:
    file_name = entry.content.get("file_name")
    if not isinstance(file_name, str) or not file_name:
        raise entry.error("file_name", "a file name")
    width, height = (entry.whole(key, "pixels, above 0") for key in ("width", "height"))
    if width < 1 or height < 1:
        raise entry.error("width" if width < 1 else "height", "pixels, above 0")
    return CocoPicture(file_name, width, height)


def _person(
    entry: _Entry, number: int, pictures: Mapping[int, CocoPicture], num_joints: int
) -> CocoPerson:
    content = entry.content
    image_id = entry.whole("image_id")
    if image_id not in pictures:
        raise entry.error("image_id", "the id of one of images")
    box = entry.box() if "bbox" in content else (0, 0, 0, 0)
    return CocoPerson(
        annotation_id=entry.whole("id") if "id" in content else number,
        image_id=image_id,
        box=box,
        area=entry.number("area") if "area" in content else box[2] * box[3],
        keypoints=_keypoints(entry, num_joints),
        is_crowd=bool(content.get("iscrowd", 0)),
    )


def _keypoints(entry: _Entry, num_joints: int) -> tuple[tuple[float, float, int], ...]:
    if "keypoints" not in entry.content:
        return ((0, 0, 0),) * num_joints
    expected = f"{3 * num_joints} numbers: x, y, visibility of {num_joints} joints"
    values = entry.numbers("keypoints", 3 * num_joints, expected)
    if not set(values[2::3]) <= {0, 1, 2}:
        raise entry.error("keypoints", "visibilities 0, 1 or 2 at every third place")
    return tuple(
        (x, y, int(v)) for x, y, v in zip(values[::3], values[1::3], values[2::3], strict=True)
    )
