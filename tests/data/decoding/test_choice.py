"""Probing: what a file is, as far as its index and first frame tell."""

import dataclasses
import json
from collections.abc import Callable
from itertools import accumulate, cycle, islice
from pathlib import Path

import av
import pytest

from video_uniformer.data.decoding import VideoError
from video_uniformer.data.decoding.probe import probe_video

VARIABLE = list(accumulate(islice(cycle([20, 90, 33]), 40)))
FACTS = {
    "plain": ({"name": "a.mp4"}, {"codec": "h264", "rate": "constant", "decoder": "pyav"}),
    "size": ({"name": "a.mp4"}, {"width": 96, "height": 64, "rotation": 0}),
    "frames": ({"name": "a.mp4"}, {"num_frames": 40, "listed_frames": 40, "fps": 25.0}),
    "duration": ({"name": "a.mp4"}, {"duration_seconds": 1.6, "start_seconds": 0.0}),
    "key frames": ({"name": "a.mp4"}, {"num_key_frames": 4, "key_frame_distance": 12}),
    "one group": ({"name": "a.mp4", "gop": 250}, {"num_key_frames": 1, "key_frame_distance": 40}),
    "all key frames": ({"name": "a.mp4", "gop": 1}, {"num_key_frames": 40}),
    "B-frames": ({"name": "a.mp4"}, {"has_b_frames": True, "has_edit_list": False}),
    "no B-frames": ({"name": "a.mp4", "options": {"bf": "0"}}, {"has_b_frames": False}),
    "variable": ({"name": "a.mp4", "times": VARIABLE}, {"rate": "variable", "decoder": "pyav"}),
    "milliseconds": ({"name": "a.mkv"}, {"rate": "constant", "listed_frames": None}),
    "delay": (
        {"name": "a.mp4", "times": [*range(8300, 9900, 40)]},
        {"has_edit_list": True, "start_seconds": 8.3, "duration_seconds": 1.6},
    ),
    "interlaced": (
        {"name": "a.mp4", "options": {"x264-params": "interlaced=1"}},
        {"interlaced": True},
    ),
    "progressive": ({"name": "a.mp4"}, {"interlaced": False, "bit_depth": 8}),
    "10 bit": ({"name": "a.mp4", "pixels": "yuv420p10le"}, {"bit_depth": 10}),
    "pixels": ({"name": "a.mp4", "pixels": "yuv444p"}, {"pixel_format": "yuv444p"}),
    "counted": ({"name": "a.avi"}, {"num_frames": 40, "num_key_frames": 4, "rate": "constant"}),
    "AV1": (
        {"name": "a.mp4", "codec": "libsvtav1", "options": {"preset": "12"}},
        {"codec": "av1", "choice": "the default, exact for every file"},
    ),
    "streams": ({"name": "a.mkv"}, {"num_video_streams": 1, "num_audio_streams": 0}),
    "one frame": ({"name": "a.mp4", "num_frames": 1}, {"num_frames": 1, "key_frame_distance": 1}),
}


@pytest.mark.parametrize("kind", FACTS)
def test_facts_are_those_of_the_file(kind: str, encode: Callable) -> None:
    arguments, expected = FACTS[kind]
    facts = dataclasses.asdict(probe_video(encode(**arguments)))
    assert {name: facts[name] for name in expected} == pytest.approx(expected)


def test_a_turned_video_has_its_upright_size(encode: Callable, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    with av.open(str(encode("a.mp4"))) as reader, av.open(str(path), "w") as writer:
        copied = writer.add_stream_from_template(reader.streams.video[0])
        copied.set_display_rotation(90)
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream = copied
                writer.mux(packet)
    facts = probe_video(path)
    assert (facts.width, facts.height, facts.rotation) == (64, 96, 90)


def test_hidden_frames_are_not_playable(shared_data: Path) -> None:
    facts = probe_video(shared_data / "videos/formats/discard_first_keyframe.mp4")
    assert (facts.num_frames, facts.listed_frames, facts.has_edit_list) == (25, 30, True)


def test_streams_are_counted(shared_data: Path) -> None:
    facts = probe_video(shared_data / "videos/formats/multi_stream.mp4")
    assert (facts.num_video_streams, facts.num_audio_streams) == (2, 2)


def test_facts_are_plain_values(encode: Callable) -> None:
    path = encode("a.mp4")
    facts = dataclasses.asdict(probe_video(path))
    assert json.loads(json.dumps(facts)) == facts
    assert facts["path"] == str(path)
    assert facts["size_bytes"] == path.stat().st_size


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=rf"^{tmp_path}: the folder holds no picture, expected "):
        probe_video(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4: No such file or directory"):
        probe_video(tmp_path / "a.mp4")


def test_a_file_whose_first_frame_is_broken_is_refused(encode: Callable) -> None:
    path = encode("a.mp4")
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
    content = bytearray(path.read_bytes())
    content[first.pos : first.pos + first.size] = bytes([255]) * first.size
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.mp4: frame 0 cannot be decoded"):
        probe_video(path)
