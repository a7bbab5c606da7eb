"""The builder of the whole family, with or without weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast, overload

from video_uniformer.description import NetworkArguments
from video_uniformer.models.uniformer.network import build_network
from video_uniformer.weights.loading import load_network
from video_uniformer.weights.pretrained import KINDS, UniFormer, UniFormerMaps

__all__ = ["create_uniformer", "load_network"]

Source = str | Path | Mapping[str, object]


@overload
def create_uniformer(
    variant: str | None = None,
    *,
    ndim: int | None = None,
    num_classes: int | None = None,
    drop_path_rate: float = 0.0,
    head_dim: int | None = None,
    layer_scale: float | None = None,
    attention: str | None = None,
    window_size: int | None = None,
    embed_frames: int | None = None,
    token_labels: bool | None = None,
    in_chans: int | None = None,
    drop_rate: float = 0.0,
    features_only: Literal[False] = False,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    weights: Source | None = None,
) -> UniFormer: ...


@overload
def create_uniformer(
    variant: str | None = None,
    *,
    ndim: int | None = None,
    num_classes: int | None = None,
    drop_path_rate: float = 0.0,
    head_dim: int | None = None,
    layer_scale: float | None = None,
    attention: str | None = None,
    window_size: int | None = None,
    embed_frames: int | None = None,
    token_labels: bool | None = None,
    in_chans: int | None = None,
    drop_rate: float = 0.0,
    features_only: Literal[True],
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    weights: Source | None = None,
) -> UniFormerMaps: ...


def create_uniformer(  # noqa: PLR0913, D417 (one builder for the family)
    variant: str | None = None,
    *,
    ndim: int | None = None,
    num_classes: int | None = None,
    drop_path_rate: float = 0.0,
    head_dim: int | None = None,
    layer_scale: float | None = None,
    attention: str | None = None,
    window_size: int | None = None,
    embed_frames: int | None = None,
    token_labels: bool | None = None,
    in_chans: int | None = None,
    drop_rate: float = 0.0,
    features_only: bool = False,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    weights: Source | None = None,
) -> UniFormer | UniFormerMaps:
    """Build a UniFormer by name, or as its weights ask for it.

    `NetworkArguments` says what each argument means. Where None is the default, what is given wins
    over what the weights say, and that over the default of the family: a small network for videos,
    with global attention. Image weights are inflated into a video network.

    Args:
        weights: A file, the name of a release (`video-uniformer zoo` lists them),
            "hf://owner/repo[/file]", or a state dict.

    Returns:
        A `UniFormer`, or a `UniFormerMaps` with `features_only`, in training mode; randomly
        initialised without `weights`. `network.config` holds all arguments.

    Raises:
        ValueError: an unknown variant, an argument out of range, or weights that do not fit.

    Example:
        >>> import torch
        >>> network = create_uniformer("test", num_classes=5).eval()
        >>> network(torch.rand(2, 3, 8, 64, 64)).shape
        torch.Size([2, 5])
        >>> maps = create_uniformer("test", ndim=2, features_only=True)
        >>> [tuple(map_.shape) for map_ in maps(torch.rand(1, 3, 64, 64))]
        [(1, 8, 16, 16), (1, 16, 8, 8), (1, 32, 4, 4), (1, 64, 2, 2)]
    """
    asked = {name: value for name, value in locals().items() if value is not None}
    asked.pop("weights", None)
    given = cast(NetworkArguments, asked)
    if weights is None:
        network = build_network(given, KINDS)
    else:
        network = load_network(weights, given, kinds=KINDS)
    return cast(UniFormer | UniFormerMaps, network)
