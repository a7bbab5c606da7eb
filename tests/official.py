"""The authors' state dicts, from their key tables, filled by formula: no checkpoint is needed."""

import hashlib
import math
import zlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


class Network(NamedTuple):
    """What the authors' definitions of one variant say about shapes."""

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    ratio: int = 4
    stem: str = "patch"  # "conv": convolutions at every stage, "light": at the first one
    local_gammas: bool = False  # whether layer scale reaches the blocks of stages 1 and 2


DIMS = (64, 128, 320, 512)
NETWORKS = {
    "small": Network(DIMS, (3, 4, 8, 3)),
    "small_plus": Network(DIMS, (3, 5, 9, 3), stem="conv"),
    "base": Network(DIMS, (5, 8, 20, 7)),
    "large": Network((128, 192, 448, 640), (5, 10, 24, 7), local_gammas=True),
    "xxs": Network((56, 112, 224, 448), (2, 5, 8, 2), 3, "light", local_gammas=True),
    "xs": Network((64, 128, 256, 512), (3, 5, 9, 3), 3, "light", local_gammas=True),
}


def official_shapes(
    variant: str,
    ndim: int,
    num_classes: int | None,
    *,
    layer_scale: float | None = None,
    attention: str = "global",
    embed_frames: int = 1,
    token_labels: bool = False,
    features_only: bool = False,
) -> Shapes:
    """Key -> shape of the authors' state dict, in their order; arguments as of our builder."""
    row = NETWORKS[variant]
    embeds: Shapes = {}
    for stage, in_dim in enumerate((3, *row.dims[:3]), start=1):
        embeds |= _patch_embed(stage, in_dim, row, ndim, embed_frames)
    gammas = layer_scale is not None or variant == "large"
    blocks = [
        _stage(stage, row, ndim, gammas=gammas, divided=attention == "divided")
        for stage in range(1, 5)
    ]
    token: Shapes = {}
    if row.stem == "light":
        token["cls_token"] = (1, 1, row.dims[2])
        embeds |= _layer("cls_upsample", (row.dims[3], row.dims[2]))
    if features_only:
        for stage, dim in enumerate(row.dims, start=1):
            blocks[stage - 1] |= _affine(f"norm{stage}", dim)
        return token | embeds | _joined(blocks)
    assert num_classes is not None
    return token | embeds | _joined(blocks) | _heads(row, num_classes, token_labels)


def _joined(parts: list[Shapes]) -> Shapes:
    return {key: shape for part in parts for key, shape in part.items()}


def _heads(row: Network, num_classes: int, token_labels: bool) -> Shapes:
    dim = row.dims[3]
    shapes = _batch_norm("norm", dim)
    if row.stem == "light":
        shapes |= _affine("norm_cls", dim)
    shapes |= _layer("head", (num_classes, dim))
    if row.stem == "light":
        shapes |= _layer("head_cls", (num_classes, dim))
    if token_labels:
        shapes |= _layer("aux_head", (num_classes, dim))
    return shapes


