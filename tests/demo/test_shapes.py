"""The shapes data set: masks, boxes, outlines and joints that say the same of every picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from video_uniformer.demo.motions import load_photos
from video_uniformer.demo.shapes import draw_shapes, write_shapes

NUMBERS = {"training": 20, "validation": 10}
NAMES = ("square", "triangle", "disc")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "shapes"
    write_shapes(root, size=64, num_train=20, num_val=10)
    return root


def mask_of(root: Path, split: str, number: int) -> Any:
    with Image.open(root / "annotations" / split / f"{number:05d}.png") as mask:
        assert mask.mode == "L"
        return np.asarray(mask)


def coco_of(root: Path, what: str, split: str) -> Any:
    return json.loads((root / f"{what}_{split}.json").read_text())


def files_of(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("split", NUMBERS)
def test_pictures_masks_and_coco_files_name_each_other(shapes: Path, split: str) -> None:
    numbers = range(1, NUMBERS[split] + 1)
    pictures = sorted(path.name for path in (shapes / "images" / split).iterdir())
    assert pictures == [f"{number:05d}.jpg" for number in numbers]
    masks = sorted(path.name for path in (shapes / "annotations" / split).iterdir())
    assert masks == [f"{number:05d}.png" for number in numbers]
    expected = [
        {"id": number, "file_name": name, "width": 64, "height": 64}
        for number, name in zip(numbers, pictures, strict=True)
    ]
    for what in ("instances", "keypoints"):
        assert coco_of(shapes, what, split)["images"] == expected
    with Image.open(shapes / "images" / split / pictures[0]) as picture:
        assert (picture.size, picture.mode) == ((64, 64), "RGB")


def test_classes_stand_in_the_order_of_the_masks_values(shapes: Path) -> None:
    assert (shapes / "classes.txt").read_text().split() == ["background", *NAMES]
    categories = coco_of(shapes, "instances", "training")["categories"]
    assert categories == [{"id": n, "name": name} for n, name in enumerate(NAMES, start=1)]
    values = np.concatenate([mask_of(shapes, "training", n).ravel() for n in range(1, 21)])
    assert set(values) == {0, 1, 2, 3}


def test_every_tenth_picture_shows_no_shape_and_the_others_do(shapes: Path) -> None:
    annotations = coco_of(shapes, "instances", "training")["annotations"]
    assert {row["image_id"] for row in annotations} == set(range(1, 21)) - {10, 20}
    for number in range(1, 21):
        assert mask_of(shapes, "training", number).any() == (number % 10 > 0)


@pytest.mark.parametrize(("split", "folder"), [("train", "training"), ("val", "validation")])
def test_masks_lie_where_the_colours_are(shapes: Path, split: str, folder: str) -> None:
    photos = [photo.permute(1, 2, 0).round().byte().numpy() for photo in load_photos(split)]
    num_checked = 0
    for number in range(1, 10):
        drawing = draw_shapes(photos, split, number, size=64, seed=0)
        mask = mask_of(shapes, folder, number)
        with Image.open(shapes / "images" / folder / f"{number:05d}.jpg") as file:
            picture = np.asarray(file).astype(int)
        for place, shape in enumerate(drawing.shapes, start=1):
            owned = np.pad(drawing.owners == place, 2)
            inner = np.lib.stride_tricks.sliding_window_view(owned, (5, 5)).all(axis=(2, 3))
            assert (mask[inner] == shape.label).all()
            assert np.abs(picture[inner] - shape.colour).max(initial=0) < 30
            assert np.abs(picture[inner].mean(axis=0) - shape.colour).max() < 5
            num_checked += 1
    assert num_checked > 9


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
@pytest.mark.parametrize("split", NUMBERS)
def test_pycocotools_fills_the_masks_and_boxes_are_tight(shapes: Path, split: str) -> None:
    coco = pytest.importorskip("pycocotools.coco").COCO(shapes / f"instances_{split}.json")
    for number in coco.getImgIds():
        filled = np.zeros((64, 64), int)
        for row in coco.loadAnns(coco.getAnnIds(number)):
            instance = coco.annToMask(row).astype(bool)
            assert not filled[instance].any()
            filled[instance] = row["category_id"]
            rows, columns = np.nonzero(instance)
            left, top, width, height = row["bbox"]
            assert (left, left + width - 1) == (columns.min(), columns.max())
            assert (top, top + height - 1) == (rows.min(), rows.max())
            assert (row["area"], row["iscrowd"]) == (len(rows), 0)
        assert filled.tolist() == mask_of(shapes, split, number).tolist()


@pytest.mark.parametrize("split", NUMBERS)
def test_persons_are_the_instances(shapes: Path, split: str) -> None:
    instances = coco_of(shapes, "instances", split)["annotations"]
    persons = coco_of(shapes, "keypoints", split)["annotations"]
    assert [row["id"] for row in instances] == list(range(1, len(instances) + 1))
    for instance, person in zip(instances, persons, strict=True):
        assert person["category_id"] == 1
        assert {**person, **instance, "category_id": 1}.items() <= person.items()


@pytest.mark.parametrize("split", NUMBERS)
def test_joints_that_are_seen_lie_at_their_shape(shapes: Path, split: str) -> None:
    coco = coco_of(shapes, "keypoints", split)
    labels = {
        row["id"]: row["category_id"] for row in coco_of(shapes, "instances", split)["annotations"]
    }
    for row in coco["annotations"]:
        flags = row["keypoints"][2::3]
        assert row["num_keypoints"] == sum(flag > 0 for flag in flags)
        seen = np.argwhere(mask_of(shapes, split, row["image_id"]) == labels[row["id"]])
        for x, y, flag in zip(row["keypoints"][::3], row["keypoints"][1::3], flags, strict=True):
            if flag == 2:
                # From a joint to the nearest pixel's square, whose centre has whole coordinates.
                away = np.maximum(np.abs(seen - [y, x]) - 0.5, 0)
                assert np.hypot(*away.T).min() <= 1.51
            if flag == 0:
                assert (x, y) == (0, 0)
            else:
                assert -0.5 <= min(x, y) <= max(x, y) <= 63.5


def test_skeleton_names_the_joints_of_the_person(shapes: Path) -> None:
    skeleton = yaml.safe_load((shapes / "skeleton.yaml").read_text())
    assert skeleton == {
        "joints": ["top", "right", "bottom", "left"],
        "limbs": [["top", "right"], ["right", "bottom"], ["bottom", "left"], ["left", "top"]],
        "flip_pairs": [["right", "left"]],
        "sigmas": [0.05] * 4,
    }
    [person] = coco_of(shapes, "keypoints", "training")["categories"]
    assert (person["id"], person["name"]) == (1, "person")
    assert person["keypoints"] == skeleton["joints"]
    assert person["skeleton"] == [[1, 2], [2, 3], [3, 4], [4, 1]]


def test_same_arguments_write_the_same_bytes(shapes: Path, tmp_path: Path) -> None:
    write_shapes(tmp_path / "again", size=64, num_train=20, num_val=10)
    assert files_of(tmp_path / "again") == files_of(shapes)


def test_seed_tells_the_data_set(shapes: Path, tmp_path: Path) -> None:
    write_shapes(tmp_path / "other", size=64, num_train=1, num_val=1, seed=1)
    name = "images/training/00001.jpg"
    assert (tmp_path / "other" / name).read_bytes() != (shapes / name).read_bytes()


def test_finished_data_set_is_left_alone(shapes: Path) -> None:
    before = [(path, path.stat().st_mtime_ns) for path in sorted(shapes.rglob("*"))]
    write_shapes(shapes, size=64, num_train=20, num_val=10)
    assert [(path, path.stat().st_mtime_ns) for path in sorted(shapes.rglob("*"))] == before


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "deep/shapes").mkdir(parents=True)
    write_shapes(tmp_path / "deep/shapes", size=32, num_train=1, num_val=1)
    assert (tmp_path / "deep/shapes/shapes.json").is_file()
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="which holds something else; expected an empty folder"):
        write_shapes(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_other_parameters_are_refused(shapes: Path) -> None:
    with pytest.raises(ValueError, match=r"holds other shapes than the expected .*'seed': 5"):
        write_shapes(shapes, size=64, num_train=20, num_val=10, seed=5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": 31}, "size is 31, expected a whole number >= 32"),
        ({"num_train": 0}, "num_train is 0, expected a whole number >= 1"),
        ({"num_val": 1.5}, "num_val is 1.5, expected a whole number >= 1"),
        ({"seed": -1}, "seed is -1, expected a whole number >= 0"),
    ],
)
def test_number_out_of_range_is_refused(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_shapes(tmp_path / "shapes", **changed)


def test_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("video_uniformer.demo.shapes._write_coco", full)
    with pytest.raises(OSError, match="the disk is full"):
        write_shapes(tmp_path / "shapes", size=32, num_train=1, num_val=1)
    assert not list(tmp_path.iterdir())
