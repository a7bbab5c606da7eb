"""The builder of the whole family, with or without weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast, overload

from video_uniformer.clip import PersonSpec
from video_uniformer.description import NetworkArguments
from video_uniformer.models.uniformer.building import Network, build_network
from video_uniformer.weights.loading import load_network, load_weights
from video_uniformer.weights.pretrained import (
    KINDS,
    PoseNetwork,
    Segmenter,
    UniFormer,
    UniFormerMaps,
)
from video_uniformer.weights.reading import open_checkpoint

__all__ = ["create_pose_network", "create_segmenter", "create_uniformer", "load_network"]

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
    if not isinstance(network, UniFormer | UniFormerMaps):
        raise ValueError(
            f"weights are of a network for {network.description.task}, expected a classifier's; "
            "features_only=True takes their backbone, create_segmenter and create_pose_network all"
        )
    return network


def create_segmenter(
    variant: str | None = None,
    *,
    head: str | None = None,
    num_classes: int | None = None,
    drop_path_rate: float = 0.0,
    attention: str | None = None,
    window_size: int | None = None,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    dim: int | None = None,
    weights: Source | None = None,
) -> Segmenter:
    """Build a network that names what every place of an image shows.

    UniFormer (arXiv 2201.09450), semantic segmentation. `NetworkArguments` says what each argument
    means; the same weights fit every `attention` and `window_size`. Where None is the default, what
    is given wins over what the weights say, and that over UperNet on a small backbone with global
    attention, for the 150 classes of ADE20K.

    Args:
        variant: A row of the family's table.
        head: "upernet" or "semantic_fpn".
        num_classes: K.
        drop_path_rate: Rate of the last block.
        attention: "global", "window" or "hybrid".
        window_size: Cells along a side of a window.
        checkpoint_blocks: How many first blocks of each stage recompute their activations.
        dim: Channels of the head; None for the published.
        weights: As for `create_uniformer`; of a segmentation network, or of a backbone or image
            classifier, under a head that is then new.

    Raises:
        ValueError: an unknown variant or head, an argument out of range, or weights that do not
            fit.

    Example:
        >>> import torch
        >>> network = create_segmenter("test", head="semantic_fpn", num_classes=5).eval()
        >>> network(torch.rand(1, 3, 64, 96)).shape
        torch.Size([1, 5, 16, 24])
    """
    asked = {name: value for name, value in locals().items() if value is not None}
    asked.pop("weights", None)
    network = _create_dense(cast(NetworkArguments, asked), "upernet", weights)
    if not isinstance(network, Segmenter):
        raise ValueError(f"head is {head!r}, expected 'upernet' or 'semantic_fpn'")
    return network


def create_pose_network(
    variant: str | None = None,
    *,
    size: tuple[int, int] | None = None,
    num_joints: int | None = None,
    drop_path_rate: float = 0.0,
    attention: str | None = None,
    window_size: int | None = None,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    dim: int | None = None,
    weights: Source | None = None,
) -> PoseNetwork:
    """Build a network that finds the joints of the one person that an image shows.

    UniFormer (arXiv 2201.09450), pose estimation. It takes any height and width that are multiples
    of 32; `models.heads.pose_decoding` makes positions of its heatmaps.

    Args:
        variant: A row of the family's table; None for small.
        size: Height and width of the persons that it is to see, pixels, multiples of 32, which its
            description then says, with the published sigma of that size's targets; None leaves
            what the weights say.
        num_joints: J; None for the 17 of COCO.
        drop_path_rate: As for `create_segmenter`, and so are those that follow.
        attention: "global", "window" or "hybrid".
        window_size: Cells along a side of a window.
        checkpoint_blocks: How many first blocks of each stage recompute their activations.
        dim: Channels of the head; None for the published.
        weights: Of a pose network, or of a backbone or image classifier.

    Raises:
        ValueError: as of `create_segmenter`.

    Example:
        >>> import torch
        >>> network = create_pose_network("test", num_joints=4).eval()
        >>> network(torch.rand(1, 3, 64, 96)).shape
        torch.Size([1, 4, 16, 24])
    """
    asked = {name: value for name, value in locals().items() if value is not None}
    asked.pop("weights", None)
    asked.pop("size", None)
    if "num_joints" in asked:
        asked["num_classes"] = asked.pop("num_joints")
    asked["head"] = "pose"
    network = _create_dense(cast(NetworkArguments, asked), "pose", weights)
    assert isinstance(network, PoseNetwork)
    if size is not None:
        height, width = size
        # Official: 2 cells for 256 x 192, 3 for the larger sizes.
        spec = PersonSpec(height, width, sigma=2.0 if height <= 256 else 3.0)
        network.description = replace(network.description, input=spec)
    return network


def _create_dense(given: NetworkArguments, usual_head: str, weights: Source | None) -> Network:
    """A network with the head that is given, or that the weights have, or the usual one."""
    usual = NetworkArguments(head=usual_head)
    if weights is None:
        return build_network(NetworkArguments(**{**usual, **given}), KINDS)
    checkpoint = open_checkpoint(weights)
    said = checkpoint.description.network
    if said.get("head"):
        return load_network(checkpoint, given, kinds=KINDS)
    backbone = NetworkArguments(variant=said.get("variant", "small"))
    network = build_network(NetworkArguments(**{**usual, **backbone, **given}), KINDS)
    load_weights(network, checkpoint, reset_head=True)
    return network
