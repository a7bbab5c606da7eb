import importlib
import sys
import types

import pytest

from video_uniformer import _compat

NAME = "torchvision.transforms.functional_tensor"


def test_pytorchvideo_transforms_import_after_our_package() -> None:
    augmentations = importlib.import_module("pytorchvideo.transforms.augmentations")
    assert callable(augmentations.AugmentTransform)


def test_alias_is_the_renamed_torchvision_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    _compat.install()
    renamed = importlib.import_module("torchvision.transforms._functional_tensor")
    assert sys.modules[NAME] is renamed


def test_module_that_exists_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType(NAME)
    monkeypatch.setitem(sys.modules, NAME, module)
    _compat.install()
    assert sys.modules[NAME] is module


def test_install_twice_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    _compat.install()
    first = sys.modules[NAME]
    _compat.install()
    assert sys.modules[NAME] is first
