"""Where weights are looked for, laid out on the spot."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

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


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
