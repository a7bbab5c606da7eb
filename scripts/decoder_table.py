"""Write the table of docs/decoding.md: how many frames each decoder gives right, by kind of file.

python scripts/decoder_table.py            write the table, about two minutes
python scripts/decoder_table.py --print    show it instead

A file of every kind is written, and frames of it are read by number in four patterns: dense (16
frames, every fourth, from the middle), sparse (16 over the whole video), random (32) and the last
one, each from a fresh open. Right is what decoding the file from its start gives at that number,
turned upright; where the frame is the right one but not bit for bit, as the conversion to RGB went
another way, a tilde says so. Every decoder reads every file in a process of its own, which is ended
when it takes too long. torchcodec is compared where it is installed and finds FFmpeg's libraries.
"""

import argparse
import importlib.util
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import accumulate, cycle, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import av
import decord
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from video_uniformer.data.decoding import open_video

FILE = Path(__file__).parents[1] / "docs" / "decoding.md"
BEGIN, END = "<!-- written by scripts/decoder_table.py -->\n", "<!-- end of the table -->\n"
NUM_FRAMES, FPS, SIZE = 150, 25, (96, 64)
TIMEOUT_SECONDS = 20
CLOSE = 10  # mean difference of a frame's values that another conversion to RGB may make
PATTERNS = ("dense", "sparse", "random", "last")

Frames = NDArray[np.uint8]
Read = Callable[[str, Sequence[int]], Frames]


class Kind(NamedTuple):
    """A kind of file, and how it is written."""

    name: str
    file: str
    codec: str = "libx264"
    gops: tuple[int, ...] = (12,)
    options: tuple[tuple[str, str], ...] = ()
    container_options: tuple[tuple[str, str], ...] = ()
    pixels: str = "yuv420p"
    size: tuple[int, int] = SIZE
    times: tuple[int, ...] = ()  # milliseconds
    change: Callable[[Path, Path], None] | None = None


def _copy(source: Path, path: Path, *, turn: int = 0, hide_seconds: float = 0) -> None:
    """Copy the packets, undecoded: turned, or from a key frame before a time on as ffmpeg does."""
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        stream = reader.streams.video[0]
        copied = writer.add_stream_from_template(stream)
        if turn:
            copied.set_display_rotation(turn)
        shift = round(hide_seconds / (stream.time_base or Fraction(1)))
        reader.seek(shift, stream=stream)
        for packet in reader.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copied
                writer.mux(packet)


FAST_VP9 = (("cpu-used", "8"), ("deadline", "realtime"), ("lag-in-frames", "16"))
OPEN = (("x264-params", "open-gop=1:keyint={gop}:min-keyint={gop}:bframes=3"),)
HEVC = (("x265-params", "keyint={gop}:min-keyint={gop}:open-gop=0:log-level=none"),)
HEVC_OPEN = (("x265-params", "keyint={gop}:min-keyint={gop}:open-gop=1:log-level=none"),)
HEVC_10 = (*HEVC, ("profile", "main10"))
FRAGMENTS = (("movflags", "frag_keyframe+empty_moov"),)
UNEVEN = tuple(accumulate(islice(cycle((20, 90, 33)), NUM_FRAMES)))
LATE = tuple(range(8300, 8300 + 40 * NUM_FRAMES, 40))
KINDS = (
    Kind("H.264, mp4", "a.mp4", gops=(1, 12, 250)),
    Kind("H.264, mov", "a.mov"),
    Kind("H.264, mkv", "a.mkv", gops=(12, 250)),
    Kind("H.264, flv", "a.flv"),
    Kind("H.264, transport stream", "a.ts", gops=(12, 250)),
    Kind("H.264, fragmented mp4", "a.mp4", gops=(12, 250), container_options=FRAGMENTS),
    Kind("H.264, AVI", "a.avi"),
    Kind("H.264, open groups, mp4", "a.mp4", gops=(12, 50), options=OPEN),
    Kind("H.264, open groups, mkv", "a.mkv", options=OPEN),
    Kind(
        "H.264, stream-copied cut",
        "a.mp4",
        gops=(12, 50, 250),
        change=partial(_copy, hide_seconds=1.52),
    ),
    Kind("H.264, late start", "a.mp4", times=LATE),
    Kind("H.264, variable rate, mp4", "a.mp4", times=UNEVEN),
    Kind("H.264, variable rate, mkv", "a.mkv", times=UNEVEN),
    Kind("H.264, turned by 90 degrees", "a.mp4", change=partial(_copy, turn=90)),
    Kind("H.264, interlaced", "a.mp4", options=(("x264-params", "interlaced=1"),)),
    Kind("H.264, 10 bit", "a.mp4", pixels="yuv420p10le"),
    Kind("H.264, 4:4:4, odd size", "a.mp4", pixels="yuv444p", size=(97, 65)),
    Kind("H.264, 48 pixels wide", "a.mp4", size=(48, 64)),
    Kind("HEVC, mp4", "a.mp4", "libx265", (12, 250), HEVC),
    Kind("HEVC, open groups, mp4", "a.mp4", "libx265", (12,), HEVC_OPEN),
    Kind("HEVC, 10 bit, mkv", "a.mkv", "libx265", (12,), HEVC_10, pixels="yuv420p10le"),
    Kind("MPEG-4, mp4", "a.mp4", "mpeg4", (12, 250), (("bf", "2"),)),
    Kind("MPEG-4, AVI", "a.avi", "mpeg4"),
    Kind("MPEG-4, B-frames, AVI", "a.avi", "mpeg4", options=(("bf", "2"),)),
    Kind("MPEG-2, program stream", "a.mpg", "mpeg2video", options=(("bf", "2"),)),
    Kind("VP8, webm", "a.webm", "libvpx", options=(("cpu-used", "8"),)),
    Kind("VP9, webm", "a.webm", "libvpx-vp9", (12, 250), FAST_VP9),
    Kind("AV1, mp4", "a.mp4", "libsvtav1", (12,), (("preset", "12"),)),
    Kind("ProRes, mov", "a.mov", "prores_ks", (1,), pixels="yuv422p10le"),
    Kind("PNG with alpha, mov", "a.mov", "png", (1,), pixels="rgba"),
)


