"""Where weights come from: a path, a released checkpoint by name, or a hub repository."""

import hashlib
import os
from pathlib import Path

from video_uniformer.weights.hub import DEFAULT_FILE, SCHEME, HubFile, fetch, parse_hub_file
from video_uniformer.weights.lock import check_lock
from video_uniformer.weights.releases import Release
from video_uniformer.weights.zoo import find_release, nearest_release

FOLDER_VARIABLE = "VIDEO_UNIFORMER_WEIGHTS"
AVERAGED = "@ema"
"""Behind a file or a name: of the weights in it, those that a training has averaged."""


def find_weights(source: str | Path) -> Path:
    """The local file that a source stands for, downloaded and cached where it is hosted.

    An existing file is taken as it is, and a folder as the `model.safetensors` in it. The name of a
    release (see `zoo.RELEASES`), or its file's name without ending, is looked for in the folder
    that the environment variable VIDEO_UNIFORMER_WEIGHTS names (default `weights` in the working
    directory), then on the hub if the authors host it there. Downloads resume, and stay in
    huggingface_hub's cache; HF_HUB_OFFLINE is respected. All but paths are compared with the lock
    file; see `check_lock`.

    Args:
        source: A path; a name; or `hf://owner/repo`, optionally with `@revision` (a slash in it
            written `%2F`) and `/file` (default `model.safetensors`). What `names_average` is left
            out.

    Raises:
        ValueError: There is no such thing, it is out of reach, or it is not the file that was seen
            first; the message says what to do.
    """
    if names_average(source):
        source = str(source).removesuffix(AVERAGED)
    text = str(source)
    if text.startswith(SCHEME):
        wanted = parse_hub_file(text)
        path = fetch(wanted)
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
            f"(`video-uniformer zoo` lists their names), nor {SCHEME}owner/repo/file{hint}"
        )
    path = _find_release_file(release)
    check_lock(release.file, path)
    return path


def weights_digest(source: str | Path) -> "hashlib._Hash":
    """A SHA-256 of the weights that a source stands for, which more can be added to.

    Raises:
        ValueError: As `find_weights`.
    """
    digest = hashlib.sha256()
    with find_weights(source).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if names_average(source):
        digest.update(AVERAGED.encode())
    return digest


def names_average(source: str | Path) -> bool:
    """Whether a source ends in `@ema`, unless a file or a revision is called so."""
    text = str(source)
    has_revision = text.startswith(SCHEME) and text.count("/") < 4
    return text.endswith(AVERAGED) and not has_revision and not Path(text).exists()


def _find_release_file(release: Release) -> Path:
    by_hand = Path(os.environ.get(FOLDER_VARIABLE, "weights")) / release.file
    if by_hand.is_file():
        return by_hand
    by_browser = f"fetch {release.drive_url} and save it as {by_hand}"
    if release.repo is None:
        raise ValueError(
            f"weights {release.name!r} are not here, and the authors host them on Google Drive "
            f"only: {by_browser}"
        )
    try:
        return fetch(HubFile(release.repo, release.file))
    except ValueError as error:
        raise ValueError(
            f"weights {release.name!r} are not here: {error}; or {by_browser}"
        ) from None
