"""The training pipeline of pictures: crops, flips, policies and their quicker operations."""

import pickle
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_pictures import photo
from PIL import Image
from timm.data import auto_augment
from torchvision.transforms import RandomResizedCrop

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image import row_shifts
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.seeding import generators_kept, reseed
from video_uniformer.data.image.train_transforms import random_box, train_transform
from video_uniformer.data.image.transforms import eval_transform

SPEC = ImageSpec(32)
PLAIN = {"augment": None, "color_jitter": 0.0, "erase_prob": 0.0}
FILL = {"fillcolor": (124, 116, 104)}
SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with generators_kept():
        reseed(0)
        yield


@pytest.fixture
def picture(picture_file: Callable[..., Path]) -> Picture:
    return Picture(picture_file())


def test_one_seed_gives_one_view_and_another_another(picture: Picture) -> None:
    transform = pickle.loads(pickle.dumps(train_transform(SPEC)))
    views = []
    for seed in (1, 1, 2):
        reseed(seed)
        views.append(transform(picture))
    assert views[0]["image"].shape == (3, 32, 32)
    assert all(torch.equal(views[0][key], views[1][key]) for key in ("image", "erased"))
    assert not torch.equal(views[0]["image"], views[2]["image"])


def test_half_of_the_pictures_are_flipped(picture: Picture) -> None:
    transform = train_transform(SPEC, scale=(1.0, 1.0), ratio=(4 / 3, 4 / 3), **PLAIN)
    plain = train_transform(SPEC, scale=(1.0, 1.0), ratio=(4 / 3, 4 / 3), flip_prob=0, **PLAIN)
    upright = plain(picture)["image"]
    views = [transform(picture)["image"] for _ in range(200)]
    flipped = [torch.equal(view, upright.flip(2)) for view in views]
    assert all(
        torch.equal(view, upright) or is_flipped
        for view, is_flipped in zip(views, flipped, strict=True)
    )
    assert 70 <= sum(flipped) <= 130


def test_bgr_is_rgb_with_the_channels_the_other_way_round(picture: Picture) -> None:
    flat = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    plain = partial(train_transform, flip_prob=0)
    for create in (eval_transform, lambda spec: lambda view: plain(spec)(view)["image"]):
        views = []
        for order in ("rgb", "bgr"):
            reseed(3)
            views.append(create(ImageSpec(32, channel_order=order, **flat))(picture))
        assert torch.equal(views[0], views[1].flip(0))


def test_boxes_are_distributed_as_by_torchvision(picture: Picture) -> None:
    ours = [random_box(picture, SCALE, RATIO) for _ in range(4000)]
    size = torch.empty(1, picture.height, picture.width)
    theirs = [RandomResizedCrop.get_params(size, list(SCALE), list(RATIO)) for _ in range(4000)]
    for place in range(4):  # top, left, height, width
        samples = [[box[place] for box in boxes] for boxes in (ours, theirs)]
        means, spreads = map(statistics.mean, samples), map(statistics.stdev, samples)
        assert abs(np.subtract(*means)) < 2
        assert abs(np.subtract(*spreads)) < 2


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 500), (500, 1), (3, 2), (40, 300)])
def test_boxes_lie_inside_of_any_shape(
    height: int, width: int, picture_file: Callable[..., Path]
) -> None:
    picture = Picture(picture_file("a.png", height, width))
    for _ in range(50):
        box = random_box(picture, SCALE, RATIO)
        assert box.top >= 0
        assert box.left >= 0
        assert 0 < box.height <= height - box.top
        assert 0 < box.width <= width - box.left


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
@pytest.mark.parametrize(
    ("theirs", "ours", "amount"),
    [
        (auto_augment.shear_x, row_shifts.shear_x, 0.27),
        (auto_augment.shear_x, row_shifts.shear_x, -0.3),
        (auto_augment.shear_y, row_shifts.shear_y, 0.27),
        (auto_augment.translate_x_abs, row_shifts.translate_x, 20.3),
        (auto_augment.translate_x_abs, row_shifts.translate_x, -20.7),
        (auto_augment.translate_x_abs, row_shifts.translate_x, 1000.0),
        (auto_augment.translate_y_abs, row_shifts.translate_y, 33.4),
    ],
)
def test_shears_and_shifts_are_those_of_pillow_to_one_grey_level(
    theirs: Callable, ours: Callable, amount: float, resample: int
) -> None:
    image = photo()
    expected = np.asarray(theirs(image, amount, resample=resample, **FILL)).astype(int)
    found = np.asarray(ours(image, amount, resample=resample, **FILL)).astype(int)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("policy", ["rand-m9-mstd0.5-inc1", "rand-m10-inc1", "v0", "original"])
def test_no_magnitude_of_a_policy_ends_a_training(policy: str, picture: Picture) -> None:
    transform = train_transform(SPEC, augment=policy)
    for _ in range(300):
        assert transform(picture)["image"].shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"augment": "rnad-m9"}, "augment is 'rnad-m9'"),
        ({"flip_prob": 2}, "flip_prob is 2"),
        ({"erase_prob": -1}, "erase_prob is -1"),
        ({"scale": (0.5, 0.1)}, "scale is"),
        ({"ratio": (0, 1)}, "ratio is"),
        ({"color_jitter": -1}, "color_jitter is -1"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_transform(SPEC, **arguments)
