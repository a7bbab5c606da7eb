"""Every annotation format: what it reads, and what it says about a file that it cannot read."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.data import annotations
from video_uniformer.data.annotations import (
    Annotations,
    read_class_names,
    read_folders,
    read_frame_list,
    read_hmdb51,
    read_kinetics_csv,
    read_list,
    read_something_json,
    read_split_folders,
    read_ucf101,
)

KINETICS = "label,youtube_id,time_start,time_end,split,is_cc\n"


def write(folder: Path, name: str, text: str) -> Path:
    """Write a text file and return its path."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file


def pairs(result: Annotations, root: Path) -> list[tuple[str, int]]:
    """Return (path relative to the root, label) of every sample."""
    return [(sample.path.relative_to(root).as_posix(), sample.label) for sample in result.samples]


# Class names


@pytest.mark.parametrize(
    ("name", "count", "facts"),
    [
        ("kinetics400", 400, {0: "riding a bike", 1: "marching", 370: "yoga"}),
        ("kinetics600", 600, {0: "feeding_fish", 599: "playing_organ"}),
        ("something_v1", 174, {0: "Approaching something with your camera"}),
        ("something_v2", 174, {1: "Attaching [something] to [something]"}),
        ("ucf101", 101, {0: "ApplyEyeMakeup", 100: "YoYo"}),
        ("hmdb51", 51, {0: "brush_hair", 12: "fall_floor", 34: "shoot_ball", 50: "wave"}),
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


# path label


@pytest.mark.parametrize(
    "text",
    [
        "a/x.mp4 1\nb c/y, z.AVI 0\n",
        "a/x.mp4,1\nb c/y, z.AVI,0\n",
        "a/x.mp4\t1\nb c/y, z.AVI\t0\n",
        "a/x.mp4    1\r\n\r\nb c/y, z.AVI 0",
        'path,label\na/x.mp4,1\n"b c/y, z.AVI",0\n',
        "\ufeffvideo_path\tclass_id\na/x.mp4\t1\nb c/y, z.AVI\t0\n",
        '"a/x.mp4" 1\n"b c/y, z.AVI" 0\n',
    ],
)
def test_list_is_read_whatever_separates_its_columns(tmp_path: Path, text: str) -> None:
    result = read_list(write(tmp_path, "l.csv", text), root=tmp_path)
    assert pairs(result, tmp_path) == [("a/x.mp4", 1), ("b c/y, z.AVI", 0)]
    assert result.class_names == ["0", "1"]


def test_space_separates_where_every_path_holds_a_comma(tmp_path: Path) -> None:
    file = write(tmp_path, "l.txt", "a, b.mp4 3\nc, d.mp4 0\n")
    assert pairs(read_list(file, root=tmp_path), tmp_path) == [("a, b.mp4", 3), ("c, d.mp4", 0)]


@pytest.mark.parametrize(
    "text",
    [
        "a.mp4,arm wrestling\nb.mp4,archery\n",
        "a.mp4 arm wrestling\nb.mp4 archery\n",
        'a.mp4,"arm wrestling"\nb.mp4,"archery"\n',
    ],
)
def test_class_names_in_a_list_are_sorted(tmp_path: Path, text: str) -> None:
    result = read_list(write(tmp_path, "l.csv", text), root=tmp_path)
    assert result.class_names == ["archery", "arm wrestling"]
    assert pairs(result, tmp_path) == [("a.mp4", 1), ("b.mp4", 0)]


def test_quoted_label_may_hold_a_comma(tmp_path: Path) -> None:
    file = write(tmp_path, "l.csv", 'a.mp4,"Lifting it, then letting go"\n')
    assert read_list(file, root=tmp_path).class_names == ["Lifting it, then letting go"]


def test_given_class_names_decide_order_and_ignore_underscores(tmp_path: Path) -> None:
    file = write(tmp_path, "l.csv", "a.mp4,arm_wrestling\nb.mp4,archery\n")
    result = read_list(file, root=tmp_path, class_names=["yoga", "arm wrestling", "archery"])
    assert [sample.label for sample in result.samples] == [1, 2]
    assert result.class_names == ["yoga", "arm wrestling", "archery"]


def test_folders_of_frames_may_be_listed(tmp_path: Path) -> None:
    file = write(tmp_path, "l.txt", "frames/clip one 1\nframes/clip 0\n")
    assert pairs(read_list(file, root=tmp_path), tmp_path) == [
        ("frames/clip one", 1),
        ("frames/clip", 0),
    ]


def test_absolute_path_ignores_root(tmp_path: Path) -> None:
    file = write(tmp_path, "l.txt", "/videos/a.mp4 0\n")
    assert read_list(file, root=tmp_path).samples[0].path == Path("/videos/a.mp4")


def test_list_in_root_goes_before_one_as_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    write(tmp_path, "l.txt", "as_given.mp4 0\n")
    monkeypatch.chdir(tmp_path)
    assert pairs(read_list("l.txt", root=root), root) == [("as_given.mp4", 0)]
    write(root, "l.txt", "in_root.mp4 0\n")
    assert pairs(read_list("l.txt", root=root), root) == [("in_root.mp4", 0)]


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("", None, r"l\.csv: no videos in the list, expected lines 'path label'"),
        ("path,label\n", None, r"l\.csv: no videos in the list"),
        (
            "a.mp4 0\nb.mp4\n",
            None,
            r"l\.csv, line 2, 'b\.mp4': found 1 column.s., expected 'path l",
        ),
        ("a.mp4,0\nb.mp4,\n", None, r"line 2, 'b\.mp4,': found no label behind the path"),
        ("clip 45 3\nd 20 1\n", None, r"line 1, 'clip 45 3': found 3 column"),
        ("a.mp4 45 3\n", None, r"line 1, 'a\.mp4 45 3': found 3 column"),
        ("a.mp4,yoga,3\n", None, r"line 1, 'a\.mp4,yoga,3': found 3 column"),
        (KINETICS + "yoga,a,0,10,val,0\n", None, r"line 1, 'label,you.*': found 6 column"),
        ("a.mp4 -1\n", None, r"line 1, 'a\.mp4 -1': label -1: expected 0 to"),
        ("a.mp4 -1\n", ["x"], r"label -1 is outside the 1 classes of class_names"),
        (
            "a.mp4 0\nb.mp4 2\n",
            ["x", "y"],
            r"line 2, 'b\.mp4 2': label 2 is outside the 2 classes"
            r" of class_names, expected 0 to 1",
        ),
        ("a.mp4 9999999999\n", None, r"label 9999999999: expected 0 to 999999"),
        ("a.mp4 0\nb.mp4 yoga\n", None, r"line 2, .*: label 'yoga': expected an integer"),
        (
            "a.mp4 Yogo\n",
            ["yoga", "run"],
            r"line 1, .*: unknown class name 'Yogo', expected one of "
            r"the 2 of class_names; the nearest is 'yoga'",
        ),
        (
            "a.mp4 xyz\n",
            ["yoga"],
            r"unknown class name 'xyz', expected one of the 1 of class_names$",
        ),
        (
            "a.mp4 0\n",
            ["b c", "b_c"],
            r"class_names: classes 0 and 1 have the same name, 'b c' and",
        ),
        ("a.mp4 0\n", [], r"class_names: no class names, expected at least one"),
        ("a.mp4 0\n", ["x", ""], r"class_names: class 1 is '', expected a name"),
        ("a.mp4 0\n", "kinetics400", r"class_names='kinetics400': expected a list of names"),
    ],
)
def test_list_is_refused(tmp_path: Path, text: str, names: list[str] | None, message: str) -> None:
    file = write(tmp_path, "l.csv", text)
    with pytest.raises(ValueError, match=message) as caught:
        read_list(file, root=tmp_path, class_names=names)
    assert "\n" not in str(caught.value)


