"""The data module: who gets which videos, in every epoch, with and without workers."""

import subprocess
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from video_uniformer import ClipSpec
from video_uniformer.data.annotations import read_class_names, read_list
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.data.video.sampling import train_sampler
from video_uniformer.data.video.train_transforms import train_transform
from video_uniformer.training.datamodule import DataModule
from video_uniformer.training.epoch_sampler import EpochSampler

CLIP = ClipSpec(num_frames=2, stride=2, size=32)


class Numbers:
    """A data set of numbers: item i of epoch e is (i, e)."""

    def __init__(self, length: int, class_names: list[str] | None = None) -> None:
        self.length = length
        self.class_names = ["a", "b"] if class_names is None else class_names

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: Any) -> dict[str, Tensor]:
        index, epoch = item if isinstance(item, tuple) else (item, -1)
        return {"video_index": torch.tensor(index), "epoch": torch.tensor(epoch)}


def numbers(*, class_names: list[str] | None, length: int = 7, **_: Any) -> Numbers:
    return Numbers(length, class_names)


def make(root: Path, *, batch_size: int = 2, **settings: Any) -> DataModule:
    return DataModule(
        root=root,
        datasets=dict.fromkeys(("train", "val", "test"), numbers),
        batch_size=batch_size,
        **{"num_workers": 0, "eval_batch_size": 2, **settings},
    )


def on_device(
    datamodule: DataModule, rank: int, world_size: int, accumulate_grad_batches: int = 1
) -> DataModule:
    """The data module as the process of one device of one machine sees it."""
    datamodule.trainer = SimpleNamespace(  # type: ignore[assignment]
        world_size=world_size,
        num_devices=world_size,
        global_rank=rank,
        accumulate_grad_batches=accumulate_grad_batches,
    )
    return datamodule


def indices(batches: Iterable[dict[str, Tensor]]) -> list[list[int]]:
    return [batch["video_index"].tolist() for batch in batches]


def test_training_batch_is_divided_among_the_devices(tmp_path: Path) -> None:
    seen = []
    for rank in range(2):
        datamodule = on_device(make(tmp_path, batch_size=4), rank, 2)
        batches = indices(datamodule.train_dataloader())
        assert [len(batch) for batch in batches] == [2]
        seen += batches[0]
    assert len(set(seen)) == 4


def test_training_drops_an_incomplete_batch(tmp_path: Path) -> None:
    batches = indices(make(tmp_path, batch_size=3).train_dataloader())
    assert [len(batch) for batch in batches] == [3, 3]


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_goes_through_every_video_in_order(split: str, tmp_path: Path) -> None:
    loader = getattr(make(tmp_path), f"{split}_dataloader")()
    assert indices(loader) == [[0, 1], [2, 3], [4, 5], [6]]


def test_evaluation_on_two_devices_reaches_every_video(tmp_path: Path) -> None:
    dealt = [indices(on_device(make(tmp_path), rank, 2).val_dataloader()) for rank in range(2)]
    assert dealt == [[[0, 2], [4, 6]], [[1, 3], [5, 0]]]


def train_epochs(datamodule: DataModule, *epochs: int) -> list[list[list[int]]]:
    """The batches of some epochs, from one loader, as Lightning goes through them."""
    loader = datamodule.train_dataloader()
    assert isinstance(loader.sampler, EpochSampler)
    seen = []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        assert {number for batch in batches for number in batch["epoch"].tolist()} == {epoch}
        seen.append(indices(batches))
    return seen


def test_training_order_is_another_in_every_epoch(tmp_path: Path) -> None:
    first, second = train_epochs(make(tmp_path), 0, 1)
    assert first != second


def test_training_order_is_the_same_in_every_run(tmp_path: Path) -> None:
    assert train_epochs(make(tmp_path), 0, 1) == train_epochs(make(tmp_path), 0, 1)
    assert train_epochs(make(tmp_path), 1) == train_epochs(make(tmp_path), 0, 1)[1:]


