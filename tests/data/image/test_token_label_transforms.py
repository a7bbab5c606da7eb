"""Pictures with their label maps: what moves the one moves the other."""

import pickle
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data.auto_augment import AugmentOp, auto_augment_transform, rand_augment_transform

from video_uniformer.clip import ImageSpec
from video_uniformer.data.annotations.samples import Sample
from video_uniformer.data.image.dataset import ImageDataset
from video_uniformer.data.image.label_maps import LabelMaps
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.seeding import reseed
from video_uniformer.data.image.token_label_transforms import (
    LabelledPicture,
    cell_numbers,
    moved,
    token_label_transform,
    with_cells,
)
from video_uniformer.data.image.train_transforms import Augment
from video_uniformer.data.policy import BadSamplePolicy

SPEC = ImageSpec(32)
SHAPE = (2, 4, 4)
SETTINGS = {"img_mean": (0, 0, 0), "translate_const": 20}
PLAIN = {"augment": None, "color_jitter": 0.0, "erase_prob": 0.0}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures a and b, of which a has a label map: its cells' numbers, for two classes."""
    for name in ("a", "b"):
        Image.fromarray(np.random.RandomState(1).randint(0, 255, (48, 60, 3), np.uint8)).save(
            tmp_path / f"{name}.png"
        )
    (tmp_path / "maps").mkdir()
    numbers = torch.arange(16.0).view(4, 4)
    torch.save(
        torch.stack([numbers + i for i in range(4)]).view(2, 2, 4, 4), tmp_path / "maps/a.pt"
    )
    return tmp_path


def transform(root: Path, **settings: Any) -> Callable[[Picture], Any]:
    return token_label_transform(SPEC, LabelMaps(root, root / "maps", SHAPE), **settings)


def test_sample_holds_map_box_and_whether_there_is_a_map(root: Path) -> None:
    torch.manual_seed(0)
    sample = transform(root)(Picture(root / "a.png"))
    assert {key: tuple(value.shape) for key, value in sample.items()} == {
        "image": (3, 32, 32),
        "erased": (5,),
        "label_map": (2, 2, 4, 4),
        "label_box": (4,),
        "has_label_map": (),
    }
    assert sample["has_label_map"]


def test_picture_without_a_map_has_zeros(root: Path) -> None:
    sample = transform(root)(Picture(root / "b.png"))
    assert not sample["has_label_map"]
    assert sample["label_map"].eq(0).all()
    assert sample["label_map"].shape == (2, 2, 4, 4)


