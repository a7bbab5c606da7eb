"""UniFormer: local token affinity in the shallow stages, global affinity in the deep ones.

Li et al., "UniFormer: Unified Transformer for Efficient Spatiotemporal Representation Learning"
(arXiv 2201.04676) and "UniFormer: Unifying Convolution and Self-attention for Visual Recognition"
(arXiv 2201.09450). Numerics follow the authors' `slowfast/models/uniformer*.py` (videos),
`image_classification/models/uniformer*.py` and `token_labeling` (images) and
`object_detection/mmdet/models/backbones/uniformer.py` (stage maps); one definition serves all.
"""

from dataclasses import replace

from torch import Tensor, nn

from video_uniformer.description import Description, NetworkArguments, task_of
from video_uniformer.models.folding import Foldable
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
from video_uniformer.models.uniformer.mix_token import MixedLogits, TokenBox, unmix
from video_uniformer.models.uniformer.stages import StageOptions, build_stages, run_stages
from video_uniformer.models.uniformer.timm_protocol import TimmProtocol
from video_uniformer.models.uniformer.variants import Variant


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


class UniFormer(TimmProtocol, Described, Foldable):
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
            global_pool: "avg", the mean of the positions, or "" for the unpooled map, which no
                classifier can read. None is "avg" for a classifier, else leaves it as it is.

        Raises:
            ValueError: `num_classes` is negative, or `global_pool` is another.
        """
        if global_pool is None:
            global_pool = "avg" if num_classes else self.global_pool
        if num_classes < 0:
            raise ValueError(f"num_classes is {num_classes}, expected 0 (features) or more")
        if global_pool != "avg" and (global_pool or num_classes):
            raise ValueError(
                f"global_pool is {global_pool!r}, expected 'avg', or '' without classes"
            )
        self.num_classes, self.global_pool = num_classes, global_pool
        built = self.config
        if "num_classes" in built:
            built = NetworkArguments(**{**built, "num_classes": num_classes})
        self.description = replace(
            self.description, task=task_of(built), network=built, class_names=None
        )
        make_head = self._head_type if num_classes else ClassificationHead
        self.head: Head = MapHead()
        if global_pool:
            self.head = make_head(self.num_features, num_classes, self.drop_rate)
        self.head.to(next(self.parameters())).train(self.training)
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

    def forward_mixed(self, x: Tensor, box: TokenBox) -> MixedLogits:
        """What a network with token labels is trained on; `box` is of the map after the stem.

        Raises:
            ValueError: the network has no classifier of tokens.
        """
        if not isinstance(self.head, TokenLabelHead):
            raise ValueError("token_labels is False, expected a network with a token classifier")
        maps, _ = run_stages(self.stages, x, self.ndim, self.in_chans, mixed=box)
        logits, token_logits = self.head.forward_auxiliary(self.norm(maps[-1]))
        rows, columns = maps[-1].shape[-2:]
        last_box, size = box.on_last_map(), (rows, columns)
        return MixedLogits(logits, unmix(token_logits, last_box, size), last_box, size)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (B, K) of clips (B, 3, T, H, W) or images (B, 3, H, W).

        In training, of a network with an auxiliary classifier, the pair of `forward_auxiliary`
        unless `set_auxiliary_training` says otherwise.
        """
        maps, ranking = run_stages(self.stages, x, self.ndim, self.in_chans)
        last = self.norm(maps[-1])
        has_auxiliary = isinstance(self.head, ClassTokenHead | TokenLabelHead)
        if self.training and self.auxiliary_training and has_auxiliary:
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
