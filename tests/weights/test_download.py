"""Weights downloaded from a hub, which here is a server on this machine."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from hub_places import COMMIT, Place
from huggingface_hub import constants

from video_uniformer.weights.sources import find_weights


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
