"""RandAugment's operations are Pillow's, its magnitudes the published ones."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance, ImageOps

from video_uniformer.data.video.rand_augment import create_rand_augment

HEIGHT, WIDTH = 48, 64


def picture_video(num_frames: int = 2) -> torch.Tensor:
    """Smooth coloured shapes with a little noise, uint8 (T, 3, H, W); every frame another."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(num_frames, 3, 6, 8, generator=generator) * 230
    smooth = F.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")
    noise = torch.rand(smooth.shape, generator=generator) * 20
    return (smooth + noise).clamp(0, 255).to(torch.uint8)


def operations(**settings: Any) -> dict[str, Any]:
    """PyTorchVideo's `AugmentTransform` of each operation, by name."""
    sampler = create_rand_augment(**settings)
    return {transform.transform_name: transform for transform in sampler.transforms_list}


def apply(name: str, video: torch.Tensor, *arguments: float) -> torch.Tensor:
    return operations()[name].transform_fn(video, *arguments, fill=128)


def apply_pillow(video: torch.Tensor, edit: Callable[[Image.Image], Image.Image]) -> torch.Tensor:
    images = [Image.fromarray(frame) for frame in video.permute(0, 2, 3, 1).numpy()]
    edited = np.stack([np.asarray(edit(image)) for image in images])
    return torch.from_numpy(edited).permute(0, 3, 1, 2)


def add_below_128(image: Image.Image) -> Image.Image:
    return image.point([min(255, level + 77) if level < 128 else level for level in range(256)] * 3)


POINT_OPERATIONS: list[tuple[str, tuple[float, ...], Callable[[Image.Image], Image.Image]]] = [
    ("AutoContrast", (), ImageOps.autocontrast),
    ("Equalize", (), ImageOps.equalize),
    ("Invert", (), ImageOps.invert),
    ("Posterize", (1,), lambda image: ImageOps.posterize(image, 1)),
    ("Posterize", (4,), lambda image: ImageOps.posterize(image, 4)),
    ("Solarize", (77,), lambda image: ImageOps.solarize(image, 77)),
    ("Solarize", (256,), lambda image: ImageOps.solarize(image, 256)),
    ("SolarizeAdd", (77,), add_below_128),
    ("Brightness", (0.37,), lambda image: ImageEnhance.Brightness(image).enhance(0.37)),
    ("Brightness", (1.63,), lambda image: ImageEnhance.Brightness(image).enhance(1.63)),
    ("Contrast", (0.37,), lambda image: ImageEnhance.Contrast(image).enhance(0.37)),
    ("Contrast", (1.63,), lambda image: ImageEnhance.Contrast(image).enhance(1.63)),
    ("Color", (0.37,), lambda image: ImageEnhance.Color(image).enhance(0.37)),
    ("Color", (1.63,), lambda image: ImageEnhance.Color(image).enhance(1.63)),
    ("Sharpness", (0.37,), lambda image: ImageEnhance.Sharpness(image).enhance(0.37)),
    ("Sharpness", (1.9,), lambda image: ImageEnhance.Sharpness(image).enhance(1.9)),
]

WARPS: list[tuple[str, float, tuple[float, ...]]] = [
    ("ShearX", 0.21, (1, 0.21, 0, 0, 1, 0)),
    ("ShearY", -0.21, (1, 0, 0, -0.21, 1, 0)),
    ("TranslateXRel", 0.315, (1, 0, 0.315 * WIDTH, 0, 1, 0)),
    ("TranslateYRel", -0.315, (1, 0, 0, 0, 1, -0.315 * HEIGHT)),
]

