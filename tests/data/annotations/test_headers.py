"""Headers of other words than path and label, wherever they stand."""

from pathlib import Path

import pytest
from list_files import pairs, write

from video_uniformer.data.annotations import read_frame_list, read_list


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("youtube_id,activity\nabc123,0\ndef456,1\n", [("abc123", 0), ("def456", 1)]),
        ("item,what\na.mp4,run\nnoext,walk\n", [("a.mp4", 0), ("noext", 1)]),
        ("path/to/video,activity\na.mp4,run\nb.mp4,walk\n", [("a.mp4", 0), ("b.mp4", 1)]),
        ("path/to/video,activity\nnoext,run\n", [("noext", 0)]),
        ("clip/where,activity\na.mp4,run\nb.mp4,walk\n", [("a.mp4", 0), ("b.mp4", 1)]),
    ],
)
def test_header_is_told_row_by_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, expected: list[tuple[str, int]]
) -> None:
    write(tmp_path, "noext", "")
    file = write(tmp_path, "l.csv", text)
    assert pairs(read_list(file, root=tmp_path), tmp_path) == expected
    (message,) = caplog.messages
    assert message.endswith("taken for a header, as it is unlike the lines below it")


@pytest.mark.parametrize(
    "text",
    [
        "vid,activity\na.mp4,run\nvid,activity\nb.mp4,walk\nvid,activity\n",
        "path,label\na.mp4,run\npath,label\nb.mp4,walk\npath,label\n",
        "a.mp4,run\npath,label\nb.mp4,walk\nvideo,class\n",
        "vid,activity\na.mp4,run\npath,label\nb.mp4,walk\nvideo,class\n",
    ],
)
def test_header_between_videos_of_joined_lists_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    file = write(tmp_path, "l.csv", text)
    result = read_list(file, root=tmp_path)
    assert result.class_names == ["run", "walk"]
    assert pairs(result, tmp_path) == [("a.mp4", 0), ("b.mp4", 1)]
    assert caplog.messages[-1].endswith("taken for a header between videos, like 1 more")


def test_folder_called_as_a_column_is_a_video(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    file = write(tmp_path, "l.csv", "a.mp4,run\nclip,action\n")
    assert len(read_list(file, root=tmp_path).samples) == 2


def test_missing_folder_above_others_is_a_video(tmp_path: Path) -> None:
    for folder in "bc":
        (tmp_path / "frames" / folder).mkdir(parents=True)
    file = write(tmp_path, "l.csv", "frames/a,run\nframes/b,walk\nframes/c,jump\n")
    assert len(read_list(file, root=tmp_path).samples) == 3


def test_videos_listed_twice_are_no_headers(tmp_path: Path) -> None:
    file = write(tmp_path, "l.csv", "one,run\nb.mp4,run\none,run\n")
    assert len(read_list(file, root=tmp_path).samples) == 3


@pytest.mark.parametrize(
    ("text", "is_warned"),
    [
        ("youtube_id,activity\nabc123,run\ndef456,walk\n", True),
        ("item,action_name\nabc123,run\n", True),
        ("xyz789,run\nabc123,walk\n", False),
        ("xyz,run\nabc,walk\n", False),
        ("a/clip,run\na.mp4,walk\n", False),
    ],
)
def test_words_of_a_header_are_told_where_nothing_else_tells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, is_warned: bool
) -> None:
    file = write(tmp_path, "l.csv", text)
    assert len(read_list(file, root=tmp_path).samples) == text.count("\n")
    words = "taken for a video, as nothing tells whether it is a header; if it is one, delete it"
    assert (words in caplog.text) == is_warned == bool(caplog.messages)


def test_header_repeated_in_a_frame_list_is_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, "l.txt", "vid num what\na 42 1\nvid num what\nb 7 0\n")
    assert pairs(read_frame_list(file, root=tmp_path), tmp_path) == [("a", 1), ("b", 0)]
