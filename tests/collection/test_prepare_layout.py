"""Where new files go: layout, names, and lists that name them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.collection.prepare import (
    plan_jobs,
    write_lists,
)
from video_uniformer.collection.scan import Item, Listing, read_sources
from video_uniformer.data.annotations import read_list


def jobs_of(*names: str, root: str | None = "/data", target: str = "/new") -> list[str]:
    items = [Item(Path(name), "train", "x") for name in names]
    folders = () if root is None else (Path(root),)
    listing = Listing(items, [], None if root is None else Path(root), folders)
    return [str(job.target) for job in plan_jobs(listing, Path(target))]


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        (["/data/x/a.avi"], ["/new/x/a.mp4"]),
        (["/data/a.avi", "/data/a.mkv"], ["/new/a.avi.mp4", "/new/a.mkv.mp4"]),
        (["/data/a.avi", "/data/a.avi"], ["/new/a.mp4"]),
        (["/other/a.mp4"], ["/new/other/a.mp4"]),
        (["/data/../other/a.mp4"], ["/new/other/a.mp4"]),
        (["/data"], ["/new/data.mp4"]),
        (["/data", "/data/data.avi"], ["/new/data.mp4", "/new/data.avi.mp4"]),
    ],
)
def test_layout_is_kept(names: list[str], targets: list[str]) -> None:
    assert jobs_of(*names) == targets


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        (["a.avi", "a.mp4", "a.avi.mp4"], ["a.avi.2.mp4", "a.mp4.mp4", "a.avi.mp4"]),
        (["x.avi", "x.mp4/b.avi"], ["x.avi.mp4", "x.mp4/b.mp4"]),  # a folder is in the way
        (["a.avi", "x/../a.avi"], ["a.avi.mp4", "a.avi.2.mp4"]),
        (["\udcff.avi", "%FF.avi"], ["%FF.avi.2.mp4", "%FF.avi.mp4"]),
    ],
)
def test_targets_differ_whatever_the_order(names: list[str], targets: list[str]) -> None:
    paths = [f"/data/{name}" for name in names]
    expected = [f"/new/{target}" for target in targets]
    assert jobs_of(*paths) == expected
    assert jobs_of(*reversed(paths)) == expected[::-1]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (os.fsdecode(b"a\xff.avi"), "a%FF.mp4"),
        (" x /\u3000a .avi ", "%20x /\u3000a .mp4"),
        ("\ufeff\u3000a.avi", "%EF%BB%BF%E3%80%80a.mp4"),
        ("a\nb\tc\x85.avi", "a%0Ab%09c%C2%85.mp4"),
        ('100% é, \u200d".avi', '100% é, \u200d".mp4'),
        ("a\0.avi", "a%00.mp4"),
    ],
)
def test_list_names_odd_files_so_that_they_are_found(
    tmp_path: Path, name: str, target: str
) -> None:
    labels = [os.fsdecode(b"\xff"), "run\nfast "]
    items = [
        Item(Path("/data", name), "train", labels[0]),
        Item(Path("/data/plain.mp4"), "train", labels[1]),
    ]
    jobs = plan_jobs(Listing(items, [], Path("/data")), tmp_path)
    (written,) = write_lists(items, jobs, {item.path for item in items}, tmp_path)
    samples, class_names = read_list(written, root=tmp_path)
    assert jobs[0].target == tmp_path / target
    assert [sample.path for sample in samples] == [job.target for job in jobs]
    assert class_names == ["%FF", "run%0Afast"]


@pytest.mark.parametrize("target", ["/data", "/data/new", "/data/x/../new"])
def test_target_among_the_sources_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match=r"target is /data.*, which is inside /data"):
        jobs_of("/data/a.mp4", target=target)


@pytest.mark.parametrize("is_root_linked", [False, True])
@pytest.mark.parametrize("below", ["", "new"])
def test_target_among_the_sources_by_another_name_is_refused(
    tmp_path: Path, is_root_linked: bool, below: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    root, target = ("link", "data") if is_root_linked else ("data", "link")
    with pytest.raises(ValueError, match=r"target is .*, which is inside .*, expected"):
        jobs_of(
            str(tmp_path / root / "a.mp4"),
            root=str(tmp_path / root),
            target=str(tmp_path / target / below),
        )


def test_target_that_is_a_link_inside_the_sources_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data" / "new").symlink_to(tmp_path / "elsewhere")
    root = tmp_path / "data"
    with pytest.raises(ValueError, match="which is inside"):
        jobs_of(str(root / "a.mp4"), root=str(root), target=str(root / "new"))


def test_target_that_holds_what_the_sources_link_to_is_refused(tmp_path: Path) -> None:
    for name in ("data", "store"):
        (tmp_path / name).mkdir()
    (tmp_path / "store" / "a.mp4").touch()
    (tmp_path / "data" / "a.mp4").symlink_to(tmp_path / "store" / "a.mp4")
    source = str(tmp_path / "data" / "a.mp4")
    with pytest.raises(ValueError, match=rf"target is .*store, which would write over .*{source}"):
        jobs_of(source, root=str(tmp_path / "data"), target=str(tmp_path / "store"))


def test_new_file_in_the_place_of_another_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "all").symlink_to("/")
    source = tmp_path / "a.mp4"
    with pytest.raises(ValueError, match=rf"which would write over or into {source}"):
        jobs_of(str(source), root=None, target=str(tmp_path / "all"))


def test_target_inside_a_folder_of_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="would write over or into /other/pictures, expected"):
        jobs_of("/other/pictures", target="/other/pictures/new")


def test_lists_name_what_was_encoded(tmp_path: Path) -> None:
    items = [
        Item(Path("/data/a, b.avi"), "train", "run, fast"),
        Item(Path("/data/c.mp4"), "train", "x"),
        Item(Path("/data/d.mp4"), "/lists/val.csv", ""),
    ]
    jobs = plan_jobs(Listing(items, [], Path("/data")), tmp_path)
    done = {items[0].path, items[2].path}
    written = write_lists(items, jobs, done, tmp_path)
    assert {path.name: path.read_text() for path in written} == {
        "train.csv": '"a, b.mp4","run, fast"\n',
        "lists_val.csv.csv": "d.mp4\n",
    }


def test_target_beside_the_folders_that_are_read_is_fine(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        video_file(num_frames=2).rename(tmp_path / name / "clip.mp4")
    listing = read_sources([tmp_path / "a", tmp_path / "b"])
    new = tmp_path / "new"
    targets = [job.target for job in plan_jobs(listing, new)]
    assert targets == [new / "a" / "clip.mp4", new / "b" / "clip.mp4"]
    with pytest.raises(ValueError, match=f"which is inside {tmp_path / 'b'}, which is read"):
        plan_jobs(listing, tmp_path / "b" / "new")
