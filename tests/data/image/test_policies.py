"""timm's augmentations on the Pillow that is installed."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.quick_policy import operations_of, smoothed
from video_uniformer.data.image.seeding import reseed
from video_uniformer.data.image.train_transforms import augmentation


@pytest.mark.parametrize("policy", ["rand-m10-inc1", "rand-m9-mstd0.5-inc1", "v0"])
def test_no_operation_is_refused_at_its_full_strength(policy: str) -> None:
    augment = augmentation(policy, 0, ImageSpec(32))
    assert augment is not None
    image = Image.new("RGB", (40, 30), (200, 100, 50))
    operations = operations_of(augment)
    assert len(operations) > 10
    for seed, operation in enumerate(operations):
        operation.prob, operation.magnitude = 1.0, 10
        reseed(seed)
        assert operation(image).size == image.size


def test_no_bit_of_a_posterised_picture_is_black() -> None:
    augment = augmentation("rand-m10-inc1", 0, ImageSpec(32))
    assert augment is not None
    [operation] = [o for o in operations_of(augment) if o.name == "PosterizeIncreasing"]
    operation.prob = 1.0
    assert operation(Image.new("RGB", (4, 4), (200, 100, 50))).getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize("size", [(40, 30), (3, 3), (2, 9), (1, 1)])
def test_smoothing_is_that_of_pillow_to_the_bit(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    image = Image.fromarray(noise)
    assert smoothed(image).tobytes() == image.filter(ImageFilter.SMOOTH).tobytes()
