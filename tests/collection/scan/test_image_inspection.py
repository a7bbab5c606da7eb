"""A scan of pictures: each file is accounted for, and what differs is told."""

import csv
import json
import re
from pathlib import Path

import pytest
from drawn_pictures import draw_damaged, draw_intact, noise
from PIL import Image

from video_uniformer.collection.scan import (
    PICTURES,
    Journal,
    Scan,
    find_all,
    inspect_file,
    inspect_image,
    read_sources,
    scan_files,
    write_outputs,
)
from video_uniformer.data.annotations import read_manifest
from video_uniformer.data.image.picture import Picture, PictureError


def scan_images(*sources: Path, root: Path | None = None) -> Scan:
    listing = read_sources(sources, root=root, media=PICTURES)
    return Scan(listing, {item.path: inspect_image(item.path) for item in listing.items})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of pictures of all kinds, with files that are none among them."""
    root = tmp_path_factory.mktemp("drawn")
    draw_intact(root / "train/odd")
    draw_damaged(root / "train/bad")
    (root / "train/bad/notes.txt").write_text("none")
    frames = [Image.fromarray(noise(seed)) for seed in range(2)]
    frames[0].save(root / "train/bad/moves.gif", save_all=True, append_images=frames[1:])
    (root / "val/odd").mkdir(parents=True)
    (root / "val/odd/copy.jpg").write_bytes((root / "train/odd/plain.jpg").read_bytes())
    return root


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("cut.jpg", "damaged", "cut short"),
        ("cut.png", "damaged", "cut short"),
        ("altered.png", "damaged", "damaged"),
        ("empty.jpg", "not a picture", "empty, expected a picture"),
        ("page.jpg", "not a picture", "not a picture of a known kind"),
        ("giant.png", "unreadable", "too large, expected at most"),
        ("float.tiff", "unreadable", "its values are floating-point numbers"),
        ("nowhere.jpg", "missing", "No such file"),
        ("", "not a picture", "not a file"),
    ],
)
def test_bad_file_is_told_with_its_reason(drawn: Path, name: str, status: str, reason: str) -> None:
    report = inspect_image(drawn / "train/bad" / name)
    assert (report.status, report.num_frames) == (status, 0)
    assert re.search(reason, report.reason)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("plain.jpg", ("JPEG", "RGB", 64, 48, 0)),
        ("cmyk.jpg", ("JPEG", "CMYK", 64, 48, 0)),
        ("palette.png", ("PNG", "P", 64, 48, 0)),
        ("grey16.png", ("PNG", "I;16", 64, 48, 0)),
        ("rgb16.png", ("PNG", "RGB;16", 10, 8, 0)),
        ("turned.jpg", ("JPEG", "RGB", 48, 64, -90)),
        ("lies.jpg", ("PNG", "RGB", 64, 48, 0)),
    ],
)
def test_intact_picture_is_told_with_its_facts(
    drawn: Path, name: str, facts: tuple[str, str, int, int, int]
) -> None:
    report = inspect_image(drawn / "train/odd" / name)
    assert (report.status, report.reason, report.num_frames) == ("ok", "", 1)
    told = (report.container, report.pixel_format, report.width, report.height, report.rotation)
    assert told == facts
    assert report.thumbnail


def test_verdict_is_that_of_training(drawn: Path) -> None:
    for path in sorted(drawn.rglob("*.*")):
        if path.suffix in (".txt", ".gif") or path.name == "altered.png":
            continue
        try:
            Picture(path).rgb()
        except PictureError:
            assert inspect_image(path).status != "ok", path
        else:
            assert inspect_image(path).status == "ok", path


def test_altered_jpeg_that_is_read_all_the_same_is_told(tmp_path: Path) -> None:
    Image.fromarray(noise(3)).save(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    content[len(content) // 2 :] = b"\xff\x00" * 40 + content[len(content) // 2 + 80 :]
    (tmp_path / "a.jpg").write_bytes(content)
    done = scan_images(tmp_path)
    (report,) = done.reports.values()
    assert (report.status, report.reason[:16]) == ("ok", "probably altered")
    assert [finding.kind for finding in find_all(done)] == ["suspect"]


def test_header_alone_leaves_damage_behind_it_untold(drawn: Path) -> None:
    assert inspect_image(drawn / "train/bad/cut.jpg", "none").status == "ok"


def test_findings_tell_what_is_wrong_and_what_differs(drawn: Path) -> None:
    found = {finding.kind: finding for finding in find_all(scan_images(drawn))}
    names = {
        kind: sorted(item.path.name for group in finding.groups for item in group)
        for kind, finding in found.items()
    }
    assert names == {
        "damaged_picture": ["altered.png", "cut.jpg", "cut.png"],
        "giant_picture": ["giant.png"],
        "values_without_range": ["float.tiff"],
        "not_a_picture": ["empty.jpg", "page.jpg"],
        "copies_across_splits": ["copy.jpg", "plain.jpg"],
        "class_without_pictures": [],
        "left_out": [],
        "cmyk": ["cmyk.jpg"],
        "bits_16": ["grey16.png", "rgb16.png"],
        "palette": ["palette.png"],
        "transparent": ["alpha.png"],
        "turned": ["turned.jpg"],
        "animated": ["pages.tiff"],
        "large": ["large.jpg"],
        "other_format": ["lies.jpg"],
    }
    assert all(
        "video" not in finding.title for kind, finding in found.items() if kind != "left_out"
    )
    assert "1 .gif (moves: a video or an animation)" in found["left_out"].title


def test_every_file_is_accounted_for(drawn: Path) -> None:
    done = scan_images(drawn)
    num_files = sum(path.is_file() for path in drawn.rglob("*"))
    assert len(done.items) + done.listing.num_left_out == num_files


def test_manifest_of_pictures_is_a_list_for_training(drawn: Path, tmp_path: Path) -> None:
    done = scan_images(drawn)
    write_outputs(tmp_path, done, find_all(done))
    samples, names = read_manifest(tmp_path / "manifest.csv", "train", True, root=drawn)
    assert {sample.path.parent.name for sample in samples} == {"odd"}
    assert names == ["bad", "odd"]
    with (tmp_path / "manifest.csv").open() as file:
        assert {row["codec"] for row in csv.DictReader(file)} <= {"picture", ""}
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["pictures"], summary["statuses"]["not a picture"]) == (18, 2)
    page = (tmp_path / "report.html").read_text()
    assert "<h1>Scan of pictures</h1>" in page
    assert "CMYK" in page


def test_lists_and_single_pictures_are_scanned(tmp_path: Path) -> None:
    draw_intact(tmp_path)
    (tmp_path / "list.csv").write_text("plain.jpg dog\ncmyk.jpg cat\n")
    (tmp_path / "bare.txt").write_text("plain.jpg\nlarge.jpg\n")
    done = scan_images(tmp_path / "list.csv", tmp_path / "turned.jpg", root=tmp_path)
    assert [(item.path.name, item.split, item.label) for item in done.items] == [
        ("plain.jpg", "list", "dog"),
        ("cmyk.jpg", "list", "cat"),
        ("turned.jpg", "pictures", ""),
    ]
    assert len(done.listing.unlisted) == 7
    bare = scan_images(tmp_path / "bare.txt")
    assert [item.path.name for item in bare.items] == ["plain.jpg", "large.jpg"]


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(ValueError, match=r"no pictures, expected some \(left out 1 file: 1 \.mp4"):
        scan_images(tmp_path)


def test_journal_keeps_pictures_apart_from_videos(tmp_path: Path) -> None:
    draw_intact(tmp_path)
    journal, path = Journal(tmp_path / "journal.jsonl"), tmp_path / "plain.jpg"
    kept = {"journal": journal, "num_workers": 1}
    scan_files([path], inspect=inspect_file, **kept)  # type: ignore[arg-type]
    reports = scan_files([path], inspect=inspect_image, settings=("images",), **kept)  # type: ignore[arg-type]
    assert reports[path].codec == "picture"
    assert len(journal) == 2