def test_box_is_the_crop_as_shares_of_the_picture(root: Path) -> None:
    pixels = np.zeros((48, 60, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(48)[:, None] * 5, np.arange(60) * 4
    Image.fromarray(pixels).save(root / "ramp.png")
    view = transform(root, flip_prob=0.0, **PLAIN)
    for seed in range(5):
        torch.manual_seed(seed)
        sample = view(Picture(root / "ramp.png"))
        top, left, height, width = sample["label_box"].tolist()
        rows, columns = sample["image"][0] / 5, sample["image"][1] / 4
        assert float(rows.mean()) == pytest.approx((top + height / 2) * 48 - 0.5, abs=0.3)
        assert float(columns.mean()) == pytest.approx((left + width / 2) * 60 - 0.5, abs=0.3)
        assert float(rows.max() - rows.min()) == pytest.approx(height * 48, abs=2)


def test_flip_mirrors_the_map(root: Path) -> None:
    kept = transform(root, flip_prob=0.0, **PLAIN)(Picture(root / "a.png"))
    flipped = transform(root, flip_prob=1.0, **PLAIN)(Picture(root / "a.png"))
    assert torch.equal(kept["label_map"], torch.load(root / "maps/a.pt"))
    assert torch.equal(flipped["label_map"], kept["label_map"].flip(3))


def blocks(cells: Image.Image, times: int) -> Image.Image:
    """A picture whose colour tells the cell that a place shows, and 255 where it shows none."""
    numbers = np.array(cells).repeat(times, 0).repeat(times, 1)
    grey = np.where(numbers < 0, 255, numbers).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


@pytest.mark.parametrize(
    "name",
    ["ShearX", "ShearY", "TranslateXRel", "TranslateYRel", "TranslateX", "TranslateY", "Rotate"],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_geometric_operation_moves_the_cells_as_the_picture(name: str, seed: int) -> None:
    settings = {**SETTINGS, "img_mean": (255,) * 3, "interpolation": Image.Resampling.NEAREST}
    operation = AugmentOp(name, prob=1.0, magnitude=9, hparams=settings)
    augment = rand_augment_transform("rand-m9", settings)
    augment.ops, augment.num_layers = [operation], 1
    cells = cell_numbers(12)
    random.seed(seed)
    done = with_cells(augment)(LabelledPicture(blocks(cells, 5), cells))
    middles = np.array(done.image)[2::5, 2::5, 0].astype(int)
    numbers = np.array(done.cells)
    agree = (np.where(numbers < 0, 255, numbers) == middles).mean()
    assert agree > 0.97  # all but what lies just between two cells
    assert (numbers != np.array(cells)).mean() > 0.3


@pytest.mark.parametrize("name", ["Invert", "SolarizeAdd", "PosterizeIncreasing"])
def test_operation_of_colours_leaves_the_cells(name: str) -> None:
    augment = rand_augment_transform("rand-m9", dict(SETTINGS))
    operation = AugmentOp(name, prob=1.0, magnitude=9, hparams=SETTINGS)
    augment.ops, augment.num_layers = [operation], 1
    cells = cell_numbers(6)
    done = with_cells(augment)(LabelledPicture(blocks(cells, 5), cells))
    assert done.cells is cells
    assert done.image != blocks(cells, 5)


@pytest.mark.parametrize(
    "make",
    [
        partial(rand_augment_transform, "rand-m9-mstd0.5-inc1"),
        partial(rand_augment_transform, "rand-m6-n3"),
        partial(auto_augment_transform, "originalr"),
    ],
)
def test_picture_is_augmented_as_by_timm_alone(make: Callable[[Any], Augment]) -> None:
    image = blocks(cell_numbers(12), 5)
    for seed in range(20):
        reseed(seed)
        alone = make(dict(SETTINGS))(image)
        reseed(seed)
        both = with_cells(make(dict(SETTINGS)))(LabelledPicture(image, cell_numbers(12)))
        assert both.image == alone


def test_places_outside_the_map_hold_zeros() -> None:
    cells = Image.fromarray(np.array([[3, -1], [-1, 0]], np.int32))
    label_map = torch.arange(1.0, 9).view(2, 1, 2, 2)
    assert moved(label_map, cells).tolist() == [[[[4, 0], [0, 1]]], [[[8, 0], [0, 5]]]]


def dataset(root: Path, **settings: Any) -> ImageDataset:
    def annotations(root: str | Path, class_names: Any) -> Any:
        names = ("a.png", "b.png", "absent.png")
        return [Sample(Path(root) / name, 1) for name in names], ["x", "y"]

    return ImageDataset(annotations, root=root, transform=transform(root), seed=3, **settings)


def test_item_depends_on_its_place_alone(root: Path) -> None:
    first, second, other = (dataset(root)[0, epoch] for epoch in (1, 1, 2))
    for key in ("image", "label_map", "label_box"):
        assert torch.equal(first[key], second[key])
    assert not torch.equal(first["label_box"], other["label_box"])


def test_skipped_picture_has_entries_of_the_same_shapes(root: Path) -> None:
    items = dataset(root, bad_samples=BadSamplePolicy("skip"))
    skipped, read = items[2], items[0]
    assert skipped.keys() == read.keys()
    assert skipped["label_map"].shape == read["label_map"].shape
    assert not skipped["has_label_map"]


def test_transform_goes_to_a_worker(root: Path) -> None:
    view = transform(root)
    copy = pickle.loads(pickle.dumps(view))
    samples = []
    for one in (view, copy):
        reseed(5)
        samples.append(one(Picture(root / "a.png")))
    assert all(torch.equal(samples[0][key], samples[1][key]) for key in samples[0])


def test_scaled_decoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scaled_decoding is True, expected False"):
        token_label_transform(
            ImageSpec(32), LabelMaps(tmp_path, tmp_path, (1, 2, 2)), scaled_decoding=True
        )
