"""Self-describing files, and model cards."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from huggingface_hub import ModelCard
from official import official_shapes
from safetensors import safe_open
from torch import Tensor

from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.description import Description, NetworkArguments
from video_uniformer.labels.names import shipped_class_names
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.card import model_card
from video_uniformer.weights.keys import to_our_names, to_published_names
from video_uniformer.weights.writing import (
    count_parameters,
    save_folder,
    save_published,
    save_weights,
)
from video_uniformer.weights.zoo import RELEASES

FACTS = Description(
    input=ClipSpec(num_frames=4, stride=2, size=32),
    class_names=("Dropping [something]", "naïve", "三"),
    fusion="probabilities",
    source="somewhere",
)


def network() -> Any:
    torch.manual_seed(0)
    made = create_uniformer("test", num_classes=3)
    made.description = replace(FACTS, task=made.description.task, network=made.config)
    return made


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(
        one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one
    )


def test_card_that_is_there_is_kept_by_the_network_and_replaced_on_demand(tmp_path: Path) -> None:
    saved, path = network(), tmp_path / "README.md"
    path.write_text("mine")
    saved.save_pretrained(tmp_path)
    assert path.read_text() == "mine"
    save_folder(tmp_path, saved.state_dict(), saved.description)
    assert path.read_text(encoding="utf-8") == str(saved.generate_model_card())


def test_file_says_everything_itself(tmp_path: Path) -> None:
    saved = network()
    save_weights(tmp_path / "a.safetensors", saved.state_dict(), saved.description)
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "pt"
    assert json.loads(metadata["description"])["network"] == saved.config
    loaded = create_uniformer(weights=tmp_path / "a.safetensors")
    assert same(loaded.state_dict(), saved.state_dict())
    assert loaded.description == saved.description


def test_same_weights_make_the_same_file(tmp_path: Path) -> None:
    state, paths = network().state_dict(), [tmp_path / f"{i}.safetensors" for i in range(8)]
    for path in paths:
        save_weights(path, state, FACTS)
    assert len({path.read_bytes() for path in paths}) == 1


def test_tensors_that_share_or_skip_storage_are_saved(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"a": whole, "b": whole[1], "c": whole.t(), "d": whole[:1].expand(3, 4)}
    save_weights(tmp_path / "a.safetensors", state, Description())
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert all(torch.equal(file.get_tensor(key), state[key]) for key in state)


def test_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    save_weights(tmp_path / "a.safetensors", {}, Description())
    save_published(tmp_path / "a.pth", {})
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"old")
    unwritable: Any = {"a": torch.ones(1), threading.Lock(): torch.ones(1)}
    with pytest.raises(TypeError):
        save_published(path, unwritable)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("value", "reason"),
    [(Path("a"), "not JSON serializable"), (float("nan"), "not JSON compliant")],
)
def test_fact_that_is_no_plain_value_is_refused(tmp_path: Path, value: Any, reason: str) -> None:
    with pytest.raises(
        ValueError, match=rf"description is .*'source': .*, expected plain .*{reason}"
    ):
        save_weights(tmp_path / "a.safetensors", {}, Description(source=value))
    assert not list(tmp_path.iterdir())


def test_other_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.pth ends in '.pth', expected .safetensors"):
        save_weights(tmp_path / "a.pth", {}, Description())
    with pytest.raises(ValueError, match=r"ends in '.bin', expected .pth or .pyth or .pt or .saf"):
        save_published(tmp_path / "a.bin", {})


PUBLISHED = [
    ("xxs", 3, {"layer_scale": 0.1}),
    ("xxs", 2, {}),
    ("small", 3, {}),
    ("small_plus", 2, {"token_labels": True}),
    ("base", 2, {"layer_scale": 1e-6}),
]


@pytest.mark.parametrize(("variant", "ndim", "options"), PUBLISHED)
@pytest.mark.parametrize("wrapper", [None, "model"])
def test_published_layout_is_restored_key_by_key(
    tmp_path: Path, variant: str, ndim: int, options: dict[str, Any], wrapper: str | None
) -> None:
    # The shapes play no part; one number each keeps the file small.
    keys = official_shapes(variant, ndim, 7, **options)
    state = {key: torch.tensor([i], dtype=torch.int32) for i, key in enumerate(keys)}
    save_published(tmp_path / "a.pth", to_published_names(to_our_names(state)), wrapper=wrapper)
    content = torch.load(tmp_path / "a.pth", weights_only=True)
    assert same(content if wrapper is None else content[wrapper], state)
    assert wrapper is None or list(content) == [wrapper]


def test_published_names_fit_into_a_safetensors_file(tmp_path: Path) -> None:
    state = to_published_names(network().state_dict())
    save_published(tmp_path / "a.safetensors", state, wrapper="model")
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert set(file.keys()) == set(state)


def test_parameters_are_counted_without_buffers() -> None:
    made = create_uniformer("test_light", ndim=2, num_classes=3)
    expected = sum(parameter.numel() for parameter in made.parameters())
    assert count_parameters(made.state_dict()) == expected


def card(network: Mapping[str, Any], **facts: Any) -> tuple[dict[str, Any], str]:
    """The card's metadata and its text."""
    described = Description(network=cast(NetworkArguments, network), **facts)
    text = model_card(described, 12_345_678)
    parsed = ModelCard(text)
    return parsed.data.to_dict(), parsed.text


