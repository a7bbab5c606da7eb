"""`video-uniformer predict`: answers for people and programs, and for what cannot be read."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from video_uniformer import load_classifier
from video_uniformer.cli.predict import main

Run = Callable[..., Any]


def predict(run: Run, checkpoint: Path, *arguments: str | Path) -> Any:
    return run(main, *map(str, arguments), "--checkpoint", str(checkpoint))


def answers(run: Run, checkpoint: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    ran = predict(run, checkpoint, *arguments, "--json")
    assert (ran.status, ran.err) == (0, "")
    content = json.loads(ran.out)
    assert isinstance(content, list)
    return content


def test_program_gets_classes_with_probabilities(run: Run, videos: Path, checkpoint: Path) -> None:
    video = videos / "val0.mp4"
    [answer] = answers(run, checkpoint, video)
    expected = load_classifier(checkpoint)(video).top()
    assert answer == {
        "path": str(video),
        "top": [{"class": name, "probability": p} for name, p in expected],
    }


def test_person_gets_a_table(run: Run, videos: Path, checkpoint: Path) -> None:
    ran = predict(run, checkpoint, "videos/val0.mp4")
    assert (ran.status, ran.err) == (0, "")
    [(name, probability), _] = load_classifier(checkpoint)(videos / "val0.mp4").top()
    rows = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert f"videos/val0.mp4 {name} {100 * probability:.1f} %" in rows


def test_brackets_in_names_and_long_paths_are_shown_as_they_are(
    run: Run, video_file: Callable[..., Path], checkpoint: Path
) -> None:
    video = video_file(num_frames=12, name=f"[bold]/{'long' * 30}/a.mp4")
    content = torch.load(checkpoint, weights_only=True)
    content["classifier"]["class_names"] = ["Moving [something] up", "Dropping [/something]"]
    torch.save(content, checkpoint)
    ran = predict(run, checkpoint, video, "--sheet", "[red]")
    assert (ran.status, ran.err) == (0, "")
    assert "  Moving [something] up  " in ran.out
    assert "  Dropping [/something] " in ran.out
    assert "wrote [red]/0000_a.mp4.png" in ran.out.splitlines()
    assert str(video) in ran.out.splitlines()


def test_folder_stands_for_all_its_videos(run: Run, videos: Path, checkpoint: Path) -> None:
    paths = [answer["path"] for answer in answers(run, checkpoint, videos)]
    expected = [f"train{i}.mp4" for i in range(4)] + [f"val{i}.mp4" for i in range(3)]
    assert paths == [str(videos / name) for name in expected]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["videos/val*.mp4", "**/val*.mp4", "vid*s/val[0-9].mp4"])
def test_glob_stands_for_what_it_matches(
    pattern: str, run: Run, videos: Path, checkpoint: Path
) -> None:
    paths = [answer["path"] for answer in answers(run, checkpoint, pattern)]
    assert paths == [f"videos/val{i}.mp4" for i in range(3)]


def test_file_with_signs_of_a_glob_is_that_file(
    run: Run, video_file: Callable[..., Path], checkpoint: Path
) -> None:
    video = video_file(num_frames=12, name="take [1] *.mp4")
    assert [answer["path"] for answer in answers(run, checkpoint, video)] == [str(video)]


def test_top_is_as_long_as_asked_for(run: Run, videos: Path, checkpoint: Path) -> None:
    [answer] = answers(run, checkpoint, videos / "val0.mp4", "--top", "1")
    assert len(answer["top"]) == 1


def test_views_and_size_can_be_chosen(run: Run, videos: Path, checkpoint: Path) -> None:
    clip = {"num_clips": 1, "num_crops": 3, "size": 64, "stride": None, "num_frames": 6}
    options = ["--clips", "1", "--crops", "3", "--size", "64", "--stride", "segments"]
    [answer] = answers(run, checkpoint, videos / "val0.mp4", *options, "--frames", "6")
    expected = load_classifier(checkpoint, clip=clip)(videos / "val0.mp4").top()
    assert [(row["class"], row["probability"]) for row in answer["top"]] == expected


def test_checkpoint_without_stride_takes_a_number(run: Run, videos: Path, checkpoint: Path) -> None:
    [answer] = answers(run, checkpoint, videos / "val0.mp4", "--stride", "1")
    expected = load_classifier(checkpoint, clip={"stride": 1})(videos / "val0.mp4").top()
    assert [(row["class"], row["probability"]) for row in answer["top"]] == expected


def test_bgr_swaps_the_channels(run: Run, videos: Path, checkpoint: Path) -> None:
    assert answers(run, checkpoint, videos / "val0.mp4", "--bgr")[0]["top"]


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_decoder_can_be_chosen(decoder: str, run: Run, videos: Path, checkpoint: Path) -> None:
    usual = answers(run, checkpoint, videos / "val0.mp4")
    assert answers(run, checkpoint, videos / "val0.mp4", "--decoder", decoder) == usual


def test_sheet_is_a_picture_of_each_video(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "sheets"
    given = answers(run, checkpoint, videos / "val0.mp4", videos / "val1.mp4", "--sheet", folder)
    sheets = [Path(answer["sheet"]) for answer in given]
    assert sorted(folder.iterdir()) == sheets
    assert len(sheets) == 2
    for sheet in sheets:
        with Image.open(sheet) as image:
            assert image.format == "PNG"


@pytest.mark.slow
def test_sheets_of_videos_with_one_name_do_not_collide(
    run: Run, video_file: Callable[..., Path], checkpoint: Path, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        video_file(num_frames=8, name=f"in/{folder}/same.mp4")
    given = answers(run, checkpoint, tmp_path / "in", "--sheet", tmp_path / "sheets")
    assert len({answer["sheet"] for answer in given}) == 2


def test_sheet_is_told_to_a_person(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    ran = predict(run, checkpoint, "videos/val0.mp4", "--sheet", "sheets")
    assert ran.status == 0
    [sheet] = (tmp_path / "sheets").iterdir()
    assert f"wrote sheets/{sheet.name}" in ran.out


def test_bad_file_among_good_ones_is_named_and_the_others_answered(
    run: Run, videos: Path, checkpoint: Path
) -> None:
    bad = videos / "val1.mp4"
    bad.write_bytes(b"")
    ran = predict(run, checkpoint, videos / "val0.mp4", bad, videos / "val2.mp4", "--json")
    assert ran.status == 1
    problem = f"error: {bad}: the file is empty, expected a video"
    assert ran.err.splitlines() == [problem, "evaluated 2 of 3 videos"]
    given = json.loads(ran.out)
    assert [list(answer) for answer in given] == [
        ["path", "top"],
        ["path", "error"],
        ["path", "top"],
    ]
    assert given[1]["error"] == f"{bad}: the file is empty, expected a video"


@pytest.mark.slow
def test_name_that_is_not_utf8_is_shown_and_drawn(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    odd = (videos / "val0.mp4").rename(videos / os.fsdecode(b"caf\xe9.mp4"))
    ran = predict(run, checkpoint, odd, "--sheet", tmp_path / "sheets")
    assert (ran.status, ran.err) == (0, "")
    assert "caf\\xe9.mp4" in ran.out
    assert (tmp_path / "sheets" / f"0000_{odd.name}.png").is_file()


def test_bad_file_has_its_row_in_the_table(run: Run, videos: Path, checkpoint: Path) -> None:
    ran = predict(run, checkpoint, "videos/absent.mp4", "videos/val0.mp4")
    assert ran.status == 1
    [row] = [line for line in ran.out.splitlines() if "absent" in line]
    assert row.split("  ") == ["videos/absent.mp4", "(not evaluated)"]
    assert "videos/val0.mp4" in ran.out
    assert "evaluated 1 of 2 videos" in ran.out
    assert ran.err.startswith("error: videos/absent.mp4: No such file or directory")
    assert ran.err.count("\n") == 1


def test_folder_without_videos_is_named(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = predict(run, checkpoint, tmp_path / "empty")
    assert ran.status == 1
    assert ran.err.startswith(f"error: {tmp_path / 'empty'}: ")


def test_glob_without_matches_is_named(run: Run, checkpoint: Path) -> None:
    ran = predict(run, checkpoint, "none/*.mp4")
    assert ran.status == 1
    assert ran.err.startswith("error: none/*.mp4: ")


@pytest.fixture
def published(checkpoint: Path, tmp_path: Path) -> Path:
    """The checkpoint's weights as the authors publish theirs: nothing else in the file."""
    path = tmp_path / "published.pth"
    torch.save({"model_state": torch.load(checkpoint, weights_only=True)["state_dict"]}, path)
    return path


