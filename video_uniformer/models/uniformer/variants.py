"""The family as a table: what tells one UniFormer from another."""

from typing import NamedTuple

from video_uniformer.system.suggestions import did_you_mean


class Variant(NamedTuple):
    """A row of `VARIANTS`.

    Attributes:
        dims: Channels of the four stages.
        depths: Blocks of the four stages.
        head_dim: Channels of one attention head; must divide the dims of stages 3 and 4. It is not
            recoverable from a checkpoint: a wrong value loads and ruins accuracy.
        mlp_ratio: Width of every FFN over its dim.
        stem: How maps shrink before each stage: "patch" (strided kernels without overlap and layer
            norms), "conv" (overlapping kernels and batch norms), or "light" (as conv before stage
            1, as patch before the others).
        hourglass: Whether stages 3 and 4 carry a class token and shrink their tokens.
        layer_scale: Initial value of the factors on both branches of a block, or None for none.
        scales_local: Whether blocks of stages 1 and 2 have these factors too.
        token_label_head_dim: `head_dim` of the networks published with token labels, if other.
    """

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head_dim: int
    mlp_ratio: float = 4.0
    stem: str = "patch"
    hourglass: bool = False
    layer_scale: float | None = None
    scales_local: bool = False
    token_label_head_dim: int | None = None


ATTENTIONS = ("global", "window", "hybrid", "divided")
"""Kinds of attention in stages 3 and 4; the stages say what each is."""

_SMALL_DIMS = (64, 128, 320, 512)

VARIANTS = {
    # Published: arXiv 2201.09450, tables of the architectures, and the authors' repository.
    "xxs": Variant(
        (56, 112, 224, 448), (2, 5, 8, 2), 28, 3.0, stem="light", hourglass=True, scales_local=True
    ),
    "xs": Variant(
        (64, 128, 256, 512), (3, 5, 9, 3), 32, 3.0, stem="light", hourglass=True, scales_local=True
    ),
    "small": Variant(_SMALL_DIMS, (3, 4, 8, 3), 64, token_label_head_dim=32),
    "small_plus": Variant(_SMALL_DIMS, (3, 5, 9, 3), 32, stem="conv"),
    "base": Variant(_SMALL_DIMS, (5, 8, 20, 7), 64, token_label_head_dim=32),
    "large": Variant((128, 192, 448, 640), (5, 10, 24, 7), 64, layer_scale=1e-6, scales_local=True),
    # Ours, without published weights: for small data on a CPU, and for tests.
    "tiny": Variant((16, 32, 96, 192), (1, 1, 2, 1), 32),
    "tiny_plus": Variant((32, 48, 64, 96), (2, 2, 1, 1), 32, stem="conv"),
    "test": Variant((8, 16, 32, 64), (1, 1, 1, 1), 16),
    "test_light": Variant(
        (8, 16, 32, 64), (1, 1, 2, 2), 16, 3.0, stem="light", hourglass=True, scales_local=True
    ),
}


def find_variant(name: str) -> Variant:
    """The row called `name`.

    Raises:
        ValueError: there is none; the message suggests the nearest name.
    """
    if name not in VARIANTS:
        hint = did_you_mean(name, VARIANTS)
        raise ValueError(f"variant is {name!r}, expected one of {sorted(VARIANTS)}{hint}")
    return VARIANTS[name]
