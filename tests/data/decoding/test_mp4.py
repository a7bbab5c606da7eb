"""The look at an mp4's index: what is plain, and why the rest is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.data.decoding.mp4 import (
    PlainTrack,
    UnsuitableError,
    has_edit_list,
    read_plain_track,
)

PLAIN = {
    "H.264": {},
    "baseline H.264": {"options": {"profile": "baseline"}},
    "main H.264": {"options": {"profile": "main"}},
    "index in front": {"container_options": {"movflags": "faststart"}},
    "mov": {"name": "a.mov"},
    "one frame": {"num_frames": 1},
}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_file_is_described(kind: str, encode: Callable) -> None:
    arguments = {"name": "a.mp4", "num_frames": 40, **PLAIN[kind]}
    assert read_plain_track(encode(**arguments)) == PlainTrack(arguments["num_frames"], 25.0)


VARIABLE = [*range(0, 200, 40), *range(300, 1700, 40)]
HEVC_OPEN = {"x265-params": "keyint=12:min-keyint=12:open-gop=1:log-level=none"}
HEVC_10_BIT = {"x265-params": "log-level=none", "profile": "main10"}
NOT_PLAIN = {
    "containers other": {"name": "a.mkv"},
    "fragmented": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "other codecs": {"codec": "mpeg4"},
    "variable frame rate": {"times": VARIABLE, "num_frames": 40},
    "open groups": {"options": {"x264-params": "open-gop=1:keyint=12:min-keyint=12"}},
    "open groups of pictures": {"codec": "libx265", "options": HEVC_OPEN, "num_frames": 60},
    "do not start at time zero": {"container_options": {"use_editlist": "0"}},
    "without times of display": {"options": {"bf": "0"}},
    "interlaced": {"options": {"x264-params": "interlaced=1"}},
    "not of 8 bit": {"pixels": "yuv420p10le"},
    "4:2:0": {"pixels": "yuv444p"},
    "not of 8 bit 4:2:0": {"codec": "libx265", "options": HEVC_10_BIT, "pixels": "yuv420p10le"},
    "odd size": {"pixels": "yuv444p", "size": (97, 65)},
    "edit list": {"times": [*range(1000, 2600, 40)]},
}


@pytest.mark.parametrize("reason", NOT_PLAIN)
def test_a_file_that_is_not_plain_is_refused_with_the_reason(reason: str, encode: Callable) -> None:
    path = encode(**{"name": "a.mp4", **NOT_PLAIN[reason]})
    with pytest.raises(UnsuitableError, match=reason):
        read_plain_track(path)


def put(content: bytes, box: bytes, place: int, value: bytes) -> bytes:
    """Overwrite what stands at a place behind the box's name."""
    start = content.index(box) + 4 + place
    return content[:start] + value + content[start + len(value) :]


EMPTY_BOX = b"\0\0\0\x08free"
CHANGES = {
    "without an index": lambda content: content.replace(b"moov", b"free"),
    "cut short": lambda content: content[:-10],
    "of too many parts": lambda content: content + 1000 * EMPTY_BOX,
    "fragmented": lambda content: content + b"\0\0\0\x08moof",
    "fragmented mp4": lambda content: content.replace(b"udta", b"mvex"),
    "no or several video streams": lambda content: content.replace(b"vide", b"text"),
    "several video streams": lambda content: content.replace(b"Lavf", b"covr"),  # a cover picture
    "mirrored, scaled or turned by odd angles": lambda content: put(
        content, b"tkhd", 40, b"\xff\xff\0\0"
    ),
    "odd size or with a clean aperture": lambda content: content.replace(b"btrt", b"clap"),
    "empty frames": lambda content: put(content, b"stsz", 12, bytes(4)),
    "variable frame rate": lambda content: put(content, b"stts", 8, b"\0\0\0\x07"),
    "malformed index": lambda content: content.replace(b"stts", b"free"),
    "with a malformed index": lambda content: put(content, b"ctts", 8, b"\0\0\0\x07"),
    "mp4 files with a malformed index": lambda content: put(  # more frames than fit a memory
        content, b"stsz", 4, b"\0\0\0\1\x7f\xff\xff\xff"
    ),
    "edit list that cuts or delays": lambda content: put(content, b"elst", 8, bytes(4)),
    "edit list that cuts": lambda content: put(content, b"elst", 12, bytes(4)),
    "open groups": lambda content: put(content, b"stss", 8, b"\0\0\0\x02"),
    "open groups of pictures": lambda content: content.replace(b"stss", b"stps"),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_a_changed_index_is_refused_with_the_reason(reason: str, encode: Callable) -> None:
    path = encode("a.mp4")
    content = CHANGES[reason](path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(UnsuitableError, match=reason):
        read_plain_track(path)


@pytest.mark.parametrize(
    "box",
    [
        b"\0\0\0\x01free\0\0\0\0\0\0\0\x18padding.",  # its length as 64 bits
        b"\0\0\0\0freeto the end of the file",
        EMPTY_BOX,
    ],
    ids=["long", "last", "empty"],
)
def test_a_box_of_any_form_is_stepped_over(box: bytes, encode: Callable) -> None:
    path = encode("a.mp4")
    path.write_bytes(path.read_bytes() + box)
    assert read_plain_track(path) == PlainTrack(40, 25.0)


def test_no_damage_to_the_index_raises_anything_else(encode: Callable) -> None:
    path = encode("a.mp4")
    content = path.read_bytes()
    start = content.index(b"moov")
    refused = 0
    for place in range(start, len(content), 7):
        path.write_bytes(content[:place] + b"\xff\x80" + content[place + 2 :])
        try:
            read_plain_track(path)
        except UnsuitableError:
            refused += 1
    assert refused > 30


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableError, match="files that cannot be read"):
        read_plain_track(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, False),  # it only puts the first frame at time zero
        ({"times": [*range(1000, 2600, 40)]}, True),
        ({"times": VARIABLE}, False),
        ({"container_options": {"use_editlist": "0"}}, False),
        ({"container_options": {"movflags": "frag_keyframe+empty_moov"}}, False),
        ({"name": "a.mkv"}, False),
    ],
)
def test_an_edit_list_counts_if_it_cuts_or_delays(
    arguments: dict, expected: bool, encode: Callable
) -> None:
    assert has_edit_list(encode(**{"name": "a.mp4", **arguments})) is expected


def test_a_malformed_index_holds_no_edit_list(encode: Callable) -> None:
    path = encode("a.mp4", times=[*range(1000, 2600, 40)])
    path.write_bytes(put(path.read_bytes(), b"stts", 8, b"\0\0\0\x07"))
    assert not has_edit_list(path)
