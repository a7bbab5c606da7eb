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
    MapHead,
    TokenLabelHead,
    head_type,
)
from video_uniformer.models.uniformer.blocks import DividedBlock
from video_uniformer.models.uniformer.hourglass import Ranking
from video_uniformer.models.uniformer.layers import BATCH_NORM, MEMORY_FORMAT
from video_uniformer.models.uniformer.stages import StageOptions, build_stages, run_stages
from video_uniformer.models.uniformer.timm_protocol import TimmProtocol
from video_uniformer.models.uniformer.variants import Variant, find_variant
from video_uniformer.weights.arguments import resolve_arguments
from video_uniformer.weights.loading import load_weights
from video_uniformer.weights.pretrained import HubModule
from video_uniformer.weights.reading import open_checkpoint


def from_config(config: Mapping[str, Any]) -> Any:
    """The network with this `config`, randomly initialised; see `create_uniformer`.

    Raises:
        ValueError: it holds something else than arguments of the builder, or one out of range.
    """
    known = inspect.signature(create_uniformer).parameters.keys() - {"weights"}
    if unknown := sorted(config.keys() - known):
        raise ValueError(f"config holds {unknown}, expected arguments of create_uniformer only")
    return create_uniformer(**config)


class UniFormer(TimmProtocol, HubModule):
    """The four-stage backbone with a classification head, for videos or images.

    UniFormer (arXiv 2201.04676), "Overall architecture". Answers to timm as its own networks
    do: `forward_features`, `forward_head`, `reset_classifier` here, the rest in `TimmProtocol`.

    Args:
        variant: A row of `VARIANTS`, or one like them.
        options: How its stages are built.
        num_classes: K, or 0 for pooled features.
        token_labels: Whether a second classifier reads every token.
        drop_rate: Probability with which training drops a feature before a classifier.

    Shape:
        (B, 3, T, H, W) or (B, 3, H, W) float, T >= 1, H and W >= 32 -> logits (B, K), or (B, D).
        In training, networks with an auxiliary classifier (xxs, xs, token labels) give the pair of
        `forward_auxiliary`, unless `set_auxiliary_training` says otherwise.

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
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        options = StageOptions() if options is None else options
        if not 0 <= drop_rate < 1:
            raise ValueError(f"drop_rate is {drop_rate}, expected a probability in [0, 1)")
        self.ndim, self.in_chans, self.drop_rate = options.ndim, options.in_chans, drop_rate
        self.stages = nn.ModuleList(build_stages(variant, options))
        self.dims, self.depths = tuple(variant.dims), tuple(variant.depths)
        self.num_features = self.head_hidden_size = self.dims[-1]
        self.global_pool, self.auxiliary_training = "avg", True
        self._head_type = head_type(hourglass=variant.hourglass, token_labels=token_labels)
        self.norm: nn.Module = BATCH_NORM[self.ndim](self.num_features)
        self.apply(_init_weights)
        self.reset_classifier(num_classes)
        self.to(memory_format=MEMORY_FORMAT[self.ndim])

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the head by a new one with `num_classes` outputs (0: features).

        Args:
            num_classes: K, or 0 for none.
            global_pool: "avg", the mean of the positions, "" for the unpooled map, which no
                classifier can read, or None to leave it as it is.

        Raises:
            ValueError: `num_classes` is negative, or `global_pool` is another.
        """
        global_pool = self.global_pool if global_pool is None else global_pool
        if num_classes < 0:
            raise ValueError(f"num_classes is {num_classes}, expected 0 (features) or more")
        if global_pool != "avg" and (global_pool or num_classes):
            raise ValueError(
                f"global_pool is {global_pool!r}, expected 'avg', or '' without classes"
            )
        self.num_classes, self.global_pool = num_classes, global_pool
        if "num_classes" in self.config:
            self.config["num_classes"] = num_classes
        self.facts = {k: v for k, v in self.facts.items() if k != "class_names"}
        make_head = self._head_type if num_classes else ClassificationHead
        self.head: Head = MapHead()
        if global_pool:
            self.head = make_head(self.num_features, num_classes, self.drop_rate)
        self.head.to(next(self.parameters()))
        self.head.apply(_init_weights)
        self.set_auxiliary_training(self.auxiliary_training)

    def get_classifier(self) -> nn.Module:
        """The linear layer that gives the class logits; an identity where there is none."""
        return nn.Identity() if isinstance(self.head, MapHead) else self.head.proj

    def set_auxiliary_training(self, enable: bool = True) -> None:
        """Whether training gives the pair of `forward_auxiliary`, or one tensor as evaluation does.

        Without, the classifier of the class token (xxs, xs) is frozen, for it takes no part.
        """
        self.auxiliary_training = enable
        if isinstance(self.head, ClassTokenHead):
            self.head.cls_norm.requires_grad_(enable)
            self.head.cls_proj.requires_grad_(enable)

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The maps after each stage, finest first, before the final norm.

        Shape:
            (B, 3, T, H, W) -> four maps (B, dims[i], T/2, H/s, W/s), s = 4, 8, 16, 32.
        """
        return run_stages(self.stages, x, self.ndim, self.in_chans)[0]

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map, normalised: (B, 3, T, H, W) -> (B, D, T/2, H/32, W/32)."""
        return self.norm(self.forward_stages(x)[-1])

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
        maps, ranking = run_stages(self.stages, x, self.ndim, self.in_chans)
        return self._auxiliary(self.norm(maps[-1]), ranking)

    def forward(self, x: Tensor) -> Any:
        """Logits (B, K) of clips (B, 3, T, H, W) or images (B, 3, H, W)."""
        maps, ranking = run_stages(self.stages, x, self.ndim, self.in_chans)
        last = self.norm(maps[-1])
        has_auxiliary = isinstance(self.head, ClassTokenHead | TokenLabelHead)
        if self.training and self.auxiliary_training and has_auxiliary:
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
        self.ndim, self.in_chans = options.ndim, options.in_chans
        self.stages = nn.ModuleList(build_stages(variant, options))
        self.dims, self.depths = tuple(variant.dims), tuple(variant.depths)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-6) for dim in self.dims)
        self.apply(_init_weights)
        self.to(memory_format=MEMORY_FORMAT[self.ndim])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised stage maps of images (B, 3, H, W), finest first."""
        maps, _ = run_stages(self.stages, x, self.ndim, self.in_chans)
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
    in_chans: int | None = None,
    drop_rate: float = 0.0,
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
        in_chans: Channels of the input; default 3.
        drop_rate: Probability with which training drops a feature before the classifier.
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
        "in_chans": in_chans,
    }
    checkpoint = None if weights is None else open_checkpoint(weights)
    config = resolve_arguments(given, checkpoint, features_only=features_only)
    config |= {
        "drop_path_rate": drop_path_rate,
        "drop_rate": drop_rate,
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
        row,
        options,
        num_classes=config["num_classes"],
        token_labels=config["token_labels"],
        drop_rate=config["drop_rate"],
    )
