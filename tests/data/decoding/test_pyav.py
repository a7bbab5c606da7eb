"""PyAV: the frames of sequential decoding, in whatever order they are asked for."""

from collections.abc import Callable
from itertools import accumulate, cycle, islice
from pathlib import Path

import av
import pytest
import torch

from video_uniformer.data.decoding import VideoError
from video_uniformer.data.decoding.pyav_reader import PyAVVideo

OPEN_GROUPS = {"x264-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3"}
HEVC = "keyint=12:min-keyint=12:log-level=none"

KINDS = {
    "every frame a key frame": {"name": "a.mp4", "gop": 1},
    "short groups": {"name": "a.mp4", "gop": 12},
    "one group": {"name": "a.mp4", "gop": 250},
    "pyramid of B-frames": {
        "name": "a.mp4",
        "options": {"x264-params": "bframes=8:b-pyramid=normal"},
    },
    "open groups": {"name": "a.mp4", "options": OPEN_GROUPS},
    "open groups in mkv": {"name": "a.mkv", "options": OPEN_GROUPS},
    "intra refresh": {"name": "a.mp4", "options": {"x264-params": "intra-refresh=1:keyint=12"}},
    "interlaced": {"name": "a.mp4", "options": {"x264-params": "interlaced=1"}},
    "mkv": {"name": "a.mkv"},
    "flv": {"name": "a.flv"},
    "transport stream": {"name": "a.ts"},
    "transport stream of one group": {"name": "a.ts", "gop": 250},
    "fragmented mp4": {
        "name": "a.mp4",
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "mp4 without edit list": {"name": "a.mp4", "container_options": {"use_editlist": "0"}},
    "AVI with B-frames": {"name": "a.avi"},
    "MPEG-4 in AVI": {"name": "a.avi", "codec": "mpeg4"},
    "MPEG-4 with B-frames": {"name": "a.mp4", "codec": "mpeg4", "options": {"bf": "2"}},
    "MPEG-2 program stream": {"name": "a.mpg", "codec": "mpeg2video", "options": {"bf": "2"}},
    "HEVC": {"name": "a.mp4", "codec": "libx265", "options": {"x265-params": HEVC}},
    "HEVC in layers": {
        "name": "a.mkv",
        "codec": "libx265",
        "options": {"x265-params": f"{HEVC}:temporal-layers=3"},
    },
    "VP9 with hidden frames": {
        "name": "a.webm",
        "codec": "libvpx-vp9",
        "options": {"cpu-used": "8", "deadline": "realtime", "lag-in-frames": "16"},
    },
    "VP8": {"name": "a.webm", "codec": "libvpx", "options": {"cpu-used": "8"}},
    "odd size": {"name": "a.mkv", "codec": "ffv1", "size": (97, 65), "pixels": "yuv444p"},
    "one frame": {"name": "a.mp4", "num_frames": 1},
}


def assert_equals_sequential_decoding(path: Path, truth: list[torch.Tensor]) -> None:
    with PyAVVideo(path) as video:
        count = len(video)
        assert count == len(truth)
        dense = [min(count // 3 + 2 * step, count - 1) for step in range(8)]
        scattered = torch.randint(count, (6,), generator=torch.Generator().manual_seed(0)).tolist()
        for indices in (dense, scattered, [count - 1], [0], list(range(0, count, 5))):
            expected = torch.stack([truth[index] for index in indices])
            assert torch.equal(video.frames(indices), expected), indices


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_frames_of_sequential_decoding(
    kind: str, encode: Callable, decode_in_order: Callable
) -> None:
    path = encode(**KINDS[kind])
    assert_equals_sequential_decoding(path, list(decode_in_order(path)))


def test_frames_at_varying_distances_are_told_apart(
    encode: Callable, decode_in_order: Callable
) -> None:
    path = encode("a.mp4", times=list(accumulate(islice(cycle([20, 90, 33]), 40))))
    assert_equals_sequential_decoding(path, list(decode_in_order(path)))


def test_fps_is_the_mean_where_the_distances_vary(encode: Callable) -> None:
    path = encode("a.mp4", times=[0, 20, 110, 143, 400], num_frames=5)
    with PyAVVideo(path) as video:
        assert video.fps == pytest.approx(4 / 0.4)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("options", [OPEN_GROUPS, {}], ids=["open", "closed"])
def test_frames_before_the_first_key_frame_are_not_counted(
    container: str,
    options: dict[str, str],
    encode: Callable,
    copy_packets: Callable,
    decode_in_order: Callable,
) -> None:
    whole = encode(f"whole.{container}", options=options)
    path = copy_packets(whole, f"cut.{container}", first=17)
    truth = list(decode_in_order(path))
    assert len(truth) < 40 - 17
    assert_equals_sequential_decoding(path, truth)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_times_of_decoding_in_place_of_display_do_not_mislead(
    container: str, encode: Callable, copy_packets: Callable, decode_in_order: Callable
) -> None:
    path = copy_packets(encode("whole.mp4"), f"a.{container}", times=lambda place: 512 * place)
    assert_equals_sequential_decoding(path, list(decode_in_order(path)))


def test_a_file_without_times_is_counted(
    encode: Callable, copy_packets: Callable, decode_in_order: Callable
) -> None:
    path = copy_packets(encode("whole.ts"), "a.h264")
    assert_equals_sequential_decoding(path, list(decode_in_order(path)))


@pytest.mark.parametrize(
    ("name", "options", "length"), [("a.avi", {"bf": "2"}, 7), ("a.mp4", {}, 40)]
)
def test_a_known_count_is_taken_where_counting_would_decode(
    name: str, options: dict[str, str], length: int, encode: Callable
) -> None:
    path = encode(name, codec="mpeg4", options=options)
    with PyAVVideo(path, num_frames=7) as video:
        assert len(video) == length


def test_changing_size_is_scaled_to_the_first(
    encode: Callable, tmp_path: Path, decode_in_order: Callable
) -> None:
    path = tmp_path / "both.ts"
    small = encode("small.ts", size=(96, 64)).read_bytes()
    path.write_bytes(small + encode("large.ts", size=(128, 96)).read_bytes())
    with PyAVVideo(path) as video:
        assert video.frames([0, len(video) - 1]).shape == (2, 64, 96, 3)


def test_a_colon_in_the_name_is_no_protocol(encode: Callable) -> None:
    with PyAVVideo(encode("http:a.mp4")) as video:
        assert len(video) == 40


def test_a_play_list_does_not_reach_for_the_network(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n")
    with pytest.raises(VideoError, match=r"a\.mp4: "):
        PyAVVideo(path)


def test_a_play_list_does_not_show_another_file(encode: Callable, tmp_path: Path) -> None:
    encode("other.mp4")
    play_list = tmp_path / "list.mp4"
    play_list.write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(VideoError, match=r"list\.mp4: a play list that names other files"):
        PyAVVideo(play_list)


def test_a_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("version https://git-lfs.github.com/spec/v1\n" * 9)
    with pytest.raises(VideoError, match=r"a\.mp4: not a readable video \(Invalid data"):
        PyAVVideo(path)


def write_tone(path: Path, *, cover: bool) -> Path:
    with av.open(str(path), "w") as container:
        tone = container.add_stream("libmp3lame" if cover else "aac", rate=16000)
        picture = container.add_stream("png") if cover else None
        if picture:
            picture.width, picture.height, picture.pix_fmt = 16, 16, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
        samples = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        samples.rate = 16000
        for plane in samples.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(tone.encode(samples))
        container.mux(tone.encode())
        if picture:
            container.mux(picture.encode(av.VideoFrame(16, 16, "rgb24")))
            container.mux(picture.encode())
    return path


@pytest.mark.parametrize("cover", [False, True], ids=["plain", "with a cover picture"])
def test_sound_alone_is_refused(cover: bool, tmp_path: Path) -> None:
    path = write_tone(tmp_path / ("a.mp3" if cover else "a.mp4"), cover=cover)
    with pytest.raises(VideoError, match=r"a\.mp.: no video stream, expected one"):
        PyAVVideo(path)


def test_a_codec_without_a_decoder_is_refused(encode: Callable) -> None:
    path = encode("a.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"none").replace(b"avcC", b"free"))
    with pytest.raises(VideoError, match=r"a\.mp4: no decoder for the codec of its video stream"):
        PyAVVideo(path)


def test_a_video_without_a_key_frame_is_refused(encode: Callable, copy_packets: Callable) -> None:
    path = copy_packets(encode("whole.mkv", gop=250), "cut.mkv", first=9)
    with pytest.raises(VideoError, match=r"cut\.mkv: no frame can be played"):
        PyAVVideo(path)


def test_an_mp4_cut_short_is_refused(encode: Callable) -> None:
    path = encode("a.mp4", container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(VideoError, match=r"a\.mp4: cut short, holds \d+ of its 40 frames"):
        PyAVVideo(path)


def test_a_container_damaged_in_the_middle_is_refused(encode: Callable) -> None:
    path = encode("a.mp4", container_options={"movflags": "frag_keyframe+empty_moov"})
    content = bytearray(path.read_bytes())
    last_run = content.rindex(b"trun")
    content[last_run + 20 : last_run + 40] = b"\x7f\xff\xff\xff" * 5  # lengths of its frames
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.mp4: damaged after \d+ frames \("):
        PyAVVideo(path)


def damage(path: Path, place: int) -> None:
    """Break the length that stands before a packet's data."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        position = packets[place].pos
    content = bytearray(path.read_bytes())
    content[position : position + 4] = b"\xff" * 4
    path.write_bytes(content)


def test_frames_before_the_damage_are_read(encode: Callable, decode_in_order: Callable) -> None:
    path = encode("a.mp4", options={"bf": "0"})
    truth = list(decode_in_order(path))
    damage(path, 20)
    with PyAVVideo(path) as video:
        assert torch.equal(video.frames([19])[0], truth[19])


@pytest.mark.parametrize("index", [20, 23])
def test_a_frame_that_builds_on_the_damage_is_named(index: int, encode: Callable) -> None:
    path = encode("a.mp4", options={"bf": "0"})
    damage(path, 20)
    with (
        PyAVVideo(path) as video,
        pytest.raises(VideoError, match=rf"a\.mp4: frame {index} cannot be decoded \(Invalid"),
    ):
        video.frames([index])


@pytest.mark.parametrize(
    ("place", "reason"), [(3, "frame 0 cannot be decoded"), (50, "undecodable after 4[0-9] frames")]
)
def test_damage_in_a_file_that_must_be_counted_is_named(
    place: int, reason: str, encode: Callable, copy_packets: Callable
) -> None:
    path = copy_packets(encode("whole.mp4", num_frames=60), "a.mp4", times=lambda n: 512 * n)
    damage(path, place)
    with pytest.raises(VideoError, match=rf"a\.mp4: {reason} \(Invalid"):
        PyAVVideo(path)


def test_a_frame_that_the_decoder_omits_is_an_error(encode: Callable) -> None:
    path = encode("a.mp4", codec="mpeg4", gop=250)
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][20]
    content = bytearray(path.read_bytes())
    not_coded = b"\0\0\1\xb6\x5a\x4f"  # MPEG-4's way to say that nothing has changed
    content[packet.pos : packet.pos + packet.size] = not_coded.ljust(packet.size, b"\0")
    path.write_bytes(content)
    with (
        PyAVVideo(path) as video,
        pytest.raises(
            VideoError, match=r"a\.mp4: frame 20 is in the container, but damaged or lost"
        ),
    ):
        video.frames([20, 25])


def test_the_best_of_several_video_streams_is_read(shared_data: Path) -> None:
    with PyAVVideo(shared_data / "videos/formats/multi_stream.mp4") as video:
        assert len(video) == 390
        assert video.frames([0]).shape == (1, 270, 480, 3)
