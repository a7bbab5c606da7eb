"""UniFormer for video, on PyTorchVideo, Lightning and Hydra."""

from video_uniformer import _compat

_compat.install()

from video_uniformer.clip import ClipSpec  # noqa: E402
from video_uniformer.data.decoding import open_video  # noqa: E402
from video_uniformer.inference.classifier import load_classifier  # noqa: E402
from video_uniformer.weights.build import create_uniformer  # noqa: E402
from video_uniformer.weights.loading import load_weights  # noqa: E402

__all__ = ["ClipSpec", "create_uniformer", "load_classifier", "load_weights", "open_video"]
