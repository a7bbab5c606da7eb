"""Packet headers: which give a frame, and on which no other builds."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from video_uniformer.data.decoding import open_video
from video_uniformer.data.decoding.packets import is_expendable, is_shown

LENGTHS = b"\1"  # how a codec's own header begins where units follow their length
LONG = b"\0" * 20


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        ("vp8", b"\x10\0\0", True),
        ("vp8", b"\x01\0\0", False),
        ("vp9", b"\x82\0\0", True),  # a key frame that is shown
        ("vp9", b"\x84\0\0", False),
        ("vp9", b"\x88\0\0", True),  # shows an earlier one
        ("vp9", b"\x84\0\xc0", True),  # several in a row
        ("vp9", b"\xb0\0\0", True),  # profile 3 is not looked into
        ("mpeg4", b"\0\0\1\xb6\x5a\x4f\0", None),
        ("mpeg4", b"\0\0\1\xb6\x5a\x4f" + LONG, True),
        ("h264", b"\0", True),
    ],
)
def test_pictures_that_are_never_shown_are_told(
    codec: str, data: bytes, expected: bool | None
) -> None:
    assert is_shown(codec, memoryview(data)) is expected


@pytest.mark.parametrize(
    ("codec", "data", "header", "expected"),
    [
        ("h264", b"\0\0\0\2\x01\x9a", LENGTHS, True),
        ("h264", b"\0\0\0\2\x41\x9a", LENGTHS, False),
        ("h264", b"\0\0\0\2\x06\x05\0\0\0\2\x01\x9a", LENGTHS, True),  # behind a message
        ("h264", b"\0\0\0\2\x01\x9a\0\0\0\2\x41\x9a", LENGTHS, False),
        ("h264", b"\0\0\0\1\x01\x9a", b"", True),  # start codes
        ("h264", b"\0\0\1\x61\x9a", b"", False),
        ("h264", b"", LENGTHS, False),
        ("h264", b"\xff\xff\xff\xff\xff\xff", LENGTHS, False),
        ("hevc", b"\0\0\0\2\x00\x01", LENGTHS, True),  # TRAIL_N
        ("hevc", b"\0\0\0\2\x02\x01", LENGTHS, False),  # TRAIL_R
        ("hevc", b"\0\0\0\2\x26\x01", LENGTHS, False),  # IDR
        ("hevc", b"\0\0\0\2\x46\x01", LENGTHS, False),  # no picture at all
        ("mpeg2video", b"\0\0\1\0\x00\x1f", b"", True),  # B
        ("mpeg2video", b"\0\0\1\0\x00\x17", b"", False),  # P
        ("mpeg1video", b"\0\0\1\0\x00\x0f", b"", False),  # I
        ("mpeg2video", b"\0\0\1\0", b"", False),  # cut off
        ("mpeg4", b"\0\0\1\xb6\x80", b"", True),
        ("mpeg4", b"\0\0\1\xb6\x40", b"", False),
        ("vp8", b"\x10\0\0", b"", False),
    ],
)
def test_pictures_that_none_builds_on_are_told(
    codec: str, data: bytes, header: bytes, expected: bool
) -> None:
    assert is_expendable(codec, data, header) is expected


def test_frames_that_avi_lists_but_vp8_never_shows_are_not_counted(
    encode: Callable, tmp_path: Path, decode_in_order: Callable
) -> None:
    # libvpx writes such pictures in a second pass only; clearing the bit makes one here.
    source, path = encode("a.webm", codec="libvpx", options={"cpu-used": "8"}), tmp_path / "a.avi"
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        copied = writer.add_stream_from_template(reader.streams.video[0])
        for place, packet in enumerate(p for p in reader.demux(video=0) if p.size):
            content = bytearray(bytes(packet))
            if place in (5, 17):
                content[0] &= ~0x10
            changed = av.Packet(bytes(content))
            changed.pts = changed.dts = place
            changed.time_base, changed.is_keyframe = packet.stream.average_rate**-1, place == 0
            changed.stream = copied
            writer.mux(changed)
    truth = list(decode_in_order(path))
    with open_video(path) as video:
        assert len(video) == len(truth) == 38
        assert (video.frames([5])[0] == truth[5]).all()


def test_frames_that_mpeg4_leaves_out_are_not_counted(
    encode: Callable, tmp_path: Path, decode_in_order: Callable
) -> None:
    source, path = encode("whole.mp4", codec="mpeg4", gop=250), tmp_path / "a.mp4"
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        copied = writer.add_stream_from_template(reader.streams.video[0])
        for place, packet in enumerate(p for p in reader.demux(video=0) if p.size):
            content = b"\0\0\1\xb6\x5a\x4f\x7f" if place in (9, 20) else bytes(packet)
            changed = av.Packet(content)
            changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
            changed.is_keyframe, changed.stream = packet.is_keyframe, copied
            writer.mux(changed)
    truth = list(decode_in_order(path))
    with open_video(path) as video:
        assert len(video) == len(truth) < 40
        assert (video.frames([25])[0] == truth[25]).all()