def test_training_order_follows_the_seed_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PL_GLOBAL_SEED", seed)
        orders.append(train_epochs(make(tmp_path), 0))
    assert orders[0] != orders[1]


def test_training_batch_is_divided_among_the_batches_of_a_step(tmp_path: Path) -> None:
    datamodule = on_device(make(tmp_path, batch_size=6), 0, 1, accumulate_grad_batches=3)
    assert [len(batch) for batch in indices(datamodule.train_dataloader())] == [2, 2, 2]


@pytest.mark.parametrize("value", [0, "abc", 2.0])
@pytest.mark.parametrize("name", ["batch_size", "eval_batch_size"])
def test_batch_of_no_video_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"data.{name} is {value!r}, expected at least 1"):
        make(tmp_path, **{name: value})


@pytest.mark.parametrize("value", [-1, "abc"])
def test_number_of_workers_that_is_none_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"data.num_workers is {value!r}, expected a whole number"):
        make(tmp_path, num_workers=value)


def test_accumulating_no_batch_is_refused(tmp_path: Path) -> None:
    datamodule = on_device(make(tmp_path), 0, 1, accumulate_grad_batches=0)
    with pytest.raises(ValueError, match=r"trainer\.accumulate_grad_batches is 0, expected"):
        datamodule.train_dataloader()


@pytest.mark.parametrize("world_size", [1, 2])
def test_batch_that_cannot_be_filled_is_refused(world_size: int, tmp_path: Path) -> None:
    datamodule = on_device(make(tmp_path, batch_size=8), 0, world_size)
    message = f"data.batch_size is 8 for {world_size} device.* and 7 training samples, expected at "
    with pytest.raises(ValueError, match=message):
        datamodule.train_dataloader()


@pytest.mark.parametrize(
    ("batch_size", "world_size", "batches", "message"),
    [
        (1, 2, 1, "data.batch_size is 1 for 2 device.*, expected a multiple of 2: 2, for example"),
        (5, 2, 2, "5 for 2 device.* that accumulate 2 batches, expected a multiple of 4: 4, for"),
        (6, 1, 4, "6 for 1 device.* that accumulate 4 batches, expected a multiple of 4: 4, for"),
    ],
)
def test_batch_that_cannot_be_shared_out_is_refused(
    batch_size: int, world_size: int, batches: int, message: str, tmp_path: Path
) -> None:
    datamodule = on_device(make(tmp_path, batch_size=batch_size), 0, world_size, batches)
    with pytest.raises(ValueError, match=message):
        datamodule.train_dataloader()


@pytest.mark.parametrize(("world_size", "batches"), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1)])
def test_step_holds_the_same_videos_however_it_is_shared_out(
    world_size: int, batches: int, tmp_path: Path
) -> None:
    def steps(world_size: int, batches: int) -> list[set[int]]:
        dealt = []
        for rank in range(world_size):
            datamodule = on_device(make(tmp_path, batch_size=4), rank, world_size, batches)
            dealt.append(indices(datamodule.train_dataloader()))
        parts = [list(chain(*of_a_batch)) for of_a_batch in zip(*dealt, strict=True)]
        starts = range(0, len(parts), batches)
        return [set(chain(*parts[start : start + batches])) for start in starts]

    assert steps(world_size, batches) == steps(1, 1)


def test_batches_that_make_no_whole_step_are_left_out(tmp_path: Path) -> None:
    datamodule = on_device(make(tmp_path, batch_size=4), 0, 1, accumulate_grad_batches=4)
    assert len(datamodule.train_dataloader()) == 4  # of the seven that the videos would fill


STATE = {
    "data.batch_size": 2,
    "trainer.accumulate_grad_batches": 1,
    "seed": 0,
    "the number of training samples": 7,
    "the list of class names": ["a", "b"],
}


def resumed(datamodule: DataModule, epoch: int, batches: int) -> DataModule:
    datamodule.load_state_dict({"position": [epoch, batches], **STATE})
    return datamodule


