"""Weights by path, by name and by hub address, wherever they are found."""

import hashlib
from pathlib import Path

import pytest
from hub_places import OLD_COMMIT, Place, sha256

from video_uniformer.weights.hub import HubFile, parse_hub_file
from video_uniformer.weights.sources import FOLDER_VARIABLE, find_weights, weights_digest
from video_uniformer.weights.zoo import RELEASES


def test_path_is_returned_as_it_is_and_not_recorded(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.touch()
    assert find_weights(str(path)) == find_weights(path) == path
    assert not place.lock.exists()


@pytest.mark.parametrize("name", ["k400_s_16x4", "uniformer_small_k400_16x4"])
def test_release_is_found_in_the_folder_by_either_name(place: Place, name: str) -> None:
    path = place.by_hand / "uniformer_small_k400_16x4.pth"
    path.write_bytes(b"weights")
    assert find_weights(name) == path
    assert place.recorded() == {path.name: sha256(b"weights")}


def test_folder_defaults_to_weights_in_the_working_directory(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.chdir(place.by_hand)
    path = Path("weights/uniformer_base_in1k.pth")
    path.parent.mkdir()
    path.touch()
    assert find_weights("in1k_b") == path


def test_hosted_release_comes_from_the_cache_without_network(place: Place) -> None:
    path = place.put_into_cache("Andy1621/uniformer", "uniformer_base_k400_16x4.pth", b"base")
    assert find_weights("k400_b_16x4") == path
    assert place.recorded() == {path.name: sha256(b"base")}


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("hf://me/net", "model.safetensors"),
        ("hf://me/net/", "model.safetensors"),
        ("hf://me/net/best.pth", "best.pth"),
        ("hf://me/net/runs/7/best.pth", "runs/7/best.pth"),
        ("hf://me/net@main/best.pth", "best.pth"),
    ],
)
def test_hub_file_comes_from_the_cache_without_network(
    place: Place, source: str, file: str
) -> None:
    path = place.put_into_cache("me/net", file, b"mine")
    assert find_weights(source) == path
    assert place.recorded() == {f"hf://me/net/{file}": sha256(b"mine")}


def test_revisions_are_other_files_with_entries_of_their_own(place: Place) -> None:
    new = place.put_into_cache("me/net", "a.pth", b"new")
    old = place.put_into_cache("me/net", "a.pth", b"old", commit=OLD_COMMIT, revision="v1")
    assert find_weights("hf://me/net/a.pth") == new
    assert find_weights("hf://me/net@v1/a.pth") == old
    assert find_weights(f"hf://me/net@{OLD_COMMIT}/a.pth") == old
    assert place.recorded() == {
        "hf://me/net/a.pth": sha256(b"new"),
        "hf://me/net@v1/a.pth": sha256(b"old"),
        f"hf://me/net@{OLD_COMMIT}/a.pth": sha256(b"old"),
    }


@pytest.mark.parametrize(
    ("source", "parsed"),
    [
        ("hf://me/net", HubFile("me/net", "model.safetensors", "main")),
        ("hf://me/net@v1", HubFile("me/net", "model.safetensors", "v1")),
        ("hf://me/net@refs%2Fpr%2F1/a.pth", HubFile("me/net", "a.pth", "refs/pr/1")),
        ("hf://me/net/a@b.pth", HubFile("me/net", "a@b.pth", "main")),
    ],
)
def test_hub_source_is_parsed(source: str, parsed: HubFile) -> None:
    assert parse_hub_file(source) == parsed


@pytest.mark.parametrize(
    "source", ["hf://", "hf://net", "hf://me/", "hf:///net/a.pth", "hf://a/b@"]
)
def test_malformed_hub_source_is_explained(place: Place, source: str) -> None:
    with pytest.raises(ValueError, match=rf"weights '{source}': expected hf://owner/repo/file"):
        find_weights(source)


def test_file_on_google_drive_only_is_explained(place: Place) -> None:
    message = (
        r"weights 'k400_s_16x4' are not here, and the authors host them on Google Drive only: "
        rf"fetch https://drive.google.com/file/d/{RELEASES['k400_s_16x4'].drive_id} and save it as "
        rf"{place.by_hand}/uniformer_small_k400_16x4.pth"
    )
    with pytest.raises(ValueError, match=message):
        find_weights("k400_s_16x4")


def test_hosted_release_out_of_reach_says_both_ways(place: Place) -> None:
    message = (
        r"weights 'k400_b_16x4' are not here: hf://Andy1621/uniformer/uniformer_base_k400_16x4.pth:"
        rf" not in the cache {place.cache}, and HF_HUB_OFFLINE forbids downloads; run "
        r"`hf download Andy1621/uniformer uniformer_base_k400_16x4.pth` once with network access, "
        r"or give the path of a copy; or fetch https://drive.google.com/file/d/.* and save it as "
    )
    with pytest.raises(ValueError, match=message) as caught:
        find_weights("uniformer_base_k400_16x4")
    assert "\n" not in str(caught.value)


def test_hub_file_out_of_reach_says_what_to_do(place: Place) -> None:
    message = r"run `hf download me/net a.pth --revision v1` once with network access, or give"
    with pytest.raises(ValueError, match=message) as caught:
        find_weights("hf://me/net@v1/a.pth")
    assert "\n" not in str(caught.value)
    assert not place.lock.exists()


def test_misspelt_name_gets_the_nearest(place: Place) -> None:
    message = (
        r"weights 'k400_s16x4' is neither a file, nor a released checkpoint "
        r"\(`video-uniformer zoo` lists their names\), nor hf://owner/repo/file; did you mean "
        r"'k400_s_16x4'\?"
    )
    with pytest.raises(ValueError, match=message):
        find_weights("k400_s16x4")


def test_missing_path_gets_no_far_fetched_suggestion(place: Place) -> None:
    with pytest.raises(ValueError, match=r"weights '/none/x.pyth' is neither a file") as caught:
        find_weights("/none/x.pyth")
    assert "did you mean" not in str(caught.value)


def test_folder_of_a_network_stands_for_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert find_weights(tmp_path) == tmp_path / "model.safetensors"


def test_digest_tells_raw_from_averaged_weights(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(b"weights")
    raw = weights_digest(path).hexdigest()
    assert raw == hashlib.sha256(b"weights").hexdigest()
    assert weights_digest(f"{path}@ema").hexdigest() != raw
    path.with_name("a.ckpt@ema").write_bytes(b"weights")  # then it is a file's name
    assert weights_digest(f"{path}@ema").hexdigest() == raw
