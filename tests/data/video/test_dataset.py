"""The data set: sampler x decoder x transform, and randomness that belongs to the item."""

import pickle
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
import torch
from listed_videos import CLIP, with_policy
from torch import Tensor

from video_uniformer.clip import ClipSpec
from video_uniformer.data.annotations import read_list
from video_uniformer.data.decoding import VideoError
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.video import sampling
from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.data.video.train_transforms import train_transform
from video_uniformer.data.video.transforms import eval_transform


def for_training(root: Path, *, num_views: int = 2, seed: int = 0) -> VideoDataset:
    return VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.train_sampler(CLIP),
        transform=train_transform(CLIP, num_views=num_views),
        seed=seed,
    )


def for_testing(root: Path, order: str = "in_order", decoder: str = "auto") -> VideoDataset:
    return VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.eval_sampler(CLIP, order=order),
        transform=eval_transform(CLIP),
        decoder=decoder,
    )


def frame_numbers(view: Tensor) -> list[int]:
    """Which frames a view shows, read from the grey level 4 i + 8 of frame i."""
    levels = (view * 0.225 + 0.45).mean((0, 2, 3)) * 255
    return ((levels - 8) / 4).round().int().tolist()


def test_item_holds_views_label_and_place_in_the_list(root: Path) -> None:
    dataset = for_testing(root)
    assert len(dataset) == 2
    item = dataset[0]
    assert item["video"].shape == (6, 3, 4, 32, 32)
    assert item["video"].dtype == torch.float32
    assert (item["label"].item(), item["video_index"].item()) == (1, 0)
    assert (dataset[1]["label"].item(), dataset[1]["video_index"].item()) == (0, 1)


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_views_show_the_frames_that_the_sampler_picked(root: Path, decoder: str) -> None:
    # 24 frames, span 8: clips begin at 0 and 16; three crops of each stand side by side.
    views = for_testing(root, decoder=decoder)[1]["video"]
    first, second = [0, 2, 4, 7], [16, 18, 20, 23]
    assert [frame_numbers(view) for view in views] == [first] * 3 + [second] * 3


@pytest.fixture
def slowing(tmp_path: Path) -> Path:
    """Eight frames 40 ms apart, then eight 200 ms apart (115 ms in the mean), and their list."""
    path = tmp_path / "slowing.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(16):
            image = np.full((48, 64, 3), 4 * index + 8, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 40 * min(index, 8) + 200 * max(index - 8, 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (tmp_path / "list.csv").write_text("slowing.mp4 0\n")
    return tmp_path


@pytest.mark.parametrize("deadline_seconds", [None, 20])
@pytest.mark.parametrize(("by", "expected"), [("frame", [0, 2, 4, 7]), ("time", [0, 5, 8, 10])])
def test_frames_are_counted_in_time_where_the_clip_says_so(
    by: Literal["frame", "time"],
    expected: list[int],
    deadline_seconds: float | None,
    slowing: Path,
) -> None:
    clip = ClipSpec(num_frames=4, stride=2, size=32, num_clips=2, by=by)
    policy = BadSamplePolicy(deadline_seconds=deadline_seconds)
    views = with_policy(slowing, policy, clip=clip, is_eval=True)[0]["video"]
    assert frame_numbers(views[0]) == expected


def test_still_order_repeats_the_middle_frame(root: Path) -> None:
    views = for_testing(root, order="still")[1]["video"]
    assert frame_numbers(views[0]) == [4] * 4


def test_shuffled_order_is_the_same_at_every_visit(root: Path) -> None:
    dataset = for_testing(root, order="shuffled")
    numbers = frame_numbers(dataset[1]["video"][0])
    assert sorted(numbers) == [0, 2, 4, 7]
    assert frame_numbers(dataset[1]["video"][0]) == numbers


def test_same_seed_epoch_and_index_give_the_same_tensor(root: Path) -> None:
    torch.manual_seed(1)
    first = for_training(root, seed=7)[0, 3]["video"]
    torch.manual_seed(2)
    other = for_training(root, seed=7)
    _ = other[1, 3], other[0, 2]
    assert torch.equal(other[0, 3]["video"], first)


@pytest.mark.parametrize(("seed", "epoch"), [(7, 4), (8, 3)])
def test_another_seed_or_epoch_gives_another_tensor(seed: int, epoch: int, root: Path) -> None:
    first = for_training(root, seed=7)[0, 3]["video"]
    assert not torch.equal(for_training(root, seed=seed)[0, epoch]["video"], first)


def test_views_of_one_video_are_augmented_differently(root: Path) -> None:
    first, second = for_training(root)[0]["video"]
    assert not torch.equal(first, second)


def test_index_alone_means_epoch_zero(root: Path) -> None:
    dataset = for_training(root)
    assert torch.equal(dataset[1]["video"], dataset[1, 0]["video"])


def test_global_random_numbers_are_left_as_they_were(root: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    _ = for_training(root)[0]
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.gpu
def test_random_numbers_of_the_gpu_are_left_as_they_were(root: Path) -> None:
    torch.cuda.manual_seed_all(5)
    expected = torch.rand(3, device="cuda")
    torch.cuda.manual_seed_all(5)
    _ = for_training(root)[0]
    assert torch.equal(torch.rand(3, device="cuda"), expected)


def test_neighbouring_items_draw_unrelated_numbers(root: Path) -> None:
    def draw(_: Tensor) -> Tensor:
        return torch.rand(1)

    dataset = VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.train_sampler(CLIP),
        transform=draw,
    )
    drawn = [dataset[index, epoch]["video"].item() for index in range(2) for epoch in range(10)]
    assert len(set(drawn)) == 20
    assert min(drawn) < 0.3 < 0.7 < max(drawn)


def test_class_names_that_are_given_win_over_the_list(root: Path) -> None:
    dataset = VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.eval_sampler(CLIP),
        transform=eval_transform(CLIP),
        class_names=["no", "yes"],
    )
    assert dataset.class_names == ["no", "yes"]


def test_data_set_travels_to_worker_processes(root: Path) -> None:
    dataset = for_training(root)
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[0]["video"], dataset[0]["video"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "the file is empty"), (b"no video " * 100, "")],
)
def test_unreadable_video_is_named(content: bytes | None, reason: str, root: Path) -> None:
    path = root / "a.mp4"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=f"^{path}: .*{reason}"):
        _ = for_training(root)[0]


def test_unreadable_video_leaves_the_random_numbers_alone(root: Path) -> None:
    (root / "a.mp4").write_bytes(b"")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(VideoError):
        _ = for_training(root)[0]
    assert torch.equal(torch.rand(3), expected)
