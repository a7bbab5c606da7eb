"""Stream-copied cuts, as `ffmpeg -ss .. -c copy` makes them: hidden frames in front of the first.

The cut begins at the key frame before the wanted time, and what lies between is hidden by an edit
list. decord counts the hidden frames, shows frames from as far back as they reach, and never
returns from some reads of the first two kinds.
"""

from collections.abc import Callable
from pathlib import Path

import av
import pytest
import torch

from video_uniformer.data.decoding import open_video

CUTS = {  # key-frame distance of 300 frames at 25 per second, and where the cut begins, in seconds
    "138 hidden frames": (150, 5.52),
    "no later key frame": (250, 7.0),
    "short groups": (12, 1.32),
    "in front of a key frame": (60, 4.76),
}


@pytest.fixture
def cut(tmp_path: Path, video_file: Callable) -> Callable[[int, float, str], Path]:
    """Copy the packets from the key frame before a time on, at negative times where hidden."""

    def write(gop: int, seconds: float, name: str) -> Path:
        path = tmp_path / name
        source = video_file(num_frames=300, gop=gop, name="whole.mp4")
        with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
            stream = reader.streams.video[0]
            copied = writer.add_stream_from_template(stream)
            shift = int(seconds / stream.time_base)
            reader.seek(shift, stream=stream)
            for packet in reader.demux(stream):
                if packet.size:
                    packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                    packet.stream = copied
                    writer.mux(packet)
        return path

    return write


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
@pytest.mark.parametrize("kind", CUTS)
def test_a_stream_copied_cut_shows_its_playable_frames(
    kind: str, decoder: str, cut: Callable, decode_in_order: Callable
) -> None:
    gop, seconds = CUTS[kind]
    path = cut(gop, seconds, "cut.mp4")
    truth = torch.stack(list(decode_in_order(path)))
    with open_video(path, decoder) as video:
        assert video.decoder == "pyav"
        assert len(video) == len(truth) == 300 - round(25 * seconds)
        for indices in ([0], [len(video) - 1], [3, 0, 40, 41, 7], list(range(0, len(video), 9))):
            assert torch.equal(video.frames(indices), truth[torch.tensor(indices)])


def test_the_choice_names_the_edit_list(cut: Callable) -> None:
    with open_video(cut(150, 5.52, "cut.mp4"), "decord") as video:
        expected = "decord is passed over for mp4 files with an edit list that cuts or delays"
        assert video.choice == expected


@pytest.mark.parametrize("name", ["cut.mov", "cut.mkv", "cut.ts"])
def test_a_cut_in_another_container_equals_sequential_decoding(
    name: str, cut: Callable, decode_in_order: Callable
) -> None:
    path = cut(60, 4.6, name)
    truth = torch.stack(list(decode_in_order(path)))
    with open_video(path) as video:
        assert len(video) == len(truth)
        indices = [len(truth) - 1, 0, 30, 31]
        assert torch.equal(video.frames(indices), truth[torch.tensor(indices)])