def _patch_embed(stage: int, in_dim: int, row: Network, ndim: int, embed_frames: int) -> Shapes:
    prefix, dim, three = f"patch_embed{stage}", row.dims[stage - 1], (3,) * ndim
    if stage == 1 and row.stem != "patch":
        return (
            _layer(f"{prefix}.proj.0", (dim // 2, in_dim, *three))
            | _batch_norm(f"{prefix}.proj.1", dim // 2)
            | _layer(f"{prefix}.proj.3", (dim, dim // 2, *three))
            | _batch_norm(f"{prefix}.proj.4", dim)
        )
    if row.stem == "conv":
        convolution = _layer(f"{prefix}.proj.0", (dim, in_dim, *three))
        return convolution | _batch_norm(f"{prefix}.proj.1", dim)
    kernel = (3, 4, 4) if stage == 1 else (embed_frames, 2, 2)
    return _affine(f"{prefix}.norm", dim) | _layer(f"{prefix}.proj", (dim, in_dim, *kernel[-ndim:]))


def _stage(stage: int, row: Network, ndim: int, *, gammas: bool, divided: bool) -> Shapes:
    shapes: Shapes = {}
    dim = row.dims[stage - 1]
    for index in range(row.depths[stage - 1]):
        prefix = f"blocks{stage}.{index}"
        if stage < 3:
            if gammas and row.local_gammas:
                shapes |= _gammas(prefix, (1, dim, *(1,) * ndim))
            shapes |= _local_block(prefix, dim, row.ratio * dim, ndim)
        else:
            if gammas:
                shapes |= _gammas(prefix, (dim,))
            shapes |= _global_block(prefix, dim, row.ratio * dim, ndim, divided=divided)
    return shapes


def _local_block(prefix: str, dim: int, hidden_dim: int, ndim: int) -> Shapes:
    point = (1,) * ndim
    return (
        _layer(f"{prefix}.pos_embed", (dim, 1, *(3,) * ndim))
        | _batch_norm(f"{prefix}.norm1", dim)
        | _layer(f"{prefix}.conv1", (dim, dim, *point))
        | _layer(f"{prefix}.conv2", (dim, dim, *point))
        | _layer(f"{prefix}.attn", (dim, 1, *(5,) * ndim))
        | _batch_norm(f"{prefix}.norm2", dim)
        | _layer(f"{prefix}.mlp.fc1", (hidden_dim, dim, *point))
        | _layer(f"{prefix}.mlp.fc2", (dim, hidden_dim, *point))
    )


def _global_block(prefix: str, dim: int, hidden_dim: int, ndim: int, *, divided: bool) -> Shapes:
    time: Shapes = {}
    if divided:
        time = _affine(f"{prefix}.t_norm", dim) | _attention(f"{prefix}.t_attn", dim)
    return (
        _layer(f"{prefix}.pos_embed", (dim, 1, *(3,) * ndim))
        | time
        | _affine(f"{prefix}.norm1", dim)
        | _attention(f"{prefix}.attn", dim)
        | _affine(f"{prefix}.norm2", dim)
        | _layer(f"{prefix}.mlp.fc1", (hidden_dim, dim))
        | _layer(f"{prefix}.mlp.fc2", (dim, hidden_dim))
    )


def _attention(prefix: str, dim: int) -> Shapes:
    return _layer(f"{prefix}.qkv", (3 * dim, dim)) | _layer(f"{prefix}.proj", (dim, dim))


def _gammas(prefix: str, shape: tuple[int, ...]) -> Shapes:
    return {f"{prefix}.gamma_1": shape, f"{prefix}.gamma_2": shape}


def _layer(prefix: str, weight: tuple[int, ...]) -> Shapes:
    return {f"{prefix}.weight": weight, f"{prefix}.bias": weight[:1]}


def _affine(prefix: str, dim: int) -> Shapes:
    return {f"{prefix}.weight": (dim,), f"{prefix}.bias": (dim,)}


def _batch_norm(prefix: str, dim: int) -> Shapes:
    statistics: Shapes = {f"{prefix}.running_mean": (dim,), f"{prefix}.running_var": (dim,)}
    return _affine(prefix, dim) | statistics | {f"{prefix}.num_batches_tracked": ()}


def fill(key: str, shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
    """The formula: normal numbers seeded by the key's CRC-32, scaled by the kind of entry."""
    kind = key.rsplit(".", maxsplit=1)[-1]
    if kind == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    generator = np.random.RandomState(zlib.crc32(key.encode()))
    normal = generator.standard_normal(math.prod(shape)).reshape(shape)
    if kind == "running_var":
        values = 0.5 + abs(normal)
    elif kind.startswith("gamma_"):
        values = 0.1 + 0.02 * normal
    elif kind == "cls_token":
        values = 0.5 * normal
    elif kind == "weight" and len(shape) == 1:
        values = 1 + 0.1 * normal
    elif kind == "weight":
        values = gain * normal / math.sqrt(math.prod(shape[1:]))
    else:
        values = 0.1 * normal
    return torch.from_numpy(values).float()


def official_state_dict(
    variant: str,
    ndim: int,
    num_classes: int | None,
    *,
    gain: float = 1.0,
    layer_scale: float | None = None,
    attention: str = "global",
    embed_frames: int = 1,
    token_labels: bool = False,
    features_only: bool = False,
) -> dict[str, Tensor]:
    """A whole state dict in the authors' naming, float32.

    `gain` multiplies matrices and kernels; the conv-stem networks need 0.5, for nothing normalises
    their residual stream between stages.
    """
    shapes = official_shapes(
        variant,
        ndim,
        num_classes,
        layer_scale=layer_scale,
        attention=attention,
        embed_frames=embed_frames,
        token_labels=token_labels,
        features_only=features_only,
    )
    return {key: fill(key, shape, gain) for key, shape in shapes.items()}


def fixed_input(*shape: int) -> Tensor:
    """The input of every golden row."""
    values = np.random.RandomState(2022).standard_normal(math.prod(shape)).reshape(shape)
    return torch.from_numpy(values).float()


def manifest_hash(shapes: Shapes, *, ordered: bool) -> str:
    """First 16 digits of the SHA-256 over the lines `key d0xd1x...`."""
    lines = [f"{key} {'x'.join(map(str, shape))}" for key, shape in shapes.items()]
    text = "\n".join(lines if ordered else sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
