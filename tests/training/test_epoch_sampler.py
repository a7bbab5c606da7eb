"""The order of a training's samples with repeated augmentation."""

import json
import zlib
from pathlib import Path

import pytest

from video_uniformer.training.epoch_sampler import EpochSampler

ORDERS = json.loads((Path(__file__).parents[1] / "golden" / "image_training.json").read_text())[
    "orders"
]


def sampler(
    num_items: int, *, world_size: int = 1, rank: int = 0, step_size: int = 1, **settings: object
) -> EpochSampler:
    return EpochSampler(
        range(num_items),
        world_size=world_size,
        rank=rank,
        seed=0,
        step_size=step_size,
        num_repeats=3,
        **settings,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_order_is_the_official_one(name: str) -> None:
    size, epoch, rank = (int(part.strip("Nepochrank")) for part in name.split("_"))
    ours = sampler(size, world_size=2, rank=rank)
    ours.set_epoch(epoch)
    whole = ORDERS[name]
    if not whole["length_official"]:  # of so few it leaves none: what it would have cut
        ours.total_size = 3 * size
    indices = [index for index, _, _ in ours]
    assert indices[: len(whole["indices"])] == whole["indices"]
    assert zlib.crc32(",".join(map(str, indices)).encode()) == whole["crc32_of_comma_list"]


@pytest.mark.parametrize(("num_items", "length"), [(300, 128), (20, 10), (1300, 640)])
def test_epoch_is_cut_to_a_multiple_of_256_where_it_can(num_items: int, length: int) -> None:
    assert len(sampler(num_items, world_size=2)) == length
    assert len(list(sampler(num_items, world_size=2))) == length


def test_copies_of_a_sample_have_numbers() -> None:
    items = list(sampler(9))
    assert [copy for _, _, copy in items] == [0, 1, 2] * 3
    assert len({index for index, _, _ in items}) == 3
    assert {epoch for _, epoch, _ in items} == {0}


def test_step_holds_the_same_items_for_any_number_of_processes() -> None:
    whole = list(sampler(24, step_size=8))
    parts = [list(sampler(24, step_size=8, world_size=4, rank=rank)) for rank in range(4)]
    dealt = [item for step in zip(*parts, strict=True) for item in step]
    assert dealt == whole


def test_resumed_epoch_goes_on_where_it_stood() -> None:
    whole = sampler(24)
    whole.set_epoch(2)
    resumed = sampler(24, start=(2, 7))
    assert list(resumed) == list(whole)[7:]
