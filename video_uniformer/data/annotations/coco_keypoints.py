"""COCO's key points: one sample per person."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.data.annotations.coco_persons import (
    Box,
    CocoPersons,
    CocoPicture,
    read_coco_boxes,
    read_coco_persons,
)
from video_uniformer.skeleton import COCO_PERSON, Skeleton
from video_uniformer.system.printable import show_name
from video_uniformer.system.text_lines import find_list

_logger = logging.getLogger(__name__)
_OUTSIDE = "boxes outside the picture"


class PersonSample(NamedTuple):
    """One person of a picture.

    Attributes:
        path: The picture; it may not exist.
        image_id: Its number in the annotation file.
        box: Left, top, width and height, pixels.
        keypoints: x, y and visibility of every joint, as `CocoPerson` has them; None of a person
            that a detector has found.
        score: Of the detector; 1 of an annotated person.
        annotation_id: The annotation's number; of a found person, the place in the list of boxes.
    """

    path: Path
    image_id: int
    box: Box
    keypoints: tuple[tuple[float, float, int], ...] | None
    score: float
    annotation_id: int

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it is read from."""
        return (self.path,)


class PersonAnnotations(NamedTuple):
    """A list of persons, and what their joints are called.

    Attributes:
        samples: In the order of the pictures of the file; found persons in that of their list.
        class_names: The joints.
    """

    samples: list[PersonSample]
    class_names: list[str]


def read_coco_keypoints(
    path: Path | str,
    images: Path | str = ".",
    boxes: Path | str | None = None,
    min_box_score: float = 0.0,
    skeleton: Skeleton = COCO_PERSON,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> PersonAnnotations:
    """Read a COCO file of key points, such as `annotations/person_keypoints_train2017.json`.

    A sample is an annotated person with at least one labelled joint, or, with `boxes`, one that a
    detector has found. Crowds are left out, and persons whose box has no part in the picture; how
    many is logged in one line.

    Args:
        path: The annotations, JSON; looked for below `root`, then as given.
        images: Folder of the pictures, relative to `root`.
        boxes: Detected boxes in COCO's results format, for a test; looked for as `path`.
        min_box_score: Boxes of lower scores are not taken.
        skeleton: The joints, in the order of the file.
        root: Folder of the data set.
        class_names: The joints' names, where they are known beforehand: those of `skeleton`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is of another format, no person is left, or `class_names` are others.
    """
    names = list(skeleton.joints)
    if class_names is not None and list(class_names) != names:
        raise ValueError(f"class_names is {list(class_names)}, expected the joints, {names}")
    file = find_list(path, root)
    content = read_coco_persons(file, skeleton)
    left_out: Counter[str] = Counter()
    folder = Path(root) / images
    if boxes is None:
        samples = list(_annotated(content, folder, left_out))
    else:
        file = find_list(boxes, root)
        samples = list(_detected(file, content, folder, min_box_score, left_out))
    _tell(file, left_out, is_empty=not samples)
    return PersonAnnotations(samples, names)


def _tell(file: Path, left_out: Counter[str], *, is_empty: bool) -> None:
    """Say in one line who was left out; refuse a list of which nobody is left."""
    counts = ", ".join(f"{reason} ({count})" for reason, count in left_out.items())
    if is_empty:
        raise ValueError(f"{file}: no persons, expected some; left out: {counts or 'none'}")
    if left_out:
        _logger.warning("%s: left out: %s", show_name(str(file)), counts)


def _annotated(
    content: CocoPersons, folder: Path, left_out: Counter[str]
) -> Iterator[PersonSample]:
    places = {image_id: place for place, image_id in enumerate(content.pictures)}
    # By picture, as mmpose has them; sorting keeps the order within each.
    for person in sorted(content.persons, key=lambda person: places[person.image_id]):
        picture = content.pictures[person.image_id]
        box = clipped_box(person.box, picture) if person.area > 0 else None
        if person.is_crowd:
            left_out["crowds"] += 1
        elif not person.num_labelled:
            left_out["persons without a labelled joint"] += 1
        elif box is None:
            left_out[_OUTSIDE] += 1
        else:
            yield PersonSample(
                folder / picture.file_name,
                person.image_id,
                box,
                person.keypoints,
                1.0,
                person.annotation_id,
            )


def _detected(
    file: Path, content: CocoPersons, folder: Path, min_score: float, left_out: Counter[str]
) -> Iterator[PersonSample]:
    for number, found in enumerate(read_coco_boxes(file), 1):
        if found.category_id != content.category_id or found.score < min_score:
            continue
        picture = content.pictures.get(found.image_id)
        if picture is None:
            left_out["boxes in pictures that are not annotated"] += 1
        elif not _overlaps(found.box, picture):
            left_out[_OUTSIDE] += 1
        else:  # mmpose clips annotated boxes alone
            yield PersonSample(
                folder / picture.file_name, found.image_id, found.box, None, found.score, number
            )


def clipped_box(box: Iterable[float], picture: CocoPicture) -> Box | None:
    """The part of an annotated box in its picture; None if it is nothing.

    Official: mmpose 0.16 `topdown_coco_dataset.py` takes the last pixel for the edge and so makes
    every box one pixel narrower and lower; and one that begins left of the picture is moved, not
    cut. Cutting at the edges would be natural.

    Args:
        box: Left, top, width and height, pixels.
        picture: Tells the edges.
    """
    x, y, width, height = box
    left, top = max(0, x), max(0, y)
    right = min(picture.width - 1, left + max(0, width - 1))
    bottom = min(picture.height - 1, top + max(0, height - 1))
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _overlaps(box: Box, picture: CocoPicture) -> bool:
    x, y, width, height = box
    is_box = width > 0 and height > 0
    return is_box and -width < x < picture.width and -height < y < picture.height
