"""From arguments to the network that they ask for."""

from collections.abc import Callable
from typing import NamedTuple

from video_uniformer.description import Description, NetworkArguments, task_of
from video_uniformer.models.uniformer.dense import PoseNetwork, Segmenter
from video_uniformer.models.uniformer.network import UniFormer, UniFormerMaps
from video_uniformer.models.uniformer.stages import StageOptions
from video_uniformer.models.uniformer.variants import Variant, find_variant

Network = UniFormer | UniFormerMaps | Segmenter | PoseNetwork


class Kinds(NamedTuple):
    """The classes that `build_network` makes networks of, theirs or those derived from them."""

    classifier: Callable[..., UniFormer] = UniFormer
    maps: Callable[..., UniFormerMaps] = UniFormerMaps
    segmenter: Callable[..., Segmenter] = Segmenter
    pose: Callable[..., PoseNetwork] = PoseNetwork


DEFAULTS = NetworkArguments(
    variant="small",
    ndim=3,
    num_classes=None,
    drop_path_rate=0.0,
    head_dim=None,
    layer_scale=None,
    attention="global",
    window_size=14,
    embed_frames=1,
    token_labels=False,
    in_chans=3,
    drop_rate=0.0,
    features_only=False,
    checkpoint_blocks=(0, 0, 0, 0),
    head=None,
    dim=None,
)
_DENSE_CLASSES = {"upernet": 150, "semantic_fpn": 150, "pose": 17}


def complete_arguments(given: NetworkArguments) -> NetworkArguments:
    """All arguments of a network, what is not given as the default.

    Raises:
        ValueError: there is one that the builder does not know.
    """
    if unknown := sorted(given.keys() - DEFAULTS.keys()):
        raise ValueError(f"config holds {unknown}, expected arguments of create_uniformer only")
    arguments = NetworkArguments(**{**DEFAULTS, **given})
    arguments["checkpoint_blocks"] = list(arguments["checkpoint_blocks"])
    head = arguments["head"]
    if head is not None:
        if head not in _DENSE_CLASSES:
            raise ValueError(f"head is {head!r}, expected {', '.join(_DENSE_CLASSES)}, or None")
        arguments["ndim"] = given.get("ndim", 2)
        arguments["token_labels"] = arguments["features_only"] = False
        if arguments["num_classes"] is None:
            arguments["num_classes"] = _DENSE_CLASSES[head]
    else:
        del arguments["head"], arguments["dim"]  # what is left are the arguments of a classifier
    if arguments["features_only"]:
        arguments["token_labels"], arguments["num_classes"] = False, 0
    if arguments["num_classes"] is None:
        arguments["num_classes"] = 1000 if arguments["ndim"] == 2 else 400
    return arguments


def build_network(given: NetworkArguments, kinds: Kinds | None = None) -> Network:
    """Build a network, randomly initialised, in training mode.

    Args:
        given: What is absent is as in `DEFAULTS`; see `NetworkArguments`.
        kinds: Classes to build it of; default: those of `models`.

    Raises:
        ValueError: an unknown argument or variant, or an argument out of range.
    """
    arguments, kinds = complete_arguments(given), kinds or Kinds()
    row = find_variant(arguments["variant"])
    head_dim, layer_scale = arguments["head_dim"], arguments["layer_scale"]
    if head_dim is None and arguments["token_labels"]:
        head_dim = row.token_label_head_dim
    row = row._replace(
        head_dim=row.head_dim if head_dim is None else head_dim,
        layer_scale=row.layer_scale if layer_scale is None else layer_scale,
    )
    network = _build(row, arguments, kinds)
    network.description = Description(task=task_of(arguments), network=arguments)
    return network


def _build(row: Variant, arguments: NetworkArguments, kinds: Kinds) -> Network:
    options = StageOptions(
        ndim=arguments["ndim"],
        drop_path_rate=arguments["drop_path_rate"],
        attention=arguments["attention"],
        window_size=arguments["window_size"],
        embed_frames=arguments["embed_frames"],
        checkpoint_blocks=arguments["checkpoint_blocks"],
        in_chans=arguments["in_chans"],
    )
    head, num_classes, dim = arguments.get("head"), arguments["num_classes"], arguments.get("dim")
    if head == "pose":
        return kinds.pose(row, options, num_joints=num_classes, dim=dim or 256)
    if head is not None:
        return kinds.segmenter(row, options, head=head, num_classes=num_classes, dim=dim)
    if arguments["features_only"]:
        return kinds.maps(row, options)
    return kinds.classifier(
        row,
        options,
        num_classes=num_classes,
        token_labels=arguments["token_labels"],
        drop_rate=arguments["drop_rate"],
    )
