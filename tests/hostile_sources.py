"""The undamaged files of the hostile corpus: every common kind of video, and what is none."""

import json
import struct
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from mp4_boxes import first_field

NUM_FRAMES, WIDTH, HEIGHT, FPS = 30, 64, 48, 25

_SAME_BYTES = {"fflags": "+bitexact"}  # no random identifiers, no dates
_VP8 = {"codec": "libvpx", "options": {"deadline": "good", "cpu-used": "5"}}
_VP9 = {"codec": "libvpx-vp9", "options": {"deadline": "good", "cpu-used": "5"}}
_ALONE = "log-level=none:pools=none:frame-threads=1"  # with threads x265 gives now this, now that
_HEVC = {"codec": "libx265", "options": {"x265-params": f"keyint=12:open-gop=0:{_ALONE}"}}
_HEVC_OPEN = {"x265-params": f"keyint=12:min-keyint=12:open-gop=1:{_ALONE}"}
_HEVC_10 = {"x265-params": _ALONE, "profile": "main10"}
_OPEN = {"x264-params": "open-gop=1:keyint=12:min-keyint=12"}
_LATE = [*range(1000, 1000 + 40 * NUM_FRAMES, 40)]
_JITTER = [40 * n + (n * n * 7) % 30 for n in range(NUM_FRAMES)]
_PAUSE = [40 * n + 5000 * (n > 11) for n in range(NUM_FRAMES)]

# File name -> arguments of `encode`.
WHOLE: dict[str, dict[str, Any]] = {
    "a.mp4": {},
    "index_in_front.mp4": {"container_options": {"movflags": "faststart"}},
    "fragmented.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "a.mov": {},
    "a.mkv": {},
    "a.ts": {},
    "a.flv": {},
    "a.avi": {"codec": "mpeg4"},
    "a.webm": _VP8,
    "vp9.webm": _VP9,
    "vp9.mp4": _VP9,
    "hevc.mp4": _HEVC,
    "hevc.ts": _HEVC,
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lp=1"}},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "wmv2.wmv": {"codec": "wmv2"},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "ffv1.mkv": {"codec": "ffv1"},
    "a.gif": {"codec": "gif", "pixels": "rgb8"},
    "alpha_png.mov": {"codec": "png", "pixels": "rgba"},
    "alpha.webm": {**_VP9, "pixels": "yuva420p"},
    "prores.mov": {"codec": "prores_ks", "pixels": "yuv422p10le"},
    "b_frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "b_frames_h264.avi": {},
    "no_b_frames.mp4": {"options": {"bf": "0"}},
    "all_key_frames.mp4": {"gop": 1},
    "one_key_frame.mp4": {"gop": 250},
    "open_groups.mp4": {"options": _OPEN},
    "open_groups.mkv": {"options": _OPEN},
    "open_groups_hevc.mp4": {"codec": "libx265", "options": _HEVC_OPEN},
    "10_bit.mp4": {"pixels": "yuv420p10le"},
    "10_bit_hevc.mp4": {"codec": "libx265", "options": _HEVC_10, "pixels": "yuv420p10le"},
    "4_2_2.mp4": {"pixels": "yuv422p"},
    "4_4_4.mp4": {"pixels": "yuv444p"},
    "grey.mp4": {"pixels": "gray"},
    "full_range.mp4": {"pixels": "yuvj420p"},
    "interlaced.mp4": {"options": {"x264-params": "interlaced=1"}},
    "interlaced.mpg": {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}},
    "odd_size.mp4": {"pixels": "yuv444p", "size": (63, 47)},
    "odd_size.webm": {**_VP9, "size": (63, 47)},
    "odd_size.avi": {"codec": "mpeg4", "size": (63, 47)},
    "narrow_48.mp4": {"size": (48, 64)},
    "narrow_16.mp4": {"size": (16, 480)},
    "wide.mp4": {"size": (640, 16)},
    "tiny_4.avi": {"codec": "mpeg4", "size": (4, 4)},
    "tiny_2.mp4": {"size": (2, 2)},
    "variable_rate.mp4": {"times": _JITTER},
    "variable_rate.mkv": {"times": _JITTER},
    "pause.mp4": {"times": _PAUSE},
    "late_start.mp4": {"times": _LATE},
    "late_start.mkv": {"times": _LATE},
    "negative_offsets.mp4": {"container_options": {"movflags": "negative_cts_offsets"}},
    "no_edit_list.mp4": {"container_options": {"use_editlist": "0"}},
    "one_frame.mp4": {"num_frames": 1},
    "one_frame.mkv": {"num_frames": 1},
    "one_frame.avi": {"num_frames": 1, "codec": "mpeg4"},
    "two_frames.mp4": {"num_frames": 2},
}


