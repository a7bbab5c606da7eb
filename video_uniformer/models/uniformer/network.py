"""UniFormer: local token affinity in the shallow stages, global affinity in the deep ones.

Li et al., "UniFormer: Unified Transformer for Efficient Spatiotemporal Representation Learning"
(arXiv 2201.04676) and "UniFormer: Unifying Convolution and Self-attention for Visual Recognition"
(arXiv 2201.09450). Numerics follow the authors' `slowfast/models/uniformer*.py` (videos),
`image_classification/models/uniformer*.py` and `token_labeling` (images) and
`object_detection/mmdet/models/backbones/uniformer.py` (stage maps); one definition serves all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

from video_uniformer.description import Description, NetworkArguments, task_of
from video_uniformer.models.folding import Foldable
from video_uniformer.models.heads.classification import (
    ClassificationHead,
    ClassTokenHead,
    Head,
    TokenLabelHead,
    head_type,
)
from video_uniformer.models.uniformer.blocks import DividedBlock
from video_uniformer.models.uniformer.hourglass import Ranking
from video_uniformer.models.uniformer.layers import BATCH_NORM, MEMORY_FORMAT
from video_uniformer.models.uniformer.stages import StageOptions, build_stages, run_stages
from video_uniformer.models.uniformer.variants import Variant, find_variant

REDUCTIONS = (4, 8, 16, 32)  # of height and width, at the four stages


class Described(nn.Module):
    """A network that knows what it is.

    Attributes:
        description: What built it, and what is known of its weights; empty for one that was not
            built by arguments.
    """

    def __init__(self) -> None:
        super().__init__()
        self.description = Description()

    @property
    def config(self) -> NetworkArguments:
        """The arguments that build this network."""
        return self.description.network


class UniFormer(Described, Foldable):
    """The four-stage backbone with a classification head, for videos or images.

    UniFormer (arXiv 2201.04676), "Overall architecture". Follows timm's small protocol
    (`forward_features`, `forward_head`, `forward_intermediates`, `reset_classifier`,
    `no_weight_decay`, `feature_info`).

    Args:
        variant: A row of `VARIANTS`, or one like them.
        options: How its stages are built.
        num_classes: K, or 0 for pooled features.
        token_labels: Whether a second classifier reads every token.

    Shape:
        (B, 3, T, H, W) or (B, 3, H, W) float, T >= 1, H and W >= 32 -> logits (B, K), or (B, D).
        In training, networks with an auxiliary classifier (xxs, xs, token labels) give the pair of
        `forward_auxiliary`.

    Raises:
        ValueError: an argument or an input's shape is out of range.
    """

    def __init__(
        self,
        variant: Variant,
        options: StageOptions | None = None,
        *,
        num_classes: int = 400,
        token_labels: bool = False,
    ) -> None:
        super().__init__()
        options = StageOptions() if options is None else options
        self.ndim = options.ndim
        self.stages = nn.ModuleList(build_stages(variant, options))
        self.dims, self.depths = tuple(variant.dims), tuple(variant.depths)
        self.num_features = self.dims[-1]
        self._head_type = head_type(hourglass=variant.hourglass, token_labels=token_labels)
        self.norm: nn.Module = BATCH_NORM[self.ndim](self.num_features)
        self.apply(_init_weights)
        self.reset_classifier(num_classes)
        self.to(memory_format=MEMORY_FORMAT[self.ndim])

    @property
    def feature_info(self) -> list[dict[str, Any]]:
        """Channels, reduction and module name of each stage map, in timm's words."""
        return [
            {"num_chs": dim, "reduction": reduction, "module": f"stages.{number}"}
            for number, (dim, reduction) in enumerate(zip(self.dims, REDUCTIONS, strict=True))
        ]

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the head by a new one with `num_classes` outputs (0: pooled features).

        Raises:
            ValueError: `num_classes` is negative.
        """
        if num_classes < 0:
            raise ValueError(f"num_classes is {num_classes}, expected 0 (features) or more")
        self.num_classes = num_classes
        built = self.config
        if "num_classes" in built:
            built = NetworkArguments(**{**built, "num_classes": num_classes})
        self.description = replace(
            self.description, task=task_of(built), network=built, class_names=None
        )
        make_head = self._head_type if num_classes else ClassificationHead
        self.head: Head = make_head(self.num_features, num_classes).to(next(self.parameters()))
        self.head.apply(_init_weights)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that the published recipes do not decay: norms and biases."""
        return {name for name, p in self.named_parameters() if p.ndim <= 1}

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The maps after each stage, finest first, before the final norm.

        Shape:
            (B, 3, T, H, W) -> four maps (B, dims[i], T/2, H/s, W/s), s = 4, 8, 16, 32.
        """
        return run_stages(self.stages, x, self.ndim)[0]

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map, normalised: (B, 3, T, H, W) -> (B, D, T/2, H/32, W/32)."""
        return self.norm(self.forward_stages(x)[-1])

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Stage maps, in timm's words.

        Args:
            x: (B, 3, T, H, W) or (B, 3, H, W).
            indices: Which maps: the last so many, or a list of numbers; None for all.
            norm: Whether the last map goes through the final norm.
            stop_early: Without effect: all stages run.
            output_fmt: "NCHW", the layout of the maps.
            intermediates_only: Leave out the normalised last map, which otherwise comes first.

        Raises:
            ValueError: no such map, or another layout.
        """
        if output_fmt != "NCHW":
            raise ValueError(f"output_fmt is {output_fmt!r}, expected 'NCHW'")
        chosen = range(-indices, 0) if isinstance(indices, int) else indices
        chosen = range(len(self.dims)) if chosen is None else chosen
        if not chosen or not all(-len(self.dims) <= index < len(self.dims) for index in chosen):
            raise ValueError(f"indices is {indices!r}, expected some of the {len(self.dims)} maps")
        maps = self.forward_stages(x)
        last = self.norm(maps[-1]) if norm or not intermediates_only else maps[-1]
        if norm:
            maps = [*maps[:-1], last]
        picked = [maps[index] for index in chosen]
        return picked if intermediates_only else (last, picked)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits (B, K) of a map from `forward_features`; `pre_logits`: features (B, D)."""
        return self.head(x, pre_logits)

    def forward_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What a network with an auxiliary classifier is trained on.

        Shape:
            (B, 3, ...) -> logits (B, K), and the class token's logits (B, K) of xxs and xs, or the
            tokens' logits (B, N, K) of a network with token labels.

        Raises:
            ValueError: the network has no auxiliary classifier.
        """
        maps, ranking = run_stages(self.stages, x, self.ndim)
        return self._auxiliary(self.norm(maps[-1]), ranking)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (B, K) of clips (B, 3, T, H, W) or images (B, 3, H, W).

        In training, of a network with an auxiliary classifier, the pair of `forward_auxiliary`.
        """
        maps, ranking = run_stages(self.stages, x, self.ndim)
        last = self.norm(maps[-1])
        if self.training and not isinstance(self.head, ClassificationHead):
            return self._auxiliary(last, ranking)
        return self.head(last)

    def fuse(self) -> None:
        """Fold the final norm into the head's linear layers."""
        self.norm = self.head.fuse(self.norm)

    def _auxiliary(self, last: Tensor, ranking: Ranking | None) -> tuple[Tensor, Tensor]:
        if isinstance(self.head, ClassTokenHead) and ranking is not None:
            return self.head.forward_auxiliary(last, ranking.cls)
        if isinstance(self.head, TokenLabelHead):
            return self.head.forward_auxiliary(last)
        raise ValueError("the network has no auxiliary classifier; xxs, xs and token_labels have")


