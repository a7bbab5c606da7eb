"""Class names: the shipped lists, and files of them."""

from pathlib import Path

import pytest
from list_files import write

from video_uniformer.data.annotations import read_class_names


@pytest.mark.parametrize(
    ("name", "count", "facts"),
    [
        ("imagenet1k", 1000, {0: "tench", 134: "crane bird", 999: "toilet tissue"}),
        ("imagenet1k_synsets", 1000, {0: "n01440764", 134: "n02012849", 999: "n15075141"}),
        ("kinetics400", 400, {0: "riding a bike", 1: "marching", 370: "yoga"}),
        ("kinetics600", 600, {0: "feeding_fish", 599: "playing_organ"}),
        ("something_v1", 174, {0: "Approaching something with your camera"}),
        ("something_v2", 174, {1: "Attaching [something] to [something]"}),
        ("ucf101", 101, {0: "ApplyEyeMakeup", 100: "YoYo"}),
        ("hmdb51", 51, {0: "brush_hair", 12: "fall_floor", 34: "shoot_ball", 50: "wave"}),
        ("ade20k", 150, {0: "wall", 7: "bed", 44: "chest of drawers", 122: "tank", 149: "flag"}),
    ],
)
def test_shipped_list_has_the_published_order(name: str, count: int, facts: dict[int, str]) -> None:
    names = read_class_names(name)
    assert len(set(names)) == len(names) == count
    assert {index: names[index] for index in facts} == facts


@pytest.mark.parametrize(
    "text",
    [
        "run\nhigh jump\nsit\n",
        "\ufeffrun\r\nhigh jump\r\nsit",
        "0 run\n1 high jump\n2 sit\n",
        "high jump 1\n\nsit 2\nrun 0\n",
        "run\t0\nhigh jump\t1\nsit\t2\n",
        "id,name\n0,run\n1,high jump\n2,sit\n",
        "number,activity\n0,run\n1,high jump\n2,sit\n",
    ],
)
def test_class_names_are_read_in_order_of_their_index(tmp_path: Path, text: str) -> None:
    assert read_class_names(write(tmp_path, "a.txt", text)) == ["run", "high jump", "sit"]


def test_names_that_are_digits_are_names(tmp_path: Path) -> None:
    assert read_class_names(write(tmp_path, "a.txt", "7\n3\n")) == ["7", "3"]


def test_tab_separates_an_index_from_a_name_that_begins_with_a_number(tmp_path: Path) -> None:
    file = write(tmp_path, "a.txt", "2 hands\t1\n1 hand\t0\n")
    assert read_class_names(file) == ["1 hand", "2 hands"]


def test_labels_json_gives_class_names(tmp_path: Path) -> None:
    file = write(tmp_path, "labels.json", '{"Closing something": "1", "Opening something": 0}')
    assert read_class_names(file) == ["Opening something", "Closing something"]


def test_relative_class_file_is_looked_for_in_root(tmp_path: Path) -> None:
    write(tmp_path, "classes.txt", "run\n")
    assert read_class_names("classes.txt", root=tmp_path) == ["run"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"a\.txt: no class names, expected one a line"),
        ("a.txt", "run\n\nsit\n", r"a\.txt, line 3, 'sit': a blank line stands before it"),
        ("a.txt", "run\nrun\n", r"a\.txt, line 2, 'run': class name 'run' already has index 0"),
        ("a.txt", "0 run\n0 sit\n", r"line 2, '0 sit': index 0 already stands for 'run'"),
        ("a.txt", "0 run\n2 sit\n", r"a\.txt: no class has index 1, expected 0 to 1 for its 2"),
        ("a.txt", "1 run\n2 sit\n", r"a\.txt: no class has index 0"),
        ("a.txt", "0 run\nsit\n2 lie\n", r"line 2, 'sit': expected a class index and a name"),
        ("a.json", '{"run": "x"}', r"a\.json, entry 1, .*: expected \{\"class name\": index"),
        ("a.json", '{"run": 0,}', r"a\.json, line 1, column 1\d: not JSON"),
        ("a.txt", "a\0b", r"a\.txt: holds zero bytes; expected a text file"),
    ],
)
def test_class_file_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_class_names(write(tmp_path, name, text))


def test_no_source_gives_no_class_names() -> None:
    assert read_class_names(None) is None


def test_unknown_class_list_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"kinetics4: no such .*shipped lists: .*kinetics40"
    ):
        read_class_names("kinetics4", root=tmp_path)
