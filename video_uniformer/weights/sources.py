"""Where weights come from: a path, a released checkpoint by name, or a hub repository.

What is fetched by name is remembered by its sha256 in a small lock file at first sight, and refused
if it is ever another file.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
from filelock import FileLock
from huggingface_hub import constants, errors

from video_uniformer.system.atomic import replacing
from video_uniformer.weights.releases import Release
from video_uniformer.weights.zoo import find_release, nearest_release

FOLDER_VARIABLE = "VIDEO_UNIFORMER_WEIGHTS"
LOCK_VARIABLE = "VIDEO_UNIFORMER_LOCK"
SCHEME = "hf://"
DEFAULT_FILE = "model.safetensors"

_HUB_FILE = re.compile(
    r"hf://(?P<repo>[^/@\s]+/[^/@\s]+)(@(?P<revision>[^/\s]+))?(/(?P<file>[^\s]+))?/?"
)


class HubFile(NamedTuple):
    """A file in a repository of the Hugging Face hub."""

    repo: str
    file: str
    revision: str = constants.DEFAULT_REVISION

    def __str__(self) -> str:
        revision = "" if self.revision == constants.DEFAULT_REVISION else f"@{self.revision}"
        return f"{SCHEME}{self.repo}{revision}/{self.file}"


def find_weights(source: str | Path) -> Path:
    """The local file that a source stands for, downloaded and cached where it is hosted.

    An existing file is taken as it is, and a folder as the `model.safetensors` in it. The name of a
    release (see `zoo.RELEASES`), or its file's
    name without ending, is looked for in the folder that the environment variable
    VIDEO_UNIFORMER_WEIGHTS names (default `weights` in the working directory), then on the hub if
    the authors host it there. Downloads resume, and stay in huggingface_hub's cache; HF_HUB_OFFLINE
    is respected. All but paths are compared with the lock file; see `check_lock`.

    Args:
        source: A path; a name; or `hf://owner/repo`, optionally with `@revision` (a slash in it
            written `%2F`) and `/file` (default `model.safetensors`).

    Raises:
        ValueError: There is no such thing, it is out of reach, or it is not the file that was seen
            first; the message says what to do.
    """
    text = str(source)
    if text.startswith(SCHEME):
        wanted = parse_hub_file(text)
        path = _download(wanted)
        check_lock(str(wanted), path)
        return path
    inside = Path(source) / DEFAULT_FILE
    if Path(source).is_file() or inside.is_file():
        return Path(source) if Path(source).is_file() else inside
    release = find_release(text)
    if release is None:
        near = nearest_release(text)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(
            f"weights {text!r} is neither a file, nor a released checkpoint "
            f"(`video-uniformer-zoo` lists their names), nor {SCHEME}owner/repo/file{hint}"
        )
    path = _find_release_file(release)
    check_lock(release.file, path)
    return path


def parse_hub_file(source: str) -> HubFile:
    """Read `hf://owner/repo[@revision][/file]`.

    Args:
        source: The text; a slash in the revision is written `%2F`.

    Raises:
        ValueError: It is something else.
    """
    match = _HUB_FILE.fullmatch(source)
    if match is None:
        raise ValueError(
            f"weights {source!r}: expected {SCHEME}owner/repo/file, {SCHEME}owner/repo "
            f"(for {DEFAULT_FILE}), or {SCHEME}owner/repo@revision/file"
        )
    revision = (match["revision"] or constants.DEFAULT_REVISION).replace("%2F", "/")
    return HubFile(match["repo"], match["file"] or DEFAULT_FILE, revision)


def _find_release_file(release: Release) -> Path:
    by_hand = Path(os.environ.get(FOLDER_VARIABLE, "weights")) / release.file
    if by_hand.is_file():
        return by_hand
    fetch = f"fetch {release.drive_url} and save it as {by_hand}"
    if release.repo is None:
        raise ValueError(
            f"weights {release.name!r} are not here, and the authors host them on Google Drive "
            f"only: {fetch}"
        )
    try:
        return _download(HubFile(release.repo, release.file))
    except ValueError as error:
        raise ValueError(f"weights {release.name!r} are not here: {error}; or {fetch}") from None


def _download(wanted: HubFile) -> Path:
    repo, file, revision = wanted
    try:
        return Path(huggingface_hub.hf_hub_download(repo, file, revision=revision))
    except errors.LocalEntryNotFoundError:
        reason = _how_to_reach(wanted)
    except errors.RepositoryNotFoundError:
        reason = (
            f"huggingface.co shows no repository {repo!r}; if it is private or gated, "
            "run `hf auth login`"
        )
    except errors.RevisionNotFoundError:
        reason = f"the repository {repo!r} has no revision {revision!r}"
    except errors.EntryNotFoundError:
        reason = f"the repository {repo!r} has no file {file!r} at revision {revision!r}"
    # The HTTP libraries beneath differ from release to release, and each has errors of its own.
    except Exception as error:
        first_line = (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0]
        reason = f"the download failed, try again or give the path of a copy: {first_line}"
    raise ValueError(f"{wanted}: {reason}") from None


def _how_to_reach(wanted: HubFile) -> str:
    repo, file, revision = wanted
    option = "" if revision == constants.DEFAULT_REVISION else f" --revision {revision}"
    why = (
        "HF_HUB_OFFLINE forbids downloads"
        if constants.HF_HUB_OFFLINE
        else "huggingface.co cannot be reached"
    )
    return (
        f"not in the cache {constants.HF_HUB_CACHE}, and {why}; run "
        f"`hf download {repo} {file}{option}` once with network access, or give the path of a copy"
    )


def lock_path() -> Path:
    """The lock file: what VIDEO_UNIFORMER_LOCK names, or one in the hub's folder of assets."""
    named = os.environ.get(LOCK_VARIABLE)
    if named:
        return Path(named)
    return Path(constants.HF_ASSETS_CACHE) / "video_uniformer" / "weights.lock.json"


