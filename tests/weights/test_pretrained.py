"""Networks to folders and repositories of the Hugging Face hub, and back."""

import copy
import io
import json
import pickle
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from huggingface_hub import constants, errors
from safetensors.torch import save_file
from torch import Tensor

from video_uniformer.clip import ClipSpec
from video_uniformer.description import Description, NetworkArguments, plain_values
from video_uniformer.models.uniformer.building import build_network
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.pretrained import UniFormer, UniFormerMaps
from video_uniformer.weights.writing import (
    save_weights,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FACTS = Description(
    input=ClipSpec(num_frames=4, stride=2, size=32),
    class_names=("Dropping [something]", "naïve", "三"),
    fusion="probabilities",
    source="somewhere",
)
KINDS: dict[str, dict[str, Any]] = {
    "video": {"variant": "test", "num_classes": 3},
    "features": {"variant": "test", "num_classes": 0},
    "light": {"variant": "test_light", "num_classes": 3, "layer_scale": 0.1, "ndim": 3},
    "light image": {"variant": "test_light", "num_classes": 3, "ndim": 2},
    "image": {"variant": "test", "num_classes": 3, "ndim": 2, "head_dim": 8},
    "token labels": {"variant": "test", "num_classes": 3, "ndim": 2, "token_labels": True},
    "divided": {"variant": "test", "num_classes": 3, "attention": "divided", "embed_frames": 3},
    "maps": {
        "variant": "test",
        "ndim": 2,
        "features_only": True,
        "attention": "hybrid",
        "window_size": 2,
        "drop_path_rate": 0.1,
        "checkpoint_blocks": (0, 0, 1, 0),
    },
}


def network(kind: str = "video") -> Any:
    torch.manual_seed(0)
    made = create_uniformer(**KINDS[kind])
    names = FACTS.class_names if made.config["num_classes"] else None
    said = replace(FACTS, class_names=names)
    made.description = replace(said, task=made.description.task, network=made.config)
    return made


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(
        one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one
    )


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a hub that cannot be reached."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put_into_cache(cache: Path, repo: str, revision: str = "main") -> Path:
    """The folder of a repository's files, laid out as huggingface_hub does."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs" / revision).parent.mkdir(parents=True)
    (folder / "refs" / revision).write_text(COMMIT)
    return folder / "snapshots" / COMMIT


@pytest.mark.parametrize("kind", KINDS)
def test_loading_what_was_saved_gives_the_same_network(kind: str, tmp_path: Path) -> None:
    saved = network(kind)
    saved.save_pretrained(tmp_path)
    loaded = type(saved).from_pretrained(tmp_path)
    assert same(loaded.state_dict(), saved.state_dict())
    assert loaded.config == saved.config
    assert loaded.description == saved.description
    assert not loaded.training


def test_loaded_network_gives_the_same_logits(tmp_path: Path) -> None:
    saved = network().eval()
    saved.save_pretrained(tmp_path)
    clip = torch.rand(1, 3, 4, 32, 32)
    assert torch.equal(UniFormer.from_pretrained(tmp_path)(clip), saved(clip))


def test_loaded_network_saves_the_same_files(tmp_path: Path) -> None:
    network().save_pretrained(tmp_path / "one")
    UniFormer.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    for name in ("model.safetensors", "config.json", "README.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_number_type_is_kept(tmp_path: Path) -> None:
    saved = network().half()
    saved.save_pretrained(tmp_path)
    assert same(UniFormer.from_pretrained(tmp_path).state_dict(), saved.state_dict())


def test_new_head_forgets_the_class_names(tmp_path: Path) -> None:
    saved = network()
    saved.reset_classifier(5)
    saved.save_pretrained(tmp_path)
    loaded = UniFormer.from_pretrained(tmp_path)
    assert loaded.num_classes == loaded.config["num_classes"] == 5
    assert loaded.description.class_names is None


def test_folder_holds_what_the_hub_expects(tmp_path: Path) -> None:
    saved = network()
    saved.save_pretrained(tmp_path / "a" / "b")
    files = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    assert files == {"model.safetensors", "config.json", "README.md"}
    config = json.loads((tmp_path / "a" / "b" / "config.json").read_text(encoding="utf-8"))
    assert config == {"description": plain_values(saved.description)}


def test_cache_serves_a_repository_without_network(offline: Path) -> None:
    saved = network()
    saved.save_pretrained(put_into_cache(offline, "me/net"))
    for loaded in (
        UniFormer.from_pretrained("me/net"),
        UniFormer.from_pretrained("me/net", local_files_only=True),
        UniFormer.from_pretrained("me/net", revision=COMMIT),
        UniFormer.from_pretrained("me/net", cache_dir=offline),
        create_uniformer(weights="hf://me/net"),
    ):
        assert same(loaded.state_dict(), saved.state_dict())
        assert loaded.description == saved.description


def test_revision_is_looked_for(offline: Path) -> None:
    saved = network()
    saved.save_pretrained(put_into_cache(offline, "me/net", revision="v1"))
    loaded = UniFormer.from_pretrained("me/net", revision="v1")
    assert same(loaded.state_dict(), saved.state_dict())
    with pytest.raises(
        ValueError, match=r"not in the cache .* run `hf download me/net model.safetensors` once"
    ):
        UniFormer.from_pretrained("me/net")


@pytest.mark.usefixtures("offline")
def test_repository_out_of_reach_says_what_to_run() -> None:
    message = "HF_HUB_OFFLINE forbids downloads; run `hf download me/net model.safetensors` once"
    with pytest.raises(ValueError, match=message):
        UniFormer.from_pretrained("me/net")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["hf://me/net", "me/net/a.safetensors", "/no/such/folder"])
def test_what_is_no_repository_is_refused(name: str) -> None:
    message = rf"'{name}' is neither a folder nor owner/repo; .*weights=\.\.\.\) takes other"
    with pytest.raises(ValueError, match=message):
        UniFormer.from_pretrained(name)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A hub that answers everything with one error: `code`, in huggingface.co's words."""
    answer = {"code": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", answer["code"])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield answer
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("RepoNotFound", "huggingface.co shows no repository 'me/net'; if it is private or gated"),
        ("RevisionNotFound", "the repository 'me/net' has no revision 'v2'"),
        ("EntryNotFound", "'me/net' has no file 'model.safetensors' at revision 'v2'"),
    ],
)
def test_answer_of_the_hub_is_told(hub: dict[str, str], code: str, message: str) -> None:
    hub["code"] = code
    with pytest.raises(ValueError, match=message):
        UniFormer.from_pretrained("me/net", revision="v2", token=False)


