"""Fixtures of the tests of networks and weights."""

from pathlib import Path

import pytest
from hub_places import Place
from huggingface_hub import constants

from video_uniformer.weights.lock import LOCK_VARIABLE
from video_uniformer.weights.sources import FOLDER_VARIABLE


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Empty places; the hub is out of reach."""
    place = Place(tmp_path / "by_hand", tmp_path / "cache", tmp_path / "sums" / "lock.json")
    place.by_hand.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(place.by_hand))
    monkeypatch.setenv(LOCK_VARIABLE, str(place.lock))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(place.cache))
    return place
