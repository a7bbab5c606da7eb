"""The training pipeline of segmentation: scales, crops, flips, padding."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.picture import Box, Picture
from video_uniformer.data.image.scene_train_transforms import (
    crop,
    draw_crop,
    is_varied,
    padded,
    resized_mask,
    segmentation_train_transform,
)
from video_uniformer.data.image.scene_transforms import normalised_scene
from video_uniformer.data.image.seeding import generators_kept, reseed

HEIGHT, WIDTH = 96, 128
SPEC = SceneSpec(short_side=HEIGHT, long_side=512, crop_size=64)
PLAIN = {"ratio": (1.0, 1.0), "max_class_share": 1.0, "flip_prob": 0.0, "photometric": False}


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with generators_kept():
        reseed(0)
        yield


@pytest.fixture
def picture(picture_file: Callable[..., Path]) -> Picture:
    return Picture(picture_file("a.png"))


def pixels(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(np.array(picture.rgb())).permute(2, 0, 1)


def numbered() -> np.ndarray:
    """A mask whose labels tell the column."""
    return np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))


def mask_of(text: str) -> torch.Tensor:
    """A mask of one row, a letter a label: `.` is ignored."""
    return torch.tensor([[255 if c == "." else ord(c) - ord("a") for c in text]]).to(torch.uint8)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("aaab", False),  # three quarters are too many
        ("aabb", True),
        ("aaabb", True),
        ("aaab....", False),  # ignored pixels count on neither side
        ("aabb....", True),
        ("aaaa....", False),  # one class, though it has half of the crop
        ("....", False),
        ("a...", False),
    ],
)
def test_a_crop_is_varied_where_no_class_fills_it(labels: str, expected: bool) -> None:
    assert is_varied(mask_of(labels), 0.75) is expected


def test_crops_are_drawn_again_while_one_class_fills_them() -> None:
    # Of the 61 places of four pixels, the last three show no class more than twice.
    mask = mask_of("a" * 60 + "bbcc").expand(1, 64)
    lefts = [draw_crop(mask, 4, 0.75).left for _ in range(500)]
    share = sum(left >= 58 for left in lefts) / 500
    assert 0.3 < share < 0.55  # 1 - (1 - 3 / 61) ** 11 = 0.43
    first = [draw_crop(mask, 4, 1.0).left for _ in range(500)]
    assert sum(left >= 58 for left in first) / 500 < 0.12  # 3 / 61 = 0.05


def test_crops_are_drawn_eleven_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    original = torch.randint

    def counted(*arguments: object) -> torch.Tensor:
        draws.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(torch, "randint", counted)
    draw_crop(torch.zeros(20, 20, dtype=torch.uint8), 8, 0.75)
    assert len(draws) == 2 * 11


def test_a_crop_of_what_is_smaller_is_all_of_it() -> None:
    mask = torch.zeros(5, 20, dtype=torch.uint8)
    boxes = {draw_crop(mask, 8, 1.0) for _ in range(300)}
    assert {(box.top, box.height, box.width) for box in boxes} == {(0, 5, 8)}
    assert {box.left for box in boxes} == set(range(13))


def test_a_crop_is_a_box_of_all_planes() -> None:
    planes = torch.arange(24).reshape(2, 3, 4)
    assert crop(planes, Box(1, 2, 2, 1)).tolist() == [[[6], [10]], [[18], [22]]]


def test_padding_is_below_and_to_the_right() -> None:
    assert padded(torch.tensor([[1, 2]]), 3, 9).tolist() == [[1, 2, 9], [9, 9, 9], [9, 9, 9]]


def test_masks_are_resized_to_the_nearest_label() -> None:
    mask = torch.tensor([[7, 200, 3]], dtype=torch.uint8)
    assert resized_mask(mask, 1, 6).tolist() == [[7, 7, 200, 200, 3, 3]]
    assert resized_mask(mask, 2, 2).tolist() == [[7, 200], [7, 200]]  # columns 0 and 1.5


def test_picture_and_mask_are_cropped_alike(picture: Picture) -> None:
    whole = normalised_scene(pixels(picture), SPEC)
    for _ in range(5):
        item = segmentation_train_transform(SPEC, **PLAIN)(picture, numbered())
        left = int(item["mask"][0, 0])
        assert item["mask"].tolist() == [list(range(left, left + 64))] * 64
        columns = whole[:, :, left : left + 64]
        assert any(
            torch.equal(item["image"], columns[:, top : top + 64]) for top in range(HEIGHT - 63)
        )


def test_picture_and_mask_are_flipped_alike(picture: Picture) -> None:
    spec = SceneSpec(short_side=HEIGHT, long_side=512, crop_size=128)
    upright = normalised_scene(pixels(picture), spec)
    transform = segmentation_train_transform(spec, **{**PLAIN, "flip_prob": 0.5})
    num_flipped = 0
    for _ in range(100):
        item = transform(picture, numbered())
        is_flipped = int(item["mask"][0, 0]) == WIDTH - 1
        num_flipped += is_flipped
        expected = upright.flip(-1) if is_flipped else upright
        assert torch.equal(item["image"][:, :HEIGHT], expected)
        assert item["mask"][0].tolist() == list(range(WIDTH))[:: -1 if is_flipped else 1]
    assert 30 <= num_flipped <= 70


def test_smaller_pictures_are_padded_after_normalising(picture: Picture) -> None:
    spec = SceneSpec(short_side=48, long_side=512, crop_size=64)
    item = segmentation_train_transform(spec, **PLAIN)(picture, numbered())
    assert item["image"].shape == (3, 64, 64)
    assert item["image"][:, 48:].eq(0).all()
    assert item["image"][:, :48].ne(0).any(0).all()
    assert item["mask"][48:].eq(255).all()
    assert item["mask"][:48].ne(255).all()
    assert (item["image"].dtype, item["mask"].dtype) == (torch.float32, torch.int64)


def test_scales_spread_over_the_whole_ratio(picture: Picture) -> None:
    spec = SceneSpec(short_side=100, long_side=400, crop_size=300)
    transform = segmentation_train_transform(spec, photometric=False, max_class_share=1.0)
    heights = [int(transform(picture, numbered())["mask"].ne(255).any(1).sum()) for _ in range(200)]
    assert 50 <= min(heights) <= 55
    assert 192 <= max(heights) <= 200
    assert 115 <= sum(heights) / 200 <= 135


def test_the_longer_side_limits_the_scale(picture: Picture) -> None:
    spec = SceneSpec(short_side=64, long_side=64, crop_size=64)
    item = segmentation_train_transform(spec, **PLAIN)(picture, numbered())
    assert item["mask"].ne(255).sum(0).tolist() == [48] * 64  # 96 x 128 by a half


def test_colours_change_and_labels_do_not(picture: Picture) -> None:
    plain = segmentation_train_transform(SPEC, **PLAIN)
    coloured = segmentation_train_transform(SPEC, **{**PLAIN, "photometric": True})
    num_changed = 0
    for seed in range(20):
        items = []
        for transform in (plain, coloured):
            reseed(seed)
            items.append(transform(picture, numbered()))
        assert torch.equal(items[0]["mask"], items[1]["mask"])
        num_changed += not torch.equal(items[0]["image"], items[1]["image"])
    assert num_changed >= 14


def test_one_seed_gives_one_view_and_another_another(picture: Picture) -> None:
    transform = pickle.loads(pickle.dumps(segmentation_train_transform(SPEC)))
    items = []
    for seed in (1, 1, 2):
        reseed(seed)
        items.append(transform(picture, numbered()))
    assert all(torch.equal(items[0][key], items[1][key]) for key in ("image", "mask"))
    assert not torch.equal(items[0]["image"], items[2]["image"])
    assert not torch.equal(items[0]["mask"], items[2]["mask"])


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 700)])
def test_any_shape_gives_a_crop(picture_file: Callable[..., Path], shape: tuple[int, int]) -> None:
    picture = Picture(picture_file("b.png", *shape))
    transform = segmentation_train_transform(SPEC)
    for _ in range(10):
        item = transform(picture, np.zeros(shape, np.uint8))
        assert item["image"].shape == (3, 64, 64)
        assert item["mask"].shape == (64, 64)
        assert bool(torch.isfinite(item["image"]).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratio": (2.0, 0.5)}, r"ratio is \(2\.0, 0\.5\), expected two numbers, 0 < smallest"),
        ({"ratio": (0, 1)}, r"ratio is \(0, 1\)"),
        ({"ratio": (1,)}, r"ratio is \(1,\)"),
        ({"max_class_share": 0}, "max_class_share is 0, expected above 0 and up to 1"),
        ({"max_class_share": 1.5}, r"max_class_share is 1\.5"),
        ({"flip_prob": -0.1}, r"flip_prob is -0\.1, expected 0 to 1"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segmentation_train_transform(SPEC, **arguments)
