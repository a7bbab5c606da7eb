"""What files, folders and globs of a command line stand for."""

from pathlib import Path

import pytest
from list_files import write

from video_uniformer.data.annotations.search import exists, expand_paths
from video_uniformer.system.file_kinds import PICTURE


def expand(folder: Path, *arguments: str) -> list[str]:
    found = expand_paths([str(folder / argument) for argument in arguments])
    return [path.relative_to(folder).as_posix() for path in found]


@pytest.mark.parametrize(
    ("names", "argument", "expected"),
    [
        (["a.mp4", "b.mp4"], "*.mp4", ["a.mp4", "b.mp4"]),
        (["a.mp4", "b.avi"], "?.avi", ["b.avi"]),
        (["v [2020]/a.mp4", "v 2/b.mp4"], "v [2020]/*.mp4", ["v [2020]/a.mp4"]),
        (["v [2020]/a.mp4"], "v [2020]/a.mp4", ["v [2020]/a.mp4"]),
        (["v [2020]/a1.mp4", "v [2020]/a2.mp4"], "v [2020]/a[13].mp4", ["v [2020]/a1.mp4"]),
        (["x/v [1]/a.mp4", "y/v [1]/b.mp4"], "*/v [1]/*", ["x/v [1]/a.mp4", "y/v [1]/b.mp4"]),
        (["v 2/b.mp4"], "v [2020]/*.mp4", ["v 2/b.mp4"]),
        (["run [1]/a [x].mp4"], "run [1]/a [x]*", ["run [1]/a [x].mp4"]),
        (["v [1] a/b [2].mp4"], "v [1]*/b [2].*", ["v [1] a/b [2].mp4"]),
        (["v 1/b.mp4", "v [1] a/c.mp4"], "v [1]*/c.mp4", ["v [1] a/c.mp4"]),
        (["a x.mp4", "a [x].mp4"], "a [x]*", ["a x.mp4"]),
        (["who? [a]/x*/a.mp4"], "who? [a]/x*/*.mp4", ["who? [a]/x*/a.mp4"]),
        (["a.mp4", "b/c.mp4", "b/d/e.mp4"], "**/*.mp4", ["a.mp4", "b/c.mp4", "b/d/e.mp4"]),
        (["v [1]/b/c.mp4", "v 1/a.mp4"], "v [1]/**", ["v [1]/b/c.mp4"]),
        (["a.mp4", ".b.mp4", ".c/d.mp4"], "**/*.mp4", ["a.mp4"]),
        (["run/a.mp4", "run/more/b.mp4", "walk/c.mp4"], "r*", ["run/a.mp4", "run/more/b.mp4"]),
        (["run/b.mp4", "run/a.mp4"], "run", ["run/a.mp4", "run/b.mp4"]),
        (["a.mp4"], "[b]*.mp4", ["[b]*.mp4"]),
        (["a.mp4"], "absent.mp4", ["absent.mp4"]),
        (["no/notes.txt"], "no", ["no"]),
    ],
)
def test_argument_stands_for_videos(
    tmp_path: Path, names: list[str], argument: str, expected: list[str]
) -> None:
    for name in names:
        write(tmp_path, name, "")
    assert expand(tmp_path, argument) == expected


def test_relative_glob_gives_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "v [2020]/a.mp4", "")
    monkeypatch.chdir(tmp_path)
    assert list(expand_paths(["v [2020]/*.mp4", "*/*.mp4"])) == [Path("v [2020]/a.mp4")] * 2


def test_arguments_keep_their_order(tmp_path: Path) -> None:
    for name in ("b.mp4", "a/c.mp4"):
        write(tmp_path, name, "")
    assert expand(tmp_path, "b.mp4", "a") == ["b.mp4", "a/c.mp4"]


def test_folder_stands_for_videos_of_any_suffix(tmp_path: Path) -> None:
    names = [
        "a.mp4",
        "b.GIF",
        "c.vob",
        "d.m2ts",
        "e.ogg",
        "f.rmvb",
        "g.mxf",
        "h.3gp",
        "i.ts",
        "j.f4v",
    ]
    for name in names:
        write(tmp_path, f"videos/{name}", "")
    assert expand(tmp_path, "videos") == [f"videos/{name}" for name in sorted(names)]


def test_folder_stands_for_frame_folders_where_it_has_no_video_files(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/2.jpg", "b/1.webp"):
        write(tmp_path, f"frames/{name}", "")
    assert expand(tmp_path, "frames", "frames/a") == ["frames/a", "frames/b", "frames/a"]
    write(tmp_path, "frames/c.mp4", "")
    assert expand(tmp_path, "frames") == ["frames/c.mp4"]


def test_what_a_folder_holds_besides_is_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("a.mp4", "notes.txt", "more/b.TXT", "more/cover.jpg", "song.m4a", "x.part", "LICENSE")
    for name in names:
        write(tmp_path, f"videos/{name}", "")
    for name in (".hidden.mp4", "more/._b.mp4", "more/.mp4", ".git/config"):
        write(tmp_path, f"videos/{name}", "")
    assert expand(tmp_path, "videos") == ["videos/a.mp4"]
    assert caplog.messages == [
        f"{tmp_path / 'videos'}: left out 9 files: 3 hidden, 2 .txt (text), 1 without a suffix "
        "(unknown), 1 .m4a (sound), 1 .part (unknown), 1 .jpg (pictures)"
    ]


def test_folder_of_videos_alone_is_told_nothing_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "videos/a.mp4", "")
    expand(tmp_path, "videos", "videos/*")
    assert not caplog.messages


def test_masks_beside_frames_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("1.jpg", "1.png", "2.jpg", "2.png", "list.txt"):
        write(tmp_path, f"clip/{name}", "")
    assert expand(tmp_path, "clip") == ["clip"]
    assert "2 .png (not of the format of most frames), 1 .txt (text)" in caplog.text


def test_folder_stands_for_pictures_where_these_are_wanted(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.JPG", "a/d.webp", "film.mp4", "notes.txt", ".hidden.jpg"):
        write(tmp_path, name, "")
    found = expand_paths([str(tmp_path), str(tmp_path / "film.mp4")], PICTURE)
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a/c.JPG", "a/d.webp", "b.png", "film.mp4"]


def test_folder_without_pictures_is_given_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "film.mp4", "")
    assert list(expand_paths([str(tmp_path)], PICTURE)) == [tmp_path]


@pytest.mark.parametrize(
    ("argument", "is_there"), [("a.png", True), ("*.png", True), ("b.png", False), ("*.b", False)]
)
def test_argument_is_there_or_not(tmp_path: Path, argument: str, is_there: bool) -> None:
    write(tmp_path, "a.png", "")
    assert exists(str(tmp_path / argument)) is is_there