def test_missing_list_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"l\.csv: no such .* looked for /.*csv and l\.csv"):
        read_list("l.csv", root=tmp_path)


def test_folder_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder, expected an annotation file"):
        read_list(tmp_path, root=tmp_path)


def test_video_is_no_list(tmp_path: Path, video_file: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"a\.mp4: (byte 0x.* is not UTF-8|holds zero bytes)"):
        read_list(video_file(num_frames=2), root=tmp_path)


def test_long_line_is_cut_short_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 1, 'x{100}\.\.\.': found 1") as caught:
        read_list(write(tmp_path, "l.csv", "x" * 5000), root=tmp_path)
    assert len(str(caught.value)) < 500


def test_field_that_is_too_long_for_csv_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found no label behind the path"):
        read_list(write(tmp_path, "l.csv", '"' + "x" * 200_000 + '",'), root=tmp_path)


# folder frames label


def test_frame_list_gives_folders(tmp_path: Path) -> None:
    file = write(tmp_path, "l.txt", "\ufeff78687 42 1\r\nwave/a b 7 9 0\r\n")
    result = read_frame_list(file, root=tmp_path, class_names=["x", "y"])
    assert pairs(result, tmp_path) == [("78687", 1), ("wave/a b 7", 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"l\.txt: no videos in the list, expected lines 'folder frames label'"),
        ("78687 1\n", r"line 1, '78687 1': expected 'folder frames label'"),
        ("my video.mp4 1\n", r"line 1, .*: expected 'folder frames label'"),
        ("a 30 wave\n", r"line 1, 'a 30 wave': expected 'folder frames label'"),
        ("a 30 -2\n", r"line 1, 'a 30 -2': label -2: expected 0 to"),
    ],
)
def test_frame_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_frame_list(write(tmp_path, "l.txt", text), root=tmp_path)


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


