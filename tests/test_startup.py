"""What each way in imports: nothing that it does not need, as torch alone takes seconds."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_dense import save_pose_network, save_segmenter

from video_uniformer import create_uniformer
from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.description import Description
from video_uniformer.weights.writing import save_weights

# What takes long to import, or has no business in most entries.
HEAVY = (
    *("torch", "torchvision", "torch._dynamo", "torchmetrics", "lightning", "pytorchvideo"),
    *("hydra", "omegaconf", "yaml", "rich", "matplotlib", "argcomplete"),
    *("numpy", "PIL", "av", "decord", "torchcodec", "simplejpeg"),
    *("huggingface_hub", "safetensors", "tensorboard", "timm"),
    *("video_uniformer.models.uniformer.network", "video_uniformer.weights.reading"),
    *("video_uniformer.data.decoding", "video_uniformer.data.video", "video_uniformer.inference"),
    *("video_uniformer.collection.scan", "video_uniformer.collection.prepare"),
    *("video_uniformer.reports", "video_uniformer.training", "video_uniformer.demo"),
)
COMMAND = ("-m", "video_uniformer")
CONFIG = {"hydra", "omegaconf", "yaml"}
NETWORK = {"torch", "numpy", "pytorchvideo", "video_uniformer.models.uniformer.network"}
WEIGHTS = {*NETWORK, "safetensors", "video_uniformer.weights.reading"}
PIXELS = {"torch", "numpy", "av", "PIL", "video_uniformer.data.decoding"}
PREDICTION = {*WEIGHTS, *PIXELS, "video_uniformer.data.video", "video_uniformer.inference"}
SCANNER = {*PIXELS, "rich", "video_uniformer.collection.scan"}


def imported(*arguments: str, status: int = 0, cwd: Path | None = None) -> set[str]:
    """Which of the heavy modules a Python with these arguments imports."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    assert ran.returncode == status, ran.stdout + ran.stderr[-2000:]
    names = set(re.findall(r"^import time: +\d+ \| +\d+ \| *(\S+)$", ran.stderr, re.MULTILINE))
    return names & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import video_uniformer",
        "import video_uniformer; dir(video_uniformer), video_uniformer.__version__",
        "from video_uniformer import ClipSpec",
        "from video_uniformer.labels.names import read_class_names; read_class_names('hmdb51')",
    ],
)
def test_package_imports_nothing_heavy_by_itself(code: str) -> None:
    assert imported("-c", code) == set()


@pytest.mark.parametrize(
    "name",
    ["zoo", "info", "predict", "probe", "scan", "prepare", "token-labels", "convert", "completion"],
)
def test_help_imports_nothing_heavy(name: str) -> None:
    assert imported(*COMMAND, name, "--help") <= {"video_uniformer.inference"}


@pytest.mark.parametrize("name", ["train", "test"])
def test_help_with_a_config_imports_hydra_alone(name: str) -> None:
    assert imported(*COMMAND, name, "--help") == CONFIG


@pytest.mark.parametrize("line", ["--help", "--version", "zoo", "zoo k400 --json"])
def test_table_imports_nothing_heavy(line: str) -> None:
    assert imported(*COMMAND, *line.split()) == set()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("", 2),
        ("trian", 2),
        ("zoo --task vidoe", 2),
        ("zoo nothing-is-called-so", 1),
        ("info", 2),
        ("info smal", 1),
        ("predict", 2),
        ("predict a.mp4 --checkpoint b.ckpt --top 0", 1),
        ("predict a.mp4 --checkpoint b.ckpt --tpo 1", 2),
        ("predict not-there.jpg --checkpoint b.ckpt", 1),
        ("predict a.jpg --checkpoint b.ckpt --drawings conf --window 0", 1),
        ("scan", 2),
        ("scan videos --decode some", 2),
        ("prepare videos", 2),
        ("probe --dedline", 2),
        ("token-labels a", 2),
        ("token-labels a --checkpoint b --output c --top 0", 1),
        ("convert a", 2),
        ("completion tcsh", 2),
    ],
)
def test_wrong_command_line_imports_nothing_heavy(line: str, status: int) -> None:
    found = imported(*COMMAND, *line.split(), status=status)
    assert found <= {"video_uniformer.inference"}  # the file of answers, which needs no torch


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("train modle.variant=base", 1),
        ("train trainer.benchmark=true", 1),
        ("test seed", 1),
        ("train --sweep", 2),
    ],
)
def test_wrong_override_imports_hydra_alone(line: str, status: int) -> None:
    assert imported(*COMMAND, *line.split(), status=status) == CONFIG


