"""UniFormer for video, on PyTorchVideo, Lightning and Hydra."""

from video_uniformer import _compat

_compat.install()

from video_uniformer.models.uniformer import create_uniformer  # noqa: E402
from video_uniformer.models.weights import load_weights  # noqa: E402

__all__ = ["create_uniformer", "load_weights"]