# Class folders


def test_class_folders_hold_videos_or_frame_folders(tmp_path: Path) -> None:
    for name in ("yoga/b.MP4", "yoga/a.webm", "yoga/.c.mp4", "yoga/notes.txt", ".git/x.mp4"):
        write(tmp_path, f"train/{name}", "")
    write(tmp_path, "train/arm_wrestling/clip/img_00001.jpg", "")
    write(tmp_path, "train/arm_wrestling/other/notes.txt", "")
    result = read_folders("train", root=tmp_path)
    assert result.class_names == ["arm_wrestling", "yoga"]
    assert pairs(result, tmp_path) == [
        ("train/arm_wrestling/clip", 0),
        ("train/yoga/a.webm", 1),
        ("train/yoga/b.MP4", 1),
    ]


def test_class_without_a_folder_keeps_its_index(tmp_path: Path) -> None:
    write(tmp_path, "arm_wrestling/a.mp4", "")
    result = read_folders(root=tmp_path, class_names=["yoga", "arm wrestling"])
    assert pairs(result, tmp_path) == [("arm_wrestling/a.mp4", 1)]


def test_unsplit_class_folders_hold_out_every_fifth_video(tmp_path: Path) -> None:
    for number in range(7):
        write(tmp_path, f"yoga/{number}.mp4", "")
    write(tmp_path, "run/a.mp4", "")
    train = read_split_folders("train", root=tmp_path)
    val = read_split_folders("val", root=tmp_path)
    assert train.class_names == val.class_names == ["run", "yoga"]
    assert pairs(val, tmp_path) == [("yoga/4.mp4", 1)]
    assert pairs(train, tmp_path) == [
        ("run/a.mp4", 0),
        *((f"yoga/{number}.mp4", 1) for number in (0, 1, 2, 3, 5, 6)),
    ]


