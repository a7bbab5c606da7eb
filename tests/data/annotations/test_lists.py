"""Lists of one video a line, and what is said about one that cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from list_files import KINETICS, pairs, write

from video_uniformer.data.annotations import read_class_names, read_frame_list, read_list
from video_uniformer.system.file_kinds import LISTED_SUFFIXES, PICTURE_SUFFIXES

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
            r"the 2 of class_names; did you mean 'yoga'",
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
        ("a.mp4 0\n", "kinetics400", r"class_names is 'kinetics400', expected a list of names"),
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


# Paths and where they end


def test_path_ends_behind_any_known_suffix(tmp_path: Path) -> None:
    paths = [f"{name}{suffix}" for suffix in LISTED_SUFFIXES for name in ("a", "b c/D E")]
    paths += [path.upper() for path in paths]
    text = "".join(f"{path} riding a bike\n" for path in paths)
    result = read_list(write(tmp_path, "l.txt", text), root=tmp_path)
    assert result.class_names == ["riding a bike"]
    assert pairs(result, tmp_path) == [(path, 0) for path in paths]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('"a.gif" riding a bike', "a.gif"),
        ('"b c/d e" riding a bike', "b c/d e"),
        ('a.gif "riding a bike"', "a.gif"),
        ('a b.gif "riding a bike"', "a b.gif"),
        ('"a b.gif" "riding a bike"', "a b.gif"),
        ('"say ""a"" now.mp4" riding a bike', 'say "a" now.mp4'),
        ("frames/clip riding a bike", "frames/clip"),
        ("frames/my clip riding a bike", "frames/my clip"),
        ('frames/my clip "riding a bike"', "frames/my clip"),
        ("my clip.gif,riding a bike", "my clip.gif"),
        ("my clip.gif\triding a bike", "my clip.gif"),
    ],
)
def test_path_with_spaces_is_told_from_a_class_with_spaces(
    tmp_path: Path, line: str, path: str
) -> None:
    for folder in ("frames/clip", "frames/my clip"):
        (tmp_path / folder).mkdir(parents=True)
    result = read_list(write(tmp_path, "l.txt", f"{line}\n"), root=tmp_path)
    assert result.class_names == ["riding a bike"]
    assert pairs(result, tmp_path) == [(path, 0)]


# Headers and empty classes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vid,activity\na.mp4,run\nb.mp4,walk\n", [("a.mp4", 0), ("b.mp4", 1)]),
        ("vid activity\na.mp4 1\nb.mp4 0\n", [("a.mp4", 1), ("b.mp4", 0)]),
        ("vid\tactivity\na.gif\trun\n", [("a.gif", 0)]),
        ("vid,activity\nclip,run\nother,walk\n", [("clip", 0), ("other", 1)]),
        ("vid,activity\nclip,1\nother,0\n", [("clip", 1), ("other", 0)]),
    ],
)
def test_header_of_other_words_is_told_by_what_stands_below(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, expected: list[tuple[str, int]]
) -> None:
    for folder in ("clip", "other"):
        (tmp_path / folder).mkdir()
    file = write(tmp_path, "l.csv", text)
    assert pairs(read_list(file, root=tmp_path), tmp_path) == expected
    (message,) = caplog.messages
    assert message.startswith(f"{file}, line 1, 'vid")
    assert message.endswith("taken for a header, as it is unlike the lines below it")


@pytest.mark.parametrize(
    ("text", "class_names"),
    [
        ("frames_a,run\nb.mp4,run\n", None),  # its label stands below, too
        ("frames_a,run\nb.mp4,walk\n", ["run", "walk"]),  # its label is a class
        ("frames/a,run\nb.mp4,walk\n", None),  # a path
        ("clip,run\nb.mp4,walk\n", None),  # a folder that is there
        ("vid,activity\nabsent,run\n", None),  # nothing tells
    ],
)
def test_first_row_like_those_below_is_a_video(
    tmp_path: Path, text: str, class_names: list[str] | None
) -> None:
    (tmp_path / "clip").mkdir()
    file = write(tmp_path, "l.csv", text)
    assert len(read_list(file, root=tmp_path, class_names=class_names).samples) == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            (1, 2, 3, 4),
            "labels run from 1 to 4, so class 0 has no video: count the labels from 0, "
            "or give data.class_names if that is meant",
        ),
        ((5, 6), "labels run from 5 to 6, so classes 0 to 4 have no video: count"),
        (
            (0, 1, 700),
            "698 of 701 classes have no video (2, 3, 4, 5, 6, ...): number the classes without "
            "gaps, or give data.class_names if that is meant",
        ),
        ((0, 2), "1 of 3 classes have no video (1): number"),
        ((1, 3), "2 of 4 classes have no video (0, 2): number"),
    ],
)
def test_classes_without_a_video_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, labels: tuple[int, ...], message: str
) -> None:
    file = write(tmp_path, "l.csv", "".join(f"a{k}.mp4,{k}\n" for k in labels))
    result = read_list(file, root=tmp_path)
    assert len(result.class_names) == max(labels) + 1
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"{file}: {message}")


def test_given_classes_may_have_no_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path, "l.csv", "a.mp4,1\n")
    read_list(file, root=tmp_path, class_names=["run", "walk", "yoga"])
    assert not caplog.messages


def test_labels_from_1_do_not_fit_the_given_classes(tmp_path: Path) -> None:
    file = write(tmp_path, "l.csv", "a.mp4,1\nb.mp4,2\n")
    with pytest.raises(ValueError, match=r"line 2, .*the labels run from 1: count them from 0"):
        read_list(file, root=tmp_path, class_names=["run", "walk"])


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


def test_header_of_a_frame_list_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path, "l.txt", "vid num_frames activity\n78687 42 1\nb 7 0\n")
    assert pairs(read_frame_list(file, root=tmp_path), tmp_path) == [("78687", 1), ("b", 0)]
    assert "line 1, 'vid num_frames activity': taken for a header" in caplog.text


@pytest.mark.parametrize("suffix", [*PICTURE_SUFFIXES, ".gif", ".JPEG"])
def test_list_names_pictures_whatever_their_names_hold(tmp_path: Path, suffix: str) -> None:
    file = write(tmp_path, "l.csv", f"a b/x, y{suffix} 1\nc{suffix} 0\n")
    result = read_list(file, root=tmp_path)
    assert pairs(result, tmp_path) == [(f"a b/x, y{suffix}", 1), (f"c{suffix}", 0)]
