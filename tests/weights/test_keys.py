"""The authors' key names to ours and back."""

import re

import pytest
import torch
from kinds import KINDS, build

from video_uniformer.weights.keys import RENAMES, to_our_names, to_published_names


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_is_the_same(kind: str) -> None:
    state = build(kind).state_dict()
    back = to_our_names(to_published_names(state))
    assert back.keys() == state.keys()
    assert all(back[key] is state[key] for key in state)


@pytest.mark.parametrize("kind", KINDS)
def test_no_published_name_is_of_our_making(kind: str) -> None:
    ours = re.compile(r"stages|dpe|mhra|ffn|affinity|aux_proj|cls_proj|norms|time_|conv\.|value")
    assert not [key for key in to_published_names(build(kind).state_dict()) if ours.search(key)]


@pytest.mark.parametrize("kind", KINDS)
def test_own_names_are_left_alone(kind: str) -> None:
    state = build(kind).state_dict()
    assert list(to_our_names(state)) == list(state)


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("patch_embed1.proj.weight", "stages.0.patch_embed.proj.weight"),
        ("patch_embed4.norm.bias", "stages.3.patch_embed.norm.bias"),
        ("patch_embed1.proj.0.bias", "stages.0.patch_embed.conv1.bias"),
        ("patch_embed1.proj.1.running_mean", "stages.0.patch_embed.norm1.running_mean"),
        ("patch_embed1.proj.3.weight", "stages.0.patch_embed.conv2.weight"),
        ("patch_embed1.proj.4.weight", "stages.0.patch_embed.norm2.weight"),
        ("patch_embed2.proj.0.weight", "stages.1.patch_embed.proj.weight"),
        ("patch_embed2.proj.1.running_var", "stages.1.patch_embed.norm.running_var"),
        ("blocks1.0.pos_embed.weight", "stages.0.blocks.0.dpe.conv.weight"),
        ("blocks1.10.conv1.weight", "stages.0.blocks.10.mhra.value.weight"),
        ("blocks2.3.attn.weight", "stages.1.blocks.3.mhra.affinity.weight"),
        ("blocks2.3.conv2.bias", "stages.1.blocks.3.mhra.proj.bias"),
        ("blocks3.19.attn.qkv.weight", "stages.2.blocks.19.mhra.qkv.weight"),
        ("blocks4.0.attn.proj.bias", "stages.3.blocks.0.mhra.proj.bias"),
        ("blocks4.0.mlp.fc2.weight", "stages.3.blocks.0.ffn.fc2.weight"),
        ("blocks3.0.gamma_1", "stages.2.blocks.0.gamma_1"),
        ("blocks3.0.t_attn.qkv.weight", "stages.2.blocks.0.time_mhra.qkv.weight"),
        ("blocks3.0.t_norm.weight", "stages.2.blocks.0.time_norm.weight"),
        ("cls_token", "stages.2.cls_token"),
        ("cls_upsample.weight", "stages.3.cls_upsample.weight"),
        ("norm.running_mean", "norm.running_mean"),
        ("norm1.weight", "norms.0.weight"),
        ("norm_cls.bias", "head.cls_norm.bias"),
        ("head.weight", "head.proj.weight"),
        ("head_cls.weight", "head.cls_proj.weight"),
        ("aux_head.bias", "head.aux_proj.bias"),
    ],
)
def test_published_name_becomes_ours(published: str, ours: str) -> None:
    assert list(to_our_names({published: torch.zeros(1)})) == [ours]


def test_no_rename_is_useless() -> None:
    names = {key for kind in KINDS for key in to_published_names(build(kind).state_dict())}
    for pattern, replacement in RENAMES:
        changed = {re.sub(pattern, replacement, name) for name in names}
        assert changed != names, pattern
        names = changed


@pytest.mark.parametrize("wrapper", ["model", "model_state", "state_dict"])
def test_wrapper_key_is_unwrapped(wrapper: str) -> None:
    weight = torch.zeros(1)
    content = {wrapper: {"head.weight": weight}, "epoch": 3, "optimizer": {"lr": 0.1}}
    assert to_our_names(content) == {"head.proj.weight": weight}


def test_wrapper_key_of_something_else_is_not_unwrapped() -> None:
    with pytest.raises(ValueError, match="entry 'model' is a str, expected a state dict of tens"):
        to_our_names({"model": "uniformer_small", "head.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    "prefix", ["module.", "network.", "_orig_mod.", "module._orig_mod.", "network.module."]
)
def test_prefix_of_a_training_wrapper_is_stripped(prefix: str) -> None:
    assert list(to_our_names({f"{prefix}blocks1.0.gamma_1": torch.ones(1)})) == [
        "stages.0.blocks.0.gamma_1"
    ]


@pytest.mark.parametrize("kind", ["video", "image_light_scaled"])
def test_prefixed_and_wrapped_own_state_dict_is_recognised(kind: str) -> None:
    state = build(kind).state_dict()
    wrapped = {"state_dict": {f"network.{key}": value for key, value in state.items()}}
    assert list(to_our_names(wrapped)) == list(state)


def test_entry_that_is_no_tensor_is_refused() -> None:
    message = (
        "entry 'epoch' is a int, expected a state dict of tensors, bare or under one of "
        "model_state, state_dict, model"
    )
    with pytest.raises(ValueError, match=message):
        to_our_names({"head.weight": torch.zeros(1), "epoch": 3})


@pytest.mark.parametrize("other", ["module.head.weight", "head.proj.weight", "network.head.weight"])
def test_two_entries_of_one_name_are_refused(other: str) -> None:
    message = "two entries of the state dict are called 'head.proj.weight'"
    with pytest.raises(ValueError, match=message):
        to_our_names({"head.weight": torch.zeros(1), other: torch.zeros(1)})
