"""UniFormer for videos and images, on PyTorchVideo, Lightning and Hydra.

Each name is imported when it is first asked for, as torch alone takes seconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

from video_uniformer import _compat

if TYPE_CHECKING:
    from video_uniformer.clip import ClipSpec, ImageSpec, PersonSpec, SceneSpec
    from video_uniformer.data.decoding import open_video
    from video_uniformer.inference.classifier import load_classifier
    from video_uniformer.inference.persons import load_pose_finder
    from video_uniformer.inference.scenes import load_segmenter
    from video_uniformer.weights.build import (
        create_pose_network,
        create_segmenter,
        create_uniformer,
    )
    from video_uniformer.weights.loading import load_weights

__version__ = "0.1.0"
__all__ = [
    "ClipSpec",
    "ImageSpec",
    "PersonSpec",
    "SceneSpec",
    "create_pose_network",
    "create_segmenter",
    "create_uniformer",
    "load_classifier",
    "load_pose_finder",
    "load_segmenter",
    "load_weights",
    "open_video",
]

_PLACES = {
    "ClipSpec": "video_uniformer.clip",
    "ImageSpec": "video_uniformer.clip",
    "PersonSpec": "video_uniformer.clip",
    "SceneSpec": "video_uniformer.clip",
    "create_pose_network": "video_uniformer.weights.build",
    "create_segmenter": "video_uniformer.weights.build",
    "create_uniformer": "video_uniformer.weights.build",
    "load_classifier": "video_uniformer.inference.classifier",
    "load_pose_finder": "video_uniformer.inference.persons",
    "load_segmenter": "video_uniformer.inference.scenes",
    "load_weights": "video_uniformer.weights.loading",
    "open_video": "video_uniformer.data.decoding",
}

_compat.install()


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
