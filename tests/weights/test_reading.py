"""What weights are: said by themselves, by their published name, or by their shapes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from video_uniformer.clip import ClipSpec
from video_uniformer.description import Description, plain_values
from video_uniformer.labels.names import shipped_class_names
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.keys import to_published_names
from video_uniformer.weights.pretrained import UniFormer
from video_uniformer.weights.reading import identify, open_checkpoint, read_weights
from video_uniformer.weights.writing import save_weights
from video_uniformer.weights.zoo import RELEASES

DESCRIPTION = Description(
    task="video_classification",
    network={"variant": "test", "ndim": 3, "num_classes": 3},
    input=ClipSpec(num_frames=4, stride=None, size=32, std=(0.1, 0.2, 0.3)),
    class_names=("a", "b", "c"),
    fusion="logits",
)
# As releases before wrote it.
OLD = {
    "network": {"variant": "test", "ndim": 3, "num_classes": 3},
    "clip": {"num_frames": 4, "stride": None, "size": 32, "std": (0.1, 0.2, 0.3)},
    "class_names": ["a", "b", "c"],
    "fusion": "logits",
}


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return create_uniformer("test", num_classes=3).state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def empty_state(**arguments: Any) -> dict[str, Tensor]:
    """The state dict of a network of any size, in the authors' naming, without storage."""
    with torch.device("meta"):
        return to_published_names(create_uniformer(**arguments).state_dict())


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_file_of_ours_says_what_it_is(
    tmp_path: Path, state: dict[str, Tensor], suffix: str
) -> None:
    path = tmp_path / f"uniformer_small_k400_16x4{suffix}"  # a name that says otherwise
    if suffix == ".ckpt":
        content = {"state_dict": state, "description": plain_values(DESCRIPTION), "epoch": 3}
        torch.save(content, path)
    else:
        save_weights(path, state, DESCRIPTION)
    checkpoint = open_checkpoint(path)
    assert checkpoint.name == str(path)
    assert same(checkpoint.state, state)
    assert checkpoint.description == DESCRIPTION


@pytest.mark.parametrize("kind", ["dict", "safetensors", "folder"])
def test_file_of_an_earlier_release_is_read_as_ever(
    tmp_path: Path, state: dict[str, Tensor], kind: str
) -> None:
    state = {key: value.contiguous() for key, value in state.items()}
    path = tmp_path / "model.safetensors"
    if kind == "dict":
        path = tmp_path / "best.ckpt"
        torch.save({"state_dict": state, "classifier": OLD, "epoch": 3}, path)
    else:
        save_file(state, path, metadata={"format": "pt", "classifier": json.dumps(OLD)})
        (tmp_path / "config.json").write_text(json.dumps(OLD))
    checkpoint = open_checkpoint(tmp_path if kind == "folder" else path)
    assert same(checkpoint.state, state)
    assert checkpoint.description == DESCRIPTION
    if kind == "folder":
        loaded = UniFormer.from_pretrained(tmp_path)
        assert loaded.description.class_names == ("a", "b", "c")
        assert loaded.description.clip == DESCRIPTION.input


def test_safetensors_file_without_facts_is_bare(tmp_path: Path, state: dict[str, Tensor]) -> None:
    bare = {key: value.contiguous() for key, value in state.items()}
    save_file(bare, tmp_path / "a.safetensors", metadata={"format": "pt"})
    content = read_weights(tmp_path / "a.safetensors")
    assert content.keys() == state.keys()
    assert open_checkpoint(tmp_path / "a.safetensors").description.class_names is None


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"network": [1]}, r"that its network is \[1\], expected a dict"),
        ({"clip": 16}, "that its clip is 16, expected a dict"),
        ({"input": {"num_frames": 4}}, "what its input cannot be: .* missing 2 required"),
        ({"fusion": 3}, "that its fusion is 3, expected a word"),
        ({"class_names": ["a", 1]}, r"that its class_names is \['a', 1\], expected a list of"),
        ({"class_names": "abc"}, "that its class_names is 'abc', expected a list"),
    ],
)
def test_facts_that_cannot_be_are_refused(
    tmp_path: Path, facts: dict[str, Any], message: str
) -> None:
    metadata = {"description": json.dumps(facts)}
    save_file({"norm.weight": torch.ones(1)}, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(ValueError, match=f"a.safetensors says of itself {message}"):
        open_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize("said", ["{", "[" * 100_000])
def test_damaged_facts_are_refused(tmp_path: Path, said: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1)}, path, metadata={"classifier": said})
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} is not a readable weights file"):
        open_checkpoint(path)


