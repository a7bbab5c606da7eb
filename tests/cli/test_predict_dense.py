"""`video-uniformer predict` with checkpoints of dense tasks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_pictures import noise
from full_disk import files_at_most
from PIL import Image
from tiny_dense import CLASSES, save_pose_network, save_segmenter

from video_uniformer import load_pose_finder, load_segmenter, open_video
from video_uniformer.cli import dense_answers, predict_dense
from video_uniformer.cli.predict import main
from video_uniformer.inference.persons import person_score
from video_uniformer.inference.rle import decode_mask

Run = Callable[..., Any]


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    return save_segmenter(tmp_path / "s.safetensors")


@pytest.fixture
def pose(tmp_path: Path) -> Path:
    return save_pose_network(tmp_path / "p.safetensors")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of one name in two folders, beside a text."""
    for seed, name in enumerate(("a.png", "more/a.png")):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed)).save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "notes.txt").write_text("some text")
    return tmp_path / "pictures"


def predict(run: Run, network: Path, *arguments: str | Path) -> Any:
    words = map(str, arguments)
    return run(main, *words, "--checkpoint", str(network), "--drawings", "drawn")


def answers() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("drawn/predictions.jsonl").read_text().splitlines()]


def test_segments_of_a_picture_are_told_and_drawn(run: Run, pictures: Path, scenes: Path) -> None:
    ran = predict(run, scenes, "pictures/a.png")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "evaluated 1 of 1 files, drawings in drawn\n"
    labels, shares = load_segmenter(scenes)(pictures / "a.png")
    [said] = answers()
    assert (said["path"], said["height"], said["width"]) == ("pictures/a.png", 48, 64)
    found = {one["class"]: one for one in said["segments"]}
    assert found.keys() == {CLASSES[label] for label in np.unique(labels)}
    for name, one in found.items():
        label = CLASSES.index(name)
        assert one["rle"]["size"] == [48, 64]
        assert (decode_mask(one["rle"]["counts"], 48, 64) == (labels == label)).all()
        assert one["share"] == shares[label]
    with Image.open("drawn/a.mask.png") as mask:
        assert mask.mode == "P"
        assert (np.asarray(mask) == labels).all()
    with Image.open("drawn/a.overlay.png") as drawn:
        assert drawn.size == (64, 48)


def test_folder_stands_for_its_pictures_each_with_its_drawings(
    run: Run, pictures: Path, scenes: Path
) -> None:
    assert predict(run, scenes, "pictures").status == 0
    told = [(said["path"], said["overlay"], said["mask"]) for said in answers()]
    assert told == [
        ("pictures/a.png", "a.overlay.png", "a.mask.png"),
        ("pictures/more/a.png", "a-2.overlay.png", "a-2.mask.png"),
    ]
    names = {file for said in answers() for file in (said["overlay"], said["mask"])}
    assert {path.name for path in Path("drawn").iterdir()} == {*names, "predictions.jsonl"}


def test_passes_of_the_options_are_those_of_the_network(
    run: Run, pictures: Path, scenes: Path
) -> None:
    options = ("--scales", "0.5,1", "--flip", "--window", "32", "--stride", "16", "--size", "96")
    assert predict(run, scenes, "pictures/a.png", *options).status == 0
    segmenter = load_segmenter(scenes, scene={"short_side": 96})
    labels = segmenter(noise(0), scales=(0.5, 1), flip=True, window=32, stride=16).labels
    with Image.open("drawn/a.mask.png") as mask:
        assert (np.asarray(mask) == labels).all()


@pytest.mark.parametrize("task", ["scenes", "pose"])
def test_every_frame_of_a_video_is_told_and_drawn(
    task: str, run: Run, video_file: Callable[..., Path], request: pytest.FixtureRequest
) -> None:
    video_file(num_frames=9, fps=10)
    assert predict(run, request.getfixturevalue(task), "a.mp4").status == 0
    said = answers()
    assert [one["frame"] for one in said] == list(range(9))
    assert said[3]["seconds"] == pytest.approx(0.3)
    assert {one["overlay"] for one in said} == {"a.overlay.mp4"}
    with open_video("drawn/a.overlay.mp4") as drawn, open_video("a.mp4") as video:
        assert (len(drawn), drawn.fps) == (len(video), pytest.approx(video.fps))
        assert drawn.frames([0]).shape == video.frames([0]).shape


def test_damaged_files_are_told_and_the_others_answered(
    run: Run, pictures: Path, scenes: Path
) -> None:
    Path("bad.jpg").write_text("no picture")
    Path("bad.mp4").write_text("no video")
    Image.new("RGB", (2000, 1)).save("narrow.png")
    names = ["bad.jpg", "gone.png", "bad.mp4", "narrow.png", "pictures/a.png"]
    ran = predict(run, scenes, *names)
    assert (ran.status, ran.out) == (1, "evaluated 1 of 5 files, drawings in drawn\n")
    lines = ran.err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [["error", name] for name in names[:4]]
    assert [(said["path"], "error" in said) for said in answers()] == [
        *((name, True) for name in names[:4]),
        ("pictures/a.png", False),
    ]
    assert not Path("drawn/bad.overlay.mp4").exists()


