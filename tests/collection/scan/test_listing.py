import os
from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.collection.scan.listing import Item, read_sources


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def rows(root: Path, *sources: str | Path, given: Path | None = None) -> list[tuple[str, ...]]:
    items = read_sources(sources, root=given).items
    return [(str(item.path.relative_to(root)), item.split, item.label) for item in items]


def test_folder_with_splits_and_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/run/a.mp4", "train/b.mp4", "val/run/x/c.MKV", "other/d.mp4")
    touch(tmp_path, "train/run/notes.txt", "train/run/.hidden.mp4")
    assert rows(tmp_path, tmp_path) == [
        ("train/b.mp4", "train", ""),
        ("train/run/a.mp4", "train", "run"),
        ("val/run/x/c.MKV", "val", "run"),
    ]


def test_folder_of_classes_is_one_split(tmp_path: Path) -> None:
    touch(tmp_path, "set/run/a.mp4", "set/jump/b.mp4")
    assert rows(tmp_path, tmp_path / "set") == [
        ("set/jump/b.mp4", "set", "jump"),
        ("set/run/a.mp4", "set", "run"),
    ]


def test_folder_of_pictures_is_a_video_and_so_is_one_called_like_it(tmp_path: Path) -> None:
    touch(tmp_path, "run/a/1.jpg", "run/a/2.jpg", "run/b.mp4/notes.txt", "run/c/notes.txt")
    assert [row[0] for row in rows(tmp_path, tmp_path)] == ["run/a", "run/b.mp4"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    touch(tmp_path, "run/a.mp4")
    (tmp_path / "run" / "again").symlink_to(tmp_path)
    (tmp_path / "run" / "self.mp4").symlink_to("self.mp4")
    assert [row[0] for row in rows(tmp_path, tmp_path)] == ["run/a.mp4", "run/self.mp4"]


def test_odd_names_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"two\nlines [b] \xff.mp4")
    touch(tmp_path, f"run/{name}")
    assert rows(tmp_path, tmp_path) == [(f"run/{name}", tmp_path.name, "run")]


def test_videos_of_any_suffix_and_of_none_are_found(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    touch(tmp_path, "run/a.vob", "run/b.GIF", "run/c.webp", "run/d.m2ts", "run/clip/1.webp")
    video_file().rename(tmp_path / "run/movie")
    found = [path for path, *_ in rows(tmp_path, tmp_path / "run")]
    assert found == ["run/a.vob", "run/b.GIF", "run/clip", "run/d.m2ts", "run/movie"]


def test_files_left_out_of_folders_are_counted(tmp_path: Path) -> None:
    touch(
        tmp_path, "train/run/a.mp4", "train/run/notes.txt", "train/clip/1.jpg", "train/clip/1.png"
    )
    touch(tmp_path, "list.csv", "other/b.mp4", "c.mp4", "val/run/d.mp4")
    touch(tmp_path, ".c.mp4", "train/run/._a.mp4", "train/clip/.1.jpg", "other/.mp4")
    listing = read_sources([tmp_path])
    assert len(listing.items) == 3
    assert listing.num_left_out == 9
    for words in (
        "left out 9 files: 4 hidden, ",
        "2 .mp4 (outside of the splits)",
        "1 .png (not of the format of most frames)",
        "1 .txt (text)",
        "1 .csv (text)",
    ):
        assert words in listing.left_out


def test_files_left_out_below_the_root_are_counted_without_the_lists(tmp_path: Path) -> None:
    touch(tmp_path, "videos/a.mp4", "videos/notes.txt", "videos/clip/1.jpg")
    (tmp_path / "videos/train.csv").write_text("a.mp4 0\n")
    listing = read_sources([tmp_path / "videos/train.csv"], root=tmp_path / "videos")
    assert listing.left_out == "left out 1 file: 1 .txt (text)"
    assert listing.unlisted == [tmp_path / "videos/clip"]


def test_hidden_list_is_not_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", ".b.mp4")
    (tmp_path / ".train.csv").write_text("a.mp4 0\n")
    listing = read_sources([tmp_path / ".train.csv"], root=tmp_path)
    assert listing.left_out == "left out 1 file: 1 hidden"


def test_every_kind_of_file_left_out_is_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", *(f"{number}.x{number}" for number in range(20)), "b.x0")
    listing = read_sources([tmp_path])
    assert listing.left_out.endswith(", ...")
    assert listing.left_out_kinds == {
        ".x0 (unknown)": 2,
        **{f".x{number} (unknown)": 1 for number in range(1, 20)},
    }


def test_folder_without_videos_tells_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(ValueError, match=r"no videos, expected some \(left out 1 file: 1 \.txt"):
        read_sources([tmp_path])


def test_video_files_are_scanned_as_they_are(tmp_path: Path) -> None:
    touch(tmp_path, "a.ogg", "b.mp4")
    assert rows(tmp_path, tmp_path / "a.ogg", tmp_path / "b.mp4") == [
        ("a.ogg", "videos", ""),
        ("b.mp4", "videos", ""),
    ]


def test_list_without_a_suffix_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("a.gif riding a bike\nb.vob run\n")
    assert rows(tmp_path, tmp_path / "train") == [
        ("a.gif", "train", "riding a bike"),
        ("b.vob", "train", "run"),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a.mp4 0\nb.mp4 1\n", [("a.mp4", "0"), ("b.mp4", "1")]),
        ("path,label\na b.mp4,run\n", [("a b.mp4", "run")]),
        ("a.mp4\nb c.mp4\n", [("a.mp4", ""), ("b c.mp4", "")]),
        ("clip\na.mp4\nb c.mp4\n", [("a.mp4", ""), ("b c.mp4", "")]),
        ("vid,activity\na.mp4,run\n", [("a.mp4", "run")]),
        ("a 30 0\nb 20 1\n", [("a", "0"), ("b", "1")]),
        ("path,label,split,status,frames\na.mp4,run,train,ok,3\n", [("a.mp4", "run")]),
    ],
)
def test_list_of_any_form(tmp_path: Path, content: str, expected: list[tuple[str, str]]) -> None:
    (tmp_path / "train.csv").write_text(content)
    found = rows(tmp_path, tmp_path / "train.csv")
    assert found == [(path, "train", label) for path, label in expected]


