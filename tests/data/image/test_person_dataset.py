"""Persons of a list as items: seeds, bad pictures, workers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn_persons import FIVE, coco, draw, person, write
from torch.utils.data import DataLoader

from video_uniformer.clip import PersonSpec
from video_uniformer.data.annotations.coco_keypoints import read_coco_keypoints
from video_uniformer.data.image.person_dataset import PersonDataset
from video_uniformer.data.image.person_transforms import (
    person_eval_transform,
    person_train_transform,
)
from video_uniformer.data.image.picture import PictureError
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED, SUBSTITUTED

SPEC = PersonSpec(64, 32)
BAD = 2  # of the persons, alone in its picture
TENSORS = ("image", "heatmaps", "weights", "center", "scale", "score", "image_id", "image_index")


@pytest.fixture
def create(tmp_path: Path) -> Callable[..., PersonDataset]:
    """Four persons in three pictures, of which the second is cut short."""
    draw(tmp_path, (1, 2, 3))
    content = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(content[: len(content) // 2])
    persons = [person(1, 1), person(2, 1), person(3, 2), person(4, 3)]
    write(tmp_path / "persons.json", coco(persons, 3))

    def create(
        policy: str = "skip", seed: int = 0, *, is_training: bool = True, **options: Any
    ) -> PersonDataset:
        make = person_train_transform if is_training else person_eval_transform
        return PersonDataset(
            partial(read_coco_keypoints, "persons.json", skeleton=FIVE, **options),
            root=tmp_path,
            transform=make(SPEC, FIVE),
            seed=seed,
            bad_samples=BadSamplePolicy(policy),
        )

    return create


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[key], other[key]) for key in TENSORS)


def test_an_item_holds_a_person(create: Callable) -> None:
    data = create(is_training=False)
    item = data[3]
    assert len(data) == 4
    assert data.class_names == list(FIVE.joints)
    assert {key: tuple(item[key].shape) for key in TENSORS} == {
        "image": (3, 64, 32),
        "heatmaps": (5, 16, 8),
        "weights": (5,),
        "center": (2,),
        "scale": (2,),
        "score": (),
        "image_id": (),
        "image_index": (),
    }
    assert (float(item["score"]), int(item["image_id"]), int(item["image_index"])) == (1, 3, 3)
    assert (int(item["status"]), item["problem"]) == (OK, "")
    assert item["weights"].tolist() == [1] * 5


def test_an_item_depends_on_seed_epoch_index_and_copy_alone(create: Callable) -> None:
    data, item = create(), create()[1, 2, 3]
    assert same(data[1, 2, 3], item)
    torch.rand(5)
    assert same(data[1, 2, 3], item)
    assert same(data[1], data[1, 0, 0])
    for other in (data[1, 2, 4], data[1, 3, 3], data[0, 2, 3], create(seed=1)[1, 2, 3]):
        assert not torch.equal(other["image"], item["image"])


def test_an_item_leaves_the_generators_alone(create: Callable) -> None:
    before = torch.get_rng_state()
    create()[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_change_nothing(create: Callable) -> None:
    data = create("substitute")
    loader = DataLoader(data, 2, num_workers=2, multiprocessing_context="fork")
    batches = list(loader)
    assert batches[0]["image"].shape == (2, 3, 64, 32)
    for index in range(4):
        batch = batches[index // 2]
        assert all(torch.equal(batch[key][index % 2], data[index][key]) for key in TENSORS)
    assert batches[1]["problem"][0]


def test_a_bad_picture_ends_the_run_by_its_name(create: Callable) -> None:
    with pytest.raises(PictureError, match=r"2\.png: "):
        create("raise")[BAD]


@pytest.mark.parametrize("is_training", [True, False])
def test_a_skipped_person_keeps_its_place_and_counts_nothing(
    create: Callable, is_training: bool
) -> None:
    item = create("skip", is_training=is_training)[BAD]
    assert (int(item["status"]), int(item["image_index"])) == (SKIPPED, BAD)
    assert item["image"].shape == (3, 64, 32)
    assert len(item["image"].unique()) == 3
    assert not item["weights"].any()
    assert not item["heatmaps"].any()
    assert item["problem"]


def test_a_salvaged_person_has_its_own_targets(create: Callable) -> None:
    item = create("salvage", is_training=False)[BAD]
    assert int(item["status"]) == SALVAGED
    assert item["weights"].any()


def test_a_substitute_brings_its_own_targets(create: Callable) -> None:
    data = create("substitute", is_training=False)
    items = [data[BAD, epoch] for epoch in range(30)]
    assert {int(item["image_id"]) for item in items} == {1, 3}
    assert {int(item["image_index"]) for item in items} == {BAD}
    assert {int(item["status"]) for item in items} == {SUBSTITUTED}
    others = [data[index] for index in (0, 1, 3)]
    assert all(any(torch.equal(i["heatmaps"], o["heatmaps"]) for o in others) for i in items)


def test_found_persons_have_their_scores_and_no_targets(create: Callable, tmp_path: Path) -> None:
    found = {"image_id": 3, "category_id": 1, "bbox": [10, 10, 30, 60], "score": 0.75}
    boxes = write(tmp_path / "boxes.json", [found])
    data = create(is_training=False, boxes=boxes)
    assert len(data) == 1
    assert float(data[0]["score"]) == 0.75
    assert not data[0]["weights"].any()
    assert data[0]["center"].tolist() == [25, 40]


def test_other_class_names_are_refused(create: Callable, tmp_path: Path) -> None:
    read = partial(read_coco_keypoints, "persons.json", skeleton=FIVE)
    transform = person_eval_transform(SPEC, FIVE)
    with pytest.raises(ValueError, match="class_names is"):
        PersonDataset(read, root=tmp_path, transform=transform, class_names=["nose"])
