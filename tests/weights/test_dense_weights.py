"""Weights of dense networks: written, read again, and started from those of other networks."""

from pathlib import Path

import pytest
import torch
from official_dense import dense_state_dict
from torch import Tensor, nn

from video_uniformer import (
    PersonSpec,
    SceneSpec,
    create_pose_network,
    create_segmenter,
    create_uniformer,
    load_classifier,
    load_weights,
)
from video_uniformer.description import Description, plain_values, read_description
from video_uniformer.models.uniformer.dense import PoseNetwork, Segmenter
from video_uniformer.weights.keys import to_published_names
from video_uniformer.weights.pretrained import Segmenter as SegmenterOfTheHub
from video_uniformer.weights.reading import open_checkpoint

NAMES = ("wall", "floor", "tree")


def segmenter(head: str = "upernet", **options: object) -> Segmenter:
    torch.manual_seed(0)
    return create_segmenter("test", head=head, num_classes=3, dim=32, **options)  # type: ignore[arg-type]


def image() -> Tensor:
    return torch.randn(2, 3, 96, 160, generator=torch.Generator().manual_seed(1))


def same_outputs(one: nn.Module, other: nn.Module) -> bool:
    with torch.inference_mode():
        return torch.equal(one.eval()(image()), other.eval()(image()))


@pytest.mark.parametrize("head", ["upernet", "semantic_fpn"])
def test_training_gives_the_auxiliary_logits_where_there_are_any(head: str) -> None:
    outputs = segmenter(head)(image())
    if head == "upernet":
        assert [tuple(part.shape) for part in outputs] == [(2, 3, 24, 40), (2, 3, 6, 10)]
    else:
        assert tuple(outputs.shape) == (2, 3, 24, 40)


@pytest.mark.parametrize("head", ["upernet", "semantic_fpn"])
def test_published_names_are_recognised(head: str) -> None:
    network = segmenter(head)
    state = {
        f"module.{key}": value for key, value in to_published_names(network.state_dict()).items()
    }
    assert same_outputs(create_segmenter(weights={"state_dict": state, "meta": {}}), network)


def test_pose_network_is_recognised() -> None:
    torch.manual_seed(0)
    network = create_pose_network("test", num_joints=5, dim=16)
    again = create_pose_network(weights=to_published_names(network.state_dict()))
    assert same_outputs(again, network)
    assert isinstance(again, PoseNetwork)


@pytest.mark.slow
def test_published_file_without_a_description_is_built_at_full_size() -> None:
    network = create_pose_network(weights={"state_dict": dense_state_dict("small", "pose", 17)})
    assert network.config["variant"] == "small"
    assert network.config["dim"] == 256
    assert network.description.task == "pose"


def test_attention_is_chosen_when_the_weights_are_loaded() -> None:
    state = segmenter().state_dict()
    networks = [
        create_segmenter(weights=state, attention=attention, window_size=2).eval()
        for attention in ("global", "window")
    ]
    with torch.inference_mode():
        outputs = [network(image()) for network in networks]
    assert not torch.allclose(*outputs)
    assert all(
        torch.equal(*pair)
        for pair in zip(*(n.state_dict().values() for n in networks), strict=True)
    )


def test_backbone_starts_from_an_image_classifier_and_the_head_anew() -> None:
    torch.manual_seed(4)
    classifier = create_uniformer("test", ndim=2, num_classes=7)
    network = create_segmenter("test", num_classes=3, dim=32, weights=classifier.state_dict())
    own, theirs = network.state_dict(), classifier.state_dict()
    assert all(
        torch.equal(own[f"backbone.{key}"], value)
        for key, value in theirs.items()
        if key.startswith("stages.")
    )
    report = load_weights(network, classifier.state_dict(), reset_head=True)
    assert {key.split(".")[0] for key in report.reinitialised} == {"head", "auxiliary", "backbone"}
    assert all("norms." in k for k in report.reinitialised if k.startswith("backbone."))


def test_backbone_of_a_segmenter_gives_its_maps() -> None:
    network = segmenter()
    maps = create_uniformer(features_only=True, weights=network.state_dict()).eval()
    with torch.inference_mode():
        for own, other in zip(maps(image()), network.eval().backbone(image()), strict=True):
            assert torch.equal(own, other)


def test_segmenter_is_no_classifier() -> None:
    state = segmenter().state_dict()
    with pytest.raises(ValueError, match="network for segmentation, expected a classifier's"):
        create_uniformer(weights=state)
    with pytest.raises(ValueError, match="is a network for segmentation, expected video_cl"):
        load_classifier(open_checkpoint(state))


def test_other_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\w+\.classifier\.proj\.\w+ is .* reset_head=True"):
        create_segmenter(weights=segmenter().state_dict(), num_classes=4)


def test_classes_are_put_into_the_order_of_the_data() -> None:
    network = segmenter()
    network.description = Description(
        task="segmentation", network=network.config, input=SceneSpec(), class_names=NAMES
    )
    content = {"state_dict": network.state_dict(), "description": plain_values(network.description)}
    other = segmenter()
    report = load_weights(other, content, class_names=["tree", "wall", "floor"])
    assert report.reordered
    assert other.description.class_names == ("tree", "wall", "floor")
    with torch.inference_mode():
        assert torch.equal(other.eval()(image()), network.eval()(image())[:, [2, 0, 1]])


def test_description_survives() -> None:
    description = Description(
        task="segmentation",
        network=segmenter().config,
        input=SceneSpec(short_side=64, multiple=32),
        class_names=NAMES,
    )
    assert read_description(plain_values(description), "a file") == description


def test_folder_of_the_hub_gives_the_network_back(tmp_path: Path) -> None:
    network = segmenter()
    assert isinstance(network, SegmenterOfTheHub)
    network.save_pretrained(tmp_path)
    assert same_outputs(SegmenterOfTheHub.from_pretrained(tmp_path), network)
    card = (tmp_path / "README.md").read_text()
    assert "Segmenter.from_pretrained" in card
    assert "image-segmentation" in card


def test_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match="head is 'deeplab', expected upernet"):
        create_segmenter("test", head="deeplab")
    with pytest.raises(ValueError, match="head is 'pose', expected 'upernet' or 'semantic_fpn'"):
        create_segmenter("test", head="pose")


@pytest.mark.parametrize(("size", "sigma"), [((256, 192), 2.0), ((384, 288), 3.0)])
def test_pose_network_says_the_size_it_is_made_for(size: tuple[int, int], sigma: float) -> None:
    network = create_pose_network("test", size=size, dim=16)
    assert network.description.input == PersonSpec(*size, sigma=sigma)
    with pytest.raises(ValueError, match="width is 100, expected a multiple of 32"):
        create_pose_network("test", size=(256, 100))
