"""The test pipeline gives the pixels that timm's does with the data configuration of a release."""

from collections.abc import Callable
from importlib.resources import files
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.weights.zoo import RELEASES

PHOTOGRAPHS = (
    *(("skimage", f"data/{name}") for name in ("astronaut.png", "coffee.png", "rocket.jpg")),
    *(("skimage", f"data/{name}") for name in ("chelsea.png", "camera.png", "retina.jpg")),
    *(("sklearn", f"datasets/images/{name}") for name in ("china.jpg", "flower.jpg")),
)
SIZES = (
    *((57, 301), (301, 57), (1, 1), (224, 224), (225, 500), (500, 225), (2, 31), (256, 257)),
    *((255, 256), (33, 34), (384, 384), (99, 401), (7, 7), (400, 399), (128, 427), (223, 225)),
    *((248, 249),),
)
# Mode and suffixes that keep it.
KINDS = (
    *(("RGB", suffix) for suffix in (".jpg", ".png", ".webp", ".bmp", ".tif")),
    *(("L", suffix) for suffix in (".jpg", ".png", ".bmp", ".tif")),
    *(("P", ".png"), ("P", ".bmp"), ("P", ".tif"), ("1", ".png"), ("1", ".bmp"), ("1", ".tif")),
    *(("RGBA", ".png"), ("RGBA", ".webp"), ("RGBA", ".tif"), ("LA", ".png"), ("LA", ".tif")),
    *(("CMYK", ".jpg"), ("CMYK", ".tif")),
)


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """A picture in another mode, half of it transparent where it can be."""
    if mode == "P":
        return image.quantize(64)
    if mode not in ("RGBA", "LA"):
        return image.convert(mode)
    alpha = Image.linear_gradient("L").resize(image.size)
    image.putalpha(alpha)
    return image.convert(mode)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Fifty real pictures of odd sizes, in every kind."""
    folder, paths = tmp_path_factory.mktemp("pictures"), []
    turns = zip(range(50), cycle(PHOTOGRAPHS), cycle(SIZES), cycle(KINDS), strict=False)
    for number, (package, name), (width, height), (mode, suffix) in turns:
        with Image.open(str(files(package).joinpath(name))) as photograph:
            left = (photograph.width - width) // 2
            top = (photograph.height - height) // 2
            image = photograph.convert("RGB").crop((left, top, left + width, top + height))
        path = folder / f"{number:02d}{suffix}"
        in_mode(image, mode).save(path)
        with Image.open(path) as saved:
            assert (saved.mode, saved.size) == (mode, (width, height))
        paths.append(path)
    return paths


def timms(spec: ImageSpec) -> Callable[[Image.Image], torch.Tensor]:
    """timm's test transform for an input."""
    facts = {
        "input_size": (3, spec.size, spec.size),
        "crop_pct": spec.crop_share,
        "interpolation": spec.interpolation,
        "mean": spec.mean,
        "std": spec.std,
    }
    transform: Callable[[Image.Image], torch.Tensor] = create_transform(
        **resolve_data_config({}, pretrained_cfg=facts)
    )
    return transform


def most_grey_levels(one: torch.Tensor, other: torch.Tensor, spec: ImageSpec) -> float:
    """The largest difference between two normalised pictures, in levels of 8 bits."""
    return float(((one - other).abs().amax((1, 2)) * torch.tensor(spec.std) * 255).max())


@pytest.mark.parametrize("name", ["in1k_s", "in1k_s_tl_224", "in1k_b_tl_384", "in1k_xxs_160"])
def test_pictures_are_timms_to_the_pixel(name: str, pictures: list[Path]) -> None:
    spec = RELEASES[name].input()
    assert isinstance(spec, ImageSpec)
    ours, theirs = eval_transform(spec), timms(spec)
    for path in pictures:
        with Image.open(path) as image:
            expected = theirs(image.convert("RGB"))
        found = ours(Picture(path))
        assert found.shape == (3, spec.size, spec.size)
        assert most_grey_levels(found, expected, spec) < 0.01, path.name


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(13, 401), (401, 13), (1, 299)])
def test_strips_are_timms_within_a_grey_level(
    size: tuple[int, int], interpolation: str, tmp_path: Path
) -> None:
    # Away from black and white: what bicubic overshoots is cut off after its first pass, and
    # Pillow may choose another axis for that.
    noise = np.random.default_rng(0).integers(80, 176, (*size, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    spec = ImageSpec(64, interpolation=interpolation)  # type: ignore[arg-type]
    expected = timms(spec)(Image.fromarray(noise))
    found = eval_transform(spec)(Picture(tmp_path / "a.png"))
    assert most_grey_levels(found, expected, spec) < 1.01


def test_line_of_pixels_is_not_scaled_as_a_whole(tmp_path: Path) -> None:
    Image.new("RGB", (60_000, 1), (10, 20, 30)).save(tmp_path / "a.png")  # would be 12 gigabytes
    spec = ImageSpec(224, mean=(0, 0, 0), std=(1, 1, 1))
    pixels = eval_transform(spec)(Picture(tmp_path / "a.png"))
    assert pixels.shape == (3, 224, 224)
    assert (pixels * 255).round().amax((1, 2)).tolist() == [10, 20, 30]