@pytest.mark.parametrize(
    ("name", "before", "message"),
    [
        ("data.batch_size", 4, "data.batch_size is 2, expected 4 as when this training began"),
        ("trainer.accumulate_grad_batches", 2, "accumulate_grad_batches is 1, expected 2 as"),
        ("seed", 3, "seed is 0, expected 3 as"),
        ("the number of training samples", 9, "number of training samples is 7, expected 9 as"),
        (
            "the list of class names",
            ["a", "c", "b"],
            r"names is 'b' \(place 1 of 2\), expected 'c' \(place 1 of 3\) as",
        ),
        ("the list of class names", ["b", "a"], r"'a' \(place 0 of 2\), expected 'b' \(place 0"),
    ],
)
def test_training_on_other_data_is_not_resumed(
    name: str, before: Any, message: str, tmp_path: Path
) -> None:
    datamodule = on_device(make(tmp_path), 0, 1)
    with pytest.raises(ValueError, match=message):
        datamodule.load_state_dict({"position": [1, 0], **STATE, name: before})


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resumed_epoch_goes_on_with_the_next_batch(num_workers: int, tmp_path: Path) -> None:
    whole = train_epochs(make(tmp_path), 0, 1, 2)
    datamodule = resumed(on_device(make(tmp_path, num_workers=num_workers), 0, 1), 1, 2)
    assert train_epochs(datamodule, 1, 2) == [whole[1][2:], whole[2]]


def test_first_resumed_batches_are_those_of_their_epoch(tmp_path: Path) -> None:
    datamodule = resumed(on_device(make(tmp_path), 0, 1), 1, 0)
    # As Lightning does: iterated before the epoch is told.
    first = indices(datamodule.train_dataloader())
    assert first == train_epochs(make(tmp_path), 1)[0]


def test_worker_ends_at_the_signal_of_its_parent_alone(tmp_path: Path) -> None:
    loader = make(tmp_path, num_workers=1).train_dataloader()
    batches = iter(loader)
    next(batches)
    [worker] = batches._workers  # type: ignore[attr-defined]
    for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
        subprocess.run(["kill", f"-{name}", str(worker.pid)], check=True)
    worker.join(1)
    assert worker.is_alive()
    worker.terminate()
    worker.join(10)
    assert worker.exitcode == 0


def test_missing_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "absent"
    with pytest.raises(ValueError, match=f"data.root is '{root}', expected an existing folder"):
        make(root).dataset("val")


def test_number_of_classes_that_disagrees_is_refused(tmp_path: Path) -> None:
    message = rf"data.num_classes is 3, but there are 2 class names in {tmp_path} \(a, b, ...\)"
    with pytest.raises(ValueError, match=message):
        make(tmp_path, num_classes=3).dataset("train")


def test_class_names_come_from_the_training_data(tmp_path: Path) -> None:
    datamodule = make(tmp_path)
    assert datamodule.class_names == ["a", "b"]
    assert datamodule.dataset("val").class_names == ["a", "b"]


def test_class_names_that_are_given_reach_every_data_set(tmp_path: Path) -> None:
    datamodule = make(tmp_path, class_names=["x", "y", "z"], num_classes=3)
    assert datamodule.class_names == ["x", "y", "z"]
    assert datamodule.dataset("train").class_names == ["x", "y", "z"]
    assert datamodule.dataset("test").class_names == ["x", "y", "z"]


def test_class_names_are_read_from_a_file_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("run\njump\n")
    datamodule = make(tmp_path, class_names=partial(read_class_names, "classes.txt"))
    assert datamodule.class_names == ["run", "jump"]


def test_function_that_knows_no_class_names_leaves_them_to_the_training_data(
    tmp_path: Path,
) -> None:
    assert make(tmp_path, class_names=partial(read_class_names, None)).class_names == ["a", "b"]


def test_testing_with_given_names_needs_no_training_data(tmp_path: Path) -> None:
    def absent(**_: Any) -> Numbers:
        raise AssertionError("the training data was read")

    datamodule = DataModule(
        root=tmp_path,
        datasets={"train": absent, "test": numbers},
        batch_size=2,
        num_workers=0,
        class_names=["a", "b"],
    )
    assert len(indices(datamodule.test_dataloader())) == 1


