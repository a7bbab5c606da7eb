"""Videos of every kind, made on the spot, and what decoding them from start to end shows."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from video_uniformer.data.decoding.colours import colours_of, to_plain
from video_uniformer.data.decoding.orientation import orientation_of


def picture(index: int, width: int, height: int) -> np.ndarray:
    """A picture that differs from its neighbours everywhere: a pattern that moves and brightens."""
    y, x = np.mgrid[:height, :width]
    wave = 60 * np.sin((x + 3 * index) / 7) + 60 * np.cos((y - 2 * index) / 5)
    image = np.stack([128 + wave, 128 - wave, 60 + wave / 2 + 2 * index], axis=-1)
    return image.clip(0, 255).astype(np.uint8)


@pytest.fixture
def encode(tmp_path: Path) -> Callable[..., Path]:
    """Write a video with any codec and container that PyAV has."""

    def write(
        name: str,
        *,
        codec: str = "libx264",
        num_frames: int = 40,
        size: tuple[int, int] = (96, 64),
        pixels: str = "yuv420p",
        gop: int = 12,
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
        times: list[int] | None = None,
        image: np.ndarray | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=container_options or {}) as container:
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            stream.codec_context.gop_size = gop
            if times:
                stream.codec_context.time_base = Fraction(1, 1000)
            for index in range(num_frames):
                drawn = picture(index, *size) if image is None else image
                frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
                if times:
                    frame.pts, frame.time_base = times[index], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def copy_packets(tmp_path: Path) -> Callable[..., Path]:
    """Write a video's packets to another file, undecoded, as careless cutting tools do."""

    def write(
        source: Path, name: str, *, first: int = 0, times: Callable[[int], int] | None = None
    ) -> Path:
        path = tmp_path / name
        with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
            stream = reader.streams.video[0]
            copied = writer.add_stream_from_template(stream)
            packets = [packet for packet in reader.demux(stream) if packet.size]
            for place, packet in enumerate(packets[first:]):
                if times:
                    packet.pts = packet.dts = times(place)
                packet.stream = copied
                writer.mux(packet)
        return path

    return write


def iterate(path: Path) -> Iterator[torch.Tensor]:
    """Decode from the start with PyAV alone, upright, without a seek."""
    with av.open(str(path), metadata_errors="ignore") as container:
        for frame in container.decode(container.streams.best("video")):
            colours = colours_of(frame)
            image = frame.to_ndarray(format="rgb24" if colours.are_plain else "rgb48le")
            image = image if colours.are_plain else to_plain(image.view(np.uint16), colours)
            yield torch.from_numpy(orientation_of(frame).apply(image).copy())


@pytest.fixture
def decode_in_order() -> Callable[[Path], Iterator[torch.Tensor]]:
    """The truth that decoders are compared with."""
    return iterate
