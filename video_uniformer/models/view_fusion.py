"""Many views of one sample, one answer."""

from torch import Tensor

from video_uniformer.description import check_fusion


def fuse_views(logits_BVK: Tensor, fusion: str) -> Tensor:
    """Fuse the views of each video into one row of scores.

    Args:
        logits_BVK: (B, V, K), V views of each of B videos.
        fusion: "logits" averages logits (published); "probabilities" averages softmax outputs.

    Shape:
        (B, V, K) -> (B, K): logits, or log-probabilities; a softmax makes both probabilities.

    Raises:
        ValueError: an unknown fusion.
    """
    if check_fusion(fusion) == "logits":
        return logits_BVK.mean(1)
    return logits_BVK.softmax(-1).mean(1).log()