def test_split_class_folders_are_read_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "train/yoga/a.mp4", "")
    write(tmp_path, "val/yoga/b.mp4", "")
    assert pairs(read_split_folders("val", root=tmp_path), tmp_path) == [("val/yoga/b.mp4", 0)]


@pytest.mark.parametrize(
    ("path", "hold_out", "message"),
    [
        ("test", 5, "path='test': expected 'train' or 'val'"),
        ("val", 1, "hold_out=1: expected at least 2 videos"),
        ("val", 5, "no class has 5 videos to hold one out for validation"),
    ],
)
def test_split_of_class_folders_is_refused(
    tmp_path: Path, path: str, hold_out: int, message: str
) -> None:
    write(tmp_path, "yoga/a.mp4", "")
    with pytest.raises(ValueError, match=message):
        read_split_folders(path, root=tmp_path, hold_out=hold_out)


def test_empty_class_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "yoga/notes.txt", "")
    with pytest.raises(ValueError, match="yoga: class 'yoga' has no video, expected files such as"):
        read_folders(root=tmp_path)


def test_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.mp4", "")
    with pytest.raises(ValueError, match="no class folders, expected one folder a class"):
        read_folders(root=tmp_path)


def test_folder_above_the_class_folders_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/yoga/a.mp4", "")
    with pytest.raises(ValueError, match="train/yoga: videos one level too deep"):
        read_folders(root=tmp_path)


def test_folder_that_is_no_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "yogo/a.mp4", "")
    with pytest.raises(ValueError, match=r"class folder 1, 'yogo': unknown .* nearest is 'yoga'"):
        read_folders(root=tmp_path, class_names=["yoga"])


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="val: no such folder, expected one with videos"):
        read_folders("val", root=tmp_path)


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
            r".*labels\.json; the nearest is 'Closing something'",
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
        ("Yoyo/a.avi 2\n", r"unknown class name 'Yoyo', .*classInd\.txt; the nearest is 'YoYo'"),
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
        (1, "val", ValueError, "subset='val': expected 'train' or 'test'"),
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


# All formats


@pytest.mark.parametrize("name", [name for name in annotations.__all__ if name.startswith("read_")])
def test_every_reader_takes_the_same_keywords(name: str) -> None:
    parameters = inspect.signature(getattr(annotations, name)).parameters.values()
    keywords = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    assert keywords == (["root"] if name == "read_class_names" else ["root", "class_names"])


@pytest.mark.parametrize(
    ("folder", "name", "num_videos"),
    [
        ("daily_actions", "train.csv", 29),
        ("daily_actions", "val.csv", 14),
        ("asl_gestures", "train.csv", 20),
    ],
)
def test_real_list_is_read(shared_data: Path, folder: str, name: str, num_videos: int) -> None:
    root = shared_data / folder
    names = read_class_names("classes.txt", root=root)
    result = read_list(name, root=root, class_names=names)
    assert len(result.samples) == num_videos
    assert all(sample.path.is_file() for sample in result.samples)
    if folder == "daily_actions":
        assert all(names[sample.label] == sample.path.parent.name for sample in result.samples)


def test_real_list_of_class_names_is_read(shared_data: Path) -> None:
    root = shared_data / "videos"
    names = read_class_names("kinetics400")
    result = read_list("kinetics400.csv", root=root, class_names=names)
    assert [names[sample.label] for sample in result.samples][:2] == [
        "abseiling",
        "filling eyebrows",
    ]
    assert len(result.samples) == 15
    assert all(sample.path.is_file() for sample in result.samples)


def test_real_table_of_another_format_is_refused(shared_data: Path) -> None:
    with pytest.raises(ValueError, match=r"segments\.csv, line 1, .*: found 10 column"):
        read_list("segments.csv", root=shared_data / "daily_actions")


def test_real_class_folders_are_read(shared_data: Path) -> None:
    result = read_folders(root=shared_data / "daily_actions")
    assert result.class_names == ["falling", "sitting", "standing", "walking"]
    assert len(result.samples) == 43
