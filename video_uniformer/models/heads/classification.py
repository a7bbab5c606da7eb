"""Task heads on the last map of the backbone."""

from collections.abc import Callable

from torch import Tensor, nn

from video_uniformer.models.folding import fold_into_next


class ClassificationHead(nn.Module):
    """Mean over all positions, then a linear layer.

    PyTorchVideo's `ResNetBasicHead` and `VisionTransformerBasicHead` compute the same for one rank
    each; this one serves videos and images, and gives the pooled features when there is no class.

    Args:
        dim: Channels D of the map.
        num_classes: K, or 0 for the pooled features.
        drop_rate: Probability with which training drops a pooled feature.

    Shape:
        (B, D, ...) -> logits (B, K), or features (B, D).
    """

    def __init__(self, dim: int, num_classes: int, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(drop_rate)
        self.proj = nn.Linear(dim, num_classes) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Classify a map (B, D, ...); `pre_logits` stops before the linear layer."""
        pooled = self.drop(x.flatten(2).mean(2))
        return pooled if pre_logits else self.proj(pooled)

    def fuse(self, norm: nn.Module) -> nn.Module:
        """Fold the batch norm before this head into its linear layer; what takes its place."""
        return fold_into_next(norm, self.proj) if isinstance(self.proj, nn.Linear) else norm


class MapHead(nn.Module):
    """Neither pooling nor classifier: the map as it is, timm's `global_pool=""`.

    Shape:
        (B, D, ...), unchanged.
    """

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The map, with `pre_logits` or without."""
        return x

    def fuse(self, norm: nn.Module) -> nn.Module:
        """The batch norm before this head, as it is: no layer here could take it in."""
        return norm


class TokenLabelHead(nn.Module):
    """A classifier of the mean, and one of every token for training with token labels.

    UniFormer (arXiv 2201.09450) with the token labeling of "All Tokens Matter" (arXiv 2104.10858).
    The published accuracies are those of the class logits plus half the largest token logits.

    Args:
        dim: Channels D of the map.
        num_classes: K, at least 1.
        drop_rate: Probability with which training drops a feature of either classifier.

    Shape:
        (B, D, ...) -> logits (B, K).
    """

    def __init__(self, dim: int, num_classes: int, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(drop_rate)
        self.proj = nn.Linear(dim, num_classes)
        self.aux_proj = nn.Linear(dim, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits as published of a map (B, D, ...); `pre_logits`: the pooled features (B, D)."""
        if pre_logits:
            return self.drop(x.flatten(2).mean(2))
        logits, token_logits = self.forward_auxiliary(x)
        return logits + 0.5 * token_logits.amax(1)

    def forward_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, K) and token logits (B, N, K), row by row, of a map (B, D, ...)."""
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, D)
        return self.proj(self.drop(tokens.mean(1))), self.aux_proj(self.drop(tokens))

    def fuse(self, norm: nn.Module) -> nn.Module:
        """Fold the batch norm before this head into its linear layers; what takes its place."""
        fold_into_next(norm, self.aux_proj)
        return fold_into_next(norm, self.proj)


class ClassTokenHead(nn.Module):
    """A classifier of the mean, and one of the class token for training light networks.

    UniFormer (arXiv 2201.09450), light networks. Evaluation leaves the class token out; the
    training loss is the mean of both losses.

    Args:
        dim: Channels D of the map.
        num_classes: K, at least 1.
        drop_rate: Probability with which training drops a feature of either classifier.

    Shape:
        (B, D, ...) -> logits (B, K).
    """

    def __init__(self, dim: int, num_classes: int, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(drop_rate)
        self.cls_norm = nn.LayerNorm(dim, eps=1e-5)
        self.proj = nn.Linear(dim, num_classes)
        self.cls_proj = nn.Linear(dim, num_classes)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Classify a map (B, D, ...); `pre_logits` stops before the linear layer."""
        pooled = self.drop(x.flatten(2).mean(2))
        return pooled if pre_logits else self.proj(pooled)

    def forward_auxiliary(self, x: Tensor, cls: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K) of a map (B, D, ...) and of the class token (B, 1, D)."""
        return self(x), self.cls_proj(self.drop(self.cls_norm(cls.squeeze(1))))

    def fuse(self, norm: nn.Module) -> nn.Module:
        """Fold the batch norm before this head into its linear layer; what takes its place."""
        return fold_into_next(norm, self.proj)


Head = ClassificationHead | ClassTokenHead | TokenLabelHead | MapHead


def head_type(*, hourglass: bool, token_labels: bool) -> Callable[[int, int, float], Head]:
    """What makes the head of a network, given (dim, num_classes, drop_rate).

    Args:
        hourglass: Whether the network carries a class token.
        token_labels: Whether a second classifier reads every token.

    Raises:
        ValueError: both.
    """
    if hourglass and token_labels:
        raise ValueError("token_labels is True, expected False for a network with a class token")
    if hourglass:
        return ClassTokenHead
    return TokenLabelHead if token_labels else ClassificationHead
