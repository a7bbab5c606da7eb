"""Tar shards as WebDataset writes them, as a list of pictures that can be read in any order.

Streaming reads shards from start to end, so that the order of an epoch, what an interrupted run has
seen, and which process validates what rest on how shards are dealt out. Here each shard is listed
once, and a picture is read from its place in the file.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlparse

from filelock import FileLock

from video_uniformer.data.annotations.samples import (
    Annotations,
    Part,
    Row,
    Sample,
    label_by_index,
)
from video_uniformer.data.annotations.search import LeftOut
from video_uniformer.data.annotations.shard_index import Member, list_members
from video_uniformer.system.atomic import replacing
from video_uniformer.system.text_lines import Line

_REMOTE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*:")
_CHUNK_BYTES = 1 << 20
_CACHE = ".shards"
_EXTRA = "expected video-uniformer[webdataset]: pip install webdataset"


def read_shards(
    path: str | Sequence[str],
    cache: Path | str | None = None,
    *,
    root: Path | str,
    class_names: Sequence[str] | None = None,
) -> Annotations:
    """Read tar shards whose members are pictures `KEY.jpg` and their classes `KEY.cls`.

    A class is an index from 0, or a name of `class_names`. What each shard holds is listed once,
    and remembered until its size or time changes. Shards elsewhere are fetched whole into the
    cache, once a machine, by whatever WebDataset's `gopen` knows (https, gs, hf, or `pipe:` and a
    command, such as `pipe:aws s3 cp s3://... -`).

    Args:
        path: Shards in brace notation, such as `train-{0000..0127}.tar`, or several of these;
            files relative to `root`, or addresses.
        cache: Folder of lists and of fetched shards, which needs space for them all; None means
            `.shards` below `root`.
        root: Folder of the data set.
        class_names: The classes in order; None means "0" to the largest label.

    Raises:
        FileNotFoundError: A shard is not there.
        ValueError: A shard cannot be fetched, is cut short or no tar, or a picture has no class or
            a class no picture.
        ModuleNotFoundError: WebDataset is not installed.
    """
    cache = Path(root) / _CACHE if cache is None else Path(cache)
    left_out = LeftOut()
    rows, parts = [], []
    for shard in _expand([path] if isinstance(path, str) else path):
        file, members = _list_shard(shard, Path(root), cache, left_out)
        for number, member in enumerate(members, 1):
            line = Line(str(file), number, member.name, "picture")
            rows.append(Row(line, str(file / member.name), member.label))
            parts.append(Part(file, member.offset, member.size))
    left_out.log(root)
    samples, names = label_by_index(rows, root=root, class_names=class_names)
    placed = zip(samples, parts, strict=True)
    return Annotations([Sample(s.path, s.label, part) for s, part in placed], names)


def _expand(patterns: Sequence[str]) -> list[str]:
    try:
        from webdataset.shardlists import expand_urls
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"WebDataset is not installed, {_EXTRA}") from None
    shards = [shard for pattern in patterns for shard in expand_urls(pattern)]
    if not shards:
        raise ValueError(f"path is {list(patterns)!r}, expected shards such as a-{{000..127}}.tar")
    return shards


def _list_shard(
    shard: str, root: Path, cache: Path, left_out: LeftOut
) -> tuple[Path, list[Member]]:
    if not _REMOTE.match(shard):
        is_address = shard.startswith("file:")
        file = root / (unquote(urlparse(shard).path) if is_address else shard)
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such shard")
        return file, list_members(file, cache, left_out)
    name = re.sub(r"[^\w.-]", "_", shard.split("/")[-1])[-100:]
    file = cache / f"{hashlib.sha256(shard.encode()).hexdigest()[:16]}-{name}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):  # of several processes one fetches
        if not file.is_file():
            _fetch(shard, file)
        try:
            return file, list_members(file, cache, left_out)
        except ValueError:
            file.unlink()  # so that it is fetched anew
            raise


def _fetch(shard: str, file: Path) -> None:
    """Fetch a shard, which appears under its name when all of it is there."""
    from webdataset.gopen import gopen

    try:
        with replacing(file) as part, part.open("wb") as target, gopen(shard) as source:
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)
    except (OSError, ValueError) as error:
        # Not all of it: it may hold the password that was sent.
        status = re.search(r"exit -?\d+|no gopen handler defined", str(error))
        why = status[0] if status else type(error).__name__
        raise ValueError(f"{shard}: not fetched ({why}), expected a shard") from None
