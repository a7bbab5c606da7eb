"""Pictures and masks as items: seeds, bad ones, repeats, workers."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from video_uniformer.clip import SceneSpec
from video_uniformer.data.annotations import MaskAnnotations, MaskSample
from video_uniformer.data.image.picture import PictureError
from video_uniformer.data.image.scene_dataset import SceneDataset, collate_scenes
from video_uniformer.data.image.scene_train_transforms import segmentation_train_transform
from video_uniformer.data.image.scene_transforms import segmentation_eval_transform
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED, SUBSTITUTED

SPEC = SceneSpec(short_side=32, long_side=128, crop_size=32)
NAMES = [str(number) for number in range(6)]
BAD = 2


class Listed:
    """The annotations of a list, picklable for workers."""

    def __init__(self, samples: list[MaskSample], names: list[str]) -> None:
        self.samples = samples
        self.names = names

    def __call__(self, *, root: object, class_names: list[str] | None) -> MaskAnnotations:
        return MaskAnnotations(self.samples, class_names or self.names)


Create = Callable[..., SceneDataset]


@pytest.fixture
def samples(tmp_path: Path, picture_file: Callable[..., Path]) -> list[MaskSample]:
    """Four pictures of 60 to 63 rows; every other column of a mask has the picture's number + 1."""
    found = []
    for number in range(4):
        path = picture_file(f"{number}.jpg", 60 + number, 80)
        mask = np.zeros((60 + number, 80), np.uint8)
        mask[:, ::2] = number + 1
        Image.fromarray(mask).save(tmp_path / f"{number}.png")
        found.append(MaskSample(path, tmp_path / f"{number}.png"))
    return found


@pytest.fixture
def create(samples: list[MaskSample]) -> Create:
    def create(policy: str | None = None, *, train: bool = True, **settings: Any) -> SceneDataset:
        build = segmentation_train_transform if train else segmentation_eval_transform
        return SceneDataset(
            Listed(samples, NAMES),
            root=Path(),
            transform=build(SPEC),
            bad_samples=policy and BadSamplePolicy(policy),
            **settings,
        )

    return create


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[key], other[key]) for key in ("image", "mask"))


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_mask(path: Path, height: int, width: int, label: int = 0) -> None:
    Image.fromarray(np.full((height, width), label, np.uint8)).save(path)


def test_an_item_holds_a_picture_and_its_mask(create: Create) -> None:
    item = create()[3]
    assert (item["image"].shape, item["image"].dtype) == ((3, 32, 32), torch.float32)
    assert (item["mask"].shape, item["mask"].dtype) == ((32, 32), torch.int64)
    assert set(item["mask"].flatten().tolist()) <= {0, 4, 255}
    assert 4 in item["mask"]
    assert (int(item["image_index"]), int(item["status"]), item["problem"]) == (3, OK, "")


def test_an_evaluated_mask_is_that_of_the_file(create: Create, samples: list[MaskSample]) -> None:
    item = create(train=False)[1]
    assert item["mask"].tolist() == np.asarray(Image.open(samples[1].mask)).tolist()
    assert item["image"].shape == (3, 32, 42)  # 61 x 80 by 32 / 61


def test_labels_are_reduced(create: Create) -> None:
    item = create(train=False, reduce_zero_label=True)[1]
    assert item["mask"][0, :4].tolist() == [1, 255, 1, 255]


def test_an_item_depends_on_seed_epoch_index_and_copy_alone(create: Create) -> None:
    data, item = create(), create()[1, 2, 3]
    assert same(data[1, 2, 3], item)
    torch.rand(5)
    assert same(data[1, 2, 3], item)
    assert same(data[1], data[1, 0, 0])
    for other in (data[1, 2, 4], data[1, 3, 3], data[0, 2, 3], create(seed=1)[1, 2, 3]):
        assert not same(other, item)


def test_an_item_leaves_the_generators_alone(create: Create) -> None:
    before = torch.get_rng_state()
    create()[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_list_is_repeated_with_other_random_numbers(create: Create) -> None:
    data = create(repeats=3)
    assert (len(data), len(data.samples)) == (12, 4)
    again = data[1 + 8]
    assert int(again["image_index"]) == 1
    assert set(again["mask"].flatten().tolist()) <= {0, 2, 255}
    assert not same(again, data[1])
    assert same(again, create(repeats=3)[9])


def test_a_list_ends(create: Create) -> None:
    with pytest.raises(IndexError, match="index is 8, expected 0 to 7"):
        create(repeats=2)[8]
    assert len(list(create())) == 4


def test_names_are_those_given_or_those_of_the_list(create: Create) -> None:
    assert create().class_names == NAMES
    assert create(class_names=["a"] * 9).class_names == ["a"] * 9


@pytest.mark.parametrize(("reduce_zero_label", "most"), [(False, 255), (True, 254)])
def test_more_classes_than_labels_are_refused(
    create: Create, reduce_zero_label: bool, most: int
) -> None:
    settings = {"reduce_zero_label": reduce_zero_label}
    assert len(create(class_names=["a"] * most, **settings).class_names) == most
    with pytest.raises(ValueError, match=f"has {most + 1} names, expected at most {most}"):
        create(class_names=["a"] * (most + 1), **settings)


def test_no_repeats_are_refused(create: Create) -> None:
    with pytest.raises(ValueError, match="repeats is 0, expected a whole number >= 1"):
        create(repeats=0)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda sample: cut(sample.path), r"2\.jpg: cut short"),
        (lambda sample: cut(sample.mask), r"2\.png: (cut short|damaged)"),
        (lambda sample: write_mask(sample.mask, 80, 62), r"2\.png: mask of 62 x 80 pixels, exp"),
        (lambda sample: write_mask(sample.mask, 62, 80, 9), r"2\.png: label 9 in 4960 pixels"),
        (lambda sample: sample.mask.unlink(), r"No such file or directory: .*2\.png"),
        (lambda sample: sample.path.unlink(), r"No such file or directory: .*2\.jpg"),
    ],
)
def test_a_bad_picture_or_mask_ends_the_run_or_is_skipped(
    create: Create, samples: list[MaskSample], spoil: Callable, message: str
) -> None:
    spoil(samples[BAD])
    with pytest.raises((PictureError, OSError), match=message):
        create()[BAD]
    item = create("skip")[BAD]
    assert (int(item["status"]), int(item["image_index"])) == (SKIPPED, BAD)
    assert item["problem"]
    assert item["image"].shape == (3, 32, 32)
    assert item["image"].eq(0).all()
    assert item["mask"].shape == (32, 32)
    assert item["mask"].eq(255).all()


