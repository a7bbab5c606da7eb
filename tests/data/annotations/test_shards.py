"""Tar shards: what they hold, and how one is refused."""

import builtins
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from drawn_shards import jpeg, pictures, write_shard
from list_files import pairs

from video_uniformer.data.annotations import read_shards

pytest.importorskip("webdataset")


def test_shards_are_read_in_order_with_their_classes(tmp_path: Path) -> None:
    write_shard(tmp_path / "train-00.tar", pictures(0, 1))
    write_shard(tmp_path / "train-01.tar", pictures(2, 3))
    result = read_shards("train-{00..01}.tar", root=tmp_path)
    assert pairs(result, tmp_path) == [
        ("train-00.tar/0000.jpg", 0),
        ("train-00.tar/0001.jpg", 1),
        ("train-01.tar/0002.jpg", 2),
        ("train-01.tar/0003.jpg", 0),
    ]
    assert [sample.part and sample.part.read() for sample in result.samples] == [
        jpeg(number) for number in range(4)
    ]
    assert result.class_names == ["0", "1", "2"]


def test_classes_may_be_names_of_a_list(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", {"x/1.cls": b"polar_bear\n", "x/1.JPEG": jpeg(1)})
    result = read_shards("a.tar", root=tmp_path, class_names=["dog", "polar bear"])
    assert pairs(result, tmp_path) == [("a.tar/x/1.JPEG", 1)]


def test_several_patterns_follow_one_another(tmp_path: Path) -> None:
    for name, number in (("b", 1), ("a", 2)):
        write_shard(tmp_path / f"{name}.tar", pictures(number))
    result = read_shards(["b.tar", f"file:{tmp_path}/a.tar"], root=tmp_path)
    assert [sample.path.name for sample in result.samples] == ["0001.jpg", "0002.jpg"]


def test_other_members_are_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_shard(tmp_path / "a.tar", {**pictures(0), "0000.json": b"{}", "0000.seg.png": b"mask"})
    for _ in range(2):  # from the tar, then from the list that was kept
        caplog.clear()
        assert len(read_shards("a.tar", root=tmp_path).samples) == 1
        assert len(caplog.messages) == 1
        assert "left out 2 files: 1 .json (beside the pictures" in caplog.text


def test_list_is_kept_until_the_shard_changes(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.tar", pictures(1))
    first = read_shards("a.tar", root=tmp_path)
    time = shard.stat().st_mtime_ns
    shard.write_bytes(b"x" * shard.stat().st_size)
    os.utime(shard, ns=(time, time))
    assert read_shards("a.tar", root=tmp_path) == first
    write_shard(shard, pictures(1, 2))
    assert len(read_shards("a.tar", root=tmp_path).samples) == 2


def test_broken_list_is_made_anew(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", pictures(1))
    first = read_shards("a.tar", root=tmp_path)
    (index,) = (tmp_path / ".shards").iterdir()
    index.write_text('{"state": 3}')
    assert read_shards("a.tar", root=tmp_path) == first


def test_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", pictures(1))
    (tmp_path / "cache").write_text("a file")
    assert len(read_shards("a.tar", tmp_path / "cache/inner", root=tmp_path).samples) == 1


def test_shard_elsewhere_is_fetched_once(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    shard = write_shard(tmp_path / "store/a-0.tar", pictures(1, 2))
    address, cache = f"pipe:cat {tmp_path}/store/a-{{0..0}}.tar", tmp_path / "cache"
    first = read_shards(address, cache, root=tmp_path)
    shard.unlink()
    assert read_shards(address, cache, root=tmp_path) == first
    assert [sample.part and sample.part.read() for sample in first.samples] == [jpeg(1), jpeg(2)]


def test_shard_that_arrives_in_part_is_fetched_again(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "whole.tar", pictures(1, 2))
    (tmp_path / "a.tar").write_bytes(whole.read_bytes()[:1500])
    address = f"pipe:cat {tmp_path}/a.tar"
    with pytest.raises(ValueError, match="cut short"):
        read_shards(address, root=tmp_path)
    shutil.copy(whole, tmp_path / "a.tar")
    assert len(read_shards(address, root=tmp_path).samples) == 2


@pytest.mark.parametrize(
    ("address", "why"),
    [("pipe:false secret", "exit 1"), ("odd://a/b.tar", "no gopen handler defined")],
)
def test_shard_that_is_not_fetched_is_refused(tmp_path: Path, address: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"not fetched \({why}\), expected a shard"):
        read_shards(address, root=tmp_path)


def test_missing_shard_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "a-0.tar", pictures(1))
    with pytest.raises(FileNotFoundError, match=r"a-1\.tar: no such shard"):
        read_shards("a-{0..1}.tar", root=tmp_path)


@pytest.mark.parametrize("lost", [1, 600, 1024, 1700, 10_240 + 1024])
def test_shard_that_is_cut_short_is_refused(tmp_path: Path, lost: int) -> None:
    shard = write_shard(tmp_path / "a.tar", pictures(*range(8)))
    content = shard.read_bytes().rstrip(b"\0")
    end = -(-len(content) // 512) * 512 + 1024  # the last member, and the mark of the end
    shard.write_bytes(shard.read_bytes()[: end - max(lost, 1024)])
    with pytest.raises(ValueError, match="cut short"):
        read_shards("a.tar", root=tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 100, b"\x1f\x8b" + b"a" * 2000])
def test_file_that_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ValueError, match="cut short or no tar"):
        read_shards("a.tar", root=tmp_path)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"1.jpg": b""}, "'1.jpg' has no class, expected '1.cls'"),
        ({"1.jpg": b"", "1.cls": b" "}, "'1.jpg' has no class"),
        ({"1.cls": b"0"}, "'1.cls' has no picture, expected one such as '1.jpg'"),
        (
            {"1.jpg": b"", "1.png": b"", "1.cls": b"0"},
            "'1.jpg' and '1.png' are pictures of one key",
        ),
        ({"1.txt": b""}, "no pictures, expected members KEY.jpg and KEY.cls"),
        ({"1.jpg": b"", "1.cls": b"dog"}, "picture 1, '1.jpg': label 'dog': expected an integer"),
    ],
)
def test_shard_of_other_members_is_refused(
    tmp_path: Path, members: dict[str, bytes], message: str
) -> None:
    write_shard(tmp_path / "a.tar", members)
    with pytest.raises(ValueError, match=message):
        read_shards("a.tar", root=tmp_path)


def test_empty_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected shards such as"):
        read_shards([], root=tmp_path)


def test_missing_webdataset_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("webdataset"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install webdataset"):
        read_shards("a.tar", root=tmp_path)


def test_archive_that_has_become_shorter_is_told(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.tar", pictures(1))
    (sample,) = read_shards("a.tar", root=tmp_path).samples
    shard.write_bytes(shard.read_bytes()[:700])
    assert sample.part is not None
    with pytest.raises(OSError, match=r"a\.tar: ends at byte 700, cut short"):
        sample.part.read()
