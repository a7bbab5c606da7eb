"""Tar shards of small pictures, as WebDataset writes them."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def jpeg(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """A JPEG of noise, other for other seeds."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def write_shard(path: Path, members: Mapping[str, bytes]) -> Path:
    """A tar of these members."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def pictures(*numbers: int, num_classes: int = 3) -> dict[str, bytes]:
    """Members of a shard: pictures called by number, with the class `number % num_classes`."""
    members = {}
    for number in numbers:
        members[f"{number:04d}.jpg"] = jpeg(number)
        members[f"{number:04d}.cls"] = str(number % num_classes).encode()
    return members
