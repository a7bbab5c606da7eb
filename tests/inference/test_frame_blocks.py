"""Frames of a video in their order, in constant memory."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from video_uniformer.data.decoding import Video, open_video
from video_uniformer.inference.frame_blocks import frames_in_order


class Numbered(Video):
    """A video of 10 frames, 2 pixels each, that notes how many are asked for at once."""

    def __init__(self) -> None:
        super().__init__(Path("numbered"))
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 10

    @property
    def fps(self) -> float:
        return 1.0

    def _read(self, indices: list[int]) -> Tensor:
        self.asked.append(len(indices))
        frames = torch.tensor(indices, dtype=torch.uint8)[:, None, None, None]
        return frames.repeat(1, 1, 2, 3)

    def _release(self) -> None:
        pass


@pytest.mark.parametrize(
    ("block_bytes", "asked"), [(24, [1, 4, 4, 1]), (1, [1] * 10), (1000, [1, 9])]
)
def test_blocks_hold_no_more_than_they_may(block_bytes: int, asked: list[int]) -> None:
    video = Numbered()
    found = [int(frame[0, 0, 0]) for frame in frames_in_order(video, block_bytes=block_bytes)]
    assert found == list(range(10))
    assert video.asked == asked


def test_frames_are_those_of_the_video(video_file: Callable[..., Path]) -> None:
    with open_video(video_file(num_frames=30, gop=8)) as video:
        expected = video.frames(list(range(30))).numpy()
        found = list(frames_in_order(video, block_bytes=4 * expected[0].nbytes))
    assert len(found) == 30
    assert all((one == other).all() for one, other in zip(found, expected, strict=True))
