"""`train` and `test` on pictures: what they take from a checkpoint, refuse and print."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image

from video_uniformer import create_uniformer
from video_uniformer.cli import test as test_command
from video_uniformer.cli import train as train_command
from video_uniformer.cli.config_groups import config_folder
from video_uniformer.clip import ClipSpec, ImageSpec, SceneSpec
from video_uniformer.description import Description
from video_uniformer.weights.reading import Checkpoint
from video_uniformer.weights.writing import save_weights

Run = Callable[..., Any]
IMAGES = ("task=image_classification", "data=images", "model=uniformer_image")
SPEC = ImageSpec(size=32, crop_share=0.9, interpolation="bilinear", mean=(0.5, 0.5, 0.5))


def save(path: Path, ndim: int) -> Path:
    torch.manual_seed(0)
    network = create_uniformer("test", ndim=ndim, num_classes=2)
    spec = SPEC if ndim == 2 else ClipSpec(num_frames=4, stride=2, size=32)
    said = Description(network=network.config, input=spec, class_names=("dark", "bright"))
    save_weights(path, network.state_dict(), said)
    return path


@pytest.fixture
def image_checkpoint(tmp_path: Path) -> Path:
    return save(tmp_path / "images.safetensors", 2)


@pytest.fixture
def data(tmp_path: Path) -> Sequence[str]:
    """Four pictures to train on and three to evaluate, with what a command says of them."""
    for split, count in (("train", 4), ("val", 3)):
        lines = [f"{split}{index}.png {index % 2}\n" for index in range(count)]
        (tmp_path / f"{split}.csv").write_text("".join(lines))
        for index in range(count):
            grey = 40 + 150 * (index % 2)
            Image.new("RGB", (40, 50), (grey,) * 3).save(tmp_path / f"{split}{index}.png")
    (tmp_path / "classes.txt").write_text("dark\nbright\n")
    names = f"data.class_names.source={tmp_path / 'classes.txt'}"
    settings = (f"data.root={tmp_path}", names, "data.num_workers=0", "output_dir=out")
    return (*IMAGES, *settings, "trainer.accelerator=cpu", "trainer.devices=1")


@pytest.mark.parametrize(
    ("overridden", "expected"),
    [
        (set(), SPEC),
        ({"image.size"}, ImageSpec(224, 0.9, "bilinear", mean=(0.5, 0.5, 0.5))),
        ({"experiment"}, ImageSpec(224)),
    ],
)
def test_checkpoint_says_the_image(overridden: set[str], expected: ImageSpec) -> None:
    from hydra.utils import instantiate

    network = {"variant": "test", "ndim": 2, "num_classes": 2}
    said = Description(network=network, input=SPEC)  # type: ignore[arg-type]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=list(IMAGES))
    before = config.clip.copy()
    test_command.describe(config, Checkpoint("a", {}, said), overridden)
    assert instantiate(config.image) == expected
    assert config.clip == before
    assert config.model.variant == "test"


def test_table_tells_samples_without_views(
    run: Run, data: Sequence[str], image_checkpoint: Path
) -> None:
    ran = run(test_command.main, *data, f"ckpt_path={image_checkpoint}")
    assert (ran.status, ran.err) == (0, "")
    lines = [" ".join(line.replace("│", " ").split()) for line in ran.out.splitlines()]
    assert "samples evaluated 3 of 3" in lines
    assert not [line for line in lines if line.startswith("views")]


@pytest.mark.parametrize(
    ("ndim", "settings", "message"),
    [
        (2, ("data=videos",), "a network for images, but task and data are for videos"),
        (3, IMAGES, "a network for videos, but task and data are for images"),
        (2, ("task=image_classification", "data=videos"), "images, but data is for videos"),
        (3, (*IMAGES[:1], "data=videos"), "a network for videos, but task is for images"),
    ],
)
def test_config_for_another_kind_of_checkpoint_is_one_line(
    ndim: int, settings: Sequence[str], message: str, run: Run, tmp_path: Path
) -> None:
    path = save(tmp_path / "other.safetensors", ndim)
    ran = run(test_command.main, *settings, "data.root=.", f"ckpt_path={path}", "output_dir=out")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert message in ran.err
    remedy = "task=image_classification data=image_folder" if ndim == 2 else "task=classification"
    assert f"expected {remedy}" in ran.err


def test_training_of_unlike_parts_is_one_line(run: Run, tmp_path: Path) -> None:
    ran = run(train_command.main, "data=videos", "data.root=.", "model=uniformer_image")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "model is a network for images, but task and data are for videos" in ran.err


def test_training_says_what_it_trains(run: Run, data: Sequence[str]) -> None:
    settings = ("model.variant=test", "image.size=32", "trainer.max_epochs=1", "data.batch_size=4")
    ran = run(train_command.main, *data, *settings, "optim=adamw_epoch_cosine")
    assert ran.status == 0, ran.err
    [line] = [line for line in ran.out.splitlines() if line.startswith("UniFormer test: ")]
    assert "M parameters, 2 classes, 32 x 32 pixels; results in " in line


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [("uniformer_s_upernet_w32_ade20k", ("window", 32)), (None, ("global", 14))],
)
def test_experiment_says_with_what_attention_a_segmenter_is_tested(
    experiment: str | None, expected: tuple[str, int]
) -> None:
    network = {"variant": "small", "ndim": 2, "num_classes": 150, "head": "upernet"}
    network |= {"attention": "global", "window_size": 14}
    said = Description(network=network, input=SceneSpec())  # type: ignore[arg-type]
    chosen = (
        ["model=segmenter", "task=segmentation", "data=image_masks"]
        if experiment is None
        else [f"experiment={experiment}"]
    )
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=chosen)
    overridden = {text.split("=")[0] for text in chosen}
    test_command.describe(config, Checkpoint("a", {}, said), overridden)
    assert (config.model.attention, config.model.window_size) == expected