def test_facts_that_are_no_facts_say_nothing(tmp_path: Path, state: dict[str, Tensor]) -> None:
    bare = {key: value.contiguous() for key, value in state.items()}
    save_file(bare, tmp_path / "a.safetensors", metadata={"classifier": json.dumps([1])})
    said = open_checkpoint(tmp_path / "a.safetensors").description
    assert said == Description(task="video_classification", network=said.network)


RELEASED = ["k400_xxs_16_160", "k400_s_16x4", "ssv2_b_16_from_k400", "in1k_s_plus_dim64"]


@pytest.mark.parametrize("name", [*RELEASED, "in1k_s_dim64_tl_224", "in1k_l_ls_tl_384"])
def test_release_is_described_by_the_table(name: str) -> None:
    release = RELEASES[name]
    state = empty_state(**release.builder_arguments())
    video = release.task == "video"
    assert identify({"model": state}, "weights.pth", release).description == Description(
        task=f"{release.task}_classification",
        network=release.builder_arguments(),
        input=release.input(),
        class_names=tuple(shipped_class_names(release.labels)),
        fusion="logits" if video else None,
        source=name,
    )


def test_published_file_name_stands_for_its_release(tmp_path: Path) -> None:
    arguments = RELEASES["k400_xxs_4_128"].builder_arguments()
    shapes = empty_state(**arguments).items()
    state = {key: torch.zeros(()).expand(value.shape) for key, value in shapes}
    path = tmp_path / "uniformer_xxs4_128_k400.pth"
    torch.save(state, path)
    assert open_checkpoint(path).description.source == "k400_xxs_4_128"
    assert open_checkpoint(path).description.network == arguments


def test_release_of_another_number_of_classes_has_no_names() -> None:
    release = RELEASES["hmdb51_s_16x4_from_k400"]
    state = empty_state(**{**release.builder_arguments(), "num_classes": 101})
    said = identify(state, "weights.pth", release).description
    assert said.network == {**release.builder_arguments(), "num_classes": 101}
    assert said.input == release.input()
    assert said.class_names is None


def test_another_variant_is_not_the_release() -> None:
    state = empty_state(variant="base")
    said = identify(state, "weights.pth", RELEASES["k400_s_16x4"]).description
    assert said.network["variant"] == "base"
    assert said == Description(task="video_classification", network=said.network)


@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "xxs", "num_classes": 400},
        {"variant": "xs", "num_classes": 7, "ndim": 2, "layer_scale": 1e-6},
        {"variant": "small", "num_classes": 174},
        {"variant": "small", "num_classes": 0},
        {"variant": "small", "num_classes": 10, "attention": "divided", "embed_frames": 3},
        {"variant": "small_plus", "num_classes": 1000, "ndim": 2},
        {"variant": "base", "num_classes": 1000, "ndim": 2, "token_labels": True},
        {"variant": "base", "num_classes": 600, "layer_scale": 1e-6},
        {"variant": "large", "num_classes": 0, "ndim": 2, "features_only": True},
        {"variant": "test_light", "num_classes": 2},
        {"variant": "test_light", "num_classes": 2, "in_chans": 4},
        {"variant": "test", "num_classes": 2, "ndim": 2, "in_chans": 1},
    ],
    ids=lambda arguments: " ".join(map(str, arguments.values())),
)
def test_shapes_tell_how_the_network_is_built(arguments: dict[str, Any]) -> None:
    usual = {"ndim": 3, "attention": "global", "embed_frames": 1, "layer_scale": None}
    flags = {"token_labels": False, "features_only": False, "in_chans": 3}
    found = identify(empty_state(**arguments), "weights.pth").description.network
    layer_scale = {"layer_scale": 1e-6} if arguments["variant"] == "large" else {}
    assert found == {**usual, **flags, **arguments, **layer_scale}


def test_head_dim_is_never_told_by_shapes() -> None:
    said = identify(empty_state(variant="small", head_dim=32), "weights.pth").description
    assert "head_dim" not in said.network


def test_other_tensors_are_no_network() -> None:
    assert identify({"fc.weight": torch.ones(3, 3)}, "weights.pth").description == Description()


def test_state_dict_is_opened_as_it_is(state: dict[str, Tensor]) -> None:
    checkpoint = open_checkpoint({"state_dict": state, "description": plain_values(DESCRIPTION)})
    assert checkpoint.name == "the state dict"
    assert same(checkpoint.state, state)
    assert checkpoint.description == DESCRIPTION
