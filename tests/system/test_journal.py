import os
import pickle
from pathlib import Path

import pytest

from video_uniformer.system.journal import Journal, file_key


def test_values_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "made" / "journal.jsonl"
    name = os.fsdecode(b"\xff\n[a]")
    journal = Journal(path)
    journal.add("a", {"name": name})
    journal.add("a", {"name": name, "again": 1})
    journal = Journal(path)
    assert journal.find("a") == {"name": name, "again": 1}
    assert journal.find("b") is None


@pytest.mark.parametrize("torn", range(1, 9))
def test_torn_line_is_lost_and_no_other(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.add("a", 1)
    journal.add("b", 2)
    path.write_bytes(path.read_bytes()[:-torn])
    journal = Journal(path)
    assert journal.find("a") == 1
    journal.add("c", 3)
    journal = Journal(path)
    assert (journal.find("a"), journal.find("c")) == (1, 3)


def test_strange_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'7\n\xff\n{"a": 1}\n["b"]\n["a", 1]\n')
    journal = Journal(path)
    assert journal.find("a") == 1


def test_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = (
        r"journal is .*/journal.jsonl, which cannot be written \(.*file is no folder\), expected"
    )
    with pytest.raises(ValueError, match=message):
        Journal(tmp_path / "file" / "journal.jsonl")


def test_key_changes_with_file_and_settings(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    keys = {file_key(path, "every"), file_key(path, "ends")}
    path.write_bytes(b"12")
    keys.add(file_key(path, "every"))
    os.utime(path, ns=(1, 1))
    keys.add(file_key(path, "every"))
    assert len(keys) == 4


def test_file_that_is_not_there_has_no_key(tmp_path: Path) -> None:
    assert file_key(tmp_path / "a") is None


def test_key_of_a_folder_changes_with_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "nowhere.jpg").symlink_to("nothing")
    picture = folder / "1.jpg"
    picture.write_bytes(b"1")
    os.utime(picture, ns=(1, 1))
    kept = folder.stat()
    keys = {file_key(folder), file_key(folder)}
    for content, time in ((b"2", 2), (b"22", 2)):
        picture.write_bytes(content)
        os.utime(picture, ns=(time, time))
        keys.add(file_key(folder))
    assert folder.stat().st_mtime_ns == kept.st_mtime_ns
    picture.rename(folder / "2.jpg")
    os.utime(folder, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    keys.add(file_key(folder))
    assert len(keys) == 4


def test_what_another_process_adds_is_found(tmp_path: Path) -> None:
    ours, theirs = Journal(tmp_path / "journal.jsonl"), Journal(tmp_path / "journal.jsonl")
    theirs.add("a", 1)
    assert ours.find("a") == 1
    theirs.add("a", 2)
    ours.add("b", 3)
    assert (ours.find("a"), theirs.find("b"), len(ours)) == (2, 3, 2)


def test_line_that_is_taken_out_is_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.add("a", 1)
    journal.add("b", 2)
    journal.path.write_text(journal.path.read_text().splitlines(keepends=True)[1])
    assert (journal.find("a"), journal.find("b")) == (None, 2)


@pytest.mark.parametrize(
    ("content", "expected"), [("", False), ('["a", 1]\n', False), ("x\n", True)]
)
def test_file_of_something_else_is_known(tmp_path: Path, content: str, expected: bool) -> None:
    (tmp_path / "list").write_text(content)
    assert Journal(tmp_path / "list").is_foreign is expected


def test_journal_reaches_worker_processes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.add("a", 1)
    copy = pickle.loads(pickle.dumps(journal))
    journal.add("b", 2)
    assert (copy.find("a"), copy.find("b")) == (1, 2)
