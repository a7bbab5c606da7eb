"""Sums of weights: recorded at first sight, compared ever after."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hub_places import Place, sha256
from huggingface_hub import constants

from video_uniformer.weights.lock import LOCK_VARIABLE, check_lock, lock_path
from video_uniformer.weights.sources import find_weights


def test_file_changed_since_first_sight_is_refused(place: Place) -> None:
    path = place.put_into_cache("me/net", "model.safetensors", b"one")
    find_weights("hf://me/net")
    path.resolve().write_bytes(b"two")
    message = (
        rf"{path} has sha256 {sha256(b'two')}, expected {sha256(b'one')}, recorded for "
        rf"'hf://me/net/model.safetensors' when it was first seen; to accept the new file, delete "
        rf"that entry in {place.lock}"
    )
    with pytest.raises(ValueError, match=message):
        find_weights("hf://me/net")
    assert place.recorded() == {"hf://me/net/model.safetensors": sha256(b"one")}


def test_release_is_the_same_file_wherever_it_comes_from(place: Place) -> None:
    place.put_into_cache("Sense-X/uniformer_image", "uniformer_small_in1k.pth", b"theirs")
    find_weights("in1k_s")
    (place.by_hand / "uniformer_small_in1k.pth").write_bytes(b"another")
    with pytest.raises(ValueError, match=r"recorded for 'uniformer_small_in1k.pth'"):
        find_weights("in1k_s")


def test_deleting_the_entry_accepts_the_new_file(place: Place) -> None:
    path = place.by_hand / "uniformer_small_in1k.pth"
    path.write_bytes(b"one")
    find_weights("in1k_s")
    path.write_bytes(b"two")
    place.lock.write_text("{}")
    assert find_weights("in1k_s") == path
    assert place.recorded() == {path.name: sha256(b"two")}


def test_entries_recorded_at_the_same_time_are_all_kept(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"a")
    names = [f"hf://me/net/{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: check_lock(name, path), names))
    assert place.recorded() == dict.fromkeys(names, sha256(b"a"))
    left = {file.name for file in place.lock.parent.iterdir()}
    assert left <= {place.lock.name, f"{place.lock.name}.lock"}


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "\x00"])
def test_damaged_lock_file_is_explained(place: Place, tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.pth"
    path.touch()
    place.lock.parent.mkdir()
    place.lock.write_text(content)
    with pytest.raises(ValueError, match=rf"lock file {place.lock} is damaged, expected a JSON"):
        check_lock("a", path)


def test_lock_file_that_cannot_be_written_is_explained(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.touch()
    place.lock.parent.write_text("a file where a folder should be")
    message = (
        rf"lock file {place.lock} cannot be written \(.+\); name another with .*{LOCK_VARIABLE}"
    )
    with pytest.raises(ValueError, match=message):
        check_lock("a", path)


def test_lock_file_defaults_to_the_assets_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LOCK_VARIABLE, raising=False)
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path))
    assert lock_path() == tmp_path / "video_uniformer" / "weights.lock.json"
