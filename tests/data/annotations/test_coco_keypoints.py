"""COCO's key points as lists of persons, and the files that are refused."""

import logging
from pathlib import Path
from typing import Any

import pytest
from drawn_persons import FIVE, coco, person, picture, write

from video_uniformer.data.annotations.coco_keypoints import (
    PersonAnnotations,
    clipped_box,
    read_coco_keypoints,
)
from video_uniformer.data.annotations.coco_persons import CocoPicture
from video_uniformer.skeleton import COCO_PERSON


def read(folder: Path, content: object, **options: Any) -> PersonAnnotations:
    file = write(folder / "persons.json", content)
    return read_coco_keypoints(file, "pictures", root=folder, skeleton=FIVE, **options)


def numbers(found: PersonAnnotations) -> list[int]:
    return [sample.annotation_id for sample in found.samples]


def test_a_person_is_read_as_it_is_annotated(tmp_path: Path) -> None:
    found = read(tmp_path, coco([person(7, bbox=[10, 20, 31, 41])]))
    (sample,) = found.samples
    assert found.class_names == list(FIVE.joints)
    assert sample.path == tmp_path / "pictures" / "1.png"
    assert (sample.image_id, sample.annotation_id, sample.score) == (1, 7, 1.0)
    assert sample.box == (10, 20, 30, 40)
    # 10 + 0.5 x 31 = 25.5 and 20 + 0.1 x 41 = 24.1
    assert sample.keypoints is not None
    assert sample.keypoints[0] == (26, 24, 2)
    assert len(sample.keypoints) == 5


def test_persons_come_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    persons = [person(1, 2), person(2, 1), person(3, 2), person(4, 1)]
    assert numbers(read(tmp_path, coco(persons, 2))) == [2, 4, 1, 3]


def test_the_list_is_found_below_the_root(tmp_path: Path) -> None:
    write(tmp_path / "persons.json", coco([person()]))
    found = read_coco_keypoints("persons.json", root=tmp_path, skeleton=FIVE)
    assert found.samples[0].path == tmp_path / "1.png"


def test_whom_training_cannot_use_is_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    persons = [
        person(1),
        person(2, iscrowd=1),
        person(3, keypoints=[0] * 15),
        person(4, keypoints=None),
        person(5, bbox=[500, 0, 20, 20]),
        person(6, bbox=None),
        person(7, area=0),
        person(8, category_id=2),
    ]
    with caplog.at_level(logging.WARNING):
        assert numbers(read(tmp_path, coco(persons))) == [1]
    (message,) = caplog.messages
    assert message == (
        f"{tmp_path / 'persons.json'}: left out: crowds (1), "
        "persons without a labelled joint (2), boxes outside the picture (3)"
    )


def test_a_list_without_gaps_is_read_silently(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read(tmp_path, coco([person()]))
    assert not caplog.messages


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # The picture is 100 x 80: its last pixels are 99 and 79.
        ((10, 20, 31, 41), (10, 20, 30, 40)),
        ((0, 0, 100, 80), (0, 0, 99, 79)),
        ((90, 70, 30, 30), (90, 70, 9, 9)),
        ((-10, -5, 31, 21), (0, 0, 30, 20)),
        ((2.5, 3.5, 10.5, 20), (2.5, 3.5, 9.5, 19)),
        ((10, 20, 2, 2), (10, 20, 1, 1)),
        ((10, 20, 1, 9), None),
        ((10, 20, 0, 9), None),
        ((99, 20, 10, 10), None),
        ((10, 90, 10, 10), None),
        ((10, 20, 10, -3), None),
    ],
)
def test_boxes_are_clipped_to_the_last_pixels(
    box: tuple[float, ...], expected: tuple[float, ...] | None
) -> None:
    assert clipped_box(box, CocoPicture("a.png", 100, 80)) == expected


def detection(image_id: int = 1, **other: Any) -> dict[str, Any]:
    found = {"image_id": image_id, "category_id": 1, "bbox": [-5, 10, 30, 40.5], "score": 0.5}
    return {**found, **other}


def test_detected_boxes_are_taken_as_they_are(tmp_path: Path) -> None:
    boxes = write(tmp_path / "boxes.json", [detection(), detection(2, score=0.25)])
    found = read(tmp_path, coco([person()], 2), boxes=boxes)
    first, second = found.samples
    assert first.box == (-5, 10, 30, 40.5)
    assert (first.keypoints, first.score, first.annotation_id) == (None, 0.5, 1)
    assert (second.path.name, second.image_id, second.score) == ("2.png", 2, 0.25)


