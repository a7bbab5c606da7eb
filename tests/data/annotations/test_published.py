"""The data sets' own formats, and what is said about a file that cannot be read."""

import json
from pathlib import Path

import pytest
from list_files import KINETICS, pairs, write

from video_uniformer.data.annotations import (
    read_class_names,
    read_hmdb51,
    read_kinetics_csv,
    read_something_json,
    read_ucf101,
)

# Kinetics


def test_kinetics_files_are_found_by_name(tmp_path: Path) -> None:
    places = ["a_000003_000013.mp4", "arm_wrestling/b_000000_000010.webm", "train/yoga/c.mkv"]
    for place in places:
        write(tmp_path, place, "")
    file = write(
        tmp_path,
        "train.csv",
        KINETICS + '"arm wrestling",a,3,13,train,0\narm wrestling,b,0,10,train,0\n'
        "yoga,c,7.0,17.0,train,0\nyoga,d,1,11,train,0\n",
    )
    result = read_kinetics_csv("train.csv", root=tmp_path)
    assert file.is_file()
    assert [path for path, _ in pairs(result, tmp_path)] == [*places, "d_000001_000011.mp4"]
    assert [sample.label for sample in result.samples] == [0, 0, 1, 1]
    assert result.class_names == ["arm wrestling", "yoga"]


def test_kinetics_file_in_the_folder_of_another_class_is_not_taken(tmp_path: Path) -> None:
    for place in ("run/a.mp4", "yoga/a.mp4", "yoga/b.mp4", "sit/c.mp4"):
        write(tmp_path, place, "")
    text = KINETICS + "yoga,a,0,1,val,0\nrun,a,0,1,val,0\nrun,b,0,1,val,0\nrun,c,0,1,val,0\n"
    file = write(tmp_path, "val.csv", text)
    result = read_kinetics_csv(file, root=tmp_path, class_names=["yoga", "sit", "run"])
    assert pairs(result, tmp_path) == [
        ("yoga/a.mp4", 0),
        ("run/a.mp4", 2),
        ("b_000000_000001.mp4", 2),
        ("c_000000_000001.mp4", 2),
    ]


def test_folders_linked_in_a_circle_are_searched_once(tmp_path: Path) -> None:
    write(tmp_path, "yoga/a.mp4", "")
    (tmp_path / "yoga" / "back").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to("itself")
    file = write(tmp_path, "val.csv", KINETICS + "yoga,a,0,1,val,0\n")
    assert pairs(read_kinetics_csv(file, root=tmp_path), tmp_path) == [("yoga/a.mp4", 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"l\.csv, line 1, '': expected the columns label,youtube_id"),
        ("a.mp4 0\n", r"line 1, 'a\.mp4 0': expected the columns label,youtube_id,time_start"),
        (KINETICS[6:] + "a,0,10,test,0\n", r"no column 'label', as in a test split"),
        (KINETICS, r"l\.csv: no videos in the list"),
        (KINETICS + "yoga,a,0,10\n", r"line 2, 'yoga,a,0,10': found 4 columns, expected 6"),
        (KINETICS + ",a,0,10,val,0\n", r"line 2, .*: no label, expected a class name"),
        (KINETICS + "yoga,a,x,10,val,0\n", r"line 2, .*: expected time_start and time_end in sec"),
    ],
)
def test_kinetics_csv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "a.mp4", "")
    with pytest.raises(ValueError, match=message):
        read_kinetics_csv(write(tmp_path, "l.csv", text), root=tmp_path)


def test_root_without_any_of_the_videos_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "l.csv", KINETICS + "yoga,a,0,10,val,0\n")
    with pytest.raises(FileNotFoundError, match=r"l\.csv: none of its 1 videos is in /"):
        read_kinetics_csv(file, root=tmp_path)


# Something-Something V2


def write_something(folder: Path, entries: list[dict[str, str]]) -> tuple[Path, Path]:
    """Write a split and its labels, without brackets as in the official file."""
    labels = {"Closing something": "0", "Holding something next to something": "1"}
    return (
        write(folder, "train.json", json.dumps(entries)),
        write(folder, "labels.json", json.dumps(labels)),
    )


SOMETHING = [
    {"id": "78687", "template": "Holding [something] next to [something]", "label": "holding it"},
    {"id": "4", "template": "Closing [something]"},
    {"id": "5", "template": "Closing [something]"},
    {"id": "6", "template": "Closing [something]"},
]


def test_something_templates_are_matched_without_brackets(tmp_path: Path) -> None:
    for name in ("78687.webm", "78687.mp4", "4.mp4", "5/img_00001.jpg"):
        write(tmp_path, name, "")
    split, labels = write_something(tmp_path, SOMETHING)
    result = read_something_json(split, labels, root=tmp_path)
    assert pairs(result, tmp_path) == [("78687.webm", 1), ("4.mp4", 0), ("5", 0), ("6.webm", 0)]
    assert result.class_names == ["Closing something", "Holding something next to something"]


