"""Our decoders behind PyTorchVideo's interface, feeding its datasets."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from pytorchvideo.data import LabeledVideoDataset, make_clip_sampler
from pytorchvideo.data.encoded_video import EncodedVideo
from torch.utils.data import DataLoader, SequentialSampler

from video_uniformer.data.decoding import VideoError, open_video
from video_uniformer.data.decoding.pytorchvideo_adapter import TimedVideo, VideoPathHandler


def numbers(clip: torch.Tensor) -> list[int]:
    """Which frames a clip (C, T, H, W) holds, from their grey levels."""
    return ((clip.mean(dim=(0, 2, 3)) - 8) / 4).round().long().tolist()


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_labeled_video_dataset_delivers_our_clips(decoder: str, video_file: Callable) -> None:
    paths = [
        (str(video_file(name=f"{label}.mp4", num_frames=frames, fps=16)), {"label": label})
        for label, frames in enumerate((20, 24))
    ]
    dataset = LabeledVideoDataset(
        paths,
        make_clip_sampler("uniform", 0.5),
        video_sampler=SequentialSampler,
        decoder=decoder,
    )
    dataset.video_path_handler = VideoPathHandler()
    samples = list(DataLoader(dataset, batch_size=None))
    assert [(s["video_name"], s["label"], numbers(s["video"])) for s in samples] == [
        ("0.mp4", 0, list(range(0, 8))),
        ("0.mp4", 0, list(range(8, 16))),
        ("1.mp4", 1, list(range(0, 8))),
        ("1.mp4", 1, list(range(8, 16))),
        ("1.mp4", 1, list(range(16, 24))),
    ]


def test_damage_is_not_passed_over_in_silence(shared_data: Path) -> None:
    path = shared_data / "videos/formats/corrupted.mp4"
    dataset = LabeledVideoDataset([(str(path), {})], make_clip_sampler("uniform", 4.0))
    dataset.video_path_handler = VideoPathHandler()
    with pytest.raises(VideoError, match=r"corrupted\.mp4: frame \d+ cannot be decoded"):
        next(dataset)


def test_a_clip_equals_that_of_pytorchvideo(video_file: Callable) -> None:
    path = video_file()
    theirs = EncodedVideo.from_path(str(path), decode_audio=False)
    ours = VideoPathHandler().video_from_path(path)
    for start, end in [(0, 0.4), (0.2, 0.81), (1.0, 99)]:
        expected = theirs.get_clip(start, end)["video"]
        clip = ours.get_clip(start, end)["video"]
        assert (clip.shape, clip.dtype) == (expected.shape, torch.float32)
        assert torch.equal(clip, expected)
    assert ours.duration == pytest.approx(float(theirs.duration))
    theirs.close()
    ours.close()


@pytest.fixture
def video(video_file: Callable) -> TimedVideo:
    """32 frames at 25 per second."""
    return TimedVideo(open_video(video_file()))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 0.12, [0, 1, 2]),
        (0.04, 0.08, [1]),
        (0.05, 0.13, [2, 3]),  # frame 2 is shown at 0.08, frame 3 at 0.12
        (3 * 0.04, 6 * 0.04, [3, 4, 5]),  # 3 * 0.04 is a little more than 0.12
        (1.2, float("inf"), [30, 31]),
        (-1, 0.05, [0, 1]),
    ],
)
def test_a_clip_holds_the_frames_from_start_to_before_end(
    start: float, end: float, expected: list[int], video: TimedVideo
) -> None:
    assert numbers(video.get_clip(start, end)["video"]) == expected


@pytest.mark.parametrize(("start", "end"), [(1.28, 2), (0.05, 0.07), (0.5, 0.2)])
def test_a_stretch_without_a_frame_gives_none(start: float, end: float, video: TimedVideo) -> None:
    assert video.get_clip(start, end) == {"video": None, "audio": None}


def test_a_closed_video_is_not_read(video: TimedVideo) -> None:
    video.close()
    with pytest.raises(ValueError, match="is closed"):
        video.get_clip(0, 1)


def test_a_folder_of_pictures_has_the_rate_it_is_given(tmp_path: Path) -> None:
    for index in range(10):
        Image.new("L", (8, 6), 4 * index + 8).save(tmp_path / f"{index}.png")
    video = VideoPathHandler().video_from_path(str(tmp_path), fps=5)
    assert video.duration == 2
    assert numbers(video.get_clip(1, 1.5)["video"]) == [5, 6, 7]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4: No such file or directory"):
        VideoPathHandler().video_from_path(tmp_path / "a.mp4")
