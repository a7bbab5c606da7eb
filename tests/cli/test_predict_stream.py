"""`video-uniformer predict` with many videos: streams, files of answers, and going on with them."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from video_uniformer.cli.predict import main

Run = Callable[..., Any]
COMMAND = (sys.executable, "-m", "video_uniformer", "predict")


def predict(run: Run, checkpoint: Path, *arguments: str | Path) -> Any:
    return run(main, *map(str, arguments), "--checkpoint", str(checkpoint))


@pytest.fixture
def array(run: Run, videos: Path, checkpoint: Path) -> list[dict[str, Any]]:
    """The answers for three videos, the second of which is damaged."""
    (videos / "val1.mp4").write_bytes(b"")
    ran = predict(run, checkpoint, "videos/val*.mp4", "--json")
    assert ran.status == 1
    content = json.loads(ran.out)
    assert ran.out == f"{json.dumps(content, indent=2)}\n"
    assert isinstance(content, list)
    return content


def test_lines_hold_what_the_array_holds(
    run: Run, checkpoint: Path, array: list[dict[str, Any]]
) -> None:
    ran = predict(run, checkpoint, "videos/val*.mp4", "--jsonl")
    assert (ran.status, [json.loads(line) for line in ran.out.splitlines()]) == (1, array)
    assert ran.err.splitlines()[-1] == "evaluated 2 of 3 videos"


@pytest.mark.parametrize("name", ["out.jsonl", "new/out.csv"])
def test_file_holds_every_answer(
    name: str, run: Run, checkpoint: Path, array: list[dict[str, Any]]
) -> None:
    ran = predict(run, checkpoint, "videos/val*.mp4", "--output", name)
    assert (ran.status, ran.out) == (1, f"evaluated 2 of 3 videos, answers in {name}\n")
    text = Path(name).read_text()
    if name.endswith(".jsonl"):
        answers = [json.loads(line) for line in text.splitlines()]
        assert len({answer.pop("settings") for answer in answers}) == 1
        assert answers == array
        return
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["path"], row["rank"]) for row in rows] == [
        ("videos/val0.mp4", "1"),
        ("videos/val0.mp4", "2"),
        ("videos/val1.mp4", ""),
        ("videos/val2.mp4", "1"),
        ("videos/val2.mp4", "2"),
    ]
    assert rows[2]["error"] == array[1]["error"]
    assert float(rows[0]["probability"]) == array[0]["top"][0]["probability"]


def test_resuming_answers_only_what_is_missing(
    run: Run, videos: Path, checkpoint: Path, array: list[dict[str, Any]]
) -> None:
    arguments = ("--output", "out.jsonl", "--resume")
    predict(run, checkpoint, "videos/val0.mp4", "videos/val1.mp4", *arguments)
    before = Path("out.jsonl").read_text()
    (videos / "val0.mp4").rename(videos / "moved")
    ran = predict(run, checkpoint, *[answer["path"] for answer in array], *arguments)
    assert (ran.status, ran.err) == (1, "")
    assert ran.out == "evaluated 2 of 3 videos, answers in out.jsonl\n"
    after = Path("out.jsonl").read_text()
    assert after.startswith(before)
    assert [json.loads(line)["path"] for line in after.splitlines()] == [a["path"] for a in array]


def test_file_of_other_settings_is_not_gone_on_with(
    run: Run, videos: Path, checkpoint: Path
) -> None:
    arguments = ("videos/val0.mp4", "--output", "out.csv")
    assert predict(run, checkpoint, *arguments).status == 0
    before = Path("out.csv").read_text()
    for options in (("--resume", "--clips", "1"), ("--resume", "--top", "1"), ()):
        ran = predict(run, checkpoint, *arguments, *options)
        assert (ran.status, ran.err.count("\n")) == (1, 1)
        assert "out.csv" in ran.err
        assert Path("out.csv").read_text() == before
    assert predict(run, checkpoint, *arguments, "--top", "1", "--force").status == 0
    assert len(Path("out.csv").read_text().splitlines()) == 2


def test_views_of_several_videos_go_through_the_network_together(
    run: Run, checkpoint: Path, array: list[dict[str, Any]]
) -> None:
    ran = predict(run, checkpoint, "videos/val*.mp4", "--json", "--batch", "2")
    answers = json.loads(ran.out)
    assert [answer["path"] for answer in answers] == [answer["path"] for answer in array]
    for answer, expected in zip(answers, array, strict=True):
        for row, expected_row in zip(answer.get("top", []), expected.get("top", []), strict=True):
            assert row["class"] == expected_row["class"]
            assert row["probability"] == pytest.approx(expected_row["probability"], abs=1e-5)


def test_paths_may_stand_in_a_file(run: Run, videos: Path, checkpoint: Path) -> None:
    Path("list.txt").write_text("videos/val1.mp4\n\nvideos/val2.mp4\r\n")
    ran = predict(run, checkpoint, "videos/val0.mp4", "--from", "list.txt", "--json")
    paths = [answer["path"] for answer in json.loads(ran.out)]
    assert paths == [f"videos/val{index}.mp4" for index in range(3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "files is empty, expected files, folders, globs or --from"),
        (["a.mp4", "--batch", "0"], "--batch is 0, expected at least 1"),
        (["a.mp4", "--resume"], "--resume is given without --output, expected both"),
        (["a.mp4", "--output", "out.txt"], "output is out.txt, expected a file that ends in"),
        (["--from", "/dev/null"], "--from is /dev/null, which names no files, expected some"),
        (["--from", "absent.txt"], "[Errno 2] No such file or directory: 'absent.txt'"),
        (["a.mp4", "--output", "/dev/null/out.csv"], "/dev/null/out.csv cannot be written (File"),
    ],
)
def test_wrong_option_is_one_line(
    options: list[str], message: str, run: Run, checkpoint: Path
) -> None:
    ran = predict(run, checkpoint, *options)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1


@pytest.fixture
def sixty(video_file: Callable[..., Path], tmp_path: Path) -> list[str]:
    """Sixty videos, two of which are damaged."""
    names = [f"many/{index:02d}.mp4" for index in range(60)]
    for index in range(5):
        video_file(num_frames=12, grey=30 + 40 * index, name=names[index])
    for index in range(5, 60):
        os.link(tmp_path / names[index % 5], tmp_path / names[index])
    for index in (11, 47):
        (tmp_path / names[index]).unlink()
        (tmp_path / names[index]).write_bytes(b"no video")
    return names


def stop_after(lines: int, number: signal.Signals, arguments: list[str], folder: Path) -> Any:
    """Start the command, send it a signal once its file has so many lines, and wait for its end."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    output = folder / arguments[arguments.index("--output") + 1]
    give_up = time.monotonic() + 120
    while not output.is_file() or output.read_bytes().count(b"\n") < lines:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.001)
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    return process.returncode, error.decode()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.csv"])
def test_killed_run_is_resumed_with_each_video_once(
    name: str, run: Run, checkpoint: Path, tmp_path: Path, sixty: list[str]
) -> None:
    whole = f"whole{Path(name).suffix}"
    arguments = [*sixty, "--checkpoint", str(checkpoint), "--output"]
    assert run(main, *arguments, whole).status == 1
    status, _ = stop_after(20, signal.SIGKILL, [*arguments, name], tmp_path)
    assert status == -signal.SIGKILL
    with Path(name).open("ab") as file:
        file.write(b'{"path": "many/4')  # as if killed while writing
    ran = run(main, *arguments, name, "--resume")
    assert (ran.status, ran.out) == (1, f"evaluated 58 of 60 videos, answers in {name}\n")
    assert Path(name).read_bytes() == Path(whole).read_bytes()


@pytest.mark.slow
def test_interrupted_run_keeps_its_answers_and_says_how_to_go_on(
    run: Run, checkpoint: Path, tmp_path: Path, sixty: list[str]
) -> None:
    arguments = [*sixty, "--checkpoint", str(checkpoint), "--output", "out.jsonl"]
    status, error = stop_after(20, signal.SIGINT, arguments, tmp_path)
    done = len((tmp_path / "out.jsonl").read_text().splitlines())
    assert 20 <= done < 60
    assert status == 130
    last = error.splitlines()[-1]
    assert last.startswith("interrupted: evaluated ")
    assert last.endswith(" of 60 videos. The same command with --resume goes on.")
    assert run(main, *arguments, "--resume").status == 1
    paths = [json.loads(line)["path"] for line in Path("out.jsonl").read_text().splitlines()]
    assert paths == sixty
