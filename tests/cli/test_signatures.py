"""Arguments are read from source as Python itself tells them."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

from video_uniformer.cli.signatures import Signature, read_signature


@pytest.mark.parametrize(
    "target",
    [
        "lightning.Trainer",
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "lightning.pytorch.loggers.TensorBoardLogger",
        "video_uniformer.clip.ClipSpec",
        "video_uniformer.training.optim.adamw",
        "video_uniformer.training.callbacks.progress.ProgressBar",
    ],
)
def test_arguments_are_those_that_python_tells(target: str) -> None:
    module, _, name = target.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    is_open = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    names = tuple(name for name, p in parameters.items() if p.kind != p.VAR_KEYWORD)
    assert read_signature(target) == Signature(names, is_open)


@pytest.mark.parametrize("target", ["absent.module.name", "video_uniformer.clip.Absent", "len"])
def test_what_no_source_tells_is_none(target: str) -> None:
    assert read_signature(target) is None


SOURCES = {
    "__init__": "from .inner import Inner as Outer\nfrom odd.a import Ring",
    "inner": "try:\n    from .origin import Origin\nexcept ImportError:\n    pass\n"
    "class Inner(Origin): ...",
    "origin": "class Origin:\n    def __init__(self, one, *, two=2): ...\nraise SystemExit",
    "a": "from odd.b import Ring",
    "b": "from odd.a import Ring",
}


def test_name_is_followed_through_modules_that_are_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd").mkdir()
    for name, source in SOURCES.items():
        (tmp_path / "odd" / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert read_signature("odd.Outer") == Signature(("one", "two"), is_open=False)
    assert read_signature("odd.Ring") is None  # imported in a circle
    assert "odd" not in sys.modules
