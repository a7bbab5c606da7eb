"""Encrypted files are refused as encrypted, not as damaged."""

from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.collection.scan.inspection import inspect_file
from video_uniformer.data.decoding import VideoError
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
