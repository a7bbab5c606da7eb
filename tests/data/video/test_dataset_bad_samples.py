"""The data set under a policy: what stands in for a bad video, and that good ones stay the same."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from listed_videos import CLIP, with_policy
from torch import Tensor
from torch.utils.data import DataLoader

from video_uniformer.clip import ClipSpec
from video_uniformer.data.annotations import read_list
from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.quarantine import Quarantine
from video_uniformer.data.video import sampling
from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.train_transforms import train_transform
from video_uniformer.data.video.transforms import eval_transform
from video_uniformer.outcomes import OK, SKIPPED, SUBSTITUTED


@pytest.mark.parametrize("deadline_seconds", [None, 20])
@pytest.mark.parametrize("epoch", [0, 3])
def test_good_video_gives_the_numbers_of_the_plain_recipe(
    epoch: int, deadline_seconds: float | None, root: Path
) -> None:
    dataset = with_policy(root, BadSamplePolicy("skip", deadline_seconds=deadline_seconds))
    generator_seed = np.random.SeedSequence((7, epoch, 1)).generate_state(1, np.uint64)[0]
    with torch.random.fork_rng(devices=[]), open_video(root / "b.mp4") as video:
        torch.manual_seed(int(generator_seed))
        indices = sampling.train_sampler(CLIP)(len(video))
        expected = train_transform(CLIP)(video.frames(indices))
    item = dataset[1, epoch]
    assert torch.equal(item["video"], expected)
    assert (item["status"].item(), item["problem"]) == (OK, "")


SIZES = [(32, None), (32, 2), (96, 2), (224, None)]


@pytest.mark.parametrize("is_eval", [True, False])
@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_skipped_video_is_a_black_clip_of_the_usual_shape(
    size: int, stride: int | None, is_eval: bool, root: Path
) -> None:
    clip = ClipSpec(num_frames=4, stride=stride, size=size, num_clips=2, num_crops=3)
    (root / "a.mp4").write_bytes(b"")
    dataset = with_policy(root, BadSamplePolicy("skip"), clip=clip, is_eval=is_eval)
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
    dataset = with_policy(root, BadSamplePolicy("skip"))
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


def plain(root: Path, policy: BadSamplePolicy) -> VideoDataset:
    """Training without augmentation, so that a clip shows its video's grey level."""
    return VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.train_sampler(CLIP),
        transform=eval_transform(CLIP),
        bad_samples=policy,
    )


def test_substitute_brings_its_own_label_and_the_reason(many: Path) -> None:
    dataset = plain(many, BadSamplePolicy("substitute"))
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
    expected = substitutes(plain(many, BadSamplePolicy("substitute")))
    assert len(set(expected)) > 4
    torch.manual_seed(3)
    policy = BadSamplePolicy("substitute", quarantine=many / "list.jsonl", deadline_seconds=20)
    assert substitutes(plain(many, policy), num_workers=2) == expected
    assert substitutes(plain(many, policy)) == expected  # now all on the list


def test_video_without_a_substitute_is_skipped(root: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (root / name).write_bytes(b"")
    assert with_policy(root, BadSamplePolicy("substitute"))[0]["status"].item() == SKIPPED


def test_only_video_of_a_list_has_no_substitute(root: Path) -> None:
    (root / "a.mp4").write_bytes(b"")
    (root / "list.csv").write_text("a.mp4 1\n")
    assert with_policy(root, BadSamplePolicy("substitute"))[0]["status"].item() == SKIPPED


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
        sampler=sampling.eval_sampler(CLIP),
        transform=eval_transform(CLIP),
        frame_counts=lambda root: {root / "a.mp4": 32},
    )
    policy = BadSamplePolicy("skip", deadline_seconds=deadline_seconds)
    dataset.reader = VideoReader(policy, opener=open_counted)
    problems = [dataset[index]["problem"] for index in range(2)]
    assert problems == ["counted as 32", "counted as None"]


def open_nothing(path: Path, decoder: str, **_: object) -> Video:
    return NoFrames(path)


def test_video_of_no_frame_is_bad(root: Path) -> None:
    dataset = with_policy(root, BadSamplePolicy("skip"))
    dataset.reader = VideoReader(BadSamplePolicy("skip"), opener=open_nothing)
    item = dataset[0]
    assert item["status"].item() == SKIPPED
    assert item["problem"] == "no frame can be shown, expected a video"


def test_guarded_data_set_travels_to_worker_processes(root: Path) -> None:
    policy = BadSamplePolicy("skip", deadline_seconds=20, quarantine=root / "list.jsonl")
    (root / "a.mp4").write_bytes(b"")
    dataset = with_policy(root, policy)
    expected = dataset[1]["video"]
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[1]["video"], expected)
    assert copy[0]["status"].item() == SKIPPED
    assert len(Quarantine(root / "list.jsonl")) == 1
