"""Schedules of the dense recipes, worked out by hand, and the config groups that name them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from video_uniformer import create_uniformer
from video_uniformer.training.optim import adamw
from video_uniformer.training.schedules import (
    cosine_with_warmup,
    poly_with_warmup,
    step_with_warmup,
)
from video_uniformer.weights.keys import to_published_names

CONF = Path(__file__).parents[2] / "conf" / "optim"
SCHEDULES = (cosine_with_warmup, poly_with_warmup, step_with_warmup)


def rates_of(schedule_of: Callable[..., LambdaLR], num_steps: int, **settings: Any) -> list[float]:
    """The learning rate of each step, for a base rate of 1."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = schedule_of(optimizer, **{"total_steps": 10, "steps_per_epoch": 2, **settings})
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_line_falls_to_zero_under_its_warmup() -> None:
    # Scheduled 1, .9, .8, .7 times the warm-up's .2, .4, .6, .8.
    warmup = [0.2, 0.36, 0.48, 0.56]
    rates = rates_of(poly_with_warmup, 13, warmup_steps=4, warmup_ratio=0.2)
    assert rates == pytest.approx([*warmup, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0, 0], abs=1e-12)


def test_power_bends_the_line() -> None:
    rates = rates_of(poly_with_warmup, 11, warmup_steps=0, power=2)
    assert (rates[0], rates[5], rates[10]) == pytest.approx((1, 0.25, 0))


def test_cosine_counts_from_the_first_step_and_the_warmup_cuts_into_it() -> None:
    # cos(pi/8) is .92388 and cos(pi/4) .70711; the warm-up's second step has .1 + .9/2.
    rates = rates_of(cosine_with_warmup, 10, total_steps=8, warmup_steps=2, warmup_ratio=0.1)
    assert rates[:3] == pytest.approx([0.1, 0.96194 * 0.55, 0.853553], abs=1e-5)
    assert (rates[4], rates[6]) == pytest.approx((0.5, 0.146447), abs=1e-5)
    assert rates[8:] == pytest.approx([1e-8, 1e-8], rel=1e-6)


def test_cosine_ends_at_the_share_it_is_told() -> None:
    rates = rates_of(cosine_with_warmup, 11, warmup_steps=0, end_ratio=0.2)
    assert (rates[0], rates[5], rates[10]) == pytest.approx((1, 0.6, 0.2))


def test_rate_drops_after_whole_epochs() -> None:
    settings = {"steps_per_epoch": 4, "total_steps": 16, "drop_epochs": [2, 3]}
    rates = rates_of(step_with_warmup, 16, warmup_steps=4, warmup_ratio=0.5, **settings)
    warmup = [0.5, 0.625, 0.75, 0.875]
    assert rates == pytest.approx([*warmup, *[1.0] * 4, *[0.1] * 4, *[0.01] * 4])


def test_rate_drops_at_the_next_step_where_epochs_have_no_whole_number() -> None:
    settings = {"steps_per_epoch": 2.5, "drop_epochs": [1, 2], "drop_factor": 0.5}
    rates = rates_of(step_with_warmup, 6, warmup_steps=0, **settings)
    assert rates == [1, 1, 1, 0.5, 0.5, 0.25]


def test_warmup_multiplies_the_rate_that_has_dropped() -> None:
    rates = rates_of(step_with_warmup, 5, drop_epochs=[1], warmup_steps=4, warmup_ratio=0.2)
    assert rates == pytest.approx([0.2, 0.4, 0.06, 0.08, 0.1])


def test_no_drop_leaves_the_base_rate() -> None:
    assert rates_of(step_with_warmup, 3, drop_epochs=[], warmup_steps=0) == [1, 1, 1]


@pytest.mark.parametrize("schedule_of", SCHEDULES)
def test_warmup_longer_than_the_training_is_shortened(
    schedule_of: Callable[..., LambdaLR], caplog: pytest.LogCaptureFixture
) -> None:
    rates = rates_of(schedule_of, 11, warmup_steps=10, warmup_ratio=0.1)
    told = r"warm-up of 10 steps (warmup_steps) does not fit into a training of 10; it is shortened"
    assert f"{told} to 2" in caplog.text
    assert rates == rates_of(schedule_of, 11, warmup_steps=2, warmup_ratio=0.1)


