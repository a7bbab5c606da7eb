"""Bytes of a batch as the network's input: normalised and erased as each picture for itself."""

import random

import pytest
import torch
from timm.data.random_erasing import RandomErasing

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.batches import drawn_erasing, network_input
from video_uniformer.data.image.train_transforms import random_erasing

SPEC = ImageSpec(48)
NOTHING = [0, 0, 0, 0, 0]


def pixels(num_pictures: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    return torch.randint(256, (num_pictures, 3, 48, 48), generator=source, dtype=torch.uint8)


def test_bytes_are_normalised() -> None:
    mean, std = (torch.tensor(values)[:, None, None] for values in (SPEC.mean, SPEC.std))
    expected = (pixels(3) / 255 - mean) / std
    torch.testing.assert_close(network_input({"image": pixels(3)}, SPEC), expected)


def test_what_is_normalised_is_left_alone() -> None:
    image = torch.randn(2, 3, 48, 48)
    assert network_input({"image": image}, SPEC) is image


def test_box_becomes_noise_of_its_own_seed_and_nothing_else_changes() -> None:
    erased = torch.tensor([[2, 3, 20, 30, 7], NOTHING, [2, 3, 20, 30, 8]])
    plain = network_input({"image": pixels(3)}, SPEC)
    found = network_input({"image": pixels(3), "erased": erased}, SPEC)
    box = found[:, :, 2:22, 3:33].clone()
    found[:, :, 2:22, 3:33] = plain[:, :, 2:22, 3:33]
    assert torch.equal(found, plain)
    assert torch.equal(box[1], plain[1, :, 2:22, 3:33])
    assert not torch.equal(box[0], box[2])
    for noise in (box[0], box[2]):
        assert noise.mean().abs() < 0.1
        assert 0.9 < noise.std() < 1.1
    alone = network_input({"image": pixels(3)[2:], "erased": erased[2:]}, SPEC)
    assert torch.equal(alone[0, :, 2:22, 3:33], box[2])


@pytest.mark.parametrize("prob", [0.0, 0.25, 1.0])
def test_boxes_are_those_of_timm(prob: float) -> None:
    ours, theirs = random_erasing(prob), RandomErasing(prob, mode="pixel", device="cpu")
    for seed in range(60):
        random.seed(seed)
        erased = theirs(torch.full((3, 48, 48), 99.0)) != 99
        random.seed(seed)
        top, left, height, width, _ = drawn_erasing(ours, 48).tolist()
        box = torch.zeros(3, 48, 48, dtype=torch.bool)
        box[:, top : top + height, left : left + width] = True
        assert torch.equal(box, erased)
        assert erased.any() or prob < 1
