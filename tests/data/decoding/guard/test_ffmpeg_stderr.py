"""Damage that decoders conceal, and that they only complain of."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
import torch

from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.decoding.guard import ffmpeg_stderr as complaints
from video_uniformer.data.decoding.guard.deadline import DecodeGuard

DAMAGED = 28  # number of the packet


@pytest.fixture
def damaged(encode: Callable[..., Path]) -> Path:
    """A file with one packet that is not what it was, in the middle of its slice."""
    # One thread, so that the bytes are the same on every machine.
    path = encode("a.mp4", gop=40, num_frames=40, size=(192, 128), options={"threads": "1"})
    shutil.copy(path, path.with_name("intact.mp4"))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        place, size = packets[DAMAGED].pos or 0, packets[DAMAGED].size
    content = bytearray(path.read_bytes())
    for index in range(place + size // 2, place + size // 2 + 4):
        content[index] ^= 0xA5
    path.write_bytes(content)
    return path


@pytest.fixture
def guard() -> Iterator[DecodeGuard]:
    with DecodeGuard(30) as guard:
        yield guard


@pytest.mark.parametrize("decoder", ["decord", "torchcodec"])
def test_damage_that_a_decoder_may_conceal_is_found_by_pyav(
    decoder: str, guard: DecodeGuard, damaged: Path
) -> None:
    pytest.importorskip(decoder)
    with open_video(damaged.with_name("intact.mp4"), "pyav") as video:
        truth = video.frames(range(8))
    # Whether the library conceals the damage, as it mostly does, or refuses, is not the point: all
    # that it says or returns makes PyAV read these frames.
    with guard.open(damaged, decoder) as video:
        assert torch.equal(video.frames(range(8)), truth)
        with pytest.raises(VideoError, match=r"a\.mp4: frame 31 is in the container, but dam"):
            video.frames(range(40))


def test_a_complaint_of_one_file_is_not_held_against_the_next(
    guard: DecodeGuard, damaged: Path, encode: Callable[..., Path]
) -> None:
    with guard.open(damaged, "decord") as video, pytest.raises(VideoError):
        video.frames(range(40))
    with guard.open(encode("b.mp4"), "decord") as video:
        video.frames(range(40))
        assert video.decoder == "decord"


def test_damage_is_found_wherever_it_is_that_pyav_finds(guard: DecodeGuard, damaged: Path) -> None:
    """Of some FFmpeg says but that it concealed it; some gives other frames and is no error."""
    content = damaged.with_name("intact.mp4").read_bytes()
    with av.open(str(damaged)) as container:
        packets = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    outcomes = []
    for place, size in packets[10:26]:
        middle = place + size // 2
        changed = bytes(value ^ 0xA5 for value in content[middle : middle + 4])
        damaged.write_bytes(content[:middle] + changed + content[middle + 4 :])
        outcomes.append(
            [
                frames_or_none(lambda: open_video(damaged, "pyav")),
                frames_or_none(lambda: guard.open(damaged, "decord")),
            ]
        )
    for expected, found in outcomes:
        assert (found is None) == (expected is None)
        assert found is None or torch.equal(found, expected)
    assert any(expected is None for expected, _ in outcomes)


def frames_or_none(opener: Callable[[], Video]) -> torch.Tensor | None:
    try:
        with opener() as video:
            return video.frames(range(40))
    except VideoError:
        return None


def test_what_swscale_says_of_every_file_of_a_kind_is_no_complaint() -> None:
    def opener(path: str, *_: object, **options: object) -> Video:
        os.write(2, b"[swscaler @ 0x1] deprecated pixel format used\n")
        harmless = complaints.heard()
        os.write(2, b"[swscaler @ 0x1] deprecated pixel format used\n[h264 @ 0x2] concealing\n")
        raise VideoError(f"{[harmless, complaints.heard()]}")

    with (
        DecodeGuard(30, opener=opener) as guard,
        pytest.raises(VideoError, match=r"\[False, True\]"),
    ):
        guard.open("a")


def test_what_is_written_is_heard_once() -> None:
    def opener(path: str, *_: object, **options: object) -> Video:
        said = [complaints.heard()]
        os.write(2, b"something is wrong")
        raise VideoError(f"{[*said, complaints.heard(), complaints.heard()]}")

    with DecodeGuard(30, opener=opener) as guard:
        for _ in range(2):
            with pytest.raises(VideoError, match=r"\[False, True, False\]"):
                guard.open("a")


def test_who_does_not_listen_hears_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"something is wrong")
    assert not complaints.is_listening()
    assert not complaints.heard()
    assert capfd.readouterr().err == "something is wrong"
