"""Seeds of single items: the three generators, and what they are afterwards."""

import random

import numpy as np
import torch

from video_uniformer.data.image.seeding import generators_kept, reseed


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_the_same_numbers_give_the_same_draws() -> None:
    with generators_kept():
        reseed(1, 2, 3)
        first = draws()
        reseed(1, 2, 3)
        assert draws() == first


def test_neighbouring_numbers_differ_in_every_generator() -> None:
    with generators_kept():
        found = []
        for index in range(50):
            reseed(0, 0, index, 0)
            found.append(draws())
    assert all(len(set(values)) == 50 for values in zip(*found, strict=True))


def test_generators_go_on_as_if_nothing_had_been() -> None:
    with generators_kept():
        reseed(7)
        expected = draws()
        reseed(7)
        with generators_kept():
            reseed(8)
            draws()
        assert draws() == expected
