"""Task heads on the last map of the backbone."""

from torch import Tensor, nn


class ClassificationHead(nn.Module):
    """Mean over all positions, then a linear layer.

    PyTorchVideo's `ResNetBasicHead` and `VisionTransformerBasicHead` compute the same for one rank
    each; this one serves videos and images, and gives the pooled features when there is no class.

    Args:
        dim: Channels D of the map.
        num_classes: K, or 0 for the pooled features.

    Shape:
        (B, D, ...) -> logits (B, K), or features (B, D).
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, num_classes) if num_classes else nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Classify a map (B, D, ...); `pre_logits` stops before the linear layer."""
        pooled = x.flatten(2).mean(2)
        return pooled if pre_logits else self.proj(pooled)
