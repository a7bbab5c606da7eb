"""The authors' key names to ours and back."""

import re
from collections.abc import Mapping

from torch import Tensor

from video_uniformer.weights import dense_keys
from video_uniformer.weights.dense_keys import BACKBONE

# Wrapper keys of published files and of Lightning checkpoints; the first that exists is unwrapped.
WRAPPERS = ("model_state", "state_dict", "model")
# Prefixes left by DistributedDataParallel, torch.compile and our Lightning module.
PREFIXES = ("module.", "_orig_mod.", "network.")

_BLOCK = r"^(stages\.\d\.blocks\.\d+)"
# The authors' key names -> ours, applied in order; a key that is already ours matches none.
# Official: image_classification/models/uniformer*.py and slowfast/models/uniformer*.py.
RENAMES = (
    (r"^cls_token$", "stages.2.cls_token"),
    (r"^cls_upsample\.", "stages.3.cls_upsample."),
    *((rf"^patch_embed{n + 1}\.", f"stages.{n}.patch_embed.") for n in range(4)),
    (r"^(stages\.0\.patch_embed)\.proj\.0\.", r"\1.conv1."),
    (r"^(stages\.0\.patch_embed)\.proj\.1\.", r"\1.norm1."),
    (r"^(stages\.0\.patch_embed)\.proj\.3\.", r"\1.conv2."),
    (r"^(stages\.0\.patch_embed)\.proj\.4\.", r"\1.norm2."),
    (r"^(stages\.[123]\.patch_embed)\.proj\.0\.", r"\1.proj."),
    (r"^(stages\.[123]\.patch_embed)\.proj\.1\.", r"\1.norm."),
    *((rf"^blocks{n + 1}\.", f"stages.{n}.blocks.") for n in range(4)),
    (rf"{_BLOCK}\.pos_embed\.", r"\1.dpe.conv."),
    (rf"{_BLOCK}\.t_norm\.", r"\1.time_norm."),
    (rf"{_BLOCK}\.t_attn\.", r"\1.time_mhra."),
    (rf"{_BLOCK}\.conv1\.", r"\1.mhra.value."),
    (r"^(stages\.[01]\.blocks\.\d+)\.attn\.", r"\1.mhra.affinity."),
    (rf"{_BLOCK}\.conv2\.", r"\1.mhra.proj."),
    (r"^(stages\.[23]\.blocks\.\d+)\.attn\.", r"\1.mhra."),
    (rf"{_BLOCK}\.mlp\.", r"\1.ffn."),
    *((rf"^norm{n + 1}\.", f"norms.{n}.") for n in range(4)),
    (r"^norm_cls\.", "head.cls_norm."),
    (r"^head_cls\.", "head.cls_proj."),
    (r"^aux_head\.", "head.aux_proj."),
    (r"^head\.(weight|bias)$", r"head.proj.\1"),
)

