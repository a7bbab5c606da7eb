"""The list of videos that are set aside, which any number of processes write."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from video_uniformer.data.quarantine import Quarantine


def test_listed_video_is_found_with_its_reason(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "new" / "list.jsonl")
    assert quarantine.reason_for("a.mp4") is None
    quarantine.add("a.mp4", "it hangs")
    assert quarantine.reason_for("a.mp4") == "it hangs"
    assert len(quarantine) == 1


def test_list_holds_plain_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    Quarantine(path).add(tmp_path / "ä b.mp4", 'the "moov"\nis missing')
    [line] = path.read_text().splitlines()
    entry = json.loads(line)
    assert list(entry) == ["path", "reason", "when", "is_lost"]
    assert entry["path"] == str(tmp_path / "ä b.mp4")
    assert entry["reason"] == 'the "moov"\nis missing'
    assert entry["when"].endswith("+00:00")


def test_list_is_read_by_later_runs(tmp_path: Path) -> None:
    Quarantine(tmp_path / "list.jsonl").add("a.mp4", "it hangs")
    assert Quarantine(tmp_path / "list.jsonl").reason_for("a.mp4") == "it hangs"


def test_what_another_process_adds_is_seen(tmp_path: Path) -> None:
    ours, theirs = Quarantine(tmp_path / "list.jsonl"), Quarantine(tmp_path / "list.jsonl")
    theirs.add("a.mp4", "one")
    assert ours.reason_for("a.mp4") == "one"
    theirs.add("b.mp4", "two")
    assert ours.reason_for("b.mp4") == "two"


def test_relative_and_absolute_path_are_one_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quarantine = Quarantine("list.jsonl")
    quarantine.add("videos/a.mp4", "it hangs")
    assert quarantine.reason_for(tmp_path / "videos" / "a.mp4") == "it hangs"


def test_video_is_listed_once_with_the_first_reason(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "list.jsonl")
    quarantine.add("a.mp4", "first")
    quarantine.add("a.mp4", "second")
    assert quarantine.reason_for("a.mp4") == "first"
    assert len((tmp_path / "list.jsonl").read_text().splitlines()) == 1


def test_removed_line_lets_its_video_be_tried_again(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "list.jsonl")
    quarantine.add("a.mp4", "one")
    quarantine.add("b.mp4", "two")
    lines = (tmp_path / "list.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "list.jsonl").write_text(lines[1])
    assert quarantine.reason_for("a.mp4") is None
    assert quarantine.reason_for("b.mp4") == "two"
    (tmp_path / "list.jsonl").unlink()
    assert quarantine.reason_for("b.mp4") is None


def test_line_that_is_not_whole_yet_waits(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    Quarantine(path).add("a.mp4", "one")
    line = path.read_text().replace("a.mp4", "b.mp4")
    with path.open("a") as file:
        file.write(line[:20])
    quarantine = Quarantine(path)
    assert quarantine.reason_for("b.mp4") is None
    with path.open("a") as file:
        file.write(line[20:])
    assert quarantine.reason_for("b.mp4") == "one"


def test_torn_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    quarantine = Quarantine(path)
    quarantine.add("a.mp4", "one")
    with path.open("a") as file:
        file.write('{"path": "/b.m\n[]\n')
    quarantine.add("c.mp4", "three")
    assert [Quarantine(path).reason_for(name) for name in ("a.mp4", "c.mp4")] == ["one", "three"]


def test_lines_of_many_writers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"

    def add(writer: int) -> None:
        quarantine = Quarantine(path)
        for number in range(20):
            quarantine.add(f"{writer}-{number}.mp4", "long reason " * 50)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert len(Quarantine(path)) == 80
    assert all(json.loads(line)["reason"] for line in path.read_text().splitlines() if line)


def test_file_that_lists_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("a.mp4 0\nb.mp4 1\n")
    with pytest.raises(ValueError, match=f"quarantine is {path}, which lists no videos"):
        Quarantine(path)


def test_list_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"quarantine is {tmp_path}, .* \(it is no file\)"):
        Quarantine(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_list_in_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match=r"which cannot be written \(permission denied\)"):
        Quarantine(tmp_path / "list.jsonl")


def test_list_that_can_no_longer_be_written_is_named(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "new" / "list.jsonl")
    (tmp_path / "new").write_text("in the way")
    with pytest.raises(
        ValueError, match=r"quarantine is .*, which cannot be written \(File exists"
    ):
        quarantine.add("a.mp4", "it hangs")


@pytest.mark.parametrize("torn", ['{"path": "/x.mp4", "rea', '{"path": "/x.mp4", "reason": "r"}'])
def test_list_whose_last_line_lacks_its_end_takes_more(torn: str, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(torn)
    Quarantine(path).add("/b.mp4", "bad")
    again = Quarantine(path)
    assert again.reason_for("/b.mp4") == "bad"
    assert again.reason_for("/x.mp4") == ("r" if torn.endswith("}") else None)
