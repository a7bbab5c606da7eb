"""`video-uniformer predict` with an image checkpoint: the same command for pictures."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from video_uniformer import create_uniformer, load_classifier
from video_uniformer.cli.predict import main
from video_uniformer.clip import ImageSpec
from video_uniformer.description import Description
from video_uniformer.weights.writing import save_weights

Run = Callable[..., Any]
PICTURES = [f"pictures/{name}" for name in ("a.png", "b.jpg", "more/c.webp", "more/d.bmp")]


def predict(run: Run, network: Path, *arguments: str | Path) -> Any:
    return run(main, *map(str, arguments), "--checkpoint", str(network))


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """An untrained image network with two classes."""
    torch.manual_seed(0)
    network, path = create_uniformer("test", ndim=2, num_classes=2), tmp_path / "i.safetensors"
    said = Description(
        network=network.config, input=ImageSpec(size=32), class_names=("dark", "bright")
    )
    save_weights(path, network.state_dict(), said)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures in two folders, beside what is none."""
    for number, name in enumerate(PICTURES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50 + number, 40), (60 * number, 90, 10)).save(path)
    for name in ("notes.txt", "film.mp4", ".hidden.png"):
        (tmp_path / "pictures" / name).write_text("some text")
    return tmp_path / "pictures"


def test_program_gets_classes_with_probabilities(run: Run, pictures: Path, network: Path) -> None:
    ran = predict(run, network, pictures / "a.png", "--json")
    assert (ran.status, ran.err) == (0, "")
    expected = load_classifier(network)(pictures / "a.png").top()
    assert json.loads(ran.out) == [
        {
            "path": str(pictures / "a.png"),
            "top": [{"class": name, "probability": p} for name, p in expected],
        }
    ]


def test_folder_stands_for_all_its_pictures(
    run: Run, pictures: Path, network: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ran = predict(run, network, "pictures", "--jsonl", "--batch", "3")
    assert ran.status == 0
    assert [json.loads(line)["path"] for line in ran.out.splitlines()] == PICTURES
    [told] = caplog.messages
    place, _, kinds = told.partition(": left out 3 files: ")
    assert place == "pictures"
    assert set(kinds.split(", ")) == {
        "1 .txt (text)",
        "1 .mp4 (moves: a video or an animation)",
        "1 hidden",
    }


def test_glob_stands_for_what_it_matches(run: Run, pictures: Path, network: Path) -> None:
    ran = predict(run, network, "**/*.[wb]*", "--jsonl")
    assert [json.loads(line)["path"] for line in ran.out.splitlines()] == PICTURES[2:]


def test_person_gets_a_table_of_pictures(run: Run, pictures: Path, network: Path) -> None:
    (pictures / "b.jpg").write_text("no picture")
    ran = predict(run, network, "pictures/a.png", "pictures/b.jpg")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith("error: pictures/b.jpg: not a picture of a known kind")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["picture", "class", "probability"]
    assert lines[-1] == "evaluated 1 of 2 pictures"


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_file_of_answers_is_gone_on_with(
    name: str, run: Run, pictures: Path, network: Path
) -> None:
    predict(run, network, *PICTURES, "--output", f"whole{name}")
    predict(run, network, PICTURES[0], "--output", name)
    ran = predict(run, network, "pictures", "--output", name, "--resume")
    assert ran.status == 0
    assert ran.out == f"evaluated 4 of 4 pictures, answers in {name}\n"
    assert Path(name).read_text() == Path(f"whole{name}").read_text()
    if name == "out.csv":
        rows = list(csv.DictReader(io.StringIO(Path(name).read_text())))
        assert [row["path"] for row in rows] == [path for path in PICTURES for _ in range(2)]


def test_answers_at_another_size_are_not_mixed(run: Run, pictures: Path, network: Path) -> None:
    options = ("pictures/a.png", "--output", "out.csv")
    assert predict(run, network, *options).status == 0
    ran = predict(run, network, *options, "--resume", "--size", "64")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "another checkpoint, input or list of classes made it" in ran.err


def test_size_can_be_chosen(run: Run, pictures: Path, network: Path) -> None:
    ran = predict(run, network, "pictures/a.png", "--size", "64", "--jsonl")
    expected = load_classifier(network, image={"size": 64})(pictures / "a.png").top()
    top = json.loads(ran.out)["top"]
    assert [(row["class"], row["probability"]) for row in top] == expected


def test_sheet_shows_the_picture(run: Run, pictures: Path, network: Path, tmp_path: Path) -> None:
    ran = predict(run, network, "pictures/b.jpg", "--sheet", "sheets")
    assert (ran.status, ran.err) == (0, "")
    assert "wrote sheets/0000_b.jpg.png" in ran.out
    with Image.open(tmp_path / "sheets" / "0000_b.jpg.png") as sheet:
        colours = sheet.convert("RGB").getcolors(1 << 20)
    green = sum(n for n, (r, g, b) in colours if abs(r - 60) + abs(g - 90) + abs(b - 10) < 20)
    assert green > 0.3 * sheet.width * sheet.height


@pytest.mark.parametrize(
    "option",
    [
        *(["--frames", "8"], ["--stride", "segments"], ["--clips", "2"], ["--crops", "1"]),
        *(["--bgr"], ["--decoder", "pyav"], ["--deadline", "9"]),
    ],
    ids=lambda option: option[0],
)
def test_option_for_videos_is_refused_by_name(
    option: list[str], run: Run, pictures: Path, network: Path
) -> None:
    ran = predict(run, network, "pictures/a.png", *option)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        f"error: {option[0]} is given, but {network} is a network for images, expected it with "
        "one for videos alone\n"
    )


def test_picture_cut_short_is_salvaged_and_told(run: Run, pictures: Path, network: Path) -> None:
    path = pictures / "b.jpg"
    Image.effect_noise((90, 90), 50).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    assert predict(run, network, path).status == 1
    ran = predict(run, network, path, "--salvage")
    assert (ran.status, ran.err) == (0, "")
    assert f"only the intact part of {path}: cut short" in ran.out


def test_folder_without_pictures_is_named(run: Run, network: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = predict(run, network, "empty")
    assert ran.status == 1
    assert ran.err == "error: empty: not a file, expected a picture\n"


def test_names_of_which_none_is_there_are_refused_before_loading(run: Run, tmp_path: Path) -> None:
    ran = predict(run, tmp_path / "never_opened.ckpt", "no.jpg", "none/*.png")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: no.jpg: No such file or directory, expected files, folders")