class UniFormerMaps(Described):
    """The four-stage image backbone for dense tasks: a layer norm on every stage map.

    Official: object_detection/mmdet/models/backbones/uniformer.py. The map before the norm feeds
    the next stage.

    Args:
        variant: A row of `VARIANTS`, or one like them.
        options: How its stages are built.

    Shape:
        (B, 3, H, W) float, H and W >= 32 -> four maps (B, dims[i], H/s, W/s), s = 4, 8, 16, 32.

    Raises:
        ValueError: an argument or an input's shape is out of range.
    """

    def __init__(self, variant: Variant, options: StageOptions) -> None:
        super().__init__()
        if options.ndim != 2:
            raise ValueError(f"features_only is True with ndim {options.ndim}, expected ndim 2")
        self.ndim = options.ndim
        self.stages = nn.ModuleList(build_stages(variant, options))
        self.dims, self.depths = tuple(variant.dims), tuple(variant.depths)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-6) for dim in self.dims)
        self.apply(_init_weights)
        self.to(memory_format=MEMORY_FORMAT[self.ndim])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised stage maps of images (B, 3, H, W), finest first."""
        maps, _ = run_stages(self.stages, x, self.ndim)
        return [
            norm(map_.movedim(1, -1)).movedim(-1, 1)
            for norm, map_ in zip(self.norms, maps, strict=True)
        ]


def _init_weights(module: nn.Module) -> None:
    # Official: convolutions and batch norms keep PyTorch's defaults, only linear layers are set.
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    if isinstance(module, DividedBlock):  # after its linear layers
        module.start_without_time()


Network = TypeVar("Network", UniFormer, UniFormerMaps)


class Kinds(NamedTuple):
    """The classes that `build_network` makes networks of, theirs or those derived from them."""

    classifier: Callable[..., UniFormer] = UniFormer
    maps: Callable[..., UniFormerMaps] = UniFormerMaps


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
    features_only=False,
    checkpoint_blocks=(0, 0, 0, 0),
)


def complete_arguments(given: NetworkArguments) -> NetworkArguments:
    """All arguments of a network, what is not given as the default.

    Raises:
        ValueError: there is one that the builder does not know.
    """
    if unknown := sorted(given.keys() - DEFAULTS.keys()):
        raise ValueError(f"config holds {unknown}, expected arguments of create_uniformer only")
    arguments = NetworkArguments(**{**DEFAULTS, **given})
    arguments["checkpoint_blocks"] = list(arguments["checkpoint_blocks"])
    if arguments["features_only"]:
        arguments["token_labels"], arguments["num_classes"] = False, 0
    if arguments["num_classes"] is None:
        arguments["num_classes"] = 1000 if arguments["ndim"] == 2 else 400
    return arguments


def build_network(given: NetworkArguments, kinds: Kinds | None = None) -> UniFormer | UniFormerMaps:
    """Build a network, randomly initialised, in training mode.

    Args:
        given: What is absent is as in `DEFAULTS`; see `NetworkArguments`.
        kinds: Classes to build it of; default: those of this file.

    Raises:
        ValueError: an unknown argument or variant, or an argument out of range.
    """
    arguments, kinds = complete_arguments(given), kinds or Kinds()
    row, num_classes = find_variant(arguments["variant"]), arguments["num_classes"]
    head_dim, layer_scale = arguments["head_dim"], arguments["layer_scale"]
    if head_dim is None and arguments["token_labels"]:
        head_dim = row.token_label_head_dim
    row = row._replace(
        head_dim=row.head_dim if head_dim is None else head_dim,
        layer_scale=row.layer_scale if layer_scale is None else layer_scale,
    )
    options = StageOptions(
        ndim=arguments["ndim"],
        drop_path_rate=arguments["drop_path_rate"],
        attention=arguments["attention"],
        window_size=arguments["window_size"],
        embed_frames=arguments["embed_frames"],
        checkpoint_blocks=arguments["checkpoint_blocks"],
    )
    network: UniFormer | UniFormerMaps
    if arguments["features_only"]:
        network = kinds.maps(row, options)
    else:
        labels = arguments["token_labels"]
        network = kinds.classifier(row, options, num_classes=num_classes, token_labels=labels)
    network.description = Description(task=task_of(arguments), network=arguments)
    return network
