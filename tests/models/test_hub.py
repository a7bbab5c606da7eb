import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from huggingface_hub import constants

from video_uniformer.models.hub import (
    FOLDER_VARIABLE,
    LOCK_VARIABLE,
    HubFile,
    check_lock,
    find_weights,
    lock_path,
    parse_hub_file,
)
from video_uniformer.models.zoo import RELEASES

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLD_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class Place(NamedTuple):
    """Where weights are looked for: by hand, in the hub's cache; and where sums are recorded."""

    by_hand: Path
    cache: Path
    lock: Path

    def put_into_cache(
        self, repo: str, file: str, content: bytes, *, commit: str = COMMIT, revision: str = "main"
    ) -> Path:
        """Lay a file out as huggingface_hub's cache does."""
        folder = self.cache / f"models--{repo.replace('/', '--')}"
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        pointer = folder / "snapshots" / commit / file
        reference = folder / "refs" / revision
        for path in (blob, pointer, reference):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        pointer.symlink_to(blob)
        reference.write_text(commit)
        return pointer

    def recorded(self) -> object:
        return json.loads(self.lock.read_text())


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


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
        r"\(`video-uniformer-zoo` lists their names\), nor hf://owner/repo/file; did you mean "
        r"'k400_s_16x4'\?"
    )
    with pytest.raises(ValueError, match=message):
        find_weights("k400_s16x4")


def test_missing_path_gets_no_far_fetched_suggestion(place: Place) -> None:
    with pytest.raises(ValueError, match=r"weights '/none/x.pyth' is neither a file") as caught:
        find_weights("/none/x.pyth")
    assert "did you mean" not in str(caught.value)


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


class StandIn(http.server.BaseHTTPRequestHandler):
    """A hub with the repository me/net, its revision main, and one file in it."""

    content = b"from the hub"

    def do_HEAD(self) -> None:
        repo, _, rest = self.path.removeprefix("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        wrong = {repo: "RepoNotFound", revision: "RevisionNotFound", file: "EntryNotFound"}
        right = {"me/net", "main", "a.pth", "broken.pth"}
        error = next((code for part, code in wrong.items() if part not in right), None)
        if file == "broken.pth":
            self.send_response(400)
            self.send_header("X-Error-Message", "no such luck")
        elif error is None:
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(self.content)))
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", error)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def stand_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Empty places, and a hub on this machine within reach."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield place
        server.shutdown()
        thread.join()


def test_hub_file_is_downloaded_once_into_the_cache(
    stand_in: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = find_weights("hf://me/net/a.pth")
    assert path.read_bytes() == StandIn.content
    assert path.is_relative_to(stand_in.cache)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_weights("hf://me/net/a.pth") == path


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf://me/other", "huggingface.co shows no repository 'me/other'; if it is private"),
        ("hf://me/net@v9", "the repository 'me/net' has no revision 'v9'"),
        ("hf://me/net/b.pth", "the repository 'me/net' has no file 'b.pth' at revision 'main'"),
        (
            "hf://me/net/broken.pth",
            "huggingface.co cannot be reached; run `hf download me/net broken.pth`",
        ),
        ("hf://me/n--t/a.pth", "the download failed, try again or give the path of a copy: "),
    ],
)
def test_what_the_hub_does_not_have_is_explained_in_one_line(
    stand_in: Place, source: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        find_weights(source)
    assert "\n" not in str(caught.value)
    assert not stand_in.lock.exists()


def test_folder_of_a_network_stands_for_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert find_weights(tmp_path) == tmp_path / "model.safetensors"
