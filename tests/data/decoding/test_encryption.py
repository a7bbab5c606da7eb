"""Encrypted files are refused as encrypted, not as damaged."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.joining import write_recording
from video_uniformer.collection.scan.inspection import inspect_file
from video_uniformer.data.decoding import VideoError
from video_uniformer.data.decoding.encryption import is_encrypted
from video_uniformer.data.decoding.opening import open_video
from video_uniformer.data.decoding.probe import probe_video
from video_uniformer.data.decoding.salvage import salvage_video

KEY, KEY_ID = "00112233445566778899aabbccddeeff", "112233445566778899aabbccddeeff00"
CENC = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": KEY,
    "encryption_kid": KEY_ID,
}


@pytest.mark.parametrize("flags", ["+faststart", "+frag_keyframe+empty_moov"])
def test_encrypted_mp4_is_refused_as_such(encode: Callable[..., Path], flags: str) -> None:
    path = encode("a.mp4", container_options={**CENC, "movflags": flags})
    for read in (open_video, probe_video):
        with pytest.raises(VideoError, match="encrypted, expected"):
            read(path)
    assert "encrypted" in inspect_file(path).reason


DECODERS = ("auto", "pyav", "decord")


def refused_as_encrypted(path: Path) -> bool:
    """Whether every reader, the probe and the scan say so."""
    for decoder in DECODERS:
        with pytest.raises(VideoError, match="encrypted, expected"):
            open_video(path, decoder)
    for read in (probe_video, salvage_video):
        with pytest.raises(VideoError, match="encrypted, expected"):
            read(path)
    reports = [inspect_file(path, extent) for extent in ("every", "none")]
    return all(r.status == "unreadable" and "encrypted" in r.reason for r in reports)


def test_protected_film_of_the_itunes_store_is_refused(encode: Callable[..., Path]) -> None:
    path = encode("a.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1" + bytes(6), b"drmi" + bytes(6)))
    assert refused_as_encrypted(path)


def packets_of(content: bytearray, pid: int) -> list[int]:
    """Where the packets of one stream begin."""
    places = range(0, len(content), 188)
    return [k for k in places if int.from_bytes(content[k + 1 : k + 3], "big") & 0x1FFF == pid]


def spaced(content: bytes, in_front: int, behind: int) -> bytes:
    """Packets with bytes between them, as camcorders and broadcasters write them."""
    packets = [content[k : k + 188] for k in range(0, len(content), 188)]
    return b"".join(bytes(in_front) + packet + bytes(behind) for packet in packets)


def scramble(content: bytearray, place: int) -> None:
    """Mark a packet as scrambled, and alter what it holds."""
    content[place + 3] |= 0x80
    start = place + 4 + (1 + content[place + 4] if content[place + 3] & 0x20 else 0)
    content[start : place + 188] = bytes(b ^ 0x5A for b in content[start : place + 188])


@pytest.mark.parametrize(("in_front", "behind"), [(0, 0), (4, 0), (0, 16)])
def test_scrambled_transport_stream_is_refused(tmp_path: Path, in_front: int, behind: int) -> None:
    content = bytearray(write_recording(tmp_path / "a.ts", brightness=40).read_bytes())
    for place in packets_of(content, 256):
        scramble(content, place)
    (tmp_path / "a.ts").write_bytes(spaced(content, in_front, behind))
    assert refused_as_encrypted(tmp_path / "a.ts")


def test_a_few_scrambled_packets_are_no_encryption(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.ts", brightness=40)
    content = bytearray(path.read_bytes())
    for place in packets_of(content, 256)[5::9]:
        scramble(content, place)
    path.write_bytes(content)
    assert "encrypted" not in inspect_file(path).reason


def test_scrambling_marks_left_on_what_can_be_read_are_ignored(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.ts", brightness=40)
    content = bytearray(path.read_bytes())
    for place in packets_of(content, 256):
        content[place + 3] |= 0x80
    path.write_bytes(content)
    with open_video(path) as video:
        assert len(video) == 30


def test_a_file_in_the_clear_is_not_called_encrypted(encode: Callable[..., Path]) -> None:
    for name in ("a.mp4", "a.mkv", "a.ts", "a.m2ts"):
        with open_video(encode(name)) as video:
            assert len(video) == 40


def element(number: str, content: bytes) -> bytes:
    """An EBML element of less than 127 bytes."""
    return bytes.fromhex(number) + bytes((0x80 | len(content),)) + content


def test_encrypted_matroska_is_told_by_its_tracks(tmp_path: Path) -> None:
    key = element("5035", element("47e1", b"\x05") + element("47e2", bytes(16)))
    encoding = element("5031", b"\0") + element("5033", b"\1") + key
    compressed = element("5034", element("4254", b"\x03"))
    for content, expected in ((encoding, True), (compressed, False)):
        track = element("86", b"V_MPEG4/ISO/AVC") + element("6d80", element("6240", content))
        (tmp_path / "a.mkv").write_bytes(element("ae", track))
        assert is_encrypted(tmp_path / "a.mkv", "matroska,webm") is expected
