"""A file of answers grows by whole answers, and a run that was cut off goes on with it."""

import csv
import json
import resource
from pathlib import Path
from typing import Any

import pytest

from video_uniformer.inference.answer_file import COLUMNS, AnswerFile

SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
NAMES = ["a.mp4", 'b, "quoted".mp4', "line\nbreak.mp4", "caf\udce9.mp4"]


def answer(path: str, name: str = "sit, down") -> dict[str, Any]:
    rows = [{"class": name, "probability": 0.75}, {"class": "stand", "probability": 0.25}]
    return {"path": path, "top": rows}


def failure(path: str) -> dict[str, Any]:
    return {"path": path, "error": f"{path}: no video"}


def write(
    path: Path, *answers: dict[str, Any], existing: str = "refuse", settings: str = "s"
) -> None:
    with AnswerFile(path, settings=settings, num_ranks=2, existing=existing) as file:
        for item in answers:
            file.add(item)


def done(path: Path) -> dict[str, int]:
    with AnswerFile(path, settings="s", num_ranks=2, existing="resume") as file:
        return dict(file.done)


def test_a_line_of_json_is_an_answer_and_says_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(path, answer("a.mp4"), failure("b.mp4"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{**answer("a.mp4"), "settings": "s"}, {**failure("b.mp4"), "settings": "s"}]


def test_a_row_of_csv_is_a_class_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write(path, answer("a.mp4"), {**failure("b.mp4"), "salvaged": ""})
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        list(COLUMNS),
        ["a.mp4", "1", "sit, down", "0.75", "", "", "", "s"],
        ["a.mp4", "2", "stand", "0.25", "", "", "", "s"],
        ["b.mp4", "", "", "", "b.mp4: no video", "", "", "s"],
    ]


@SUFFIXES
def test_every_prefix_of_a_file_is_gone_on_with(suffix: str, tmp_path: Path) -> None:
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    answers = [answer(name) for name in NAMES[:3]] + [failure(NAMES[3])]
    write(whole, *answers)
    content = whole.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        there = done(path)
        assert list(there) == NAMES[: len(there)]
        write(path, *answers[len(there) :], existing="resume")
        assert path.read_bytes() == content


@SUFFIXES
def test_answers_of_other_settings_are_refused_and_kept(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    write(path, answer("a.mp4"))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"settings 's', expected 'other': another checkpoint"):
        AnswerFile(path, settings="other", num_ranks=5, existing="resume")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"notes\nof mine\n"),
        ("a.jsonl", b"[1]\n"),
        ("a.csv", b"path,label\na.mp4,1\n"),
        ("a.csv", f"{','.join(COLUMNS)}\nmine\nto keep\n".encode()),
    ],
)
def test_another_file_is_refused_and_kept(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}.*, expected "):
        done(path)
    assert path.read_bytes() == content


@SUFFIXES
def test_existing_file_is_refused_unless_it_is_to_be_replaced(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    write(path, answer("a.mp4"))
    with pytest.raises(ValueError, match=f"output is {path}, which exists, expected a new file"):
        write(path, answer("b.mp4"))
    write(path, answer("b.mp4"), existing="replace")
    assert done(path) == {"b.mp4": 1}


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"out\.txt, expected a file that ends in \.csv or"):
        write(tmp_path / "out.txt")


def test_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"out\.csv cannot be written \((File exists|Not a dir)"):
        write(tmp_path / "file" / "out.csv")


@SUFFIXES
def test_full_disk_leaves_whole_answers(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    write(path, answer("a.mp4"))
    size = path.stat().st_size
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, kept[1]))
    try:
        with pytest.raises(ValueError, match=r"cannot be written \(File too large\)"):
            write(path, answer("b.mp4"), existing="resume")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert path.stat().st_size == size
