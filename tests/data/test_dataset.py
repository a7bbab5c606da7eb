"""The data set: sampler x decoder x transform, and randomness that belongs to the item."""

import pickle
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from video_uniformer.data import sampling
from video_uniformer.data.annotations import read_list
from video_uniformer.data.bad_videos import (
    OK,
    SKIPPED,
    SUBSTITUTED,
    BadVideoPolicy,
    Quarantine,
    VideoReader,
)
from video_uniformer.data.dataset import VideoDataset
from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.sampling import ClipSpec
from video_uniformer.data.transforms import eval_transform, train_transform

CLIP = ClipSpec(num_frames=4, stride=2, size=32, num_clips=2, num_crops=3)


@pytest.fixture
def root(tmp_path: Path, video_file: Callable[..., Path]) -> Path:
    """Two videos of 32 and 24 frames, and their list."""
    video_file(num_frames=32, name="a.mp4")
    video_file(num_frames=24, name="b.mp4")
    (tmp_path / "list.csv").write_text("path label\na.mp4 1\nb.mp4 0\n")
    return tmp_path


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
        sampler=sampling.test_sampler(CLIP, order=order),
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
    policy = BadVideoPolicy(deadline_seconds=deadline_seconds)
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
        sampler=sampling.test_sampler(CLIP),
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


@pytest.mark.parametrize("deadline_seconds", [None, 20])
@pytest.mark.parametrize("epoch", [0, 3])
def test_good_video_gives_the_numbers_of_the_plain_recipe(
    epoch: int, deadline_seconds: float | None, root: Path
) -> None:
    dataset = with_policy(root, BadVideoPolicy("skip", deadline_seconds=deadline_seconds))
    generator_seed = np.random.SeedSequence((7, epoch, 1)).generate_state(1, np.uint64)[0]
    with torch.random.fork_rng(devices=[]), open_video(root / "b.mp4") as video:
        torch.manual_seed(int(generator_seed))
        indices = sampling.train_sampler(CLIP)(len(video))
        expected = train_transform(CLIP)(video.frames(indices))
    item = dataset[1, epoch]
    assert torch.equal(item["video"], expected)
    assert (item["status"].item(), item["problem"]) == (OK, "")


def with_policy(
    root: Path, policy: BadVideoPolicy, *, clip: ClipSpec = CLIP, is_eval: bool = False
) -> VideoDataset:
    return VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.test_sampler(clip) if is_eval else sampling.train_sampler(clip),
        transform=eval_transform(clip) if is_eval else train_transform(clip),
        seed=7,
        bad_videos=policy,
    )


SIZES = [(32, None), (32, 2), (96, 2), (224, None)]


@pytest.mark.parametrize("is_eval", [True, False])
@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_skipped_video_is_a_black_clip_of_the_usual_shape(
    size: int, stride: int | None, is_eval: bool, root: Path
) -> None:
    clip = ClipSpec(num_frames=4, stride=stride, size=size, num_clips=2, num_crops=3)
    (root / "a.mp4").write_bytes(b"")
    dataset = with_policy(root, BadVideoPolicy("skip"), clip=clip, is_eval=is_eval)
    bad, good = dataset[0], dataset[1]
    assert bad["video"].shape == good["video"].shape
    assert bad["video"].dtype == good["video"].dtype
    assert (bad["label"].item(), bad["video_index"].item()) == (1, 0)
    assert bad["status"].item() == SKIPPED
    assert bad["problem"] == "the file is empty, expected a video"
    if is_eval:
        assert bad["video"].unique().tolist() == pytest.approx([-2])


def test_skipped_video_is_the_same_at_every_visit(root: Path) -> None:
    (root / "a.mp4").write_bytes(b"")
    dataset = with_policy(root, BadVideoPolicy("skip"))
    torch.manual_seed(1)
    first = dataset[0, 3]["video"]
    torch.manual_seed(2)
    assert torch.equal(dataset[0, 3]["video"], first)


@pytest.fixture
def many(tmp_path: Path, video_file: Callable[..., Path]) -> Path:
    """Twelve videos, of class and grey level 0 to 11, of which 2, 5 and 6 are empty."""
    for index in range(12):
        video_file(num_frames=8, grey=20 * index, name=f"{index}.mp4")
    for index in (2, 5, 6):
        (tmp_path / f"{index}.mp4").write_bytes(b"")
    lines = [f"{index}.mp4 {index}\n" for index in range(12)]
    (tmp_path / "list.csv").write_text("".join(lines))
    return tmp_path


