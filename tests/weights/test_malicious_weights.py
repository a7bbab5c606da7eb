"""Files that attack, or are damaged: each is refused by its name, and none runs anything."""

import builtins
import contextlib
import gzip
import importlib
import io
import json
import os
import pickle
import struct
import tarfile
import time
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save
from torch import nn

from video_uniformer.weights.reading import read_weights

GOOD = {"model": {"weight": torch.arange(6.0).reshape(2, 3)}}


class Call:
    """Pickled, it asks the reader to call a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.recipe = function, arguments

    def __call__(self) -> None:
        """A call may give the function of another one: the pickler wants it callable."""

    def __reduce__(self) -> Any:
        return self.recipe


class Trap(OrderedDict[str, Any]):
    """A state dict whose pickle asks for a call."""

    def __reduce__(self) -> Any:
        return builtins.eval, (self["code"],)


def command(marker: Path) -> str:
    return f"touch {marker}"


def code(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()"


def attack(marker: Path) -> Call:
    return Call(builtins.eval, code(marker))


def torch_zip(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def torch_legacy(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_members(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A good file of PyTorch with members added, or in the place of its own."""
    with zipfile.ZipFile(io.BytesIO(torch_zip(GOOD))) as archive:
        own = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**own, **members}, compression)


def tarred(members: Mapping[str, Any]) -> bytes:
    """The form of PyTorch 0.1."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member, pickled = tarfile.TarInfo(name), pickle.dumps(content, protocol=2)
            member.size = len(pickled)
            archive.addfile(member, io.BytesIO(pickled))
    return buffer.getvalue()


def safetensors(header: object, data: bytes = bytes(24)) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin: int, end: int, shape: tuple[int, ...] = (6,)) -> dict[str, object]:
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}


def rebuilt(size: int, offset: int) -> bytes:
    """A tensor that claims another place than its storage has."""
    arguments = (torch.zeros(6)._typed_storage(), offset, (size,), (1,), False, OrderedDict())
    return torch_zip({"weight": Call(torch._utils._rebuild_tensor_v2, *arguments)})


def script() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


class Attack(NamedTuple):
    """A file that touches the marker if a careless reader opens it."""

    name: str
    build: Callable[[Path], bytes]


SYSTEM = Call(builtins.getattr, Call(importlib.import_module, "os"), "system")
ATTACKS = [
    Attack("reduce.pth", lambda m: pickle.dumps(Call(os.system, command(m)), 2)),
    Attack("posix.pth", lambda m: f"cposix\nsystem\n(S'{command(m)}'\ntR.".encode()),
    Attack("os.pt", lambda m: f"cos\nsystem\n(S'{command(m)}'\ntR.".encode()),
    Attack("instance.pth", lambda m: f"(S'{command(m)}'\nios\nsystem\n.".encode()),
    Attack("protocol5.pth", lambda m: pickle.dumps({"model": attack(m)}, 5)),
    Attack("eval.ckpt", lambda m: torch_zip(attack(m))),
    Attack("exec.pyth", lambda m: torch_zip({"state_dict": Call(builtins.exec, code(m))})),
    Attack("nested.pth", lambda m: torch_zip({"model": {**GOOD["model"], "bias": attack(m)}})),
    Attack("deep.pth", lambda m: torch_zip({"a": [{"b": ({"c": [attack(m)]},)}]})),
    Attack("key.pth", lambda m: torch_zip({**GOOD, "epoch": (1, attack(m))})),
    Attack("ordered.pth", lambda m: torch_zip({"model": Trap(code=code(m))})),
    Attack("getattr.pth", lambda m: torch_zip({"model": Call(SYSTEM, command(m))})),
    Attack("legacy.pth", lambda m: torch_legacy({"model": {"weight": attack(m)}})),
    Attack("data.pth", lambda m: with_members({"archive/data.pkl": pickle.dumps(attack(m), 2)})),
]


DAMAGED: dict[str, Callable[[Path], bytes]] = {
    "tar.pth": lambda m: tarred({"sys_info": {}, "pickle": attack(m), "storages": 0, "tensors": 0}),
    "tar_storages.pth": lambda m: tarred({"sys_info": {}, "pickle": 0, "storages": attack(m)}),
    "traversal.pth": lambda m: with_members({f"../../{m.name}": b"x"}),
    "absolute.pth": lambda m: with_members({str(m): b"x"}),
    "all_outside.pth": lambda m: zipped({f"../../{m.name}": b"x", "../../version": b"3\n"}),
    "plain_zip.pth": lambda m: zipped({"weights/readme.txt": b"hello"}),
    "zip_bomb.pth": lambda m: with_members(
        {"archive/data.pkl": bytes(1 << 25)}, zipfile.ZIP_DEFLATED
    ),
    "gzip_bomb.pth": lambda m: gzip.compress(bytes(1 << 25)),
    "truncated.pth": lambda m: torch_zip(GOOD)[:600],
    "missing_record.pth": lambda m: zipped(
        {"archive/data.pkl": pickle.dumps({}, 2)[:-1], "archive/version": b"3\n"}
    ),
    "size.pth": lambda m: rebuilt(10**9, 0),
    "offset.pth": lambda m: rebuilt(2, 10**9),
    "negative_offset.pth": lambda m: rebuilt(2, -3),
    "module.pth": lambda m: torch_zip(nn.Linear(2, 2)),
    "list.pth": lambda m: torch_zip([torch.zeros(2)]),
    "script.pt": lambda m: script(),
    "empty.pth": lambda m: b"",
    "empty.safetensors": lambda m: b"",
    "text.pth": lambda m: b"version https://git-lfs.github.com/spec/v1\nsize 86314461\n",
    "page.pth": lambda m: b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>",
    "page.safetensors": lambda m: b"<!DOCTYPE html><html><title>Virus scan warning</title>",
    "pickle.safetensors": lambda m: pickle.dumps(attack(m), 2),
    "zip.safetensors": lambda m: torch_zip({"model": attack(m)}),
    "huge_header.safetensors": lambda m: struct.pack("<Q", 1 << 62) + b"{}",
    "long_header.safetensors": lambda m: struct.pack("<Q", 1 << 26) + b"{}",
    "list_header.safetensors": lambda m: safetensors([1, 2]),
    "beyond.safetensors": lambda m: safetensors({"weight": entry(0, 2400, (600,))}),
    "overlap.safetensors": lambda m: safetensors({"a": entry(0, 24), "b": entry(0, 24)}),
    "negative.safetensors": lambda m: safetensors({"weight": entry(-24, 0)}),
    "reversed.safetensors": lambda m: safetensors({"weight": entry(24, 0)}),
    "hole.safetensors": lambda m: safetensors({"weight": entry(0, 24)}, bytes(48)),
    "shape.safetensors": lambda m: safetensors({"weight": entry(0, 24, (1 << 40, 1 << 40))}),
    "truncated.safetensors": lambda m: save({"weight": torch.zeros(600)})[:-100],
}
ALL = {**dict(ATTACKS), **DAMAGED}


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What an attack would leave behind."""
    return tmp_path / "was_run"


