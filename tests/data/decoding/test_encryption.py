"""Encrypted files are refused as encrypted, not as damaged."""

from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.collection.scan.inspection import inspect_file
from video_uniformer.data.decoding import VideoError
from video_uniformer.data.decoding.encryption import is_encrypted
from video_uniformer.data.decoding.opening import open_video
from video_uniformer.data.decoding.probe import probe_video

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


def test_a_file_in_the_clear_is_not_called_encrypted(encode: Callable[..., Path]) -> None:
    for name in ("a.mp4", "a.mkv"):
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
