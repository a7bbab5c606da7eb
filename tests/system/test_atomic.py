import ctypes
import errno
import os
import platform
import signal
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.system.atomic import UNFINISHED, replacing, replacing_file

# Numbers of Linux that Python has no names for; of openat(2) and the machine: see seccomp(2).
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_OPENAT = {"x86_64": (257, 0xC000003E), "aarch64": (56, 0xC00000B7)}
_NAMELESS = 0o20000000  # O_TMPFILE without the flags that it contains
_ALLOW, _ANSWER = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06


def refuse_nameless_files() -> None:
    """Have the kernel answer this process as network file systems do, from now on.

    A seccomp filter: openat(2) with O_TMPFILE gives EOPNOTSUPP, all else goes through.
    """
    number, machine = _OPENAT[platform.machine()]
    program = (
        (_LOAD, 0, 0, 4),  # machine
        (_EQUAL, 0, 5, machine),
        (_LOAD, 0, 0, 0),  # number of the call
        (_EQUAL, 0, 3, number),
        (_LOAD, 0, 0, 32),  # its third argument: flags
        (_HAS_BITS, 0, 1, _NAMELESS),
        (_RETURN, 0, 0, _ANSWER | errno.EOPNOTSUPP),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    head = struct.pack("HP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    assert libc.prctl(_SECCOMP, _FILTER, ctypes.c_char_p(head), 0, 0) == 0


def in_child(work: Callable[[], object]) -> int:
    """Do something in a process of its own, and give how that ended, as `subprocess` does."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write_and_be_killed(path: Path) -> None:
    with replacing_file(path) as file:
        file.write(b"half" * 10_000)
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


needs_seccomp = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in _OPENAT, reason="no filter of calls"
)


def test_file_appears_whole_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_what_stood_there_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        path.with_name("absent").rename("elsewhere")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_open_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    with replacing_file(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_open_file_can_be_read_back_before_it_gets_its_name(tmp_path: Path) -> None:
    with replacing_file(tmp_path / "file.bin") as file:
        file.write(b"whole")
        file.seek(0)
        assert file.read() == b"whole"


def test_open_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with replacing_file(tmp_path / "file.bin"):
        pass
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "file.bin")]
    assert modes[0] == modes[1]


def test_open_file_leaves_what_stood_there_when_the_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def be_interrupted() -> None:
        with replacing_file(path) as file:
            file.write(b"new" * 10_000)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="files without names")
def test_killed_writer_leaves_nothing_but_what_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    assert in_child(lambda: write_and_be_killed(path)) == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@needs_seccomp
def test_file_system_without_nameless_files_gets_a_whole_file_too(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write() -> None:
        refuse_nameless_files()
        with pytest.raises(OSError, match="not supported"):
            os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)
        with replacing_file(path) as file:
            assert [name.name for name in tmp_path.glob(".*")] == [f".file.bin{UNFINISHED}"]
            file.write(b"whole")

    assert in_child(write) == 0
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


@needs_seccomp
def test_file_system_without_nameless_files_keeps_what_a_killed_writer_leaves_apart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write() -> None:
        refuse_nameless_files()
        write_and_be_killed(path)

    assert in_child(write) == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert {name.name for name in tmp_path.iterdir()} == {"file.bin", f".file.bin{UNFINISHED}"}
    with replacing_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
