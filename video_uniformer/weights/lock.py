"""Which file was first seen under a name, by its sha256.

What is fetched by name is remembered in a small lock file at first sight, and refused if it is ever
another file.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from video_uniformer.system.atomic import replacing

LOCK_VARIABLE = "VIDEO_UNIFORMER_LOCK"


def lock_path() -> Path:
    """The lock file: what VIDEO_UNIFORMER_LOCK names, or one in the hub's folder of assets."""
    named = os.environ.get(LOCK_VARIABLE)
    if named:
        return Path(named)
    from huggingface_hub import constants  # late: it takes a second

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
    found = sha256(path)
    expected = _read_lock(lock).get(name) or _record(lock, name, found)
    if found != expected:
        raise ValueError(
            f"{path} has sha256 {found}, expected {expected}, recorded for {name!r} when it was "
            f"first seen; to accept the new file, delete that entry in {lock}"
        )


def sha256(path: Path) -> str:
    """The sum of a file's bytes, in hexadecimal."""
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
