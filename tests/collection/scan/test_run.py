"""The whole scan: every file once, whatever happens to some."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile import HostileFile, make_corpus
from PIL import Image

from video_uniformer.collection.scan import FileReport, Journal, inspect_file, scan_files

LIBC = ctypes.PyDLL(None)  # its calls keep the interpreter to themselves, as a decoder's may
KILLED = "the decoder was killed from outside (signal 9), as happens when memory runs out"
OUTPUTS = ("manifest.csv", "report.html", "summary.json", "bad.txt")


def inspect(path: Path, decode: str) -> FileReport:
    """Stand in for a decoder, as none hangs for certain; count the calls."""
    with (path.parent / "calls").open("a") as calls:
        calls.write(f"{path.name}\n")
    if path.name.startswith("hangs"):
        LIBC.sleep(1000)
    if path.name.startswith("aborts"):
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.abort()
    if path.name.startswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if path.name.startswith("errs"):
        raise RuntimeError("out of luck")
    return inspect_file(path, decode)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "scan" / "journal.jsonl")


def calls(folder: Path) -> list[str]:
    return sorted((folder / "calls").read_text().split())


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("hangs.mp4", "hung", "no answer within 0.5 s"),
        ("aborts.mp4", "crashed", "the decoder crashed (signal 6)"),
        (
            "killed.mp4",
            "crashed",
            "the decoder was killed from outside (signal 9), as happens when memory runs out",
        ),
        ("errs.mp4", "unreadable", "RuntimeError: out of luck"),
    ],
)
def test_trouble_costs_one_file(
    tmp_path: Path,
    video_file: Callable[..., Path],
    journal: Journal,
    name: str,
    status: str,
    reason: str,
) -> None:
    good = video_file(num_frames=3, name="a.mp4")
    bad = shutil.copy(good, tmp_path / name)
    began = time.monotonic()
    deadline = 0.5 if status == "hung" else 60
    reports = scan_files(
        [bad, good], journal=journal, deadline_seconds=deadline, num_workers=2, inspect=inspect
    )
    assert time.monotonic() - began < 30
    assert (reports[bad].status, reports[bad].reason) == (status, reason)
    assert reports[good].status in ("ok", "hung")  # a busy machine may be as slow


def test_what_is_known_is_not_looked_at_again(
    tmp_path: Path, video_file: Callable[..., Path], journal: Journal
) -> None:
    paths = [video_file(num_frames=3, name=name) for name in ("a.mp4", "b.mp4")]
    done: list[Path] = []
    first = scan_files([*paths, *paths], journal=journal, inspect=inspect, on_done=done.append)
    again = scan_files(paths, journal=journal, inspect=inspect, on_done=done.append)
    assert first == again
    assert calls(tmp_path) == ["a.mp4", "b.mp4"]
    assert sorted(done) == sorted(paths * 2)


def test_file_that_changed_is_looked_at_again(
    tmp_path: Path, video_file: Callable[..., Path], journal: Journal
) -> None:
    path = video_file(num_frames=3)
    scan_files([path], journal=journal, inspect=inspect)
    video_file(num_frames=4)
    assert scan_files([path], journal=journal, inspect=inspect)[path].num_frames == 4


def test_file_that_is_missing_is_asked_for_again(
    tmp_path: Path, video_file: Callable[..., Path], journal: Journal
) -> None:
    path = tmp_path / "a.mp4"
    assert scan_files([path], journal=journal)[path].status == "missing"
    video_file(num_frames=3)
    assert scan_files([path], journal=journal)[path].status == "ok"


def test_file_that_hung_gets_a_larger_deadline_and_no_equal_one(
    tmp_path: Path, journal: Journal
) -> None:
    path = tmp_path / "hangs.mp4"
    path.touch()
    for deadline in (2, 2, 2.5):  # a busy machine takes part of them to begin
        scan_files([path], journal=journal, deadline_seconds=deadline, inspect=inspect)
    assert calls(tmp_path) == ["hangs.mp4"] * 2


@pytest.mark.parametrize(("name", "times"), [("killed", 2), ("errs", 2), ("aborts", 1)])
def test_failure_that_may_pass_is_not_remembered(
    tmp_path: Path, journal: Journal, name: str, times: int
) -> None:
    path = tmp_path / f"{name}.mp4"
    path.touch()
    for _ in range(2):
        scan_files([path], journal=journal, inspect=inspect)
    assert calls(tmp_path) == [path.name] * times


def test_picture_that_was_written_over_is_looked_at_again(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2):
        Image.new("L", (8, 8)).save(folder / f"{number}.jpg")
    assert scan_files([folder], journal=journal)[folder].status == "ok"
    (folder / "1.jpg").write_bytes(b"no picture")
    assert scan_files([folder], journal=journal)[folder].status == "damaged"


def test_entry_of_another_version_is_looked_at_again(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    path, place = video_file(num_frames=3), tmp_path / "journal.jsonl"
    scan_files([path], journal=Journal(place))
    place.write_text(place.read_text().replace('"codec"', '"kodek"'))
    assert scan_files([path], journal=Journal(place))[path].codec == "h264"


@pytest.mark.parametrize("deadline", [0, float("inf")])
def test_deadline_that_is_none_is_refused(journal: Journal, deadline: float) -> None:
    message = f"deadline_seconds is {deadline}, expected seconds above 0"
    with pytest.raises(ValueError, match=message):
        scan_files([], journal=journal, deadline_seconds=deadline)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[HostileFile]:
    return make_corpus(tmp_path_factory.mktemp("hostile"))


@pytest.mark.slow
def test_all_bad_files_are_found_and_hardly_a_good_one_is_called_bad(
    corpus: list[HostileFile], journal: Journal
) -> None:
    paths = [file.path for file in corpus]
    reports = scan_files(paths, journal=journal, deadline_seconds=30, num_workers=2)
    called_bad = [file for file in corpus if reports[file.path].status != "ok"]
    missed = [f for f in corpus if f.is_bad and f not in called_bad]
    false_alarms = [f for f in called_bad if not f.is_bad]
    assert len(corpus) >= 200
    assert not missed
    assert len(false_alarms) <= len(called_bad) / 100, false_alarms


@pytest.mark.slow
def test_frames_of_good_files_are_counted_right(
    corpus: list[HostileFile], journal: Journal
) -> None:
    good = {file.path: file.playable for file in corpus if not file.is_bad}
    reports = scan_files(list(good), journal=journal, deadline_seconds=30, num_workers=2)
    assert {path: reports[path].num_frames for path in good} == good


# The command, killed when it has noted so many files.
DYING_SCAN = """
import os, signal, sys
from video_uniformer.cli.scan import main
from video_uniformer.collection.scan import Journal

add, num_left = Journal.add, int(sys.argv.pop(1))

def add_or_die(journal, key, entry):
    global num_left
    add(journal, key, entry)
    num_left -= 1
    if num_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Journal.add = add_or_die
main()
"""


@pytest.mark.slow
def test_scan_that_was_killed_goes_on_to_the_same_files(
    corpus: list[HostileFile], tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for number, file in enumerate(corpus[:: len(corpus) // 40]):
        if file.path.is_file():
            shutil.copy(file.path, folder / f"{number:03d}{file.path.suffix}")
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    options = (str(folder), "--workers", "2", "--output")
    command = (sys.executable, "-m", "video_uniformer", "scan", *options)
    subprocess.run((*command, str(whole)), check=False, capture_output=True)
    for num_files in np.random.default_rng(0).integers(1, 9, 3):
        dying = (sys.executable, "-c", DYING_SCAN, str(num_files), *options, str(pieces))
        assert subprocess.run(dying, check=False).returncode == -signal.SIGKILL
        assert not (pieces / "summary.json").exists()
    subprocess.run((*command, str(pieces)), check=False, capture_output=True)
    for name in OUTPUTS:
        assert (pieces / name).read_bytes() == (whole / name).read_bytes()