# Arguments without their random sign: published table, at the magnitudes that recipes use.
ARGUMENTS = {
    (7, True): {
        "AutoContrast": None,
        "Equalize": None,
        "Invert": None,
        "Rotate": 21,
        "Posterize": 2,
        "Solarize": 77,
        "SolarizeAdd": 77,
        "Color": 0.63,
        "Contrast": 0.63,
        "Brightness": 0.63,
        "Sharpness": 0.63,
        "ShearX": 0.21,
        "ShearY": 0.21,
        "TranslateXRel": 0.315,
        "TranslateYRel": 0.315,
    },
    (5, False): {
        "AutoContrast": None,
        "Equalize": None,
        "Invert": None,
        "Rotate": 15,
        "Posterize": 2,
        "Solarize": 128,
        "SolarizeAdd": 55,
        "Color": 1,
        "Contrast": 1,
        "Brightness": 1,
        "Sharpness": 1,
        "ShearX": 0.15,
        "ShearY": 0.15,
        "TranslateXRel": 0.225,
        "TranslateYRel": 0.225,
    },
    (10, False): {
        "AutoContrast": None,
        "Equalize": None,
        "Invert": None,
        "Rotate": 30,
        "Posterize": 4,
        "Solarize": 256,
        "SolarizeAdd": 110,
        "Color": 1.9,
        "Contrast": 1.9,
        "Brightness": 1.9,
        "Sharpness": 1.9,
        "ShearX": 0.3,
        "ShearY": 0.3,
        "TranslateXRel": 0.45,
        "TranslateYRel": 0.45,
    },
}


@pytest.mark.parametrize(("name", "arguments", "edit"), POINT_OPERATIONS)
def test_operation_equals_pillow_to_one_level(
    name: str, arguments: tuple[float, ...], edit: Callable[[Image.Image], Image.Image]
) -> None:
    video = picture_video()
    difference = apply(name, video, *arguments).int() - apply_pillow(video, edit).int()
    assert difference.abs().max() <= 1
    if name != "Color":  # Pillow rounds the grey picture first
        assert (difference != 0).float().mean() < 0.02


@pytest.mark.parametrize(("name", "argument", "matrix"), WARPS)
def test_warp_equals_pillow_to_one_level(
    name: str, argument: float, matrix: tuple[float, ...]
) -> None:
    def warp(image: Image.Image) -> Image.Image:
        method, resample = Image.Transform.AFFINE, Image.Resampling.BICUBIC
        return image.transform(image.size, method, matrix, resample, fillcolor=(128, 128, 128))

    check_warp(name, argument, warp)


@pytest.mark.parametrize("degrees", [21, -30, 0.3])
def test_rotation_equals_pillow_to_one_level(degrees: float) -> None:
    def warp(image: Image.Image) -> Image.Image:
        return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))

    check_warp("Rotate", degrees, warp)


def check_warp(name: str, argument: float, warp: Callable[[Image.Image], Image.Image]) -> None:
    video = picture_video()
    difference = apply(name, video, argument).int() - apply_pillow(video, warp).int()
    assert difference.abs().max() <= 1
    assert (difference != 0).float().mean() < 0.001


@pytest.mark.parametrize("level", [0, 1, 77, 254, 255])
def test_a_turned_even_picture_stays_even(level: int) -> None:
    warped = apply("Rotate", torch.full((1, 3, 40, 40), level, dtype=torch.uint8), 20.0)
    assert set(warped.unique().tolist()) == {level, 128}