def plain(root: Path, policy: BadVideoPolicy) -> VideoDataset:
    """Training without augmentation, so that a clip shows its video's grey level."""
    return VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.train_sampler(CLIP),
        transform=eval_transform(CLIP),
        bad_videos=policy,
    )


def test_substitute_brings_its_own_label_and_the_reason(many: Path) -> None:
    dataset = plain(many, BadVideoPolicy("substitute"))
    for epoch in range(4):
        item = dataset[5, epoch]
        assert item["status"].item() == SUBSTITUTED
        assert item["problem"] == "the file is empty, expected a video"
        assert item["video_index"].item() == 5
        level = (item["video"].mean() * 0.225 + 0.45) * 255
        assert item["label"].item() == round(level.item() / 20)
        assert item["label"].item() not in (2, 5, 6)


def substitutes(dataset: VideoDataset, num_workers: int = 0) -> list[int]:
    """The labels of what stands in for three videos in five epochs."""
    places = [(index, epoch) for epoch in range(5) for index in (2, 5, 6)]
    loader = DataLoader(dataset, batch_size=4, sampler=places, num_workers=num_workers)
    return [label for batch in loader for label in batch["label"].tolist()]


@pytest.mark.slow
def test_substitutes_are_those_of_seed_epoch_and_index(many: Path) -> None:
    expected = substitutes(plain(many, BadVideoPolicy("substitute")))
    assert len(set(expected)) > 4
    torch.manual_seed(3)
    policy = BadVideoPolicy("substitute", quarantine=many / "list.jsonl", deadline_seconds=20)
    assert substitutes(plain(many, policy), num_workers=2) == expected
    assert substitutes(plain(many, policy)) == expected  # now all on the list


def test_video_without_a_substitute_is_skipped(root: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (root / name).write_bytes(b"")
    assert with_policy(root, BadVideoPolicy("substitute"))[0]["status"].item() == SKIPPED


def test_only_video_of_a_list_has_no_substitute(root: Path) -> None:
    (root / "a.mp4").write_bytes(b"")
    (root / "list.csv").write_text("a.mp4 1\n")
    assert with_policy(root, BadVideoPolicy("substitute"))[0]["status"].item() == SKIPPED


class NoFrames(Video):
    """A video that opens, and has nothing to show."""

    fps = 25.0

    def __len__(self) -> int:
        return 0

    def _read(self, indices: list[int]) -> Tensor:
        raise AssertionError(f"frames {indices} of none were asked for")

    def _release(self) -> None:
        pass


@pytest.mark.parametrize("deadline_seconds", [None, 20])
def test_counts_of_a_scan_reach_the_decoder(deadline_seconds: float | None, root: Path) -> None:
    def open_counted(
        path: Path, decoder: str, *, salvage: bool, num_frames: int | None, **_: object
    ) -> Video:
        raise VideoError(f"{path}: counted as {num_frames}")

    dataset = VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.test_sampler(CLIP),
        transform=eval_transform(CLIP),
        frame_counts=lambda root: {root / "a.mp4": 32},
    )
    policy = BadVideoPolicy("skip", deadline_seconds=deadline_seconds)
    dataset.reader = VideoReader(policy, opener=open_counted)
    problems = [dataset[index]["problem"] for index in range(2)]
    assert problems == ["counted as 32", "counted as None"]


def open_nothing(path: Path, decoder: str, *, salvage: bool, num_frames: int | None) -> Video:
    return NoFrames(path)


def test_video_of_no_frame_is_bad(root: Path) -> None:
    dataset = with_policy(root, BadVideoPolicy("skip"))
    dataset.reader = VideoReader(BadVideoPolicy("skip"), opener=open_nothing)
    item = dataset[0]
    assert item["status"].item() == SKIPPED
    assert item["problem"] == "no frame can be shown, expected a video"


def test_guarded_data_set_travels_to_worker_processes(root: Path) -> None:
    policy = BadVideoPolicy("skip", deadline_seconds=20, quarantine=root / "list.jsonl")
    (root / "a.mp4").write_bytes(b"")
    dataset = with_policy(root, policy)
    expected = dataset[1]["video"]
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[1]["video"], expected)
    assert copy[0]["status"].item() == SKIPPED
    assert len(Quarantine(root / "list.jsonl")) == 1