@pytest.mark.parametrize("schedule_of", SCHEDULES)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup_steps": -1}, "warmup_steps is -1, expected 0 or more"),
        ({"warmup_ratio": 0}, r"warmup_ratio is 0, expected a share in \(0, 1\]"),
        ({"warmup_ratio": 1.5}, r"warmup_ratio is 1.5, expected a share in \(0, 1\]"),
        ({"total_steps": 0}, "total_steps is 0 and steps_per_epoch 2, expected numbers above 0"),
        ({"steps_per_epoch": 0}, "total_steps is 10 and steps_per_epoch 0, expected numbers"),
    ],
)
def test_schedule_of_nothing_is_refused(
    schedule_of: Callable[..., LambdaLR], settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rates_of(schedule_of, 1, **settings)


@pytest.mark.parametrize(
    ("schedule_of", "settings", "message"),
    [
        (poly_with_warmup, {"power": 0}, "power is 0, expected a number above 0"),
        (cosine_with_warmup, {"end_ratio": -1}, r"end_ratio is -1, expected a share in \[0, 1\]"),
        (step_with_warmup, {"drop_epochs": [3, 2]}, r"drop_epochs is \[3, 2\], expected rising"),
        (step_with_warmup, {"drop_epochs": [2, 2]}, r"drop_epochs is \[2, 2\], expected rising"),
        (step_with_warmup, {"drop_epochs": [0]}, r"drop_epochs is \[0\], expected rising"),
        (step_with_warmup, {"drop_factor": 2}, r"drop_factor is 2, expected a number in \(0, 1\]"),
    ],
)
def test_number_out_of_range_is_refused(
    schedule_of: Callable[..., LambdaLR], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rates_of(schedule_of, 1, **settings)


# Steps in all and of an epoch; the rate at the first step, half-way through the warm-up, after it,
# in the middle, and in the last step: of the published recipes.
RECIPES = {
    "adamw_poly": (
        160_000,
        1263.125,  # 20,210 pictures
        {0: 6e-11, 750: 2.98594e-5, 1500: 5.94375e-5, 80_000: 3e-5, 159_999: 3.75e-10},
    ),
    "adamw_steps": (
        12 * 7330,
        7330,
        {0: 1e-7, 250: 5.005e-5, 500: 1e-4, 8 * 7330 - 1: 1e-4, 8 * 7330: 1e-5, 11 * 7330: 1e-6},
    ),
    "adamw_cosine_iterations": (
        80_000,
        631.5625,
        {0: 2e-5, 500: 1.099894e-4, 1000: 1.999229e-4, 40_000: 1e-4, 80_000: 2e-12},
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_config_has_the_published_rates(name: str) -> None:
    total_steps, steps_per_epoch, expected = RECIPES[name]
    config = OmegaConf.create({"optim": OmegaConf.load(CONF / f"{name}.yaml")})
    config = OmegaConf.merge(config, {"data": {"batch_size": 16}})
    optimizer = instantiate(config.optim.optimizer)(nn.Linear(1, 1))
    schedule = instantiate(config.optim.schedule)(
        optimizer, total_steps=total_steps, steps_per_epoch=steps_per_epoch
    )
    [factor, _], [base, _] = schedule.lr_lambdas, schedule.base_lrs
    assert {step: base * factor(step) for step in expected} == pytest.approx(expected, rel=1e-5)


def exempt_of(network: nn.Module, no_decay: str) -> set[str]:
    """Names of the parameters that are not decayed."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    optimizer = adamw(network, lr=1e-4, batch_size=16, weight_decay=0.05, no_decay=no_decay)
    groups: dict[float, set[str]] = {0.05: set(), 0.0: set()}
    for group in optimizer.param_groups:
        groups[group["weight_decay"]] |= {names[id(p)] for p in group["params"]}
    assert len(groups[0.05]) + len(groups[0.0]) == len(names)
    return groups[0.0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "test"},
        {"variant": "test", "ndim": 2, "features_only": True},
        {"variant": "xxs", "ndim": 2, "num_classes": 3},
        {"variant": "small_plus", "ndim": 2, "num_classes": 3},
    ],
)
def test_exempt_norms_are_those_whose_published_name_says_norm(arguments: dict[str, Any]) -> None:
    network = create_uniformer(**arguments)
    ours = {id(parameter): name for name, parameter in network.named_parameters()}
    published = to_published_names(network.state_dict(keep_vars=True))
    named = {id(value) for name, value in published.items() if "norm" in name}
    expected = {name for number, name in ours.items() if number in named}
    assert len(expected) > 20
    assert exempt_of(network, "norms") == expected


def test_norms_of_heads_are_decayed() -> None:
    backbone = create_uniformer("test", ndim=2, features_only=True)
    head = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 1), "norm": nn.BatchNorm2d(4)})
    network = nn.ModuleDict({"backbone": backbone, "head": head})
    assert exempt_of(network, "norms") == {
        f"backbone.{name}" for name in exempt_of(backbone, "norms")
    }


def test_everything_can_be_decayed() -> None:
    assert exempt_of(create_uniformer("test", num_classes=3), "none") == set()


def test_step_without_exempt_parameters_is_taken() -> None:
    network = nn.Linear(2, 2)
    optimizer = adamw(network, lr=1e-1, batch_size=1, no_decay="none")
    before = network.bias.detach().clone()
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not torch.equal(network.bias, before)


def test_unknown_exemption_is_refused() -> None:
    message = "no_decay is 'bias', expected one of norms_and_biases, norms, none"
    with pytest.raises(ValueError, match=message):
        adamw(nn.Linear(2, 2), lr=1e-4, batch_size=1, no_decay="bias")
