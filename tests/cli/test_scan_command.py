import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_pictures import draw_damaged, draw_intact

from video_uniformer.cli.scan import main
from video_uniformer.data.annotations import read_manifest

Run = Callable[..., Any]


def test_clean_collection_exits_with_0_and_leaves_a_list_for_training(
    run: Run, tmp_path: Path, videos: Path, video_file: Callable[..., Path]
) -> None:
    for number in range(3):  # those that the fixture writes are copies of training's
        video_file(num_frames=11, grey=50 + 50 * number, name=f"videos/val{number}.mp4")
    lists = [str(videos / name) for name in ("train.csv", "val.csv")]
    ran = run(main, *lists, "--root", str(videos), "--workers", "2")
    assert ran.status == 0, ran.out + ran.err
    assert "7 of 7 listed videos are intact" in ran.out
    assert ran.err == ""
    assert "nothing has to be mended; training can read manifest.csv" in ran.out
    samples, names = read_manifest(tmp_path / "scan" / "manifest.csv", "val", root=videos)
    assert [(sample.path.name, sample.label) for sample in samples] == [
        ("val0.mp4", 0),
        ("val1.mp4", 1),
        ("val2.mp4", 0),
    ]
    assert names == ["0", "1"]


def test_problems_exit_with_1_and_say_what_to_do(run: Run, videos: Path) -> None:
    (videos / "train0.mp4").write_bytes(b"<html>404")
    (videos / "train1.mp4").write_bytes((videos / "val1.mp4").read_bytes())
    (videos / "train2.mp4").unlink()
    (videos / "extra.mp4").write_bytes(b"")
    lists = [str(videos / name) for name in ("train.csv", "val.csv")]
    ran = run(main, *lists, "--root", str(videos), "--workers", "1", "--output", "out")
    assert ran.status == 1
    for words in (
        "5 of 7 listed videos are intact",
        "PROBLEM: 1 video missing: listed, and not there",
        "PROBLEM: 1 file without any video",
        "train0.mp4: not a readable video",
        "PROBLEM: 1 video in several splits, byte for byte",
        "to do: leave them out of training",
        "note: 1 video below the root in no list",
    ):
        assert words in ran.out
    assert (videos.parent / "out" / "bad.txt").read_text() == "train0.mp4\ntrain2.mp4\n"


def test_json_is_the_summary_alone(run: Run, tmp_path: Path, videos: Path) -> None:
    ran = run(main, str(videos / "val.csv"), "--json", "--decode", "ends", "--workers", "1")
    summary = json.loads(ran.out)
    assert summary == json.loads((tmp_path / "scan" / "summary.json").read_text())
    assert (summary["videos"], summary["statuses"]["ok"]) == (3, 3)


def test_names_are_shown_as_they_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "[bold]a\nb.mp4").write_bytes(b"none")
    ran = run(main, str(tmp_path / "set"), "--workers", "1")
    assert r"[bold]a\nb.mp4: not a readable video" in ran.out


def test_empty_files_are_no_copies_of_each_other(run: Run, tmp_path: Path) -> None:
    for name in ("train/a/1.mp4", "train/b/2.mp4", "val/a/3.mp4"):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        (tmp_path / "set" / name).touch()
    ran = run(main, str(tmp_path / "set"), "--workers", "1", "--json")
    kinds = {finding["kind"] for finding in json.loads(ran.out)["findings"]}
    assert kinds == {"not_a_video", "class_without_videos"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "error: nowhere.csv: no such list or folder"),
        (["{videos}/val.csv", "--root", "nowhere"], "error: root is nowhere"),
        (["{videos}/val.csv", "--deadline", "0"], "error: deadline_seconds is 0"),
        (["{videos}/val.csv", "--deadline", "inf"], "error: deadline_seconds is inf"),
        (["{videos}/val.csv", "--workers", "0"], "error: num_workers is 0"),
        (["{videos}/val.csv", "--output", "{videos}/val.csv"], "cannot be written"),
        (["{videos}/val.csv", "--decode", "some"], "invalid choice: 'some'"),
        ([], "the following arguments are required"),
    ],
)
def test_what_cannot_be_done_exits_with_2(
    run: Run, videos: Path, arguments: list[str], message: str
) -> None:
    ran = run(main, *(argument.format(videos=videos) for argument in arguments))
    assert ran.status == 2
    assert message in ran.err


def test_pictures_are_scanned_in_place_of_videos(run: Run, tmp_path: Path) -> None:
    draw_intact(tmp_path / "set/odd")
    draw_damaged(tmp_path / "set/bad")
    ran = run(main, str(tmp_path / "set"), "--images", "--workers", "1", "--output", "out")
    assert ran.status == 1, ran.err
    for words in (
        "10 of 17 listed pictures are intact",
        "PROBLEM: 3 pictures damaged or cut short",
        "PROBLEM: 2 files without any picture",
        "note: 1 picture in CMYK",
    ):
        assert words in ran.out