def check_lock(name: str, path: Path) -> None:
    """Compare a file with what was recorded under this name, or record it if nothing was.

    Args:
        name: What the file was asked for by: the file name of a release, or `hf://...`.
        path: The file.

    Raises:
        ValueError: It is another file than at first sight, or the lock file is damaged or cannot be
            written.
    """
    lock = lock_path()
    found = _sha256(path)
    expected = _read_lock(lock).get(name) or _record(lock, name, found)
    if found != expected:
        raise ValueError(
            f"{path} has sha256 {found}, expected {expected}, recorded for {name!r} when it was "
            f"first seen; to accept the new file, delete that entry in {lock}"
        )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _read_lock(lock: Path) -> dict[str, str]:
    if not lock.is_file():
        return {}
    try:
        entries = json.loads(lock.read_text(encoding="utf-8"))
    except ValueError:
        entries = None
    if not isinstance(entries, Mapping) or not all(isinstance(e, str) for e in entries.values()):
        raise ValueError(
            f"lock file {lock} is damaged, expected a JSON object of names and sha256 sums; mend "
            "it, or delete it to record every file anew"
        )
    return dict(entries)


def _record(lock: Path, name: str, digest: str) -> str:
    """Add an entry unless another process was first; return what stands there now."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock.with_name(f"{lock.name}.lock")):
            entries = _read_lock(lock)
            if name not in entries:
                entries[name] = digest
                with replacing(lock) as temporary:
                    text = json.dumps(entries, indent=2, sort_keys=True) + "\n"
                    temporary.write_text(text, encoding="utf-8")
            return entries[name]
    except OSError as error:
        raise ValueError(
            f"lock file {lock} cannot be written ({error.strerror or error}); name another with "
            f"the environment variable {LOCK_VARIABLE}"
        ) from None