def test_a_skipped_item_of_an_evaluation_has_a_mask_too(
    create: Create, samples: list[MaskSample]
) -> None:
    cut(samples[BAD].path)
    item = create("skip", train=False)[BAD]
    assert (item["image"].shape, item["mask"].shape) == ((3, 32, 32), (32, 32))
    assert item["mask"].dtype == torch.int64


def test_a_problem_of_a_mask_names_the_mask(create: Create, samples: list[MaskSample]) -> None:
    write_mask(samples[BAD].mask, 62, 80, 9)
    assert create("skip")[BAD]["problem"].startswith(f"{samples[BAD].mask}: label 9")


def test_a_salvaged_picture_keeps_its_mask(create: Create, samples: list[MaskSample]) -> None:
    cut(samples[BAD].path)
    item = create("salvage")[BAD]
    assert int(item["status"]) == SALVAGED
    assert 3 in item["mask"]
    assert item["problem"].startswith("cut short; of one colour below row ")


def test_a_damaged_mask_is_not_salvaged(create: Create, samples: list[MaskSample]) -> None:
    cut(samples[BAD].mask)
    assert int(create("salvage")[BAD]["status"]) == SKIPPED


def test_a_substitute_brings_its_own_mask(create: Create, samples: list[MaskSample]) -> None:
    cut(samples[BAD].path)
    data = create("substitute", repeats=2)
    labels: set[int] = set()
    for epoch in range(30):
        item = data[BAD + 4, epoch]
        assert (int(item["status"]), int(item["image_index"])) == (SUBSTITUTED, BAD)
        labels |= set(item["mask"].flatten().tolist())
    assert labels - {255} == {0, 1, 2, 4}
    assert same(data[BAD, 5], data[BAD, 5])


@pytest.mark.parametrize("is_absent", [True, False])
def test_a_mask_that_may_come_back_is_not_quarantined(
    create: Create, samples: list[MaskSample], tmp_path: Path, is_absent: bool
) -> None:
    if is_absent:
        samples[BAD].mask.unlink()
    else:
        cut(samples[BAD].mask)
    listed = tmp_path / "quarantine.jsonl"
    data = SceneDataset(
        Listed(samples, NAMES),
        root=Path(),
        transform=segmentation_eval_transform(SPEC),
        bad_samples=BadSamplePolicy("skip", quarantine=listed),
    )
    assert int(data[BAD]["status"]) == SKIPPED
    assert (listed.is_file() and str(samples[BAD].path) in listed.read_text()) is not is_absent


def test_a_data_set_is_picklable(create: Create) -> None:
    data = create()
    assert same(pickle.loads(pickle.dumps(data))[1, 1], data[1, 1])


def test_workers_make_batches_of_the_same_items(create: Create, samples: list[MaskSample]) -> None:
    cut(samples[BAD].path)
    data = create("skip", repeats=2)
    loader = DataLoader(data, 4, num_workers=2, multiprocessing_context="fork")
    batches = list(loader)
    assert [batch["image_index"].tolist() for batch in batches] == [[0, 1, 2, 3]] * 2
    for number, batch in enumerate(batches):
        assert batch["image"].shape == (4, 3, 32, 32)
        assert batch["mask"].shape == (4, 32, 32)
        for place in range(4):
            item = {key: batch[key][place] for key in ("image", "mask")}
            assert same(item, data[4 * number + place])


def test_a_batch_of_different_sizes_and_scales_holds_lists() -> None:
    image = torch.zeros(3, 32, 32)
    alike = collate_scenes([{"image": image, "problem": ""}, {"image": image, "problem": "a"}])
    assert alike["image"].shape == (2, 3, 32, 32)  # type: ignore[attr-defined]
    assert alike["problem"] == ["", "a"]
    for other in (torch.zeros(3, 32, 64), [image, image]):  # the first may be a skipped one
        assert len(collate_scenes([{"image": image}, {"image": other}])["image"]) == 2  # type: ignore[arg-type]
