"""Salvage: a damaged file is the video of its intact frames, and says what it has lost."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest
import torch

from video_uniformer.data.decoding import VideoError, open_video
from video_uniformer.data.decoding.full_decode import SequentialDecoding
from video_uniformer.data.decoding.salvage import SalvagedVideo, survey_frames

FRONT = {"container_options": {"movflags": "faststart"}}
HEVC = {"codec": "libx265", "options": {"x265-params": "keyint=12:log-level=none"}}
CONTAINERS = {
    "mp4": {"name": "a.mp4", **FRONT},
    "mp4 of one group": {"name": "a.mp4", "gop": 250, **FRONT},
    "fragmented mp4": {
        "name": "a.mp4",
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "HEVC in mp4": {"name": "a.mp4", **HEVC, **FRONT},
    "mkv": {"name": "a.mkv"},
    "transport stream": {"name": "a.ts"},
    "avi": {"name": "a.avi", "codec": "mpeg4"},
    "avi with B-frames": {"name": "a.avi", "codec": "mpeg4", "options": {"bf": "2"}},
    "program stream": {"name": "a.mpg", "codec": "mpeg2video", "options": {"bf": "2"}},
    "webm": {
        "name": "a.webm",
        "codec": "libvpx-vp9",
        "options": {"cpu-used": "8", "deadline": "realtime"},
    },
    "flv": {"name": "a.flv"},
}


def places_of(frames: torch.Tensor, truth: torch.Tensor) -> list[int]:
    """Which frames of the undamaged video these are; -1 for none of them."""
    same = (frames[:, None] == truth[None]).flatten(2).all(-1)  # (N, M)
    return torch.where(same.any(1), same.int().argmax(1), -1).tolist()


def decode_past_damage(path: Path) -> torch.Tensor:
    """Whatever decoding packet by packet gives, right or wrong."""
    frames = [frame.to_ndarray(format="rgb24") for frame, _ in SequentialDecoding(path)]
    return torch.stack([torch.from_numpy(frame) for frame in frames])


def assert_salvaged(path: Path, truth: torch.Tensor) -> None:
    """At least 95 % of the frames that decoding can still give, each of them right."""
    intact = [place for place in places_of(decode_past_damage(path), truth) if place >= 0]
    with open_video(path, salvage=True) as video:
        kept = places_of(video.frames(range(len(video))), truth)
        assert -1 not in kept
        assert kept == sorted(kept)
        assert len(kept) >= 0.95 * len(intact)
        assert len(video.times) == len(kept)
        for index in (0, len(kept) // 2, len(kept) - 1):
            assert places_of(video.frames([index]), truth) == [kept[index]]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.7, 0.97])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_file_cut_short_keeps_what_it_holds(
    kind: str, share: float, encode: Callable, decode_in_order: Callable
) -> None:
    path = encode(**CONTAINERS[kind])
    truth = torch.stack(list(decode_in_order(path)))
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    assert_salvaged(path, truth)


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Position and length of every packet, bytes."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def overwrite(path: Path, start: int, values: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[start : start + len(values)] = values
    path.write_bytes(content)


# Key-frame distance, which packet is damaged, and what is written where in it. Damage within the
# few bytes of a small frame may decode to another picture without a word; that of a key frame and
# of the head of a packet shows.
DAMAGE = {
    "bits of a key frame": (12, 24, lambda size: (size // 2, b"\x5a\xa5\x5a\xa5")),
    "zeros in a key frame": (12, 24, lambda size: (size // 3, bytes(size // 3))),
    "the head of a frame": (12, 17, lambda size: (0, b"\xff" * 8)),
    "the head of a frame in a single group": (250, 17, lambda size: (0, b"\xff" * 8)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_frames_that_rest_on_damage_are_left_out(
    kind: str, encode: Callable, decode_in_order: Callable
) -> None:
    gop, place, change = DAMAGE[kind]
    path = encode("a.mp4", gop=gop, num_frames=48)
    truth = torch.stack(list(decode_in_order(path)))
    position, size = packets_of(path)[place]
    offset, values = change(size)
    overwrite(path, position + offset, values)
    assert_salvaged(path, truth)
    with open_video(path, salvage=True) as video:
        assert 0 < len(video) < 48
        assert video.salvaged.startswith(f"{48 - len(video)} of 48 frames are lost (")


def test_the_next_group_of_pictures_is_kept(encode: Callable, decode_in_order: Callable) -> None:
    path = encode("a.mp4", gop=12, num_frames=48)
    truth = torch.stack(list(decode_in_order(path)))
    overwrite(path, packets_of(path)[13][0], b"\xff" * 8)
    with open_video(path, salvage=True) as video:
        kept = places_of(video.frames(range(len(video))), truth)
    assert kept[-24:] == list(range(24, 48))


def test_a_zeroed_tail_is_left_out(encode: Callable, decode_in_order: Callable) -> None:
    path = encode("a.mp4", **FRONT)
    truth = torch.stack(list(decode_in_order(path)))
    position, _ = packets_of(path)[25]
    overwrite(path, position, bytes(path.stat().st_size - position))
    assert_salvaged(path, truth)
    with open_video(path, salvage=True) as video:
        assert len(video) >= 23


def test_a_lost_frame_that_none_builds_on_costs_no_other(
    encode: Callable, decode_in_order: Callable
) -> None:
    path = encode("a.mp4", gop=250, options={"x264-params": "bframes=2:b-pyramid=none"})
    truth = torch.stack(list(decode_in_order(path)))
    with av.open(str(path)) as container:
        heads = [bytes(packet)[4] for packet in container.demux(video=0) if packet.size]
    place = next(n for n, head in enumerate(heads) if n > 10 and head & 0x60 == 0)
    overwrite(path, packets_of(path)[place][0] + 5, bytes(12))  # behind the byte that says so
    with open_video(path, salvage=True) as video:
        kept = places_of(video.frames(range(len(video))), truth)
    assert len(kept) == 39
    assert -1 not in kept


def test_times_of_a_salvaged_video_keep_its_gaps(
    encode: Callable, decode_in_order: Callable
) -> None:
    path = encode("a.mp4", gop=12, num_frames=48)
    truth = torch.stack(list(decode_in_order(path)))
    overwrite(path, packets_of(path)[13][0], b"\xff" * 8)
    with open_video(path, salvage=True) as video:
        kept = places_of(video.frames(range(len(video))), truth)
        assert video.fps == 25
        assert torch.allclose(video.times, torch.tensor(kept, dtype=torch.float64) / 25)


def test_an_intact_file_loses_nothing(encode: Callable, decode_in_order: Callable) -> None:
    path = encode("a.mp4")
    truth = torch.stack(list(decode_in_order(path)))
    with open_video(path, salvage=True) as video:
        assert video.salvaged == ""
        assert not isinstance(video, SalvagedVideo)
        assert torch.equal(video.frames([0, 39]), truth[[0, 39]])


def test_a_salvaged_video_can_be_scaled(encode: Callable) -> None:
    path = encode("a.mp4", **FRONT)
    path.write_bytes(path.read_bytes()[:-2000])
    with open_video(path, salvage=True, short_side=32) as video:
        assert isinstance(video, SalvagedVideo)
        assert video.frames([0]).shape == (1, 32, 48, 3)


def test_the_header_of_a_real_file_promises_more_than_is_there(
    shared_data: Path, decode_in_order: Callable
) -> None:
    path = shared_data / "videos/formats/corrupted.mp4"
    sequential = [frame for _, frame in zip(range(28), decode_in_order(path), strict=False)]
    with open_video(path, salvage=True) as video:
        assert 28 <= len(video) <= 30
        assert "of 50 frames are lost (" in video.salvaged
        assert torch.equal(video.frames(range(28)), torch.stack(sequential))


def test_a_file_without_an_intact_frame_is_refused(encode: Callable) -> None:
    path = encode("a.mp4", **FRONT)
    position, _ = packets_of(path)[0]
    overwrite(path, position, bytes(path.stat().st_size - position))
    with pytest.raises(VideoError, match=r"a\.mp4: no frame is intact \("):
        open_video(path, salvage=True)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("no video\n" * 100)
    with pytest.raises(VideoError, match=r"a\.mp4: not a readable video \("):
        open_video(path, salvage=True)


def test_a_file_that_changes_after_opening_is_named(encode: Callable) -> None:
    path = encode("a.mp4", **FRONT)
    content, places = path.read_bytes(), packets_of(path)
    path.write_bytes(content[:-200])
    with open_video(path, salvage=True) as video:
        last = len(video) - 1
        path.write_bytes(content[: places[20][0]])
        with pytest.raises(VideoError, match=r"a\.mp4: the file has changed since it was opened"):
            video.frames([last])


def test_a_survey_counts_what_the_file_should_hold(encode: Callable) -> None:
    path = encode("a.mp4", **FRONT)
    path.write_bytes(path.read_bytes()[:-1500])
    survey = survey_frames(path)
    assert survey.num_frames == 40
    assert survey.problem.startswith("cut short, holds ")
    assert len(survey.places) < 40