def picture(index: int, width: int, height: int) -> np.ndarray:
    """A pattern that moves and brightens, so that no two frames are alike, (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    wave = 60 * np.sin((x + 3 * index) / 7) + 60 * np.cos((y - 2 * index) / 5)
    image = np.stack([128 + wave, 128 - wave, 60 + wave / 2 + 2 * index], axis=-1)
    return image.clip(0, 255).astype(np.uint8)


def encode(
    path: Path,
    *,
    codec: str = "libx264",
    num_frames: int = NUM_FRAMES,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pixels: str = "yuv420p",
    gop: int = 12,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    times: list[int] | None = None,
) -> Path:
    """Write a video; `times` are milliseconds."""
    with av.open(str(path), "w", options={**_SAME_BYTES, **(container_options or {})}) as container:
        options = {"crf": "14", **(options or {})} if codec == "libx264" else options
        stream = container.add_stream(codec, rate=FPS, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1  # with several, x264 gives now this, now that
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            if times:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_whole_files(folder: Path) -> dict[str, Path]:
    """Write a file of each kind."""
    return {name: encode(folder / name, **arguments) for name, arguments in WHOLE.items()}


def write_sound(path: Path, codec: str, *, cover: bool = False, video: bool = False) -> Path:
    """Write a second of silence, with a cover picture or beside a video where asked for."""
    with av.open(str(path), "w", options=_SAME_BYTES) as container:
        tone = container.add_stream(codec, rate=16000, layout="mono")
        picture_stream = None
        if cover or video:
            picture_stream = container.add_stream("mjpeg" if cover else "libx264", rate=FPS)
            picture_stream.width, picture_stream.height = WIDTH, HEIGHT
            picture_stream.pix_fmt = "yuvj420p" if cover else "yuv420p"
        if picture_stream and cover:
            picture_stream.disposition = Disposition.attached_pic
        samples = av.AudioFrame(format=tone.format.name, layout="mono", samples=1024)
        samples.rate = 16000
        for plane in samples.planes:
            plane.update(bytes(plane.buffer_size))
        for start in range(0, 16384, 1024):
            samples.pts, samples.time_base = start, Fraction(1, 16000)
            container.mux(tone.encode(samples))
        container.mux(tone.encode())
        if picture_stream:
            for index in range(1 if cover else NUM_FRAMES):
                image = picture(index, WIDTH, HEIGHT)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                container.mux(picture_stream.encode(frame))
            container.mux(picture_stream.encode())
    return path


def write_two_videos(path: Path, sizes: tuple[tuple[int, int], tuple[int, int]]) -> Path:
    """Write a file with two video streams."""
    with av.open(str(path), "w", options=_SAME_BYTES) as container:
        streams = [container.add_stream("libx264", rate=FPS) for _ in sizes]
        for stream, (stream.width, stream.height) in zip(streams, sizes, strict=True):
            stream.pix_fmt = "yuv420p"
        for index in range(NUM_FRAMES):
            for stream in streams:
                image = picture(index, stream.width, stream.height)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    return path


def copy_packets(source: Path, path: Path, *, first: int, zero: int | None = None) -> Path:
    """Write a video's packets to another file, undecoded, as `ffmpeg -ss START -c copy` does.

    Args:
        source: The video.
        path: The copy.
        first: Number of the first packet that is copied.
        zero: Number of the packet that is shown at time zero, if the copy is to start there.
    """
    with av.open(str(source)) as reader, av.open(str(path), "w", options=_SAME_BYTES) as writer:
        stream = reader.streams.video[0]
        copied = writer.add_stream_from_template(stream)
        packets = [packet for packet in reader.demux(stream) if packet.size]
        shift = packets[zero].pts if zero is not None else 0
        for packet in packets[first:]:
            if shift:
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copied
            writer.mux(packet)
    return path


ODD_NAMES: tuple[str | bytes, ...] = (
    "two words.mp4",
    " .mp4",
    "ends in a space.mp4 ",
    "two\nlines.mp4",
    "a\ttab.mp4",
    "[brackets]{braces}(round).mp4",
    "*?.mp4",
    "100%.mp4",
    "%03d.mp4",
    "a:b.mp4",
    "pipe:0",
    "concat:a|b.mp4",
    "-i.mp4",
    "--.mp4",
    "'\"`$HOME;&.mp4",
    "a,b=c#d.mp4",
    "\\backslash.mp4",
    ".hidden.mp4",
    "naïve_動画_🎬.mp4",
    b"\xff\xfe\xe9.mp4",
    "n" * 251 + ".mp4",
    "no_ending",
    "CAPITALS.MP4",
    "in_disguise.avi",
    "in_disguise.txt",
    "in_disguise.png",
)

LINKS = {
    "loop.mp4": "loop.mp4",
    "dangling.mp4": "nowhere.mp4",
    "null.mp4": "/dev/null",
    "zeros.mp4": "/dev/zero",
    "to_a_folder.mp4": "empty_folder.mp4",
}

_PAGE = "<!DOCTYPE html><html><head><title>404</title></head><body>Video unavailable</body></html>"
_POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 1234567\n"
_CAPTIONS = "1\n00:00:00,000 --> 00:00:02,000\nHello.\n\n2\n00:00:02,000 --> 00:00:04,000\nBye.\n"
_BOX = b"\0\0\0\x08free"


def write_impostors(folder: Path, whole: dict[str, Path]) -> Iterator[tuple[Path, str]]:
    """Write what is no video although it is named like one; yields path and kind."""
    video = whole["a.mp4"].read_bytes()
    contents = {
        "empty": b"",
        "one byte": b"\0",
        "text": b"There is no video here.\n" * 40,
        "html": _PAGE.encode() * 20,
        "git lfs pointer": _POINTER.encode(),
        "captions": _CAPTIONS.encode(),
        "json": json.dumps({"error": "quota exceeded"}).encode(),
        "zeros": bytes(50_000),
        "noise": np.random.default_rng(1).bytes(50_000),
        "only a file type": video[: first_field(video, b"ftyp", -8)],
        "empty boxes": video[: first_field(video, b"ftyp", -8)] + 3000 * _BOX,
        "no index": video[: video.index(b"moov") - 4],
        "index without media": video[video.index(b"moov") - 4 :],
        "endless box": struct.pack(">I4sQ", 1, b"mdat", 1 << 62) + bytes(1000),
        "play list": b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n",
    }
    for kind, content in contents.items():
        path = folder / f"{kind.replace(' ', '_')}.is_none.mp4"
        path.write_bytes(content)
        yield path, kind
    with zipfile.ZipFile(folder / "zip.is_none.mp4", "w") as archive:
        archive.writestr("a.mp4", video)
    yield folder / "zip.is_none.mp4", "zip"
    for name, codec, has_cover in SOUNDS:
        yield write_sound(folder / name, codec, cover=has_cover), "sound alone"
    empty = folder / "empty_folder.mp4"
    empty.mkdir()
    yield empty, "folder"


SOUNDS = (
    ("sound.mp4", "aac", False),
    ("sound.mkv", "aac", False),
    ("sound.mp2", "mp2", False),
    ("sound.wav", "pcm_s16le", False),
    ("sound_with_cover.mp3", "libmp3lame", True),
)