CLIP = ["--frames", "4", "--stride", "2", "--size", "32", "--clips", "2"]


@pytest.mark.slow
def test_published_file_answers_with_the_given_classes(
    run: Run, videos: Path, checkpoint: Path, published: Path
) -> None:
    options = ["--classes", videos / "classes.txt", *CLIP]
    given = answers(run, published, videos / "val0.mp4", *options)
    assert given == answers(run, checkpoint, videos / "val0.mp4")


def test_published_file_without_classes_is_one_line(
    run: Run, videos: Path, published: Path
) -> None:
    ran = predict(run, published, videos / "val0.mp4", *CLIP)
    assert ran.status == 1
    assert ran.err == f"error: {published} holds no class names, expected them to be given\n"


def test_wrong_number_of_classes_is_one_line(run: Run, videos: Path, checkpoint: Path) -> None:
    ran = predict(run, checkpoint, videos / "val0.mp4", "--classes", "kinetics400")
    assert ran.status == 1
    assert "was trained on 2 classes and the data has 400" in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stride", "x"], "--stride is 'x', expected a number of frames, or 'segments'"),
        (["--stride", "0"], "stride is 0, expected a whole number >= 1"),
        (["--frames", "0"], "num_frames is 0, expected a whole number >= 1"),
        (["--top", "0"], "--top is 0, expected at least 1"),
        (["--device", "toaster"], "device is 'toaster', which cannot be used: "),
        (["--classes", "kinetics40"], "kinetics40: no such annotation file"),
    ],
)
def test_wrong_option_is_one_line(
    options: list[str], message: str, run: Run, videos: Path, checkpoint: Path
) -> None:
    ran = predict(run, checkpoint, videos / "val0.mp4", *options)
    assert ran.status == 1
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1


def test_unknown_decoder_is_named(run: Run, videos: Path, checkpoint: Path) -> None:
    ran = predict(run, checkpoint, videos / "val0.mp4", "--decoder", "decrod")
    assert ran.status != 0
    assert "decrod" in ran.err
    assert "decord" in ran.err


@pytest.mark.parametrize("content", [None, b"", b"some text"])
def test_unreadable_checkpoint_is_one_line(
    content: bytes | None, run: Run, videos: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.ckpt"
    if content is not None:
        path.write_bytes(content)
    ran = predict(run, path, videos / "val0.mp4")
    assert ran.status == 1
    assert ran.err.startswith("error: ")
    assert str(path) in ran.err
    assert ran.err.count("\n") == 1


def test_help_is_worth_reading(run: Run) -> None:
    ran = run(main, "--help")
    assert ran.status == 0
    for word in ("--checkpoint", "--json", "--sheet", "examples:", "exit status"):
        assert word in ran.out
