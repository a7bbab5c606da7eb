"""Views: the published order and geometry, one draw per view."""

import importlib
import math
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import RandomResizedCrop

from video_uniformer.clip import ClipSpec
from video_uniformer.data.video.rand_augment import create_rand_augment
from video_uniformer.data.video.train_transforms import train_transform
from video_uniformer.data.video.transforms import eval_transform, short_side_scale, uniform_crop

SPEC = ClipSpec(num_frames=4, stride=2, size=32)
SETTINGS = {"num_ops": 2, "magnitude": 9, "std": 0.5, "increasing": True, "prob": 1.0}


def random_frames(
    height: int = 48, width: int = 60, num_clips: int = 1, num_frames: int = 4
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (num_clips, num_frames, height, width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def still_frames() -> torch.Tensor:
    return random_frames(num_frames=1).expand(-1, 4, -1, -1, -1)


def position_frames(height: int, width: int) -> torch.Tensor:
    """Each pixel holds its row, its column modulo 250 and its column divided by 250."""
    rows = torch.arange(height).view(-1, 1).expand(height, width)
    columns = torch.arange(width).expand(height, width)
    pixels = torch.stack([rows, columns % 250, columns // 250], -1)
    return pixels.to(torch.uint8)[None, None]


def first_positions(views: torch.Tensor) -> list[tuple[int, int]]:
    """Row and column in the frame of the top left pixel of each view, (V, 3, T, H, W)."""
    corner = ((views[:, :, 0, 0, 0] * 0.225 + 0.45) * 255).round().int()
    return [(row, rest + 250 * many) for row, rest, many in corner.tolist()]


def normalise(frames: torch.Tensor) -> torch.Tensor:
    """The first step of the published order, on whole frames: (T, H, W, 3) -> (3, T, H, W)."""
    return ((frames.float() / 255 - 0.45) / 0.225).permute(3, 0, 1, 2)


@pytest.mark.parametrize(
    ("height", "width", "num_crops", "corners"),
    [
        (224, 297, 3, [(0, 0), (0, 37), (0, 73)]),  # what 340 x 256 becomes
        (224, 297, 1, [(0, 37)]),
        (297, 224, 3, [(0, 0), (37, 0), (73, 0)]),
        (224, 224, 3, [(0, 0), (0, 0), (0, 0)]),
    ],
)
def test_crops_lie_where_published(
    height: int, width: int, num_crops: int, corners: list[tuple[int, int]]
) -> None:
    spec = ClipSpec(num_frames=1, stride=4, size=224, num_crops=num_crops)
    views = eval_transform(spec)(position_frames(height, width))
    assert first_positions(views) == corners


@pytest.mark.parametrize(
    ("height", "width", "resized"),
    [(256, 340, (224, 297)), (340, 256, (297, 224)), (20, 30, (224, 336)), (224, 341, (224, 341))],
)
def test_short_side_is_scaled_and_long_side_rounded_down(
    height: int, width: int, resized: tuple[int, int]
) -> None:
    spec = ClipSpec(num_frames=1, stride=4, size=224, num_crops=3)
    frames = random_frames(height, width, num_frames=1)
    expected = F.interpolate(normalise(frames[0]), resized, mode="bilinear", align_corners=False)
    views = eval_transform(spec)(frames)
    torch.testing.assert_close(views[0], expected[..., :224, :224], atol=2e-5, rtol=0)
    torch.testing.assert_close(views[2], expected[..., -224:, -224:], atol=2e-5, rtol=0)


def test_a_frame_that_fits_loses_no_pixel() -> None:
    size, width = 55, 56  # floor(56 / 55 * 55) would be 55 in floating point
    assert math.floor(width / size * size) < width
    spec = ClipSpec(num_frames=1, stride=4, size=size, num_crops=3)
    assert first_positions(eval_transform(spec)(position_frames(size, width)))[2] == (0, 1)


def test_test_views_are_clip_by_clip_with_crops_inside() -> None:
    spec = ClipSpec(num_frames=4, stride=2, size=32, num_crops=3)
    frames = random_frames(num_clips=2)
    views = eval_transform(spec)(frames)
    assert views.shape == (6, 3, 4, 32, 32)
    assert torch.equal(views[3:], eval_transform(spec)(frames[1:]))


def test_validation_takes_another_number_of_crops() -> None:
    spec = ClipSpec(num_frames=4, stride=2, size=32, num_crops=3)
    centre = eval_transform(spec, num_crops=1)(random_frames())
    assert torch.equal(centre, eval_transform(spec)(random_frames())[1:2])


def test_eval_transform_refuses_other_numbers_of_crops() -> None:
    with pytest.raises(ValueError, match="num_crops is 2, expected 1 or 3"):
        eval_transform(SPEC, num_crops=2)


def test_test_views_do_not_depend_on_chance() -> None:
    frames = random_frames()
    assert torch.equal(eval_transform(SPEC)(frames), eval_transform(SPEC)(frames))


@pytest.mark.parametrize("shape", [(40, 50), (50, 40), (33, 97), (97, 33), (32, 32), (360, 641)])
@pytest.mark.parametrize("size", [32, 33])
def test_scaling_and_crops_are_those_of_pytorchvideo(shape: tuple[int, int], size: int) -> None:
    pixels = torch.rand(3, 2, *shape, generator=torch.Generator().manual_seed(0)) * 255
    # Importable once our package is imported.
    pytorchvideo = importlib.import_module("pytorchvideo.transforms.functional")
    scaled = short_side_scale(pixels, size)
    assert torch.equal(scaled, pytorchvideo.short_side_scale(pixels, size))
    for position in (0, 1, 2):
        expected = pytorchvideo.uniform_crop(scaled, size, position)
        assert torch.equal(uniform_crop(scaled, size, position), expected)


def views_of(kind: str, spec: ClipSpec, frames: torch.Tensor) -> torch.Tensor:
    if kind == "eval":
        return eval_transform(spec)(frames)
    torch.manual_seed(0)
    return train_transform(spec, rand_augment=None, erase_prob=0)(frames)


@pytest.mark.parametrize("kind", ["train", "eval"])
def test_mean_and_std_are_per_channel(kind: str) -> None:
    spec = ClipSpec(num_frames=4, stride=2, size=32, mean=(0, 0.5, 1), std=(1, 0.5, 0.25))
    views = views_of(kind, spec, torch.full((1, 4, 40, 50, 3), 51, dtype=torch.uint8))  # 0.2
    expected = torch.tensor([0.2, -0.6, -3.2]).expand(len(views), 3)
    torch.testing.assert_close(views.mean((2, 3, 4)), expected)


@pytest.mark.parametrize("kind", ["train", "eval"])
def test_bgr_networks_see_the_channels_reversed_from_the_start(kind: str) -> None:
    bgr = ClipSpec(num_frames=4, stride=2, size=32, channel_order="bgr")
    frames = random_frames()
    assert torch.equal(views_of(kind, bgr, frames), views_of(kind, SPEC, frames.flip(-1)))


@pytest.mark.parametrize("kind", ["train", "eval"])
def test_views_are_contiguous_float32_and_frames_stay_as_they_are(kind: str) -> None:
    frames = random_frames()
    views = views_of(kind, SPEC, frames)
    assert views.dtype == torch.float32
    assert views.is_contiguous()
    assert torch.equal(frames, random_frames())


@pytest.mark.parametrize("kind", ["train", "eval"])
@pytest.mark.parametrize(
    "frames",
    [
        random_frames().float(),
        random_frames()[0],
        random_frames()[..., :1],
        random_frames()[:, :0],
    ],
)
def test_other_frames_are_refused(kind: str, frames: torch.Tensor) -> None:
    with pytest.raises(
        ValueError, match=r"frames=torch.* expected torch.uint8 \(clips, T, H, W, 3"
    ):
        views_of(kind, SPEC, frames)


@pytest.mark.parametrize("transform", [train_transform(SPEC), eval_transform(SPEC)])
def test_transforms_reach_worker_processes(transform: Any) -> None:
    copy = pickle.loads(pickle.dumps(transform))
    torch.manual_seed(0)
    expected = transform(random_frames())
    torch.manual_seed(0)
    assert torch.equal(copy(random_frames()), expected)


@pytest.mark.parametrize("flip_prob", [0.0, 1.0])
@pytest.mark.parametrize("settings", [None, SETTINGS])
def test_training_views_equal_the_published_order(
    flip_prob: float, settings: dict[str, Any] | None
) -> None:
    transform = train_transform(
        SPEC, num_views=1, rand_augment=settings, flip_prob=flip_prob, erase_prob=0
    )
    torch.manual_seed(3)
    view = transform(random_frames())[0]

    torch.manual_seed(3)
    clip = random_frames()[0]
    if settings is not None:
        clip = create_rand_augment(**settings)(clip.permute(0, 3, 1, 2).contiguous())
        clip = clip.permute(0, 2, 3, 1)
    pixels = normalise(clip)
    top, left, height, width = RandomResizedCrop.get_params(pixels, [0.08, 1.0], [0.75, 1.3333])
    pixels = pixels[..., top : top + height, left : left + width]
    expected = F.interpolate(pixels, (32, 32), mode="bilinear", align_corners=False)
    if flip_prob == 1:
        expected = expected.flip(-1)
    torch.testing.assert_close(view, expected, atol=2e-5, rtol=0)


def test_a_still_clip_stays_still() -> None:
    torch.manual_seed(0)
    transform = train_transform(SPEC, num_views=8, erase_prob=0)
    views = transform(still_frames())
    assert torch.equal(views, views[:, :, :1].expand_as(views))


def test_views_of_a_clip_are_drawn_one_by_one() -> None:
    torch.manual_seed(0)
    views = train_transform(SPEC, num_views=3, rand_augment=None)(still_frames())
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(views[1], views[2])


def test_views_of_a_clip_lie_side_by_side() -> None:
    black_and_white = torch.zeros(2, 4, 40, 50, 3, dtype=torch.uint8)
    black_and_white[1] = 255
    transform = train_transform(SPEC, num_views=2, rand_augment=None, erase_prob=0)
    views = transform(black_and_white)
    assert views.shape == (4, 3, 4, 32, 32)
    expected = torch.tensor([-2.0, -2.0, 0.55 / 0.225, 0.55 / 0.225])
    torch.testing.assert_close(views.mean((1, 2, 3, 4)), expected)


def test_training_views_follow_the_seed() -> None:
    views = []
    for _ in range(2):
        torch.manual_seed(4)
        views.append(train_transform(SPEC)(random_frames()))
    assert torch.equal(views[0], views[1])


def test_half_of_the_views_are_flipped() -> None:
    ramp = torch.arange(60, dtype=torch.uint8).view(1, 1, 1, 60, 1).expand(1, 1, 48, 60, 3)
    torch.manual_seed(0)
    views = train_transform(SPEC, num_views=200, rand_augment=None, erase_prob=0)(ramp)
    flipped = (views[..., 0] > views[..., -1]).float().mean()
    assert flipped == pytest.approx(0.5, abs=0.1)


def test_frames_smaller_than_the_crop_are_enlarged() -> None:
    assert train_transform(SPEC)(random_frames(9, 12)).shape == (2, 3, 4, 32, 32)


def erased_and_whole(num_views: int = 1, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    views = []
    for prob in (1.0, 0.0):
        torch.manual_seed(seed)
        transform = train_transform(SPEC, num_views=num_views, rand_augment=None, erase_prob=prob)
        views.append(transform(still_frames()))
    return views[0], views[1]


@pytest.mark.parametrize("seed", range(5))
def test_erasing_takes_one_rectangle_in_all_frames(seed: int) -> None:
    erased, whole = erased_and_whole(seed=seed)
    changed = (erased != whole)[0]
    assert torch.equal(changed, changed[:1, :1].expand_as(changed))
    rows, columns = changed[0, 0].any(1), changed[0, 0].any(0)
    box = rows[:, None] & columns
    assert torch.equal(box, changed[0, 0])
    assert 0.01 < box.float().mean() < 0.36  # 0.02 to 1/3, and rounding of its sides
    assert rows.sum() < 32
    assert columns.sum() < 32


def test_erasing_noise_is_normal_and_new_in_every_frame() -> None:
    erased, whole = erased_and_whole()
    noise = erased[0][:, :, (erased != whole)[0, 0, 0]]  # (3, T, pixels)
    assert noise.mean() == pytest.approx(0, abs=0.15)
    assert noise.std() == pytest.approx(1, abs=0.15)
    assert not torch.equal(noise[:, 0], noise[:, 1])
    assert not torch.equal(noise[0], noise[1])


def test_a_quarter_of_the_views_is_erased() -> None:
    torch.manual_seed(0)
    black = torch.zeros(1, 1, 40, 50, 3, dtype=torch.uint8)
    views = train_transform(SPEC, num_views=200, rand_augment=None)(black)
    erased = (views.amax((1, 2, 3, 4)) > -2).float().mean()
    assert erased == pytest.approx(0.25, abs=0.08)


def test_default_rand_augment_is_that_of_kinetics() -> None:
    settings = {"num_ops": 4, "magnitude": 7, "std": 0.5, "increasing": True}
    views = []
    for transform in (train_transform(SPEC), train_transform(SPEC, rand_augment=settings)):
        torch.manual_seed(1)
        views.append(transform(random_frames()))
    assert torch.equal(views[0], views[1])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"num_views": 0}, "num_views is 0, expected a whole number >= 1"),
        ({"flip_prob": -0.1}, "flip_prob is -0.1, expected 0 to 1"),
        ({"erase_prob": 2}, "erase_prob is 2, expected 0 to 1"),
        ({"scale": (0.5, 1.5)}, r"scale is \(0.5, 1.5\), expected two shares"),
        ({"ratio": [2.0, 1.0]}, r"ratio is \[2.0, 1.0\], expected two numbers"),
        (
            {"rand_augment": {"magnitud": 7}},
            r"rand_augment is {'magnitud': 7}, expected None or a map",
        ),
        ({"rand_augment": {"magnitude": 70}}, "magnitude is 70, expected 0 to 10"),
    ],
)
def test_train_transform_refuses(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_transform(SPEC, **setting)
