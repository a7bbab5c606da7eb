"""A network made ready to answer on a device."""

from typing import TypeVar

import torch

from video_uniformer.description import NetworkArguments
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.uniformer.dense import PoseNetwork, Segmenter
from video_uniformer.models.uniformer.network import UniFormer, UniFormerMaps

Network = TypeVar("Network", UniFormer, UniFormerMaps, Segmenter, PoseNetwork)


def ready_network(network: Network, device: str | torch.device) -> Network:
    """A copy rewritten for inference, on a device.

    Args:
        network: It is left as it is.
        device: Where the copy runs.

    Raises:
        ValueError: There is no such device.
    """
    fused = fuse_for_inference(network)
    try:
        return fused.to(device)
    except (RuntimeError, AssertionError) as error:  # an unknown device, or one not there
        problem = str(error).split("\n", maxsplit=1)[0]
        raise ValueError(f"device is {str(device)!r}, which cannot be used: {problem}") from None


def chosen_attention(attention: str | None, window_size: int | None) -> NetworkArguments:
    """The arguments of a network that choose what its tokens relate; the same weights fit all.

    Args:
        attention: As in `NetworkArguments`; None leaves it as the checkpoint says.
        window_size: Likewise.
    """
    given = NetworkArguments()
    if attention is not None:
        given["attention"] = attention
    if window_size is not None:
        given["window_size"] = window_size
    return given
