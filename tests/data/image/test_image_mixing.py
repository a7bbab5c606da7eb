"""Mixing of batches: timm's, for odd batches too."""

import numpy as np
import pytest
import torch
from timm.data.mixup import Mixup

from video_uniformer.data.image.mixing import Mixing


def batch(num_images: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_images, 3, 16, 16, generator=generator), torch.arange(num_images) % 5


@pytest.mark.parametrize("num_images", [1, 2, 5, 8])
def test_targets_sum_to_one(num_images: int) -> None:
    images, labels = batch(num_images)
    mixed, targets = Mixing(5)(images, labels)
    assert mixed.shape == images.shape
    assert torch.allclose(targets.sum(1), torch.ones(num_images))


@pytest.mark.parametrize("seed", range(6))
def test_even_batches_are_mixed_as_by_timm(seed: int) -> None:
    images, labels = batch(6)
    np.random.seed(seed)
    mixed, targets = Mixing(5)(images, labels)
    np.random.seed(seed)
    theirs = Mixup(0.8, 1.0, switch_prob=0.5, label_smoothing=0.1, num_classes=5)
    expected, expected_targets = theirs(images.clone(), labels)
    assert torch.equal(mixed, expected)
    assert torch.equal(targets, expected_targets)


def test_the_last_of_an_odd_batch_stays_as_it_is() -> None:
    images, labels = batch(5)
    mixed, targets = Mixing(5)(images, labels)
    assert torch.equal(mixed[4], images[4])
    assert targets[4].tolist() == pytest.approx([0.02, 0.02, 0.02, 0.02, 0.92])


def test_the_batch_itself_is_left_alone() -> None:
    images, labels = batch(4)
    before = images.clone()
    Mixing(5)(images, labels)
    assert torch.equal(images, before)


def test_both_kinds_off_only_smooths() -> None:
    images, labels = batch(4)
    mixed, targets = Mixing(5, mixup_alpha=0, cutmix_alpha=0, label_smoothing=0.0)(images, labels)
    assert mixed is images
    assert torch.equal(targets, torch.eye(5)[:4])


@pytest.mark.parametrize("name", ["mixup_alpha", "cutmix_alpha", "cutmix_prob", "label_smoothing"])
def test_what_is_out_of_range_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is -1"):
        Mixing(5, **{name: -1})
