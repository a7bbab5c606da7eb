"""What files, folders and globs of a command line stand for."""

from pathlib import Path

import pytest
from list_files import write

from video_uniformer.data.annotations.search import expand_paths


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
