"""`video-uniformer token-labels`: label maps of the pictures of a folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from video_uniformer import create_uniformer
from video_uniformer.cli.token_labels import main
from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.label_maps import LabelMaps
from video_uniformer.description import Description
from video_uniformer.inference.token_labels import TokenLabeller, load_labeller
from video_uniformer.weights.writing import save_weights

Run = Callable[..., Any]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures in two folders."""
    for number, name in enumerate(("x/a.png", "x/b.png", "y/a.jpg")):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50, 40), (80 * number, 20, 200)).save(path)
    return tmp_path / "pictures"


@pytest.fixture
def image_checkpoint(tmp_path: Path) -> Path:
    """A network with token labels and seven classes."""
    torch.manual_seed(0)
    network = create_uniformer("test", ndim=2, num_classes=7, token_labels=True)
    said = Description(network=network.config, input=ImageSpec(64))
    path = tmp_path / "image.safetensors"
    save_weights(path, network.state_dict(), said)
    return path


@pytest.fixture
def label(run: Run, pictures: Path, image_checkpoint: Path) -> Callable[..., Any]:
    """Run the command on the pictures."""
    line = (str(pictures), "--checkpoint", str(image_checkpoint), "--output", "labels")
    return lambda *options: run(main, *line, *options)


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*.pt"))


def test_every_picture_gets_a_map_that_the_data_set_reads(
    label: Run, pictures: Path, image_checkpoint: Path, tmp_path: Path
) -> None:
    ran = label()
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "labelled 3 of 3 pictures, maps in labels\n"
    assert files(tmp_path / "labels") == ["x/a.pt", "x/b.pt", "y/a.pt"]
    found = LabelMaps(pictures, tmp_path / "labels", [5, 2, 2]).read(pictures / "x" / "b.png")
    assert found is not None
    expected = load_labeller(image_checkpoint)(pictures / "x" / "b.png")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_maps_have_the_size_and_number_of_classes_asked_for(label: Run, tmp_path: Path) -> None:
    assert label("--size", "96", "--top", "3", "--batch", "2").status == 0
    assert torch.load(tmp_path / "labels/x/a.pt").shape == (2, 3, 3, 3)


def test_again_it_makes_what_is_missing_alone(
    label: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert label().status == 0
    before = (tmp_path / "labels/x/a.pt").stat().st_mtime_ns
    (tmp_path / "labels/y/a.pt").unlink()
    seen: list[Path] = []
    look = TokenLabeller._look
    monkeypatch.setattr(
        TokenLabeller, "_look", lambda self, path: (seen.append(path), look(self, path))[1]
    )
    assert label().out == "labelled 3 of 3 pictures, maps in labels\n"
    assert [path.name for path in seen] == ["a.jpg"]
    assert (tmp_path / "labels/x/a.pt").stat().st_mtime_ns == before


def test_maps_of_other_settings_are_not_joined(label: Run) -> None:
    assert label().status == 0
    ran = label("--top", "2")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: labels/token_labels.json tells of maps made with {")
    assert "'top': 5}, expected {" in ran.err


def test_bad_pictures_are_named_and_counted(label: Run, pictures: Path, tmp_path: Path) -> None:
    (pictures / "x" / "b.png").write_bytes(b"nothing")
    ran = label()
    assert (ran.status, ran.out) == (1, "labelled 2 of 3 pictures, maps in labels\n")
    assert ran.err == f"error: {pictures}/x/b.png: not a picture of a known kind\n"
    assert files(tmp_path / "labels") == ["x/a.pt", "y/a.pt"]


def test_interrupted_it_tells_what_is_done(
    label: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = TokenLabeller._try_look

    def interrupted(self: TokenLabeller, path: Path) -> Any:
        if path.name == "a.jpg":
            raise KeyboardInterrupt
        return look(self, path)

    monkeypatch.setattr(TokenLabeller, "_try_look", interrupted)
    ran = label("--batch", "1")
    assert ran.status == 130
    assert ran.err == "interrupted: labelled 2 of 3 pictures. The same command goes on.\n"
    assert files(tmp_path / "labels") == ["x/a.pt", "x/b.pt"]


def test_two_pictures_of_one_map_are_refused(label: Run, pictures: Path) -> None:
    shutil.copy(pictures / "y" / "a.jpg", pictures / "x" / "a.jpg")
    ran = label()
    assert (ran.status, ran.out) == (1, "")
    assert "would have the same label map" in ran.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--size", "31"), "--size is 31, expected at least 32"),
        (("--top", "0"), "--top is 0, expected at least 1"),
        (("--batch", "0"), "--batch is 0, expected at least 1"),
        (("--device", "cdua"), "device is 'cdua', which cannot be used: "),
    ],
)
def test_option_out_of_range_is_one_line(label: Run, options: Any, message: str) -> None:
    ran = label(*options)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1


def test_folder_without_pictures_is_refused(run: Run, image_checkpoint: Path) -> None:
    Path("empty").mkdir()
    line = ("--checkpoint", str(image_checkpoint), "--output", "labels")
    assert "expected one with pictures" in run(main, "empty", *line).err
    assert "expected an existing folder" in run(main, "absent", *line).err