def test_data_set_is_built_once(tmp_path: Path) -> None:
    datamodule = make(tmp_path)
    assert datamodule.dataset("train") is datamodule.dataset("train")


def test_data_is_prepared_before_it_is_read(tmp_path: Path) -> None:
    root = tmp_path / "made"
    datamodule = make(root, prepare=Path.mkdir)
    datamodule.prepare_data()
    assert root.is_dir()
    assert len(datamodule.dataset("train")) == 7


def test_data_that_needs_no_preparation_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path / "absent").prepare_data()
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(("num_devices", "at_most"), [(1, 8), (1000, 1)])
def test_workers_are_shared_among_the_devices_of_a_machine(
    num_devices: int, at_most: int, tmp_path: Path
) -> None:
    datamodule = on_device(make(tmp_path, num_workers=None), 0, num_devices)
    assert 1 <= datamodule.val_dataloader().num_workers <= at_most


def test_each_data_set_gets_the_policy_of_its_split(tmp_path: Path) -> None:
    given = {}

    def keep(split: str, *, bad_samples: BadSamplePolicy, **_: Any) -> Numbers:
        given[split] = bad_samples.on_bad_sample
        return Numbers(7)

    datamodule = DataModule(
        root=tmp_path,
        datasets={split: partial(keep, split) for split in ("train", "val", "test")},
        batch_size=2,
        bad_samples=BadSamplePolicy("skip", in_training="substitute"),
    )
    for split in ("train", "val", "test"):
        datamodule.dataset(split)
    assert given == {"train": "substitute", "val": "skip", "test": "skip"}


def test_substitutes_in_evaluation_are_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="on_bad_sample is 'substitute' for 'val', where a video"):
        make(tmp_path, bad_samples=BadSamplePolicy("substitute"))


@pytest.fixture
def videos(tmp_path: Path, video_file: Callable[..., Path]) -> Path:
    """Four videos of 16 frames and their list."""
    for index in range(4):
        video_file(num_frames=16, name=f"{index}.mp4", grey=60 * index)
    (tmp_path / "train.csv").write_text("".join(f"{i}.mp4 {i % 2}\n" for i in range(4)))
    return tmp_path


def augmented(root: Path, num_workers: int) -> list[Tensor]:
    """All training clips of two epochs, in order."""
    train = partial(
        VideoDataset,
        partial(read_list, "train.csv"),
        sampler=train_sampler(CLIP),
        transform=train_transform(CLIP),
    )
    datamodule = DataModule(
        root=root, datasets={"train": train}, batch_size=2, num_workers=num_workers
    )
    loader = datamodule.train_dataloader()
    clips = []
    for epoch in range(2):
        assert isinstance(loader.sampler, EpochSampler)
        loader.sampler.set_epoch(epoch)
        clips += [batch["video"] for batch in loader]
    return clips


def test_batches_do_not_depend_on_the_number_of_workers(videos: Path) -> None:
    alone = augmented(videos, 0)
    assert len(alone) == 4
    for ours, theirs in zip(alone, augmented(videos, 2), strict=True):
        assert torch.equal(ours, theirs)


def test_workers_that_live_on_see_the_next_epoch(videos: Path) -> None:
    clips = augmented(videos, 1)
    first, second = torch.cat(clips[:2]), torch.cat(clips[2:])
    assert not torch.equal(first.sort(0).values, second.sort(0).values)


def pick_last(samples: list[dict[str, Tensor]]) -> Tensor:
    return samples[-1]["video_index"]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_are_made_by_the_collate_that_is_given(num_workers: int, tmp_path: Path) -> None:
    datamodule = make(tmp_path, collate=pick_last, num_workers=num_workers)
    for split in ("val", "test"):
        loader = getattr(datamodule, f"{split}_dataloader")()
        assert [batch.item() for batch in loader] == [1, 3, 5, 6]
    assert len([batch.item() for batch in datamodule.train_dataloader()]) == 3
