"""What PyTorchVideo 0.1.5 needs on today's torch and torchvision: an alias and two filters.

`pytorchvideo.transforms` imports `torchvision.transforms.functional_tensor`, a module that
torchvision 0.17 renamed to `_functional_tensor`. `video_uniformer/__init__.py` calls `install` when
the package is imported, because Hydra imports targets by string, in whatever order the configs name
them. Nothing else may set the alias. Its modules also call `torch.jit` while they are imported, of
which today's torch warns, and hold strings of which Python 3.12 warns; no user can act on either.
"""

import importlib
import sys
import warnings

_NAME = "torchvision.transforms.functional_tensor"


def install() -> None:
    """Make `pytorchvideo.transforms` importable, without noise; harmless when called again."""
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", "invalid escape sequence", SyntaxWarning)
    if _NAME in sys.modules:
        return
    try:
        importlib.import_module(_NAME)
    except ModuleNotFoundError:
        sys.modules[_NAME] = importlib.import_module("torchvision.transforms._functional_tensor")
