"""The test pipeline of pictures: timm's."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from timm.data import create_transform

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.transforms import eval_transform


@pytest.mark.parametrize(("height", "width"), [(96, 128), (131, 77), (32, 32), (20, 300)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_evaluation_sees_what_timm_shows(
    height: int, width: int, interpolation: str, picture_file: Callable[..., Path]
) -> None:
    picture = Picture(picture_file("a.png", height, width))
    theirs = create_transform(32, interpolation=interpolation, crop_pct=0.875)
    found = eval_transform(ImageSpec(32, interpolation=interpolation))(picture)
    assert torch.allclose(found, theirs(picture.rgb()), atol=1e-6)
