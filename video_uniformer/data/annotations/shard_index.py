"""What a tar shard holds, and where: found out once, and remembered."""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from video_uniformer.data.annotations.search import LeftOut
from video_uniformer.system.atomic import replacing
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES

_PICTURE_SUFFIXES = (*PICTURE_SUFFIXES, ".gif")
_CLASS = ".cls"
_BESIDE = "beside the pictures and classes of shards"
_MOST_CLASS_BYTES = 1000
_VERSION = 1


class Member(NamedTuple):
    """A picture in a shard.

    Attributes:
        name: Of the member.
        offset: Of its first byte in the shard.
        size: Bytes.
        label: What its class file says.
    """

    name: str
    offset: int
    size: int
    label: str


def list_members(shard: Path, cache: Path, left_out: LeftOut) -> list[Member]:
    """The pictures of a shard with their classes, in its order.

    Args:
        shard: A tar that is not compressed.
        cache: Folder where the list is kept; nothing is kept where that cannot be written.
        left_out: Counts other members.

    Raises:
        ValueError: It is no tar, is cut short, or a picture or class is alone.
    """
    status = shard.stat()
    state = [_VERSION, status.st_size, status.st_mtime_ns]
    key = hashlib.sha256(str(shard.absolute()).encode()).hexdigest()[:16]
    index = cache / f"{key}-{shard.name}.index.json"
    with suppress(OSError, ValueError, KeyError, TypeError):  # none, or of another version
        known = json.loads(index.read_text(encoding="utf-8"))
        if known["state"] == state:
            left_out.add(known["others"], _BESIDE)
            return [Member(*row) for row in known["members"]]
    others: list[str] = []
    members = _scan(shard, others)
    left_out.add(others, _BESIDE)
    with suppress(OSError), replacing(index) as file:
        content = {"state": state, "others": others, "members": members}
        file.write_text(json.dumps(content), encoding="utf-8")
    return members


def _scan(shard: Path, others: list[str]) -> list[Member]:
    pictures: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, str] = {}
    with shard.open("rb") as file:
        for member in _members(shard):
            key, suffix = _split(member.name)
            if suffix in _PICTURE_SUFFIXES:
                if key in pictures:
                    raise ValueError(
                        f"{shard}: {pictures[key].name!r} and {member.name!r} are pictures of one "
                        "key, expected one"
                    )
                pictures[key] = member
            elif suffix == _CLASS:
                file.seek(member.offset_data)
                text = file.read(min(member.size, _MOST_CLASS_BYTES))
                labels[key] = text.decode("utf-8", errors="replace").strip()
            else:
                others.append(member.name)
    _check_pairs(shard, pictures, labels)
    return [Member(m.name, m.offset_data, m.size, labels[key]) for key, m in pictures.items()]


def _members(shard: Path) -> Iterator[tarfile.TarInfo]:
    """The files of a tar; one that is cut short is refused, as what it lacks is unknown."""
    num_members = 0
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                num_members += 1
                if member.isfile():
                    yield member
            end = tar.offset
        with shard.open("rb") as file:
            file.seek(end)
            block = file.read(tarfile.BLOCKSIZE)
    except tarfile.TarError as error:
        raise ValueError(
            f"{shard}: cut short or no tar behind member {num_members} ({error}), expected a whole "
            "one that is not compressed; fetch it again"
        ) from error
    # Whoever writes a tar to its end writes blocks of zeros there.
    if block.strip(b"\0") or len(block) < tarfile.BLOCKSIZE:
        raise ValueError(
            f"{shard}: cut short behind member {num_members}, expected the mark of its end; fetch "
            "it again"
        )


def _split(name: str) -> tuple[str, str]:
    """Key and suffix as WebDataset has them: split at the first dot behind the folders."""
    folder, slash, last = name.rpartition("/")
    key, dot, suffix = last.partition(".")
    return f"{folder}{slash}{key}", f"{dot}{suffix}".lower()


def _check_pairs(shard: Path, pictures: dict[str, tarfile.TarInfo], labels: dict[str, str]) -> None:
    for key, member in pictures.items():
        if not labels.get(key):
            raise ValueError(f"{shard}: {member.name!r} has no class, expected {key + _CLASS!r}")
    for key in labels:
        if key not in pictures:
            raise ValueError(
                f"{shard}: {key + _CLASS!r} has no picture, expected one such as {key + '.jpg'!r}"
            )
    if not pictures:
        raise ValueError(f"{shard}: no pictures, expected members KEY.jpg and KEY.cls")
