"""What all readers have in common."""

import inspect

import pytest

from video_uniformer.data import annotations


@pytest.mark.parametrize("name", [name for name in annotations.__all__ if name.startswith("read_")])
def test_every_reader_takes_the_same_keywords(name: str) -> None:
    parameters = inspect.signature(getattr(annotations, name)).parameters.values()
    keywords = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    assert keywords == (["root"] if name == "read_class_names" else ["root", "class_names"])
