"""Pictures of a list as items: seeds, bad pictures, workers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from video_uniformer.clip import ImageSpec
from video_uniformer.data.annotations import Annotations, Sample
from video_uniformer.data.image.dataset import ImageDataset
from video_uniformer.data.image.picture import PictureError
from video_uniformer.data.image.train_transforms import train_transform
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED, SUBSTITUTED

BAD = 2


class Listed:
    """The annotations of a list, picklable for workers."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __call__(self, *, root: object, class_names: object) -> Annotations:
        samples = [Sample(path, label) for label, path in enumerate(self.paths)]
        return Annotations(samples, [str(label) for label in range(len(samples))])


@pytest.fixture
def create(picture_file: Callable[..., Path]) -> Callable[..., ImageDataset]:
    """A data set of four pictures, of which the third is cut short."""
    paths = [picture_file(f"{number}.jpg", 60 + number, 80) for number in range(4)]
    content = paths[BAD].read_bytes()
    paths[BAD].write_bytes(content[: len(content) // 2])

    def create(policy: str = "skip", seed: int = 0) -> ImageDataset:
        return ImageDataset(
            Listed(paths),
            root=Path(),
            transform=train_transform(ImageSpec(32)),
            seed=seed,
            bad_samples=BadSamplePolicy(policy),
        )

    return create


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return torch.equal(one["image"], other["image"])


def test_an_item_depends_on_seed_epoch_index_and_copy_alone(create: Callable) -> None:
    data, item = create(), create()[1, 2, 3]
    assert same(data[1, 2, 3], item)
    torch.rand(5)
    assert same(data[1, 2, 3], item)
    assert same(data[1], data[1, 0, 0])
    for other in (data[1, 2, 4], data[1, 3, 3], data[0, 2, 3], create(seed=1)[1, 2, 3]):
        assert not same(other, item)


def test_an_item_leaves_the_generators_alone(create: Callable) -> None:
    before = torch.get_rng_state()
    create()[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_change_nothing(create: Callable) -> None:
    data = create("substitute")
    loader = DataLoader(data, 1, num_workers=2, multiprocessing_context="fork")
    for index, batch in enumerate(loader):
        assert torch.equal(batch["image"][0], data[index]["image"])


def test_a_good_picture_is_accounted_for(create: Callable) -> None:
    item = create()[3]
    assert (int(item["label"]), int(item["image_index"]), int(item["status"])) == (3, 3, OK)
    assert item["problem"] == ""


def test_a_bad_picture_ends_the_run_by_its_name(create: Callable) -> None:
    with pytest.raises(PictureError, match=r"2\.jpg: cut short"):
        create("raise")[BAD]


def test_a_skipped_picture_keeps_its_place(create: Callable) -> None:
    item = create("skip")[BAD]
    assert int(item["status"]) == SKIPPED
    assert int(item["image_index"]) == BAD
    assert item["image"].shape == (3, 32, 32)
    assert "cut short" in item["problem"]


def test_a_salvaged_picture_tells_what_it_lacks(create: Callable) -> None:
    item = create("salvage")[BAD]
    assert int(item["status"]) == SALVAGED
    assert int(item["label"]) == BAD
    assert item["problem"].startswith("cut short; of one colour below row ")


def test_a_substitute_brings_its_own_label(create: Callable) -> None:
    data = create("substitute")
    labels = {int(data[BAD, epoch]["label"]) for epoch in range(30)}
    assert labels == {0, 1, 3}
    item = data[BAD, 5]
    assert same(item, data[BAD, 5])
    assert int(item["status"]) == SUBSTITUTED
    assert int(item["image_index"]) == BAD
    assert "cut short" in item["problem"]
