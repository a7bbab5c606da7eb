"""Pictures in tar shards behave as those in files do."""

from functools import partial
from pathlib import Path

import pytest
import torch
from drawn_shards import jpeg, pictures, write_shard

from video_uniformer.clip import ImageSpec
from video_uniformer.data.annotations import read_list, read_shards
from video_uniformer.data.image.dataset import ImageDataset
from video_uniformer.data.image.picture import PictureError
from video_uniformer.data.image.train_transforms import train_transform
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.outcomes import OK, SKIPPED, SUBSTITUTED

pytest.importorskip("webdataset")
SPEC = ImageSpec(size=24)


def shards(
    root: Path, *, training: bool = False, policy: BadSamplePolicy | None = None
) -> ImageDataset:
    transform = train_transform(SPEC) if training else eval_transform(SPEC)
    annotations = partial(read_shards, "a-{0..1}.tar")
    return ImageDataset(annotations, root=root, transform=transform, seed=3, bad_samples=policy)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_shard(tmp_path / "a-0.tar", pictures(0, 1, 2))
    write_shard(tmp_path / "a-1.tar", pictures(3, 4))
    return tmp_path


@pytest.mark.parametrize("training", [False, True])
def test_items_equal_those_of_files(root: Path, training: bool) -> None:
    for number in range(5):
        (root / f"{number}.jpg").write_bytes(jpeg(number))
    (root / "list.csv").write_text("".join(f"{n}.jpg {n % 3}\n" for n in range(5)))
    transform = train_transform(SPEC) if training else eval_transform(SPEC)
    annotations = partial(read_list, "list.csv")
    files = ImageDataset(annotations, root=root, transform=transform, seed=3)
    packed = shards(root, training=training)
    assert len(packed) == len(files) == 5
    for place in ((4, 1), (0, 0), (2, 7, 1)):
        one, other = packed[place], files[place]
        assert torch.equal(one["image"], other["image"])
        assert [one[k] for k in ("label", "image_index", "status", "problem")] == [
            other[k] for k in ("label", "image_index", "status", "problem")
        ]


@pytest.fixture
def broken(root: Path) -> Path:
    members = pictures(3, 4)
    members["0003.jpg"] = members["0003.jpg"][:200]
    write_shard(root / "a-1.tar", members)
    return root


def test_broken_picture_raises_with_shard_and_member(broken: Path) -> None:
    with pytest.raises(PictureError, match=r"a-1\.tar/0003\.jpg: "):
        shards(broken)[3]


def test_broken_picture_is_skipped_alone_and_set_aside(broken: Path, tmp_path: Path) -> None:
    listed = tmp_path / "quarantine.jsonl"
    dataset = shards(broken, policy=BadSamplePolicy("skip", quarantine=listed))
    statuses = [int(dataset[index]["status"]) for index in range(5)]
    assert statuses == [OK, OK, OK, SKIPPED, OK]
    assert "a-1.tar/0003.jpg" in listed.read_text()


def test_broken_picture_is_substituted_in_training(broken: Path) -> None:
    item = shards(broken, training=True, policy=BadSamplePolicy("substitute"))[3]
    assert (int(item["status"]), int(item["image_index"])) == (SUBSTITUTED, 3)


def test_shard_that_vanishes_costs_its_pictures_alone(root: Path) -> None:
    dataset = shards(root, policy=BadSamplePolicy("skip"))
    (root / "a-1.tar").unlink()
    assert [int(dataset[index]["status"]) for index in (2, 3)] == [OK, SKIPPED]
    assert dataset[3]["problem"]