def test_something_takes_the_published_order(tmp_path: Path) -> None:
    write(tmp_path, "4.webm", "")
    split, labels = write_something(tmp_path, SOMETHING)
    names = read_class_names("something_v2")
    result = read_something_json(split, labels, root=tmp_path, class_names=names)
    assert [names[sample.label] for sample in result.samples][:2] == [
        "Holding [something] next to [something]",
        "Closing [something]",
    ]
    assert result.class_names == names


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], r"train\.json: no videos, expected a JSON list of objects"),
        (["4"], r"train\.json, entry 1, '4': expected an object with \"id\" and \"template\""),
        ([{"id": "4"}], r"train\.json, entry 1, '4': no \"template\", as in the test split"),
        (
            [{"id": "4", "template": "Closin [something]"}],
            r"entry 1, '4': unknown class name 'Closin something', expected one of the 2 of "
            r".*labels\.json; did you mean 'Closing something'",
        ),
    ],
)
def test_something_json_is_refused(
    tmp_path: Path, entries: list[dict[str, str]], message: str
) -> None:
    write(tmp_path, "4.webm", "")
    split, labels = write_something(tmp_path, entries)
    with pytest.raises(ValueError, match=message):
        read_something_json(split, labels, root=tmp_path)


# UCF101


UCF101_INDEX = "1 ApplyEyeMakeup\n2 YoYo\n"


@pytest.mark.parametrize(
    "text",
    [
        "YoYo/v_YoYo_g08_c01.avi 2\r\nApplyEyeMakeup/v_a.avi 1\r\n",
        "YoYo/v_YoYo_g08_c01.avi\r\nApplyEyeMakeup/v_a.avi\r\n",
    ],
)
def test_ucf101_split_is_read_with_and_without_labels(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, "split.txt", text)
    write(tmp_path, "classInd.txt", UCF101_INDEX)
    result = read_ucf101(file, "classInd.txt", root=tmp_path)
    assert pairs(result, tmp_path) == [
        ("YoYo/v_YoYo_g08_c01.avi", 1),
        ("ApplyEyeMakeup/v_a.avi", 0),
    ]
    assert result.class_names == ["ApplyEyeMakeup", "YoYo"]


def test_ucf101_takes_the_given_order(tmp_path: Path) -> None:
    file = write(tmp_path, "split.txt", "YoYo/a.avi 2\n")
    index = write(tmp_path, "classInd.txt", UCF101_INDEX)
    names = read_class_names("ucf101")
    assert read_ucf101(file, index, root=tmp_path, class_names=names).samples[0].label == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"split\.txt: no videos in the list, expected lines 'class/video\.avi label'"),
        ("a.avi 1\n", r"line 1, 'a\.avi 1': expected 'class/video\.avi'"),
        ("YoYo/a.avi 1\n", r"line 1, .*: label 1 does not fit the folder 'YoYo', expected 2 as in"),
        ("Yoyo/a.avi 2\n", r"unknown class name 'Yoyo', .*classInd\.txt; did you mean 'YoYo'"),
    ],
)
def test_ucf101_split_is_refused(tmp_path: Path, text: str, message: str) -> None:
    index = write(tmp_path, "classInd.txt", UCF101_INDEX)
    with pytest.raises(ValueError, match=message):
        read_ucf101(write(tmp_path, "split.txt", text), index, root=tmp_path)


# HMDB51


def write_hmdb51(root: Path) -> None:
    """Write split 1 of two classes."""
    write(root, "splits/wave_test_split1.txt", "20#(1)_&_wave.avi 1 \nb.avi 2 \nc.avi 0 \n")
    write(root, "splits/fall_floor_test_split1.txt", "d.avi 1 \n")
    write(root, "splits/wave_test_split2.txt", "b.avi 3\n")


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("train", [("fall_floor/d.avi", 0), ("wave/20#(1)_&_wave.avi", 1)]),
        ("test", [("wave/b.avi", 1)]),
    ],
)
def test_hmdb51_split_is_read(tmp_path: Path, subset: str, expected: list[tuple[str, int]]) -> None:
    write_hmdb51(tmp_path)
    result = read_hmdb51("splits", 1, subset, root=tmp_path)
    assert pairs(result, tmp_path) == expected
    assert result.class_names == ["fall_floor", "wave"]


@pytest.mark.parametrize(
    ("split", "subset", "error", "message"),
    [
        (1, "val", ValueError, "subset is 'val', expected 'train' or 'test'"),
        (
            2,
            "test",
            ValueError,
            r"wave_test_split2\.txt, line 1, 'b\.avi 3': expected 'name\.avi u",
        ),
        (3, "test", FileNotFoundError, r"splits: no files \*_test_split3\.txt, expected one a cl"),
    ],
)
def test_hmdb51_split_is_refused(
    tmp_path: Path, split: int, subset: str, error: type[Exception], message: str
) -> None:
    write_hmdb51(tmp_path)
    with pytest.raises(error, match=message):
        read_hmdb51("splits", split, subset, root=tmp_path)


def test_hmdb51_subset_without_videos_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "wave_test_split1.txt", "a.avi 1\n")
    with pytest.raises(ValueError, match="no video of split 1 has the use 'test'"):
        read_hmdb51(tmp_path, 1, "test", root=tmp_path)