def write(kind: Kind, gop: int, folder: Path) -> Path:
    """Write a file of a kind, with a key frame every `gop` frames."""
    path = folder / kind.file
    with av.open(str(path), "w", options=dict(kind.container_options)) as container:
        options = {name: value.format(gop=gop) for name, value in kind.options}
        stream: Any = container.add_stream(kind.codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *kind.size, kind.pixels
        stream.codec_context.gop_size = gop
        if kind.times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(_picture(number, *kind.size), format="rgb24")
            if kind.times:
                frame.pts, frame.time_base = kind.times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if kind.change is None:
        return path
    kind.change(path, changed := folder / f"changed_{kind.file}")
    return changed


def _picture(number: int, width: int, height: int) -> Frames:
    """A pattern that moves and brightens, so that no two frames are alike."""
    y, x = np.mgrid[:height, :width]
    wave = 60 * np.sin((x + 3 * number) / 7) + 60 * np.cos((y - 2 * number) / 5)
    image = np.stack([128 + wave, 128 - wave, 60 + wave / 2 + number], axis=-1)
    return image.clip(0, 255).astype(np.uint8)


def decode_in_order(path: str) -> Frames:
    """Decode from the start with FFmpeg's own loop, (N, H, W, 3)."""
    with av.open(path) as container:
        stream: Any = container.streams.best("video")
        stream.thread_type = "NONE"
        frames = [
            np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
            for frame in container.decode(stream)
        ]
    return np.stack(frames)


def patterns(count: int) -> Iterator[list[int]]:
    """Frame numbers of each of `PATTERNS` in a video of `count` frames."""
    yield [min(count // 2 + 4 * step, count - 1) for step in range(16)]
    yield [round(step * (count - 1) / 15) for step in range(16)]
    yield np.random.default_rng(0).integers(count, size=32).tolist()
    yield [count - 1]


def _read_ours(path: str, indices: Sequence[int], *, decoder: str) -> Frames:
    with open_video(path, decoder) as video:
        return video.frames(indices).numpy()


def _read_decord(path: str, indices: Sequence[int]) -> Frames:
    return decord.VideoReader(path, num_threads=1).get_batch(list(indices)).asnumpy()


def _read_torchcodec(path: str, indices: Sequence[int]) -> Frames:
    from torchcodec.decoders import VideoDecoder

    frames = VideoDecoder(path, dimension_order="NHWC").get_frames_at(list(indices))
    return frames.data.numpy()


def readers() -> dict[str, Read]:
    """The columns: our decoders, and the libraries as they are."""
    columns: dict[str, Read] = {
        "ours, auto": partial(_read_ours, decoder="auto"),
        "ours, decord": partial(_read_ours, decoder="decord"),
        "decord": _read_decord,
    }
    if importlib.util.find_spec("torchcodec") is not None:
        columns["torchcodec"] = _read_torchcodec
    return columns


def _measure(read: Read, path: str, results: Connection) -> None:
    truth = decode_in_order(path)
    for indices in patterns(len(truth)):
        try:
            results.send(_compare(read(path, indices), indices, truth))
        except Exception:  # each library has its own types
            results.send("error")
    results.close()


def _compare(frames: Frames, indices: Sequence[int], truth: Frames) -> str:
    """Percentage of right frames; with a tilde if some are not so bit for bit."""
    if frames.shape[1:] != truth.shape[1:]:
        return "other size"
    right, is_equal = 0, True
    for frame, index in zip(frames, indices, strict=True):
        distances = np.abs(truth.astype(np.int16) - frame).mean(axis=(1, 2, 3))
        if distances[index] < CLOSE and distances[index] == distances.min():
            right += 1
            is_equal &= distances[index] == 0
    return f"{'' if is_equal else '~'}{100 * right / len(indices):.0f}"


def score(read: Read, path: Path) -> str:
    """Percentages of right frames by pattern, in a process that is ended if it hangs."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(read, str(path), sender))
    process.start()
    sender.close()
    found: list[str] = []
    try:
        while len(found) < len(PATTERNS) and receiver.poll(TIMEOUT_SECONDS):
            found.append(receiver.recv())
        if len(found) < len(PATTERNS):
            found.append("hangs")
    except EOFError:
        found.append("crashes")
    process.kill()
    process.join()
    return found[0] if len(set(found)) == 1 else " / ".join(found)


def table(folder: Path) -> Iterator[str]:
    """The lines of the table."""
    columns = readers()
    yield f"| kind of file | key frame every | {' | '.join(columns)} |"
    yield f"|---|---|{'---|' * len(columns)}"
    rows = [(kind, gop) for kind in KINDS for gop in kind.gops]
    for kind, gop in track(rows, description="comparing"):
        path = write(kind, gop, folder)
        cells = [score(read, path) for read in columns.values()]
        yield f"| {kind.name} | {gop} | {' | '.join(cells)} |"


def main() -> None:
    """Write the table, or show it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--print", action="store_true", help="show the table, write nothing")
    show = parser.parse_args().print
    with tempfile.TemporaryDirectory() as folder:
        content = "\n".join(table(Path(folder))) + "\n"
    if show:
        print(content)
        return
    before, rest = FILE.read_text(encoding="utf-8").split(BEGIN)
    FILE.write_text(before + BEGIN + content + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
