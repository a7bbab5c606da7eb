"""The manifest as a list that training reads."""

import os
from pathlib import Path

import pytest

from video_uniformer.data.annotations import read_manifest
from video_uniformer.data.annotations.manifest import (
    decode_name,
    encode_name,
    read_damage,
    read_frame_counts,
)

HEADER = "path,label,split,status,frames,codec"
ROWS = (
    "a b.mp4,run,train,ok,30,h264",
    '"c,d.mp4",jump,train,damaged,7,h264',
    "file:two%0Alines.mp4,jump,train,ok,12,h264",
    "e.mp4,run,val,ok,9,h264",
)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (b"a.mp4", "a.mp4"),
        (b'a [b] & <c>, "d".mp4', 'a [b] & <c>, "d".mp4'),
        ("é 走.mp4".encode(), "é 走.mp4"),
        (b"a\nb.mp4", "file:a%0Ab.mp4"),
        (b" a.mp4", "file:%20a.mp4"),
        (b"x/\xff\xfe.mp4", "file:x/%FF%FE.mp4"),
        (b"file:a.mp4", "file:file%3Aa.mp4"),
        (b"50%.mp4", "50%.mp4"),
    ],
)
def test_names_survive_as_one_line_of_text(name: bytes, written: str) -> None:
    assert encode_name(os.fsdecode(name)) == written
    assert os.fsencode(decode_name(written)) == name


def test_rows_of_a_split_are_a_list(manifest: Path) -> None:
    samples, names = read_manifest(manifest, "train", root="/data")
    assert names == ["jump", "run"]
    assert [(str(s.path), s.label) for s in samples] == [
        ("/data/a b.mp4", 1),
        ("/data/c,d.mp4", 0),
        ("/data/two\nlines.mp4", 0),
    ]


def test_split_with_fewer_classes_numbers_them_alike(manifest: Path) -> None:
    samples, names = read_manifest(manifest, "val", root="/data")
    assert (samples[0].label, names) == (1, ["jump", "run"])


def test_bad_rows_can_be_left_out(manifest: Path) -> None:
    samples, _ = read_manifest(manifest, "train", drop_bad=True, root="/data")
    assert [sample.label for sample in samples] == [1, 0]


def test_manifest_is_looked_for_below_the_root(manifest: Path) -> None:
    assert len(read_manifest(manifest.name, "val", root=manifest.parent).samples) == 1


def test_given_classes_decide_the_numbers(manifest: Path) -> None:
    names = ["walk", "run", "jump"]
    samples, _ = read_manifest(manifest, "train", root="/data", class_names=names)
    assert [sample.label for sample in samples] == [1, 2, 2]


def test_class_indices_stay_as_they_are(manifest: Path) -> None:
    manifest.write_text(f"{HEADER}\na.mp4,3,all,ok,5,h264\n")
    samples, names = read_manifest(manifest, root="/data")
    assert (samples[0].label, len(names)) == (3, 4)


def test_frame_counts_are_those_of_intact_videos(manifest: Path) -> None:
    assert read_frame_counts(manifest, root="/data") == {
        Path("/data/a b.mp4"): 30,
        Path("/data/two\nlines.mp4"): 12,
        Path("/data/e.mp4"): 9,
    }


def test_damage_is_that_of_damaged_videos(manifest: Path) -> None:
    manifest.write_text(f"{HEADER}\na.mp4,0,all,damaged,5,h264\nb.mp4,0,all,hung,0,h264\n")
    assert read_damage(manifest, root="/data") == {Path("/data/a.mp4"): f"damaged, says {manifest}"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.mp4 1\n", "no manifest, expected a first line that begins path,label,split"),
        ("", "no manifest"),
        (f"{HEADER}\na.mp4,run\n", "line 2, 'a.mp4,run': found 2 columns, expected 6"),
        (f"{HEADER}\na.mp4,run,all,ok,x,h264\n", "frames is 'x', expected a whole number"),
        (f"{HEADER}\na.mp4,,all,ok,5,h264\n", "no label, expected a class"),
        (f"{HEADER}\na.mp4,run,all,hung,0,h264\n", "no videos left"),
        ("\n".join((HEADER, *ROWS)), "split is None, but .* holds train, val"),
    ],
)
def test_what_training_cannot_use_is_refused(manifest: Path, content: str, message: str) -> None:
    manifest.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_manifest(manifest, drop_bad=True, root="/data")


def test_unknown_split_is_refused(manifest: Path) -> None:
    with pytest.raises(ValueError, match="split is 'test', expected one of train, val"):
        read_manifest(manifest, "test", root="/data")