@pytest.mark.parametrize("name", ALL)
def test_file_is_refused_by_its_name_at_once_and_runs_nothing(
    tmp_path: Path, marker: Path, name: str
) -> None:
    path = tmp_path / "weights" / "inner" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(ALL[name](marker))
    begin = time.monotonic()
    with pytest.raises(ValueError, match=f"{path} ") as caught:
        read_weights(path)
    assert time.monotonic() - begin < 30  # usually milliseconds, but the machine may be busy
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob(marker.name))


@pytest.mark.parametrize(
    "name", ["reduce.pth", "eval.ckpt", "legacy.pth", "tar.pth", "script.pt", "text.pth"]
)
def test_refusal_does_not_advise_to_run_the_file(tmp_path: Path, marker: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(ALL[name](marker))
    with pytest.raises(ValueError, match=name) as caught:
        read_weights(path)
    assert "Re-running" not in str(caught.value)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_succeeds_with_a_careless_reader(
    tmp_path: Path, marker: Path, attack: Attack
) -> None:
    path = tmp_path / attack.name
    path.write_bytes(attack.build(marker))
    # What follows the call is not what PyTorch expects, so it may fail in any way.
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        torch.load(path, weights_only=False)
    assert marker.exists()


def test_safetensors_file_needs_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(save({"weight": torch.arange(6.0)}))
    with pytest.raises(ValueError, match=f"{path} is refused"):
        read_weights(path)


def test_good_file_of_the_same_making_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(with_members({}))
    content: Any = read_weights(path)
    assert torch.equal(content["model"]["weight"], GOOD["model"]["weight"])