def test_a_shift_by_whole_pixels_moves_the_picture_and_fills_the_rest() -> None:
    video = picture_video()
    shifted = apply("TranslateXRel", video, 0.25)
    assert torch.equal(shifted[..., : WIDTH * 3 // 4], video[..., WIDTH // 4 :])
    assert (shifted[..., WIDTH * 3 // 4 :] == 128).all()


@pytest.mark.parametrize(("magnitude", "increasing"), list(ARGUMENTS))
def test_arguments_are_the_published_ones(magnitude: int, increasing: bool) -> None:
    torch.manual_seed(0)
    found: dict[str, float | None] = {}
    for name, operation in operations(increasing=increasing).items():
        if operation.level_fn is None:
            found[name] = None
            continue
        draws = [operation.level_fn(magnitude, operation.level_paras)[0] for _ in range(20)]
        signed = name in ("Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel")
        about_one = increasing and name in ("Color", "Contrast", "Brightness", "Sharpness")
        middle = 1 if about_one else 0
        assert {draw > middle for draw in draws} == (
            {True, False} if signed or about_one else {True}
        )
        found[name] = abs(draws[0] - middle)
    assert found == pytest.approx(ARGUMENTS[magnitude, increasing])


@pytest.mark.parametrize("magnitude", [0, 10])
@pytest.mark.parametrize("increasing", [True, False])
def test_operations_work_at_both_ends_on_frames_of_any_size(
    magnitude: int, increasing: bool
) -> None:
    for height, width in ((1, 1), (3, 2), (9, 13)):
        video = torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8)
        for operation in operations(
            magnitude=magnitude, std=0, increasing=increasing, prob=1
        ).values():
            before = video.clone()
            changed = operation(video)
            assert changed.dtype == torch.uint8
            assert changed.shape == video.shape
            assert torch.equal(video, before)


def test_posterize_can_drop_every_bit() -> None:
    assert (apply("Posterize", picture_video(), 0) == 0).all()


@pytest.mark.parametrize("name", ["AutoContrast", "Equalize", "Contrast", "Color", "Sharpness"])
def test_a_grey_frame_has_nothing_to_stretch(name: str) -> None:
    grey = torch.full((1, 3, 8, 8), 90, dtype=torch.uint8)
    factor = () if name in ("AutoContrast", "Equalize") else (1.5,)
    assert (apply(name, grey, *factor).int() - 90).abs().max() <= 1


def test_a_still_clip_stays_still() -> None:
    still = picture_video(1).expand(4, -1, -1, -1).contiguous()
    augment = create_rand_augment(prob=1)
    torch.manual_seed(0)
    for _ in range(20):
        augmented = augment(still)
        assert torch.equal(augmented, augmented[:1].expand_as(augmented))


def test_augmentation_follows_the_seed_and_varies() -> None:
    augment, video = create_rand_augment(prob=1), picture_video()
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(augment(video))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_operations_are_drawn_with_replacement() -> None:
    # One operation drawn 15 times of 15 without replacement would always be Invert once.
    torch.manual_seed(0)
    augment = create_rand_augment(num_ops=15, prob=1)
    drawn: list[str] = []
    for transform in augment.transforms_list:
        transform.transform_fn = _recorder(transform.transform_name, drawn)
    augment(picture_video())
    assert len(drawn) == 15
    assert len(set(drawn)) < 15


def _recorder(name: str, drawn: list[str]) -> Callable[..., torch.Tensor]:
    def record(video: torch.Tensor, *arguments: float, fill: int) -> torch.Tensor:
        drawn.append(name)
        return video

    return record


@pytest.mark.parametrize(("std", "low", "high"), [(0.0, 7.0, 7.0), (0.5, 5.0, 9.0)])
def test_strength_is_drawn_around_the_magnitude(std: float, low: float, high: float) -> None:
    torch.manual_seed(0)
    rotate = operations(magnitude=7, std=std)["Rotate"]
    strengths = [rotate._get_magnitude() for _ in range(300)]
    assert low <= min(strengths)
    assert max(strengths) <= high
    assert len(set(strengths)) == (1 if std == 0 else len(strengths))


def test_probability_zero_changes_nothing() -> None:
    video = picture_video()
    assert torch.equal(create_rand_augment(prob=0)(video), video)


def test_augmentation_reaches_worker_processes() -> None:
    augment = create_rand_augment()
    copy = pickle.loads(pickle.dumps(augment))
    torch.manual_seed(0)
    expected = augment(picture_video())
    torch.manual_seed(0)
    assert torch.equal(copy(picture_video()), expected)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"num_ops": 0}, "num_ops is 0, expected a whole number, 1 to 15"),
        ({"num_ops": 16}, "num_ops is 16, expected a whole number, 1 to 15"),
        ({"magnitude": 11}, "magnitude is 11, expected 0 to 10"),
        ({"std": -0.5}, "std is -0.5, expected a number >= 0"),
        ({"increasing": 1}, "increasing is 1, expected true or false"),
        ({"prob": 1.5}, "prob is 1.5, expected 0 to 1"),
    ],
)
def test_rand_augment_refuses(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_rand_augment(**setting)
