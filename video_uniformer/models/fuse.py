"""Rewrite a trained network into a faster one with the same outputs."""

import copy
from typing import TypeVar

from video_uniformer.models.folding import Foldable
from video_uniformer.models.uniformer.dense import PoseNetwork, Segmenter
from video_uniformer.models.uniformer.layers import MEMORY_FORMAT
from video_uniformer.models.uniformer.network import UniFormer, UniFormerMaps

Network = TypeVar("Network", UniFormer, UniFormerMaps, Segmenter, PoseNetwork)


def fuse_for_inference(network: Network) -> Network:
    """A copy for inference in which batch norms and DPE additions have become kernels.

    Every batch norm stands beside a convolution or (after the mean) before the head's linear layer,
    and is folded into it; so is every layer scale. The identity in `x + DPE(x)` becomes one more
    tap of the kernel. Exact up to rounding. The copy is in evaluation mode and is not for training.

    Args:
        network: A network with running statistics; left as it is.

    Returns:
        The rewritten copy, in evaluation mode.

    Example:
        >>> import torch
        >>> from video_uniformer import create_uniformer
        >>> network, clip = create_uniformer("test").eval(), torch.rand(1, 3, 4, 32, 32)
        >>> torch.allclose(fuse_for_inference(network)(clip), network(clip), atol=1e-4)
        True
    """
    fused = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(fused.modules()):
        if isinstance(module, Foldable):
            module.fuse()
    return fused.to(memory_format=MEMORY_FORMAT[fused.ndim])