def test_card_of_a_release_tells_what_the_authors_published() -> None:
    release = RELEASES["k400_s_16x4"]
    data, text = card(
        release.builder_arguments(),
        input=release.input(),
        class_names=shipped_class_names("kinetics400"),
        fusion="logits",
        source="k400_s_16x4",
    )
    assert data == {
        "library_name": "video-uniformer",
        "license": "apache-2.0",
        "metrics": ["accuracy"],
        "pipeline_tag": "video-classification",
        "tags": ["uniformer", "pytorch", "video"],
    }
    for said in (
        "| parameters | 12,345,678 |",
        "| variant | `small` |",
        "| clip | 16 frames (stride 4), 224 x 224 pixels |",
        "| channels | RGB |",
        "| views of a video (clips x crops) | 4 x 1; logits averaged |",
        "| classes | 400, in this order: `riding a bike`, `marching`, ",
        "release `uniformer_small_k400_16x4.pth` (`k400_s_16x4`, [link](https://drive.google.com/",
        "a top-1 accuracy of 80.8 % on Kinetics-400 (224 px, 16x1x4)",
        "video-uniformer predict clip.mp4 --checkpoint hf://owner/repo",
        'load_classifier("hf://owner/repo")',
        'UniFormer.from_pretrained("owner/repo")  # (B, 3, T, H, W) -> logits (B, K)',
    ):
        assert said in text


def test_card_of_an_image_network_names_its_data() -> None:
    release = RELEASES["in1k_s_tl_224"]
    data, text = card(release.builder_arguments(), source=release.name)
    assert data["pipeline_tag"] == "image-classification"
    assert data["datasets"] == ["imagenet-1k"]
    assert "83.4 % on ImageNet-1K (224 px)." in text
    assert "| token_labels | `True` |" in text
    assert "video-uniformer predict" not in text


def test_card_of_what_was_made_from_a_release_claims_no_accuracy() -> None:
    arguments = RELEASES["k400_s_16x4"].builder_arguments()
    data, text = card({**arguments, "num_classes": 3}, source="k400_s_16x4")
    assert "metrics" not in data
    assert "80.8" not in text
    assert "made from the authors' release `k400_s_16x4`" in text


def test_card_of_little_says_little() -> None:
    data, text = card({"variant": "test", "ndim": 3, "num_classes": 3})
    assert "metrics" not in data
    assert "datasets" not in data
    assert [word for word in ("None", "weights come", "clip", "classes |") if word in text] == []


@pytest.mark.parametrize(
    ("network", "tag", "use"),
    [
        ({"ndim": 3, "num_classes": 0}, "feature-extraction", "(B, 3, T, H, W) -> features (B, D)"),
        ({"ndim": 2, "num_classes": 0}, "image-feature-extraction", "-> features (B, D)"),
        (
            {"ndim": 2, "num_classes": 0, "features_only": True},
            "image-feature-extraction",
            'UniFormerMaps.from_pretrained("owner/repo")  # (B, 3, H, W) -> four stage maps',
        ),
    ],
)
def test_card_of_a_network_without_classes(network: dict[str, Any], tag: str, use: str) -> None:
    data, text = card({"variant": "test", **network})
    assert data["pipeline_tag"] == tag
    assert use in text


def test_card_of_segments_in_bgr() -> None:
    release = RELEASES["ssv2_b_16_from_k400"]
    _, text = card(release.builder_arguments(), input=release.input())
    assert "16 frames (one of each equal part of the video)" in text
    assert "| channels | BGR |" in text


def test_names_cannot_leave_their_place_in_the_card() -> None:
    evil = ["a`|b\n---\n# c", "<script>alert(1)</script>", "plain"]
    data, text = card(
        {"variant": "test", "ndim": 3, "num_classes": 3}, class_names=evil, source="x`\n---\n<b>"
    )
    assert data["library_name"] == "video-uniformer"
    assert "3, in this order: `a'/b --- # c`, `(script)alert(1)(/script)`, `plain` |" in text
    assert "<b>" not in text


def test_card_names_the_repository_that_it_is_told() -> None:
    text = str(network().generate_model_card(repo="me/net"))
    assert "--checkpoint hf://me/net" in text
    assert 'from_pretrained("me/net")' in text


def test_card_of_an_image_network_says_how_to_ask_it() -> None:
    said = Description(
        network=create_uniformer("test", ndim=2, num_classes=2).config,
        input=ImageSpec(64, crop_share=0.9),
        class_names=("cat", "dog"),
    )
    text = model_card(said, 1)
    for line in (
        "| image | 64 x 64 pixels, 90 % of the shorter side, bicubic |",
        "video-uniformer predict photo.jpg --checkpoint hf://owner/repo",
        'print(classifier("photo.jpg").top(5))',
    ):
        assert line in text
