"""decord: used where it is exact, and nowhere else."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

decord = pytest.importorskip("decord")

from video_uniformer.data.decoding import VideoError, library_reader, open_video  # noqa: E402
from video_uniformer.data.decoding.decord_reader import open_with_decord  # noqa: E402
from video_uniformer.data.decoding.mp4 import UnsuitableError  # noqa: E402

PLAIN = {
    "every frame a key frame": {"gop": 1},
    "short groups": {"gop": 12},
    "one group": {"gop": 250},
    "mov": {"name": "a.mov"},
    "negative offsets": {"container_options": {"movflags": "negative_cts_offsets"}},
    "HEVC": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=12:open-gop=0:log-level=none"},
    },
}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_file_is_read_with_decord_exactly(
    kind: str, encode: Callable, decode_in_order: Callable
) -> None:
    path = encode(**{"name": "a.mp4", **PLAIN[kind]})
    truth = list(decode_in_order(path))
    with open_video(path, "decord") as video:
        assert video.decoder == "decord"
        assert len(video) == len(truth)
        for indices in ([3, 5, 7, 9], [39, 2, 21, 11, 12, 13], [35], list(range(0, 40, 5))):
            assert torch.equal(video.frames(indices), torch.stack([truth[i] for i in indices]))


def give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have decord refuse all frames: what it does with broken bytes differs from run to run."""

    def refuse(reader: decord.VideoReader, indices: list[int]) -> None:
        raise decord.DECORDError("Error sending packet")

    monkeypatch.setattr(decord.VideoReader, "get_batch", refuse)


def test_a_video_tells_when_pyav_has_taken_over(
    encode: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up(monkeypatch)
    with open_video(encode("a.mp4"), "decord") as video:
        assert video.decoder == "decord"
        video.frames([20])
        assert video.decoder == "pyav"
        assert video.choice == "decord is passed over for frames that it cannot decode"


@pytest.mark.parametrize("turns", ["0", "90", "180", "270"])
def test_decord_itself_turns_videos_as_pyav_does(turns: str, shared_data: Path) -> None:
    path = shared_data / f"videos/formats/rotated_{turns}.mov"
    turned = decord.VideoReader(str(path), num_threads=1).get_batch([0]).asnumpy()
    with open_video(path, "pyav") as video:
        assert torch.equal(video.frames([0]), torch.from_numpy(turned))


def test_another_bridge_does_not_matter(video_file: Callable) -> None:
    with open_video(video_file(), "decord") as video:
        expected = video.frames([4])
        decord.bridge.set_bridge("torch")
        try:
            assert torch.equal(video.frames([4]), expected)
            assert decord.bridge.bridge_out(decord.nd.array([1])).tolist() == [1]
        finally:
            decord.bridge.reset_bridge()
        assert torch.equal(video.frames([4]), expected)


def test_a_width_that_decord_garbles_is_read_with_pyav(
    encode: Callable, decode_in_order: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    library_reader._warn_once.cache_clear()
    path = encode("a.mp4", size=(48, 64))
    with caplog.at_level(logging.WARNING), open_video(path, "decord") as video:
        frames = [video.frames([20])[0], video.frames([30])[0]]
    truth = list(decode_in_order(path))
    assert torch.equal(torch.stack(frames), torch.stack([truth[20], truth[30]]))
    assert caplog.messages == [
        "decord is passed over for frames that it cannot decode; PyAV reads them"
    ]


def test_damage_that_neither_decodes_is_named(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up(monkeypatch)
    path = shared_data / "videos/formats/corrupted.mp4"
    with (
        open_video(path, "decord") as video,
        pytest.raises(VideoError, match=r"corrupted\.mp4: frame 40 cannot be decoded \(Invalid"),
    ):
        video.frames([40])


def test_frames_that_decord_gives_up_on_are_read_with_pyav(
    shared_data: Path, decode_in_order: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up(monkeypatch)
    path = shared_data / "videos/formats/corrupted.mp4"
    truth = list(zip(range(21), decode_in_order(path), strict=False))
    with open_video(path, "decord") as video:
        assert torch.equal(video.frames([20])[0], truth[20][1])


def test_a_file_that_decord_does_not_open_is_unsuitable(encode: Callable) -> None:
    path = encode("a.mp4")
    path.write_bytes(path.read_bytes().replace(b"avcC\x01", b"avcC\x07"))  # an unknown version
    with pytest.raises(UnsuitableError, match="mp4 files that it cannot open"):
        open_with_decord(path)


def test_a_file_whose_frames_decord_counts_otherwise_is_unsuitable(
    encode: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decord, "VideoReader", lambda path, ctx, num_threads: [None] * 39)
    with pytest.raises(UnsuitableError, match="whose frames it counts otherwise than their index"):
        open_with_decord(encode("a.mp4"))
