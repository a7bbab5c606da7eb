"""Segmenters made of checkpoints."""

from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import noise
from PIL import Image
from tiny_dense import CLASSES, SCENE, save_segmenter

from video_uniformer import create_segmenter, create_uniformer, load_segmenter
from video_uniformer.clip import ImageSpec, SceneSpec
from video_uniformer.description import Description
from video_uniformer.inference.scenes import SceneSegmenter
from video_uniformer.inference.segmentation import segment_picture
from video_uniformer.labels.palettes import palette
from video_uniformer.weights.writing import save_weights


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_segmenter(tmp_path / "s.safetensors")


def test_checkpoint_says_everything(checkpoint: Path) -> None:
    segmenter = load_segmenter(checkpoint)
    assert (segmenter.class_names, segmenter.scene) == (CLASSES, SCENE)
    assert segmenter.palette == palette(3)


def test_answer_is_that_of_the_network_itself(checkpoint: Path) -> None:
    pixels, network = noise(0), create_segmenter(weights=checkpoint).eval()
    options = {"scales": (0.5, 1.0), "flip": True, "window": 32, "stride": 16}
    expected = segment_picture(network, pixels, SCENE, **options)
    found = load_segmenter(checkpoint)(pixels, **options)
    assert (found.labels == expected.labels).mean() > 0.999  # but for rounding
    assert len(np.unique(found.labels)) > 1


def test_file_is_answered_as_its_pixels(checkpoint: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(1)).save(tmp_path / "a.png")
    segmenter = load_segmenter(checkpoint)
    found = segmenter(tmp_path / "a.png")
    assert (found.labels == segmenter(noise(1)).labels).all()


def test_fields_of_the_input_can_be_replaced(checkpoint: Path) -> None:
    assert load_segmenter(checkpoint, scene={"short_side": 96}).scene == SceneSpec(96, 128)


def test_attention_can_be_chosen(checkpoint: Path) -> None:
    network = load_segmenter(checkpoint, attention="window", window_size=2).network
    assert (network.config["attention"], network.config["window_size"]) == ("window", 2)


@pytest.mark.parametrize(("head", "multiple"), [("upernet", 1), ("semantic_fpn", 32)])
def test_input_that_is_not_said_is_the_published(head: str, multiple: int, tmp_path: Path) -> None:
    network = create_segmenter("test", head=head, num_classes=2, dim=16)
    said = Description("segmentation", network.config, class_names=("a", "b"))
    save_weights(tmp_path / "a.safetensors", network.state_dict(), said)
    assert load_segmenter(tmp_path / "a.safetensors").scene == SceneSpec(multiple=multiple)


def test_names_that_are_not_said_have_to_be_given(tmp_path: Path) -> None:
    path = save_segmenter(tmp_path / "n.safetensors", class_names=None)
    with pytest.raises(ValueError, match="holds no class names, expected them to be given"):
        load_segmenter(path)
    assert load_segmenter(path, class_names=["x", "y", "z"]).class_names == ("x", "y", "z")


def test_classifier_is_refused(tmp_path: Path) -> None:
    network, path = create_uniformer("test", ndim=2, num_classes=2), tmp_path / "c.safetensors"
    said = Description(network=network.config, input=ImageSpec(32), class_names=("a", "b"))
    save_weights(path, network.state_dict(), said)
    with pytest.raises(ValueError, match="network for image_classification, expected segmentation"):
        load_segmenter(path)


def test_other_number_of_names_is_refused() -> None:
    network = create_segmenter("test", num_classes=2, dim=16)
    with pytest.raises(ValueError, match="there are 1 class names, expected 2"):
        SceneSegmenter(network, scene=SCENE, class_names=["a"])


def test_unknown_device_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="device is 'abacus', which cannot be used"):
        load_segmenter(checkpoint, device="abacus")