# Ours -> the authors', applied in order.
_PUBLISHED = (
    (r"^stages\.2\.cls_token$", "cls_token"),
    (r"^stages\.3\.cls_upsample\.", "cls_upsample."),
    (r"^(stages\.0\.patch_embed)\.conv1\.", r"\1.proj.0."),
    (r"^(stages\.0\.patch_embed)\.norm1\.", r"\1.proj.1."),
    (r"^(stages\.0\.patch_embed)\.conv2\.", r"\1.proj.3."),
    (r"^(stages\.0\.patch_embed)\.norm2\.", r"\1.proj.4."),
    (rf"{_BLOCK}\.dpe\.conv\.", r"\1.pos_embed."),
    (rf"{_BLOCK}\.time_norm\.", r"\1.t_norm."),
    (rf"{_BLOCK}\.time_mhra\.", r"\1.t_attn."),
    (rf"{_BLOCK}\.mhra\.value\.", r"\1.conv1."),
    (rf"{_BLOCK}\.mhra\.affinity\.", r"\1.attn."),
    (r"^(stages\.[01]\.blocks\.\d+)\.mhra\.proj\.", r"\1.conv2."),
    (r"^(stages\.[23]\.blocks\.\d+)\.mhra\.", r"\1.attn."),
    (rf"{_BLOCK}\.ffn\.", r"\1.mlp."),
    (r"^head\.cls_norm\.", "norm_cls."),
    (r"^head\.cls_proj\.", "head_cls."),
    (r"^head\.aux_proj\.", "aux_head."),
    (r"^head\.proj\.", "head."),
    *((rf"^stages\.{n}\.patch_embed\.", f"patch_embed{n + 1}.") for n in range(4)),
    *((rf"^stages\.{n}\.blocks\.", f"blocks{n + 1}.") for n in range(4)),
    *((rf"^norms\.{n}\.", f"norm{n + 1}.") for n in range(4)),
)
# Between the stages of S+ the authors keep convolution and batch norm in a sequence.
_CONV_EMBED = (
    (r"^(patch_embed[234])\.proj\.", r"\1.proj.0."),
    (r"^(patch_embed[234])\.norm\.", r"\1.proj.1."),
)
# In what order parts with these names are registered by the authors, whatever holds them.
_ORDER = (
    *("cls_token", "patch_embed1", "patch_embed2", "patch_embed3", "patch_embed4", "cls_upsample"),
    *("gamma_1", "gamma_2", "pos_embed", "t_norm", "t_attn"),
    *("blocks1", "norm1", "conv1", "conv2", "attn", "blocks2", "norm2", "mlp"),
    *("blocks3", "norm3", "blocks4", "norm4", "norm", "norm_cls", "head", "head_cls", "aux_head"),
    *("qkv", "proj", "fc1", "fc2", "weight", "bias"),
    *("running_mean", "running_var", "num_batches_tracked"),
)
_PLACE = {name: place for place, name in enumerate(_ORDER)}


def to_our_names(content: Mapping[str, object]) -> dict[str, Tensor]:
    """Unwrap a checkpoint's state dict and rename its keys to ours.

    Args:
        content: A state dict under any of its published wrapper keys, or bare.

    Raises:
        ValueError: an entry is not a tensor, or two keys get the same name.
    """
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            content = inner
            break
    renamed: dict[str, Tensor] = {}
    for original, value in content.items():
        name = _to_ours(_strip(str(original)))
        if not isinstance(value, Tensor):
            raise ValueError(
                f"entry {original!r} is a {type(value).__name__}, expected a state dict of "
                f"tensors, bare or under one of {', '.join(WRAPPERS)}"
            )
        if name in renamed:
            raise ValueError(f"two entries of the state dict are called {name!r}")
        renamed[name] = value
    return renamed


def to_published_names(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename our keys to the authors', in the authors' order; the tensors are the same objects.

    Args:
        state_dict: Of a network of this package.
    """
    if any(key.startswith(BACKBONE) for key in state_dict):
        return _dense_published(state_dict)
    table = _PUBLISHED
    if "stages.1.patch_embed.norm.running_mean" in state_dict:
        table = (*table, *_CONV_EMBED)
    named = {_apply(table, name): value for name, value in state_dict.items()}
    return {name: named[name] for name in sorted(named, key=_place)}


def _dense_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network of backbone and head: the backbone as alone, then the heads in their order."""
    backbone = {
        key.removeprefix(BACKBONE): value
        for key, value in state_dict.items()
        if key.startswith(BACKBONE)
    }
    named = {BACKBONE + key: value for key, value in to_published_names(backbone).items()}
    for key, value in state_dict.items():
        if not key.startswith(BACKBONE):
            named[_apply(dense_keys.PUBLISHED, key)] = value
    return named


def _to_ours(key: str) -> str:
    if key.startswith(BACKBONE):
        return BACKBONE + _apply(RENAMES, key.removeprefix(BACKBONE))
    return _apply((*RENAMES, *dense_keys.RENAMES), key)


def _place(name: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else _PLACE[part] for part in name.split("."))


def _strip(key: str) -> str:
    stripped = True
    while stripped:
        shorter = next((key.removeprefix(p) for p in PREFIXES if key.startswith(p)), key)
        stripped, key = shorter != key, shorter
    return key


def _apply(table: tuple[tuple[str, str], ...], key: str) -> str:
    for pattern, replacement in table:
        key = re.sub(pattern, replacement, key)
    return key
