"""torchcodec: an extra, used when named, and only where it is exact."""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from video_uniformer.data.decoding import library_reader, open_video
from video_uniformer.data.decoding.mp4 import UnsuitableError

MODULE = "video_uniformer.data.decoding.torchcodec_reader"
PLAIN = {
    "every frame a key frame": {"gop": 1},
    "short groups": {"gop": 12},
    "one group": {"gop": 250},
    "mov": {"name": "a.mov"},
    "HEVC": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=12:open-gop=0:log-level=none"},
    },
}


def is_usable() -> bool:
    """Whether torchcodec is there and finds FFmpeg's shared libraries."""
    if importlib.util.find_spec("torchcodec") is None:
        return False
    try:
        importlib.import_module("torchcodec.decoders")
    except RuntimeError:
        return False
    return True


needs_torchcodec = pytest.mark.skipif(not is_usable(), reason="torchcodec cannot be used here")


@needs_torchcodec
@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_file_is_read_with_torchcodec_exactly(
    kind: str, encode: Callable, decode_in_order: Callable
) -> None:
    path = encode(**{"name": "a.mp4", **PLAIN[kind]})
    truth = torch.stack(list(decode_in_order(path)))
    with open_video(path, "torchcodec") as video:
        assert video.decoder == "torchcodec"
        assert len(video) == len(truth)
        assert video.fps == 25
        for indices in ([3, 5, 7, 9], [39, 2, 21, 11, 12, 13], [35], list(range(0, 40, 5))):
            assert torch.equal(video.frames(indices), truth[torch.tensor(indices)])
        assert video.decoder == "torchcodec"


@needs_torchcodec
def test_other_files_are_read_with_pyav(encode: Callable) -> None:
    library_reader._warn_once.cache_clear()
    with open_video(encode("a.mkv"), "torchcodec") as video:
        assert video.decoder == "pyav"
        assert video.choice == "torchcodec is passed over for containers other than mp4 and mov"


@needs_torchcodec
def test_frames_that_torchcodec_gives_up_on_are_read_with_pyav(
    shared_data: Callable, decode_in_order: Callable
) -> None:
    path = shared_data / "videos/formats/corrupted.mp4"
    truth = [frame for _, frame in zip(range(28), decode_in_order(path), strict=False)]
    with open_video(path, "torchcodec") as video:
        assert torch.equal(video.frames([27])[0], truth[27])


@needs_torchcodec
def test_a_file_that_torchcodec_does_not_open_is_unsuitable(
    encode: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, dimension_order: str, num_ffmpeg_threads: int) -> None:
        raise RuntimeError("Failed to open the input")

    module = importlib.import_module(MODULE)
    monkeypatch.setattr(module, "VideoDecoder", refuse)
    with pytest.raises(UnsuitableError, match="mp4 files that it cannot open"):
        module.open_with_torchcodec(encode("a.mp4"))


@needs_torchcodec
def test_a_file_whose_frames_torchcodec_counts_otherwise_is_unsuitable(
    encode: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(MODULE)
    monkeypatch.setattr(
        module, "VideoDecoder", lambda path, dimension_order, num_ffmpeg_threads: [None] * 39
    )
    with pytest.raises(UnsuitableError, match="whose frames it counts otherwise than their index"):
        module.open_with_torchcodec(encode("a.mp4"))


def test_without_torchcodec_its_name_is_refused(
    video_file: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="decoder is 'torchcodec', which is not installed, expect"):
        open_video(video_file(), "torchcodec")


def test_without_ffmpeg_libraries_the_reason_is_given(
    video_file: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unloadable:
        """A torchcodec that finds no FFmpeg."""

        def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
            if name in ("torchcodec", "torchcodec.decoders"):
                return importlib.machinery.ModuleSpec(name, self, is_package=True)
            return None

        def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
            return None

        def exec_module(self, module: ModuleType) -> None:
            if module.__name__ == "torchcodec.decoders":
                raise RuntimeError("Could not load libtorchcodec")

    names = ("torchcodec", "torchcodec.decoders", MODULE)
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
    message = "decoder is 'torchcodec', but FFmpeg's shared libraries are missing"
    with pytest.raises(ValueError, match=message):
        open_video(video_file(), "torchcodec")
    for name in names:
        sys.modules.pop(name, None)
