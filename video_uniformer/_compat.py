"""The one alias that PyTorchVideo 0.1.5 needs on today's torchvision.

`pytorchvideo.transforms` imports `torchvision.transforms.functional_tensor`, a module that
torchvision 0.17 renamed to `_functional_tensor`. `video_uniformer/__init__.py` calls `install` when
the package is imported, because Hydra imports targets by string, in whatever order the configs name
them. Nothing else may set the alias.
"""

import importlib
import sys

_NAME = "torchvision.transforms.functional_tensor"


def install() -> None:
    """Make `torchvision.transforms.functional_tensor` importable; harmless when called again."""
    if _NAME in sys.modules:
        return
    try:
        importlib.import_module(_NAME)
    except ModuleNotFoundError:
        sys.modules[_NAME] = importlib.import_module("torchvision.transforms._functional_tensor")
