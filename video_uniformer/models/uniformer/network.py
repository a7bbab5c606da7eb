"""UniFormer: local token affinity in the shallow stages, global affinity in the deep ones.

Li et al., "UniFormer: Unified Transformer for Efficient Spatiotemporal Representation Learning"
(arXiv 2201.04676) and "UniFormer: Unifying Convolution and Self-attention for Visual Recognition"
(arXiv 2201.09450). Numerics follow the authors' `slowfast/models/uniformer*.py` (videos),
`image_classification/models/uniformer*.py` and `token_labeling` (images) and
`object_detection/mmdet/models/backbones/uniformer.py` (stage maps); one definition serves all.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

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
from video_uniformer.weights.arguments import resolve_arguments
from video_uniformer.weights.loading import load_weights
from video_uniformer.weights.pretrained import HubModule
from video_uniformer.weights.reading import open_checkpoint

REDUCTIONS = (4, 8, 16, 32)  # of height and width, at the four stages


def from_config(config: Mapping[str, Any]) -> Any:
    """The network with this `config`, randomly initialised; see `create_uniformer`.

    Raises:
        ValueError: it holds something else than arguments of the builder, or one out of range.
    """
    known = inspect.signature(create_uniformer).parameters.keys() - {"weights"}
    if unknown := sorted(config.keys() - known):
        raise ValueError(f"config holds {unknown}, expected arguments of create_uniformer only")
    return create_uniformer(**config)


class UniFormer(HubModule):
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

    from_config = staticmethod(from_config)

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
        if "num_classes" in self.config:
            self.config["num_classes"] = num_classes
        self.facts = {k: v for k, v in self.facts.items() if k != "class_names"}
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

    def forward(self, x: Tensor) -> Any:
        """Logits (B, K) of clips (B, 3, T, H, W) or images (B, 3, H, W)."""
        maps, ranking = run_stages(self.stages, x, self.ndim)
        last = self.norm(maps[-1])
        if self.training and not isinstance(self.head, ClassificationHead):
            return self._auxiliary(last, ranking)
        return self.head(last)

    def _auxiliary(self, last: Tensor, ranking: Ranking | None) -> tuple[Tensor, Tensor]:
        if isinstance(self.head, ClassTokenHead) and ranking is not None:
            return self.head.forward_auxiliary(last, ranking.cls)
        if isinstance(self.head, TokenLabelHead):
            return self.head.forward_auxiliary(last)
        raise ValueError("the network has no auxiliary classifier; xxs, xs and token_labels have")


class UniFormerMaps(HubModule):
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

    from_config = staticmethod(from_config)

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


def create_uniformer(  # noqa: PLR0913 (one builder for the whole family)
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
    features_only: bool = False,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    weights: str | Path | Mapping[str, object] | None = None,
) -> Any:
    """Build a UniFormer by name, or as its weights ask for it.

    Args:
        variant: A key of `VARIANTS`; None for that of `weights`, or "small". As for the other
            arguments below whose default is None: what is given wins over what the weights say.
        ndim: 3 for videos (B, 3, T, H, W), the default, or 2 for images (B, 3, H, W). Image weights
            are inflated into a video network.
        num_classes: K; 0 for pooled features; default: the published 400 (videos), 1000 (images).
        drop_path_rate: Rate of the last block; rises linearly from 0 at the first.
        head_dim: Channels per attention head; default: the variant's as published.
        layer_scale: Initial value of the factors on the branches of the blocks (of stages 3 and 4
            only in small, small_plus and base); default: none but for large, 1e-6.
        attention: What the blocks of stages 3 and 4 relate. "global" (default): all tokens. For
            images also "window": in stage 3 those of a window; "hybrid": the same, but in every
            fourth block all. The same weights fit all three. For videos also "divided": along time,
            then within each frame.
        window_size: Cells along a side of a window; default 14.
        embed_frames: Frames that the patch embeds of stages 2 to 4 of a video network span: 1
            (default) or 3.
        token_labels: Whether a second classifier reads every token (images, token labeling).
        features_only: Give the four stage maps, each through a layer norm of its own, in place of
            logits: the form for dense tasks (images).
        checkpoint_blocks: How many first blocks of each stage recompute their activations.
        weights: A file, the name of a release (`video-uniformer-zoo` lists them),
            "hf://owner/repo[/file]", or a state dict.

    Returns:
        A `UniFormer`, or a `UniFormerMaps` with `features_only`, in training mode; randomly
        initialised without `weights`. `network.config` holds these arguments.

    Raises:
        ValueError: an unknown variant, an argument out of range, or weights that do not fit.
    """
    given = {
        "variant": variant,
        "ndim": ndim,
        "num_classes": num_classes,
        "head_dim": head_dim,
        "layer_scale": layer_scale,
        "attention": attention,
        "window_size": window_size,
        "embed_frames": embed_frames,
        "token_labels": token_labels,
    }
    checkpoint = None if weights is None else open_checkpoint(weights)
    config = resolve_arguments(given, checkpoint, features_only=features_only)
    config |= {
        "drop_path_rate": drop_path_rate,
        "features_only": features_only,
        "checkpoint_blocks": list(checkpoint_blocks),
    }
    network = _build(config)
    network.config = config
    if checkpoint is not None:
        load_weights(network, checkpoint)
    return network


def _build(config: dict[str, Any]) -> UniFormer | UniFormerMaps:
    row = find_variant(config["variant"])
    head_dim = config["head_dim"]
    if head_dim is None and config["token_labels"]:
        head_dim = row.token_label_head_dim
    row = row._replace(
        head_dim=row.head_dim if head_dim is None else head_dim,
        layer_scale=row.layer_scale if config["layer_scale"] is None else config["layer_scale"],
    )
    options = StageOptions(**{name: config[name] for name in StageOptions._fields})
    if config["features_only"]:
        return UniFormerMaps(row, options)
    return UniFormer(
        row, options, num_classes=config["num_classes"], token_labels=config["token_labels"]
    )