@pytest.mark.parametrize(
    ("line", "modules"),
    [
        ("video-uniformer ", {"argcomplete"}),
        ("video-uniformer scan --", {"argcomplete"}),
        ("video-uniformer train experiment=", {"argcomplete"}),
        ("video-uniformer train data.", {"argcomplete", "yaml"}),
    ],
)
def test_completion_imports_neither_torch_nor_hydra(
    line: str, modules: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1"}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("_ARGCOMPLETE_STDOUT_FILENAME", str(tmp_path / "answer"))
    assert imported(*COMMAND) == modules
    assert (tmp_path / "answer").read_text()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A tiny network with two classes."""
    torch.manual_seed(0)
    network = create_uniformer("test", num_classes=2)
    clip = ClipSpec(num_frames=4, stride=2, size=32)
    said = Description(network=network.config, input=clip, class_names=("dark", "bright"))
    path = tmp_path / "tiny.safetensors"
    save_weights(path, network.state_dict(), said)
    return path


def test_prediction_imports_what_reads_videos_and_runs_networks(
    weights: Path, video_file: Callable[..., Path]
) -> None:
    line = ("predict", str(video_file()), "--checkpoint", str(weights))
    assert imported(*COMMAND, *line) <= PREDICTION


def test_prediction_of_pictures_imports_no_more(tmp_path: Path) -> None:
    network, path = create_uniformer("test", ndim=2, num_classes=2), tmp_path / "a.safetensors"
    said = Description(network=network.config, input=ImageSpec(32), class_names=("cat", "dog"))
    save_weights(path, network.state_dict(), said)
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    line = ("predict", str(tmp_path), "--checkpoint", str(path))
    assert imported(*COMMAND, *line) <= PREDICTION


@pytest.mark.parametrize("save", [save_segmenter, save_pose_network])
def test_prediction_of_segments_and_joints_imports_what_draws_them(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    options = ("--checkpoint", str(save(tmp_path / "a.safetensors")))
    line = ("predict", str(tmp_path / "a.png"), *options, "--drawings", str(tmp_path / "drawn"))
    assert imported(*COMMAND, *line) <= {*PREDICTION, "video_uniformer.reports"}


@pytest.mark.slow
def test_labelling_pictures_imports_what_reads_pictures_and_runs_networks(tmp_path: Path) -> None:
    network = create_uniformer("test", ndim=2, num_classes=2)
    said = Description(network=network.config, input=ImageSpec(32), class_names=("a", "b"))
    save_weights(tmp_path / "tiny.safetensors", network.state_dict(), said)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "pictures" / "a.png")
    line = f"token-labels pictures --checkpoint {tmp_path}/tiny.safetensors --output labels"
    assert imported(*COMMAND, *line.split(), cwd=tmp_path) <= PREDICTION


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("from video_uniformer import create_uniformer", WEIGHTS),
        ("from video_uniformer import load_weights", WEIGHTS),
        ("from video_uniformer import open_video", PIXELS),
        ("from video_uniformer import load_classifier", PREDICTION),
        ("from video_uniformer import load_segmenter", PREDICTION),
        ("from video_uniformer import load_pose_finder", PREDICTION),
    ],
)
def test_public_name_imports_its_own_rooms(code: str, modules: set[str]) -> None:
    assert imported("-c", code) <= modules


@pytest.mark.slow
def test_other_commands_import_what_their_work_takes(
    weights: Path, video_file: Callable[..., Path], tmp_path: Path
) -> None:
    """But for `prepare`, which times the training transform on the new files, and training."""
    video = str(video_file(name="videos/a.mp4"))
    sheet = ("--checkpoint", str(weights), "--sheet", str(tmp_path / "sheets"))
    drawing = {*PREDICTION, "matplotlib", "video_uniformer.reports"}
    scan = ("scan", str(tmp_path / "videos"), "--output", str(tmp_path / "scan"))
    assert imported(*COMMAND, "predict", video, *sheet) <= drawing
    assert imported(*COMMAND, *scan) <= SCANNER
    assert imported(*COMMAND, "probe", video) <= {*PIXELS, "rich"}
    assert imported(*COMMAND, "info", "small") <= {*NETWORK, "rich", "torch._dynamo"}
    assert imported(*COMMAND, "convert", str(weights), str(tmp_path / "b.safetensors")) <= WEIGHTS


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("module", ["numpy", "torch._C", "torch.nn", "torch"])
def test_interrupt_while_importing_shows_no_traceback(module: str) -> None:
    # The installed program: under `-m`, Python dies of the signal itself, in place of ending with
    # main()'s status, where the interrupt fell into an exec() of a string, as dataclasses have it.
    program = Path(sys.executable).with_name("video-uniformer")
    line = [sys.executable, "-X", "importtime", program, "info", "small"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stderr is not None
        for told in ran.stderr:
            if told.rstrip().endswith(f" {module}"):
                ran.send_signal(signal.SIGINT)
                break
        rest = ran.stderr.read()
        assert ran.wait() == 130
    assert "Traceback" not in rest
    assert "KeyboardInterrupt" not in rest
