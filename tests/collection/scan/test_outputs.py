"""The files that a scan leaves, for programs and for people."""

import csv
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from video_uniformer.collection.scan import FileReport, Item, Listing, Scan, find_all, write_outputs
from video_uniformer.collection.scan.page import MOST_ROWS
from video_uniformer.data.annotations import read_manifest
from video_uniformer.system.printable import show_name

ODD = tuple(
    os.fsdecode(name)
    for name in (
        b"plain.mp4",
        b"a b, [c] \"d\" 'e'.mp4",
        b"<script>alert(1)</script>&amp;.mp4",
        b"two\nlines\r.mp4",
        b"\xff\xfe.mp4",
        "走 é.mp4".encode(),
        b"=1+1.mp4",
        b" spaced .mp4",
    )
)


class Tags(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def write(folder: Path, *rows: tuple[str, FileReport]) -> Path:
    items = [Item(Path("/data") / name, "train", "<b>") for name, _ in rows]
    reports = {item.path: report for item, (_, report) in zip(items, rows, strict=True)}
    scan = Scan(Listing(items, [], Path("/data")), reports)
    write_outputs(folder, scan, find_all(scan))
    return folder


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """What a scan of files with odd names leaves; each is damaged in an odd way."""
    report = FileReport("damaged", "a\nb <i>\udcff", num_frames=3, thumbnail="AAAA")
    return write(tmp_path / "made" / "scan", *((name, report) for name in ODD))


def test_odd_names_survive_the_manifest(odd: Path) -> None:
    samples, names = read_manifest(odd / "manifest.csv", root="/data")
    assert [str(sample.path) for sample in samples] == [f"/data/{name}" for name in ODD]
    assert names == ["<b>"]


def test_manifest_is_utf8_with_one_line_a_video(odd: Path) -> None:
    lines = (odd / "manifest.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    assert len(lines) == 1 + len(ODD)
    assert {row["reason"] for row in rows} == {r"a\nb <i>\xff"}


def test_bad_files_are_listed_one_a_line(odd: Path) -> None:
    assert len((odd / "bad.txt").read_text(encoding="utf-8").splitlines()) == len(ODD)


def test_names_in_the_page_are_text_and_no_markup(odd: Path) -> None:
    page = Tags((odd / "report.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "i" not in {tag for tag, _ in page.tags}
    for name in ODD:
        assert show_name(name) in page.text


def test_page_needs_no_network(odd: Path) -> None:
    page = Tags((odd / "report.html").read_text(encoding="utf-8"))
    sources = [value or "" for _, attrs in page.tags for k, value in attrs.items() if k == "src"]
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not [tag for tag, attrs in page.tags if "href" in attrs]


def test_page_says_first_what_is_wrong_and_what_to_do(odd: Path) -> None:
    text = Tags((odd / "report.html").read_text(encoding="utf-8")).text
    wrong = text.index(f"{len(ODD)} videos damaged: frames are lost or altered.")
    assert text.index("0 of 8 listed videos are intact") < wrong < text.index("To do: fetch them")


def test_summary_counts(odd: Path) -> None:
    summary = json.loads((odd / "summary.json").read_text(encoding="utf-8"))
    assert (summary["videos"], summary["files"], summary["problems"]) == (8, 8, 1)
    assert summary["statuses"]["damaged"] == 8
    assert summary["classes"] == {"train": {"<b>": 8}}
    assert [finding["kind"] for finding in summary["findings"]] == ["damaged"]


def test_every_kind_of_file_left_out_is_told(tmp_path: Path) -> None:
    kinds = {"hidden": 3, ".<b> (unknown)": 2, **{f".x{n} (unknown)": 1 for n in range(20)}}
    scan = Scan(Listing([], [], None, left_out_kinds=kinds), {})
    write_outputs(tmp_path, scan, find_all(scan))
    assert json.loads((tmp_path / "summary.json").read_text())["left_out"] == kinds
    text = Tags((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert all(kind in text for kind in kinds)


def test_clean_scan_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path, ("a.mp4", FileReport("ok", content_hash="1")))
    assert "Nothing has to be mended" in (folder / "report.html").read_text()
    assert (folder / "bad.txt").read_text() == ""


def test_long_tables_are_cut_with_a_word(tmp_path: Path) -> None:
    rows = [(f"{n}.mp4", FileReport("missing")) for n in range(MOST_ROWS + 7)]
    assert "and 7 more" in (write(tmp_path, *rows) / "report.html").read_text()


def test_nothing_half_written_is_left(odd: Path) -> None:
    names = sorted(path.name for path in odd.iterdir())
    assert names == ["bad.txt", "manifest.csv", "report.html", "summary.json"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", r"a\nb"), ("\udcff", r"\xff"), ("é 走", "é 走"), ("\x1b[0m", r"\x1b[0m")],
)
def test_shown_names_are_printable(text: str, shown: str) -> None:
    assert show_name(text) == shown