def test_unusable_detected_boxes_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = [
        detection(score=0.9),
        detection(score=0.1),
        detection(category_id=2),
        detection(9),
        detection(bbox=[120, 0, 9, 9]),
        detection(bbox=[-9, 0, 9, 9]),
        detection(bbox=[0, 0, 9, 0]),
    ]
    boxes = write(tmp_path / "boxes.json", found)
    with caplog.at_level(logging.WARNING):
        samples = read(tmp_path, coco([]), boxes=boxes, min_box_score=0.2).samples
    assert [sample.score for sample in samples] == [0.9]
    assert caplog.messages == [
        f"{boxes}: left out: boxes in pictures that are not annotated (1), "
        "boxes outside the picture (3)"
    ]


def test_a_file_need_not_name_the_joints_of_its_only_class(tmp_path: Path) -> None:
    content = {**coco([person(category_id=4)]), "categories": [{"id": 4, "name": "horse"}]}
    assert numbers(read(tmp_path, content)) == [1]


def test_the_class_with_joints_is_taken_of_several(tmp_path: Path) -> None:
    content = coco([person(), person(2, category_id=3)])
    content["categories"].append({"id": 3, "name": "car"})
    assert numbers(read(tmp_path, content)) == [1]


def test_annotations_may_lack_what_can_be_counted(tmp_path: Path) -> None:
    bare = person(id=None, area=None, iscrowd=None, num_keypoints=None)
    assert numbers(read(tmp_path, coco([person(5), bare]))) == [5, 2]


def spoilt(**change: Any) -> dict[str, Any]:
    return coco([person(), {**person(2), **change}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "persons.json: holds list, expected COCO's annotations"),
        ({}, "persons.json: no list categories, expected images, annotations and categories"),
        ({**coco([]), "images": None}, "no list images, expected images, annotations"),
        (coco([], 0), "persons.json: images is empty, expected pictures"),
        (coco([]), "persons.json: no persons, expected some; left out: none"),
        (coco([person(iscrowd=1)]), "no persons, expected some; left out: crowds (1)"),
        (coco([], [picture(1), picture(1)]), "image 2: id is 1, expected another number than"),
        (coco([], [picture(1, width=0)]), "image 1: width is 0, expected pixels, above 0"),
        (coco([], [picture(1, height="9")]), "image 1: height is '9', expected pixels, above 0"),
        (coco([], [picture(1, file_name="")]), "image 1: file_name is '', expected a file name"),
        (coco([], [picture("a")]), "image 1: id is 'a', expected a whole number"),
        (coco([3]), "annotation 1: is 3, expected an object"),
        (spoilt(image_id=7), "annotation 2: image_id is 7, expected the id of one of images"),
        (spoilt(bbox=[1, 2, 3]), "bbox is [1, 2, 3], expected x, y, width and height, finite, not"),
        (spoilt(bbox="1 2 3 4"), "bbox is '1 2 3 4', expected x, y, width and height"),
        (spoilt(keypoints=[1] * 51), "expected 15 numbers: x, y, visibility of 5 joints, finite"),
        (spoilt(keypoints=[1, 1, 3] * 5), "expected visibilities 0, 1 or 2 at every third place"),
        (spoilt(keypoints=[float("nan"), 1, 2] * 5), "of 5 joints, finite, not 15 numbers"),
        (spoilt(area=float("inf")), "annotation 2: area is inf, expected a number"),
        (spoilt(id="x"), "annotation 2: id is 'x', expected a whole number"),
        (spoilt(category_id=None), "category_id is None, expected a whole number"),
        ({**coco([]), "categories": []}, "0 categories, expected one that has keypoints"),
        (coco([], 1, COCO_PERSON), "expected the skeleton's joints, nose, left_hand, right_hand"),
    ],
)
def test_a_file_of_another_format_is_refused_in_one_line(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(ValueError, match="expected") as refusal:
        read(tmp_path, content)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(f"{tmp_path / 'persons.json'}")
    assert "\n" not in str(refusal.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "persons.json").touch()
    with pytest.raises(ValueError, match=r"persons\.json, line 1, column 1: not JSON"):
        read_coco_keypoints("persons.json", root=tmp_path)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([], "boxes.json: holds an empty list, expected a list of detected boxes"),
        ({}, "boxes.json: holds dict, expected a list of detected boxes"),
        ([detection(score="high")], "detection 1: score is 'high', expected a number"),
        ([detection(bbox=[1, 2])], "detection 1: bbox is [1, 2], expected x, y, width and height"),
        ([{"image_id": 1}], "detection 1: no category_id, expected a whole number"),
        ([detection(9)], "boxes.json: no persons, expected some; left out: boxes in pictures that"),
    ],
)
def test_boxes_of_another_format_are_refused(tmp_path: Path, boxes: object, message: str) -> None:
    file = write(tmp_path / "boxes.json", boxes)
    with pytest.raises(ValueError, match="expected") as refusal:
        read(tmp_path, coco([person()]), boxes=file)
    assert message in str(refusal.value)


def test_other_class_names_than_the_joints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"class_names is \['a'\], expected the joints, \['nose'"):
        read(tmp_path, coco([person()]), class_names=["a"])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such annotation file"):
        read_coco_keypoints("persons.json", root=tmp_path)