def test_folder_without_weights_is_refused(tmp_path: Path) -> None:
    message = f"{re.escape(str(tmp_path))} holds no model.safetensors, expected what save_pretr"
    with pytest.raises(ValueError, match=message):
        UniFormer.from_pretrained(tmp_path)


def test_weights_that_do_not_say_what_they_are_are_refused(tmp_path: Path) -> None:
    state = {key: value.contiguous() for key, value in network().state_dict().items()}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="does not say which UniFormer it is, expected what save"):
        UniFormer.from_pretrained(tmp_path)


def test_another_kind_of_network_is_refused(tmp_path: Path) -> None:
    network("maps").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"UniFormerMaps: load it by UniFormerMaps.from_pretrai"):
        UniFormer.from_pretrained(tmp_path)
    assert isinstance(UniFormerMaps.from_pretrained(tmp_path), UniFormerMaps)


@pytest.mark.parametrize(
    ("kind", "said", "message"),
    [
        ("video", {"variant": "test", "num_classes": 4}, "head.proj.* expected .4"),
        (
            "video",
            {"variant": "test_light", "num_classes": 3},
            r"stages.* is \(.*, expected \(",
        ),
        ("video", {"variant": "test", "num_classes": 0}, "does not hold the network that it names"),
        ("image", {"variant": "test", "num_classes": 3}, "does not hold the network that it names"),
        ("video", {"variant": "tset"}, "variant is 'tset', .* did you mean 'test'"),
        ("video", {"depth": 3, "weights": "/a"}, r"config holds \['depth', 'weights'\], expected"),
    ],
)
def test_weights_of_another_network_than_said_are_refused(
    tmp_path: Path, kind: str, said: dict[str, Any], message: str
) -> None:
    state = network(kind).state_dict()
    described = Description(network=cast(NetworkArguments, said))
    save_weights(tmp_path / "model.safetensors", state, described)
    with pytest.raises(ValueError, match=message):
        UniFormer.from_pretrained(tmp_path)


def test_network_without_config_cannot_be_saved(tmp_path: Path) -> None:
    saved = network()
    saved.description = Description()
    with pytest.raises(ValueError, match="config of this UniFormer is empty, expected the argume"):
        saved.save_pretrained(tmp_path)


@pytest.mark.usefixtures("offline")
def test_upload_without_network_says_so() -> None:
    with pytest.raises(errors.OfflineModeIsEnabled, match="offline mode is enabled"):
        network().push_to_hub("me/net", token="hf_none")


@pytest.mark.parametrize("kind", ["video", "light", "maps"])
def test_copies_are_whole_and_their_own(kind: str) -> None:
    original = network(kind)
    buffer = io.BytesIO()
    torch.save(original, buffer)
    buffer.seek(0)
    for copied in (
        copy.deepcopy(original),
        pickle.loads(pickle.dumps(original)),
        torch.load(buffer, weights_only=False),
    ):
        assert type(copied) is type(original)
        assert same(copied.state_dict(), original.state_dict())
        assert copied.description == original.description
        copied.config["variant"] = "other"
        assert original.config["variant"] != "other"


def test_state_dict_holds_tensors_only() -> None:
    assert all(isinstance(value, Tensor) for value in network().state_dict().values())


@pytest.mark.slow
def test_compiled_network_gives_the_eager_result() -> None:
    made = network().eval()
    clip = torch.rand(1, 3, 4, 32, 32)
    compiled = torch.compile(made, backend="eager", fullgraph=True)
    assert torch.equal(compiled(clip), made(clip))


def test_network_is_built_of_its_config() -> None:
    made = network("light")
    assert build_network(made.config).config == made.config
