"""Boxes of persons by the names of their pictures."""

import json
from pathlib import Path

import pytest

from video_uniformer.data.annotations.person_boxes import PersonBox, read_person_boxes

BOX = [1, 2, 3, 4]


def write(folder: Path, content: object) -> Path:
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def test_picture_is_known_by_any_end_of_its_path(tmp_path: Path) -> None:
    names = ("a.jpg", "x/a.jpg", "y/a.jpg", "/r/x/a.jpg", "b.jpg")
    entries = [{"file_name": name, "bbox": [n, 0, 1, 1]} for n, name in enumerate(names)]
    found = read_person_boxes(write(tmp_path, entries)).of(Path("/r/x/a.jpg"))
    assert sorted(one.box[0] for one in found) == [0, 1, 3]


def test_what_is_absent_has_its_usual_value(tmp_path: Path) -> None:
    boxes = read_person_boxes(write(tmp_path, [{"path": "a.jpg", "bbox": BOX}]))
    assert boxes.of(Path("a.jpg")) == [PersonBox((1.0, 2.0, 3.0, 4.0), 1.0, None, None)]


def test_frames_have_their_own_boxes(tmp_path: Path) -> None:
    said = {"path": "a.mp4", "bbox": BOX}
    entries = [said, *({**said, "frame": n, "score": 0.5, "image_id": 7} for n in (0, 1))]
    found = read_person_boxes(write(tmp_path, entries)).of(Path("a.mp4"), 1)
    assert [(one.frame, one.score, one.image_id) for one in found] == [(None, 1, None), (1, 0.5, 7)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds dict, expected a list of boxes"),
        ([3], "box 1 is 3, expected an object"),
        ([{"bbox": BOX}], "box 1 has no file_name, expected one, or a path"),
        ([{"path": 3, "bbox": BOX}], "box 1 has no file_name"),
        ([{"path": "a"}], "bbox of box 1 is None, expected"),
        ([{"path": "a", "bbox": [1, 2, 3]}], r"bbox of box 1 is \[1, 2, 3\], expected"),
        ([{"path": "a", "bbox": [1, 2, 3, None]}], "bbox of box 1 is .*, expected"),
        ([{"path": "a", "bbox": [1, 2, 3, float("nan")]}], "bbox of box 1 is .*, expected"),
        ([{"path": "a", "bbox": BOX, "score": "x"}], "score of box 1 is 'x', expected a number"),
        ([{"path": "a", "bbox": BOX, "frame": -1}], "frame of box 1 is -1, expected a whole"),
        ([{"path": "a", "bbox": BOX, "image_id": "1"}], "image_id of box 1 is '1', expected"),
    ],
)
def test_file_of_another_format_is_refused(content: object, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as raised:
        read_person_boxes(path)
    assert str(raised.value).startswith(f"{path}: ")