def test_official_kinetics_file(tmp_path: Path) -> None:
    touch(tmp_path, "run/abcdefghijk_000001_000011.mp4")
    header = "label,youtube_id,time_start,time_end,split"
    (tmp_path / "val.csv").write_text(f"{header}\nrun,abcdefghijk,1,11,val\n")
    found = rows(tmp_path, tmp_path / "val.csv")
    assert found == [("run/abcdefghijk_000001_000011.mp4", "val", "run")]


def test_root_is_where_paths_start_and_tells_what_is_in_no_list(tmp_path: Path) -> None:
    touch(tmp_path, "videos/a.mp4", "videos/b.mp4")
    (tmp_path / "train.csv").write_text("a.mp4 0\n")
    listing = read_sources([tmp_path / "train.csv"], root=tmp_path / "videos")
    assert listing.items == [Item(tmp_path / "videos/a.mp4", "train", "0")]
    assert listing.unlisted == [tmp_path / "videos/b.mp4"]
    assert listing.root == tmp_path / "videos"


def test_lists_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in "ab":
        touch(tmp_path, f"{folder}/x.mp4")
        (tmp_path / folder / "list.csv").write_text("x.mp4 0\n")
    sources = [tmp_path / "a/list.csv", tmp_path / "b/list.csv"]
    assert [split for _, split, _ in rows(tmp_path, *sources)] == list(map(str, sources))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("abc_def-hij_000012_000022.mp4", "abc_def-hij"),
        ("v_Archery_g03_c11.avi", "v_Archery_g03"),
        ("abc_12_22.mp4", ""),
        ("a.mp4", ""),
    ],
)
def test_name_tells_the_source(name: str, source: str) -> None:
    assert Item(Path(name), "train", "").source == source


def test_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such list or folder"):
        read_sources([tmp_path / "a.csv"])


def test_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"root is .*, which is no folder"):
        read_sources([tmp_path], root=tmp_path / "a")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no videos, expected some"):
        read_sources([tmp_path])


@pytest.mark.parametrize("content", ["", "\n"])
def test_empty_list_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match="no videos in the list"):
        read_sources([tmp_path / "a.csv"])


def test_list_of_no_known_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a.mp4 0\nb.mp4\n")
    with pytest.raises(ValueError, match=r"line 2, 'b\.mp4'"):
        read_sources([tmp_path / "a.csv"])
