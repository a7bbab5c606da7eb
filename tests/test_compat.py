import subprocess
import sys
import types
from importlib.machinery import ModuleSpec

import pytest

from video_uniformer import _compat

NAME = "torchvision.transforms.functional_tensor"


def in_new_process(code: str) -> str:
    """What a program prints in an interpreter of its own, in which any warning is an error."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_pytorchvideo_transforms_import_after_our_package() -> None:
    code = "import video_uniformer; from pytorchvideo.transforms import functional, mix, transforms"
    assert in_new_process(code) == ""


def test_alias_is_the_renamed_torchvision_module() -> None:
    code = f"""import sys, video_uniformer, {NAME} as old
from torchvision.transforms import _functional_tensor as new
print(old is new is sys.modules[{NAME!r}], new.__spec__.name)"""
    assert in_new_process(code) == "True torchvision.transforms._functional_tensor"


def test_nothing_of_torchvision_is_imported_for_the_alias() -> None:
    code = "import sys, video_uniformer; print('torchvision' in sys.modules)"
    assert in_new_process(code) == "False"


def test_module_that_exists_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an older torchvision: the finder is asked last."""
    module = types.ModuleType(NAME)

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> ModuleSpec | None:
            return ModuleSpec(name, Loader) if name == NAME else None

    class Loader:
        @staticmethod
        def create_module(spec: ModuleSpec) -> types.ModuleType:
            return module

        @staticmethod
        def exec_module(module: types.ModuleType) -> None: ...

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    assert __import__(NAME, fromlist=["x"]) is module


def test_install_twice_is_harmless() -> None:
    before = list(sys.meta_path)
    _compat.install()
    assert sys.meta_path == before
