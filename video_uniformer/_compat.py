"""What PyTorchVideo 0.1.5 needs on today's torch and torchvision: an alias and two filters.

`pytorchvideo.transforms` imports `torchvision.transforms.functional_tensor`, a module that
torchvision 0.17 renamed to `_functional_tensor`. `video_uniformer/__init__.py` calls `install` when
the package is imported, because Hydra imports targets by string, in whatever order the configs name
them. Nothing is imported then: a finder waits for the old name, and nothing else may answer to it.
PyTorchVideo's modules also call `torch.jit` while they are imported, of which today's torch warns,
and hold strings of which Python 3.12 warns; no user can act on either.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # takes as long to import as all else of this package's start
    from importlib.abc import Loader

_OLD = "torchvision.transforms.functional_tensor"
_NEW = "torchvision.transforms._functional_tensor"


class _RenamedModule:
    """Finds and loads the module of the old name: it is the one of the new name."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, cast("Loader", self)) if name == _OLD else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make an empty module, in whose place `exec_module` puts the other."""

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[_OLD] = importlib.import_module(_NEW)


def install() -> None:
    """Make `pytorchvideo.transforms` importable, without noise; harmless when called again."""
    if any(isinstance(finder, _RenamedModule) for finder in sys.meta_path):
        return
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", "invalid escape sequence", SyntaxWarning)
    # Last, so that a torchvision which has the module is asked first.
    sys.meta_path.append(_RenamedModule())
