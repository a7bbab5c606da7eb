"""A network that answers views of samples by the names of its classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from video_uniformer.inference.prediction import Prediction
from video_uniformer.inference.ready_network import ready_network
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.models.view_fusion import fuse_views


class Look(NamedTuple):
    """A sample on its way to the network; what follows the views are fields of its `Prediction`.

    Attributes:
        path: The sample.
        views: (V, C, ...), as many for each sample.
        indices: Of the frames looked at; None for a picture.
        times: Of these frames.
        frames: These frames, or the picture.
        problem: What is wrong with a sample of which only a part was read.
    """

    path: Path
    views: Tensor
    indices: Tensor | None = None
    times: Tensor | None = None
    frames: Tensor | None = None
    problem: str = ""


class NetworkAnswers:
    """A network made ready for answers; it is copied and left as it is.

    Args:
        network: (N, C, ...) -> logits (N, K).
        class_names: K names.
        fusion: "logits" or "probabilities": what is averaged over the views of a sample.
        device: Where the network runs.

    Attributes:
        network: The copy, rewritten for inference.
        class_names: K names.
        device: Where it is.

    Raises:
        ValueError: The number of names is not the network's number of classes, or there is no such
            device.
    """

    def __init__(
        self,
        network: UniFormer,
        *,
        class_names: Sequence[str],
        fusion: str = "logits",
        device: str | torch.device = "cpu",
    ) -> None:
        if len(class_names) != network.num_classes:
            raise ValueError(
                f"there are {len(class_names)} class names, expected {network.num_classes}, "
                "the number of classes of the checkpoint"
            )
        self.network = ready_network(network, device)
        self.class_names = tuple(class_names)
        self.device = torch.device(device)
        self._fusion = fusion

    @torch.inference_mode()
    def __call__(self, looks: list[Look]) -> list[Prediction]:
        """The answers for samples, whose views go through the network together."""
        if not looks:
            return []
        views = torch.cat([look.views for look in looks])  # (B V, C, ...)
        logits = self.network(views.to(self.device)).float()
        logits_BVK = logits.unflatten(0, (len(looks), -1))
        probabilities = fuse_views(logits_BVK, self._fusion).softmax(1).cpu()
        return [
            Prediction(look.path, row, self.class_names, *look[2:])
            for look, row in zip(looks, probabilities, strict=True)
        ]