def test_intact_part_of_a_picture_is_answered_on_request(
    run: Run, tmp_path: Path, scenes: Path
) -> None:
    Image.fromarray(noise(0)).save("cut.jpg")
    content = Path("cut.jpg").read_bytes()
    Path("cut.jpg").write_bytes(content[: len(content) // 2])
    assert predict(run, scenes, "cut.jpg").status == 1
    assert predict(run, scenes, "cut.jpg", "--salvage", "--force").status == 0
    [said] = answers()
    assert said["salvaged"].startswith("cut short")


@pytest.fixture
def damaged(video_file: Callable[..., Path]) -> Path:
    """A video with zeros for a part of its frames."""
    path = video_file(num_frames=30, width=128, height=96, gop=5, name="damaged.mp4")
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + len(b"mdat")
    length = (content.index(b"moov") if content.index(b"moov") > start else len(content)) - start
    middle = start + length // 2
    content[middle : middle + length // 6] = bytes(length // 6)
    path.write_bytes(content)
    return path


def test_video_that_is_damaged_half_way_has_no_drawing(
    run: Run, damaged: Path, scenes: Path
) -> None:
    ran = predict(run, scenes, "damaged.mp4")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("error: damaged.mp4: ")
    *frames, last = answers()
    assert [said["frame"] for said in frames] == list(range(len(frames)))
    assert f"error: {last['error']}\n" == ran.err
    assert {path.name for path in Path("drawn").iterdir()} == {"predictions.jsonl"}


def test_intact_frames_of_a_video_are_answered_on_request(
    run: Run, damaged: Path, scenes: Path
) -> None:
    assert predict(run, scenes, "damaged.mp4", "--salvage").status == 0
    said = answers()
    assert 0 < len(said) < 30
    assert all(one["salvaged"] for one in said)
    with open_video("drawn/damaged.overlay.mp4") as drawn:
        assert len(drawn) == len(said)


def test_person_without_boxes_is_the_whole_picture(run: Run, pictures: Path, pose: Path) -> None:
    assert predict(run, pose, "pictures/a.png").status == 0
    [said] = answers()
    keypoints = load_pose_finder(pose)(noise(0))
    [person] = said["persons"]
    assert person["box"] == [0, 0, 64, 48]
    assert person["keypoints"] == keypoints.flatten().tolist()
    assert person["score"] == pytest.approx(person_score(keypoints[0]))
    assert person["score"] > 0
    with Image.open("drawn/a.overlay.png") as drawn:
        assert (np.asarray(drawn) != noise(0)).any()
    assert not Path("drawn/a.mask.png").exists()


def test_boxes_say_where_people_are(run: Run, pictures: Path, pose: Path) -> None:
    inside = {"file_name": "a.png", "bbox": [5, 5, 20, 30], "score": 0.5, "image_id": 3}
    outside = {"path": "pictures/a.png", "bbox": [64, 5, 20, 30]}
    Path("boxes.json").write_text(json.dumps([inside, outside]))
    ran = predict(run, pose, "pictures/a.png", "--boxes", "boxes.json")
    assert (ran.status, ran.err) == (0, "pictures/a.png: left out 1 box outside the picture\n")
    [said] = answers()
    assert said["left_out"] == 1
    [person] = said["persons"]
    [keypoints] = load_pose_finder(pose)(noise(0), np.array([[5.0, 5, 20, 30]]))
    assert person == {
        "image_id": 3,
        "category_id": 1,
        "box": [5, 5, 20, 30],
        "keypoints": keypoints.flatten().tolist(),
        "score": pytest.approx(person_score(keypoints, 0.5)),
    }


def test_picture_that_boxes_do_not_name_has_nobody(run: Run, pictures: Path, pose: Path) -> None:
    Path("boxes.json").write_text("[]")
    assert predict(run, pose, "pictures/a.png", "--boxes", "boxes.json").status == 0
    [said] = answers()
    assert said["persons"] == []


@pytest.mark.parametrize(
    "option",
    [
        *(["--top", "2"], ["--json"], ["--jsonl"], ["--output", "a.csv"], ["--frames", "4"]),
        *(["--clips", "2"], ["--crops", "1"], ["--bgr"], ["--sheet", "s"], ["--batch", "2"]),
        *(["--deadline", "9"], ["--boxes", "boxes.json"]),
    ],
    ids=lambda option: option[0],
)
def test_option_of_other_networks_is_refused_by_name(
    option: list[str], run: Run, pictures: Path, scenes: Path
) -> None:
    ran = predict(run, scenes, "pictures/a.png", *option)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith(
        f"error: {option[0]} is given, but {scenes} is a network for segmentation, expected it with"
    )
    assert not Path("drawn").exists()


@pytest.mark.parametrize(
    "option",
    [
        *(["--classes", "ucf101"], ["--size", "64"], ["--stride", "2"]),
        *(["--scales", "1"], ["--flip"], ["--window", "32"]),
    ],
    ids=lambda option: option[0],
)
def test_option_for_scenes_is_refused_of_persons(
    option: list[str], run: Run, pictures: Path, pose: Path
) -> None:
    ran = predict(run, pose, "pictures/a.png", *option)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith(f"error: {option[0]} is given, but {pose} is a network for pose, ")


@pytest.mark.parametrize(
    "option",
    [
        *(["--drawings", "drawn"], ["--boxes", "b.json"], ["--scales", "1"], ["--flip"]),
        ["--window", "32"],
    ],
    ids=lambda option: option[0],
)
def test_option_for_dense_tasks_is_refused_of_classifiers(
    option: list[str], run: Run, pictures: Path, checkpoint: Path
) -> None:
    ran = run(main, "pictures/a.png", "--checkpoint", str(checkpoint), *option)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith(
        f"error: {option[0]} is given, but {checkpoint} is a network for video_classification, "
    )


def test_folder_for_drawings_is_asked_for(run: Run, pictures: Path, scenes: Path) -> None:
    ran = run(main, "pictures/a.png", "--checkpoint", str(scenes))
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("error: --drawings is absent, but ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stride", "8"], "--stride is given without --window, expected both"),
        (["--window", "32", "--stride", "segments"], "--stride is 'segments', expected a number"),
        (["--window", "32", "--stride", "33"], "stride is 33, expected 1 to 32"),
        (["--window", "0"], "--window is 0, expected at least 1"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: list[str], message: str, run: Run, pictures: Path, scenes: Path
) -> None:
    ran = predict(run, scenes, "pictures/a.png", *options)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith(f"error: {message}")


@pytest.mark.parametrize("scales", ["0.5,0", "one", "inf"])
def test_scales_that_are_none_are_refused(
    scales: str, run: Run, pictures: Path, scenes: Path
) -> None:
    ran = predict(run, scenes, "pictures/a.png", "--scales", scales)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert f"argument --scales: invalid sizes value: '{scales}'" in ran.err


def test_answers_that_are_there_are_kept_unless_forced(
    run: Run, pictures: Path, scenes: Path
) -> None:
    assert predict(run, scenes, "pictures").status == 0
    ran = predict(run, scenes, "pictures/a.png")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "which holds predictions.jsonl, expected a new folder, or --force" in ran.err
    assert len(answers()) == 2
    assert predict(run, scenes, "pictures/a.png", "--force").status == 0
    assert len(answers()) == 1


def test_file_in_place_of_the_folder_is_refused(run: Run, pictures: Path, scenes: Path) -> None:
    Path("drawn").write_text("a file")
    ran = predict(run, scenes, "pictures/a.png")
    assert ran.err == "error: drawings is drawn, which is a file, expected a folder\n"


@pytest.mark.parametrize(
    ("name", "num_bytes", "unwritten"),
    [
        ("pictures/a.png", 500, "a.overlay.png"),
        ("a.mp4", 900, "predictions.jsonl"),
        ("a.mp4", 3000, "a.overlay.mp4"),
    ],
)
def test_disk_that_is_full_ends_the_run_in_one_line(
    name: str,
    num_bytes: int,
    unwritten: str,
    run: Run,
    pictures: Path,
    pose: Path,
    video_file: Callable[..., Path],
) -> None:
    video_file(num_frames=6, width=256, height=192)
    with files_at_most(num_bytes):
        ran = predict(run, pose, name)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == f"error: drawn/{unwritten} cannot be written (File too large)\n"
    assert {path.name for path in Path("drawn").iterdir()} == {"predictions.jsonl"}
    assert all(said["path"] == name for said in answers())  # no line is cut off


def test_interrupt_keeps_what_is_answered(
    run: Run, pictures: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(shown: dense_answers.Shown) -> dense_answers.Found:
        if shown.path.parent.name == "more":
            raise KeyboardInterrupt
        return dense_answers.Found({}, shown.pixels)

    monkeypatch.setattr(predict_dense, "load_finder", lambda *_: find)
    ran = predict(run, scenes, "pictures")
    assert (ran.status, ran.out) == (130, "")
    assert ran.err == "interrupted: evaluated 1 of 2 files.\n"
    assert [said["path"] for said in answers()] == ["pictures/a.png"]
