"""Where the path of a line ends and its class begins."""

import os
from pathlib import Path

import pytest
from list_files import pairs, write

from video_uniformer.data.annotations import Annotations, read_list


def read(root: Path, text: str, names: list[str] | None = None) -> Annotations:
    return read_list(write(root, "l.csv", text), root=root, class_names=names)


def classes(result: Annotations, root: Path) -> list[tuple[str, str]]:
    """Pairs of path and class."""
    return [(path, result.class_names[label]) for path, label in pairs(result, root)]


@pytest.mark.parametrize("path", ["noext", "clip.01", "my clip.01", "a/my clip", "v.rec"])
@pytest.mark.parametrize("label", ["riding a bike", '"riding a bike"'])
def test_path_ends_where_a_file_of_that_name_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, label: str
) -> None:
    write(tmp_path, path, "")
    result = read(tmp_path, f"{path} {label}\n")
    assert classes(result, tmp_path) == [(path, "riding a bike")]
    assert not caplog.messages


def test_quoted_class_needs_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = read(tmp_path, 'my clip "riding a bike"\n')
    assert classes(result, tmp_path) == [("my clip", "riding a bike")]
    assert not caplog.messages


def test_unknown_suffix_of_first_words_ends_paths_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = read(tmp_path, "v.rec playing golf\nw.rec run\nx.rec playing golf\n")
    assert classes(result, tmp_path) == [
        ("v.rec", "playing golf"),
        ("w.rec", "run"),
        ("x.rec", "playing golf"),
    ]
    (message,) = caplog.messages
    assert message.endswith(
        "line 1, 'v.rec playing golf': nothing tells where the path ends: taken to be 'v.rec' of "
        "class 'playing golf', and likewise in 1 more line(s); quotation marks around the path tell"
    )


def test_line_of_a_missing_file_is_split_like_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "one", "")
    result = read(tmp_path, "one riding a bike\ntwo playing golf\n")
    assert classes(result, tmp_path) == [("one", "riding a bike"), ("two", "playing golf")]
    assert len(caplog.messages) == 1


def test_line_that_nothing_tells_of_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = read(tmp_path, "one riding a bike\n")
    assert classes(result, tmp_path) == [("one riding a", "bike")]
    assert "taken to be 'one riding a' of class 'bike'; quotation marks" in caplog.text


def test_comment_above_videos_is_told_as_a_header_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(read(tmp_path, "# my list\na.mp4 0\nb.mp4 1\n").samples) == 2
    assert len(caplog.messages) == 1
    assert "taken for a header" in caplog.text


def test_long_list_looks_at_each_folder_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    for name in ("stat", "listdir", "scandir"):
        look = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda path, *a, look=look, **k: (looks.append(path), look(path, *a, **k))[1]
        )
    for number in range(3):
        write(tmp_path, f"frames/clip{number}", "")
    text = "".join(f"frames/clip{number} riding a bike\n" for number in range(2000))
    assert read(tmp_path, text).class_names == ["riding a bike"]
    assert len(looks) < 50


# Semicolons


@pytest.mark.parametrize(
    "text",
    [
        "a.mp4;riding, fast\nb c.mp4;run\n",
        "video;class\na.mp4;riding, fast\nb c.mp4;run\n",
        '"a.mp4";"riding, fast"\n"b c.mp4";"run"\n',
        "vid ; activity\na.mp4 ; riding, fast\nb c.mp4 ; run\n",
    ],
)
def test_semicolons_separate(tmp_path: Path, text: str) -> None:
    result = read(tmp_path, text)
    assert classes(result, tmp_path) == [("a.mp4", "riding, fast"), ("b c.mp4", "run")]


def test_semicolons_separate_paths_without_a_suffix(tmp_path: Path) -> None:
    result = read(tmp_path, "one;run\ntwo;walk\n")
    assert classes(result, tmp_path) == [("one", "run"), ("two", "walk")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b.mp4 run\nc.mp4 walk\n", [("a;b.mp4", "run"), ("c.mp4", "walk")]),
        ("a.mp4,run;fast\nb.mp4,walk\n", [("a.mp4", "run;fast"), ("b.mp4", "walk")]),
        ("one,run;fast\ntwo,walk;slow\n", [("one", "run;fast"), ("two", "walk;slow")]),
    ],
)
def test_semicolon_in_a_name_is_none(
    tmp_path: Path, text: str, expected: list[tuple[str, str]]
) -> None:
    assert classes(read(tmp_path, text), tmp_path) == expected


def test_semicolon_list_of_three_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found 3 column\(s\), expected .* tab or semicolon"):
        read(tmp_path, "a.mp4;run;train\nb.mp4;walk;val\n")


# Single quotes


@pytest.mark.parametrize(
    "text",
    [
        "'a b.mp4' 'riding a bike'\n'c.mp4' 'walk'\n",
        "'a b.mp4','riding a bike'\nc.mp4,walk\n",
        "path label\n'a b.mp4' \"riding a bike\"\nc.mp4 walk\n",
    ],
)
def test_single_quotes_hold_words(tmp_path: Path, text: str) -> None:
    result = read(tmp_path, text)
    assert classes(result, tmp_path) == [("a b.mp4", "riding a bike"), ("c.mp4", "walk")]


def test_apostrophes_are_no_quotes(tmp_path: Path) -> None:
    result = read(tmp_path, "rock'n'roll.mp4 run\ndon't.mp4 can't stop\n")
    assert classes(result, tmp_path) == [("rock'n'roll.mp4", "run"), ("don't.mp4", "can't stop")]
