"""The authors' state dicts, from their key tables, filled by formula: no checkpoint is needed."""

import hashlib
import math
import zlib

import numpy as np
import torch
from torch import Tensor

DIMS = (64, 128, 320, 512)
DEPTHS = {"small": (3, 4, 8, 3), "base": (5, 8, 20, 7)}

Shapes = dict[str, tuple[int, ...]]


def official_shapes(variant: str, ndim: int, num_classes: int) -> Shapes:
    """Key -> shape of `slowfast/models/uniformer.py` or of the image network, in their order."""
    shapes: Shapes = {}
    for stage, (in_dim, dim) in enumerate(zip((3, *DIMS), DIMS, strict=False), start=1):
        kernel = (3, 4, 4) if stage == 1 else (1, 2, 2)
        shapes |= _affine(f"patch_embed{stage}.norm", dim)
        shapes |= _layer(f"patch_embed{stage}.proj", (dim, in_dim, *kernel[-ndim:]))
    for stage, (dim, depth) in enumerate(zip(DIMS, DEPTHS[variant], strict=True), start=1):
        block = _local_block if stage < 3 else _global_block
        for index in range(depth):
            shapes |= block(f"blocks{stage}.{index}", dim, ndim)
    return shapes | _batch_norm("norm", DIMS[-1]) | _layer("head", (num_classes, DIMS[-1]))


def _local_block(prefix: str, dim: int, ndim: int) -> Shapes:
    point = (1,) * ndim
    return (
        _layer(f"{prefix}.pos_embed", (dim, 1, *(3,) * ndim))
        | _batch_norm(f"{prefix}.norm1", dim)
        | _layer(f"{prefix}.conv1", (dim, dim, *point))
        | _layer(f"{prefix}.conv2", (dim, dim, *point))
        | _layer(f"{prefix}.attn", (dim, 1, *(5,) * ndim))
        | _batch_norm(f"{prefix}.norm2", dim)
        | _layer(f"{prefix}.mlp.fc1", (4 * dim, dim, *point))
        | _layer(f"{prefix}.mlp.fc2", (dim, 4 * dim, *point))
    )


def _global_block(prefix: str, dim: int, ndim: int) -> Shapes:
    return (
        _layer(f"{prefix}.pos_embed", (dim, 1, *(3,) * ndim))
        | _affine(f"{prefix}.norm1", dim)
        | _layer(f"{prefix}.attn.qkv", (3 * dim, dim))
        | _layer(f"{prefix}.attn.proj", (dim, dim))
        | _affine(f"{prefix}.norm2", dim)
        | _layer(f"{prefix}.mlp.fc1", (4 * dim, dim))
        | _layer(f"{prefix}.mlp.fc2", (dim, 4 * dim))
    )


def _layer(prefix: str, weight: tuple[int, ...]) -> Shapes:
    return {f"{prefix}.weight": weight, f"{prefix}.bias": weight[:1]}


def _affine(prefix: str, dim: int) -> Shapes:
    return {f"{prefix}.weight": (dim,), f"{prefix}.bias": (dim,)}


def _batch_norm(prefix: str, dim: int) -> Shapes:
    statistics: Shapes = {f"{prefix}.running_mean": (dim,), f"{prefix}.running_var": (dim,)}
    return _affine(prefix, dim) | statistics | {f"{prefix}.num_batches_tracked": ()}


def fill(key: str, shape: tuple[int, ...]) -> Tensor:
    """The formula: normal numbers seeded by the key's CRC-32, scaled by the kind of entry."""
    kind = key.rsplit(".", maxsplit=1)[-1]
    if kind == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    generator = np.random.RandomState(zlib.crc32(key.encode()))
    normal = generator.standard_normal(math.prod(shape)).reshape(shape)
    if kind == "running_var":
        values = 0.5 + abs(normal)
    elif kind == "weight" and len(shape) == 1:
        values = 1 + 0.1 * normal
    elif kind == "weight":
        values = normal / math.sqrt(math.prod(shape[1:]))
    else:
        values = 0.1 * normal
    return torch.from_numpy(values).float()


def official_state_dict(variant: str, ndim: int, num_classes: int) -> dict[str, Tensor]:
    """A whole state dict in the authors' naming, float32."""
    shapes = official_shapes(variant, ndim, num_classes)
    return {key: fill(key, shape) for key, shape in shapes.items()}


def fixed_input(*shape: int) -> Tensor:
    """The input of every golden row."""
    values = np.random.RandomState(2022).standard_normal(math.prod(shape)).reshape(shape)
    return torch.from_numpy(values).float()


def manifest_hash(shapes: Shapes, *, ordered: bool) -> str:
    """First 16 digits of the SHA-256 over the lines `key d0xd1x...`."""
    lines = [f"{key} {'x'.join(map(str, shape))}" for key, shape in shapes.items()]
    text = "\n".join(lines if ordered else sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
