"""Recordings appended to one another, so that the file's clock goes back or leaps ahead."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_recording(
    path: Path,
    *,
    brightness: int,
    num_frames: int = 30,
    fps: int = 25,
    first_seconds: float = 0.0,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video whose frames get brighter by one level each, by a clock of one's choice."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = 12
        # Some codecs know rates alone, no finer clock.
        ticks = 90000 if codec.startswith("lib") else fps
        stream.codec_context.time_base = Fraction(1, ticks)
        for index in range(num_frames):
            image = np.full((size[1], size[0], 3), brightness + index, dtype=np.uint8)
            image[: size[1] // 2] //= 2
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base = Fraction(1, ticks)
            frame.pts = round((first_seconds + index / fps) * ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def join(path: Path, first: Path, second: Path) -> Path:
    """Append a file to another; of an flv file, what follows its header and its metadata."""
    tail = second.read_bytes()
    if path.suffix == ".flv":
        tail = tail[13 + 11 + int.from_bytes(tail[14:17], "big") + 4 :]
        head = bytearray(first.read_bytes())
        # What the first one says of its own length would end the reading there.
        for name in (b"duration", b"filesize"):
            place = bytes(head).index(name) + len(name) + 1
            head[place : place + 8] = bytes(8)
        path.write_bytes(bytes(head) + tail)
        return path
    path.write_bytes(first.read_bytes() + tail)
    return path
