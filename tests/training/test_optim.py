"""The published schedule, parameter groups and batch/learning-rate rule."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from video_uniformer import create_uniformer
from video_uniformer.training.optim import adamw, epoch_cosine, warmup_cosine, warmup_cosine_lr

# (peak, epochs, warm-up) and the rate at fractional epochs: training_video.md, section 1.
CHECK_VALUES = [
    (1e-4, 110, 10, 0, 1e-6),
    (1e-4, 110, 10, 0.5, 5.95e-6),
    (1e-4, 110, 10, 5, 5.05e-5),
    (1e-4, 110, 10, 10, 1e-4),
    (1e-4, 110, 10, 60, 5.05e-5),
    (1e-4, 110, 10, 109, 1.02442526e-6),
    (4e-4, 100, 10, 0.5, 2.095e-5),
    (4e-4, 100, 10, 10, 4e-4),
    (4e-4, 100, 10, 55, 2.005e-4),
    (4e-4, 100, 10, 99, 1.12153e-6),
    (2.5e-4, 50, 5, 0.5, 2.59e-5),
    (2.5e-4, 50, 5, 27.5, 1.255e-4),
    (2.5e-4, 50, 5, 49, 1.30327574e-6),
]


@pytest.mark.parametrize(("peak", "epochs", "warmup", "epoch", "expected"), CHECK_VALUES)
def test_learning_rate_is_the_published_one(
    peak: float, epochs: int, warmup: int, epoch: float, expected: float
) -> None:
    lr = warmup_cosine_lr(epoch, peak_lr=peak, num_epochs=epochs, warmup_epochs=warmup)
    assert lr == pytest.approx(expected, rel=1e-6)


def test_learning_rate_stays_at_its_end_after_the_last_epoch() -> None:
    lr = [warmup_cosine_lr(e, peak_lr=1e-4, num_epochs=10, warmup_epochs=1) for e in (10, 11, 99)]
    assert lr == pytest.approx([1e-6] * 3)


def rates_of(num_steps: int, **settings: Any) -> list[float]:
    """The learning rate of each step, for a peak of 1e-4."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1e-4)
    schedule = warmup_cosine(optimizer, **settings)
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_schedule_moves_at_every_step_by_a_fraction_of_an_epoch() -> None:
    # Epochs 0, 0.25, 0.5, 0.75, 1, ..., 2 (the peak), ..., 3 (the middle of the cosine).
    rates = rates_of(17, total_steps=16, steps_per_epoch=4, warmup_epochs=2)
    line = [1e-6 + (1e-4 - 1e-6) * step / 8 for step in range(9)]
    assert rates[:9] == pytest.approx(line)
    assert rates[12] == pytest.approx((1e-4 + 1e-6) / 2)
    assert rates[16] == pytest.approx(1e-6)


def test_schedule_counts_steps_where_the_recipe_does() -> None:
    by_steps = rates_of(11, total_steps=10, steps_per_epoch=4, warmup_steps=3)
    assert by_steps == rates_of(11, total_steps=10, steps_per_epoch=1, warmup_epochs=3)
    assert by_steps[3] == pytest.approx(1e-4)
    assert by_steps[10] == pytest.approx(1e-6)


def test_steps_of_the_warmup_win_over_its_epochs() -> None:
    both = rates_of(5, total_steps=10, steps_per_epoch=2, warmup_epochs=4, warmup_steps=1)
    assert both == rates_of(5, total_steps=10, steps_per_epoch=2, warmup_steps=1)


def test_schedule_starts_and_ends_where_it_is_told() -> None:
    rates = rates_of(
        5, total_steps=4, steps_per_epoch=1, warmup_epochs=2, start_lr=4e-6, end_lr=2e-6
    )
    assert (rates[0], rates[2], rates[4]) == pytest.approx((4e-6, 1e-4, 2e-6))


def test_training_without_warmup_starts_at_the_peak() -> None:
    assert rates_of(1, total_steps=6, steps_per_epoch=3) == pytest.approx([1e-4])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"warmup_epochs": 10}, r"warm-up of 100 steps \(warmup_epochs\) does not fit .* of 30;"),
        ({"warmup_steps": 30}, r"warm-up of 30 steps \(warmup_steps\) does not fit .* of 30;"),
    ],
)
def test_warmup_that_does_not_fit_is_shortened_with_a_word(
    settings: dict[str, int], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    rates = rates_of(31, total_steps=30, steps_per_epoch=10, **settings)
    assert re.search(f"{told} it is shortened to 6", caplog.text)
    assert rates == rates_of(31, total_steps=30, steps_per_epoch=10, warmup_steps=6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup_epochs": -1}, "warmup_epochs is -1, expected 0 or more"),
        ({"warmup_steps": -2}, "warmup_steps is -2, expected 0 or more"),
        ({"total_steps": 0}, "total_steps is 0 and steps_per_epoch 1, expected numbers above 0"),
    ],
)
def test_schedule_of_nothing_is_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rates_of(1, **{"total_steps": 4, "steps_per_epoch": 1, **settings})


@pytest.mark.parametrize(
    ("lr_per_32_videos", "batch_size", "peak"),
    [(1e-4, 32, 1e-4), (1e-4, 128, 4e-4), (1e-4, 40, 1.25e-4), (2e-4, 40, 2.5e-4)],
)
def test_learning_rate_grows_with_the_batch(
    lr_per_32_videos: float, batch_size: int, peak: float
) -> None:
    optimizer = adamw(
        nn.Linear(2, 2), lr_per_32_videos=lr_per_32_videos, batch_size=batch_size, weight_decay=0.1
    )
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([peak, peak])


@pytest.fixture(scope="module")
def groups() -> dict[bool, set[str]]:
    """Names of the test network's parameters, by whether they are decayed."""
    network = create_uniformer("test", num_classes=3)
    optimizer = adamw(network, lr_per_32_videos=1e-4, batch_size=32, weight_decay=0.05)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for group in optimizer.param_groups:
        found[group["weight_decay"] == 0.05] |= {names[id(p)] for p in group["params"]}
        assert group["weight_decay"] in (0.05, 0.0)
    assert len(found[True]) + len(found[False]) == len(names)
    return found


# Of a local and of a global block, the head, and between; the rest is alike.
DECAYED = (
    "stages.0.patch_embed.proj.weight",
    "stages.0.blocks.0.dpe.conv.weight",
    "stages.0.blocks.0.mhra.value.weight",
    "stages.0.blocks.0.mhra.affinity.weight",
    "stages.0.blocks.0.mhra.proj.weight",
    "stages.0.blocks.0.ffn.fc1.weight",
    "stages.3.blocks.0.dpe.conv.weight",
    "stages.3.blocks.0.mhra.qkv.weight",
    "stages.3.blocks.0.mhra.proj.weight",
    "stages.3.blocks.0.ffn.fc2.weight",
    "head.proj.weight",
)
EXEMPT = (
    "stages.0.patch_embed.norm.weight",
    "stages.0.patch_embed.proj.bias",
    "stages.0.blocks.0.norm1.weight",
    "stages.0.blocks.0.dpe.conv.bias",
    "stages.3.blocks.0.norm2.weight",
    "stages.3.blocks.0.mhra.qkv.bias",
    "norm.weight",
    "head.proj.bias",
)


@pytest.mark.parametrize("name", DECAYED)
def test_kernel_is_decayed(name: str, groups: dict[bool, set[str]]) -> None:
    assert name in groups[True]


@pytest.mark.parametrize("name", EXEMPT)
def test_bias_and_norm_are_exempt_from_decay(name: str, groups: dict[bool, set[str]]) -> None:
    assert name in groups[False]


def test_exempt_are_exactly_norms_and_biases(groups: dict[bool, set[str]]) -> None:
    for is_decayed, names in groups.items():
        for name in names:
            assert (name.endswith(".bias") or "norm" in name) != is_decayed, name


def test_optimiser_is_adamw_with_the_published_moments() -> None:
    optimizer = adamw(nn.Linear(2, 2), lr_per_32_videos=1e-4, batch_size=32)
    assert type(optimizer) is AdamW
    assert [optimizer.defaults[name] for name in ("betas", "eps")] == [(0.9, 0.999), 1e-8]


@pytest.mark.parametrize(("lr", "batch_size"), [(0.0, 32), (-1e-4, 32), (1e-4, 0)])
def test_learning_rate_that_is_not_positive_is_refused(lr: float, batch_size: int) -> None:
    message = f"lr_per_32_videos is {lr} and batch_size {batch_size}, expected positive numbers"
    with pytest.raises(ValueError, match=message):
        adamw(nn.Linear(2, 2), lr_per_32_videos=lr, batch_size=batch_size)


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_step_on_cuda_is_fused_and_leaves_unscaling_to_the_trainer(device: str) -> None:
    network = nn.Linear(2, 2, device=device)
    optimizer = adamw(network, lr_per_32_videos=1e-4, batch_size=32)
    assert {bool(group["fused"]) for group in optimizer.param_groups} == {device == "cuda"}
    # Lightning refuses to clip the gradients of an optimiser that is said to unscale them.
    assert not optimizer._step_supports_amp_scaling


IMAGES = json.loads((Path(__file__).parents[1] / "golden" / "image_training.json").read_text())
SCHEDULES = {
    "standard_1e-3": (1e-3, 300, {"lags": True}),
    "token_label_1.6e-3": (1.6e-3, 310, {"cooldown_epochs": 10}),
    "light_xxs_3.2e-3": (3.2e-3, 600, {"lags": True, "warmup_epochs": 30}),
}


def rates_of_epochs(name: str, steps_per_epoch: float) -> dict[int, float]:
    """The golden epochs' rates, each at a step in the middle of the epoch."""
    peak, num_epochs, settings = SCHEDULES[name]
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    schedule = epoch_cosine(
        optimizer,
        total_steps=num_epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        **settings,  # type: ignore[arg-type]
    )
    return {
        int(epoch): peak * schedule.lr_lambdas[0](int((int(epoch) + 0.5) * steps_per_epoch))
        for epoch, rate in IMAGES["rates"][name].items()
        if rate is not None
    }


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps_per_epoch", [1251, 4, 2.5])
def test_rate_of_an_epoch_is_the_official_one(name: str, steps_per_epoch: float) -> None:
    official = {int(e): rate for e, rate in IMAGES["rates"][name].items() if rate is not None}
    assert rates_of_epochs(name, steps_per_epoch) == pytest.approx(official, rel=1e-7)


def test_rate_changes_with_the_epoch_alone() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = epoch_cosine(optimizer, total_steps=60, steps_per_epoch=3, warmup_epochs=2)
    factors = [schedule.lr_lambdas[0](step) for step in range(60)]
    assert all(len(set(factors[i : i + 3])) == 1 for i in range(0, 60, 3))
    assert len(set(factors)) == 20


def test_constant_rate_is_its_own_end() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=5e-6)
    schedule = epoch_cosine(
        optimizer, total_steps=60, steps_per_epoch=1, warmup_epochs=0, end_lr=1e-5
    )
    assert {schedule.lr_lambdas[0](step) for step in range(60)} == {1.0}


def test_long_warm_up_of_epochs_is_shortened(caplog: pytest.LogCaptureFixture) -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    epoch_cosine(optimizer, total_steps=30, steps_per_epoch=3, warmup_epochs=10)
    assert "warm-up of 10 epochs (warmup_epochs) does not fit" in caplog.text


@pytest.mark.parametrize("name", ["warmup_epochs", "cooldown_epochs"])
@pytest.mark.parametrize("value", [-1, 0.5])
def test_odd_number_of_epochs_is_refused(name: str, value: float) -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match=f"{name} is {value}, expected a whole number >= 0"):
        epoch_cosine(optimizer, total_steps=9, steps_per_epoch=3, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(IMAGES["groups"]))
def test_groups_of_image_networks_are_the_official_ones(name: str) -> None:
    arguments = {
        "uniformer_small": {"variant": "small"},
        "uniformer_base_ls": {"variant": "base", "layer_scale": 1e-6},
        "uniformer_xxs": {"variant": "xxs"},
        "tl_small": {"variant": "small", "token_labels": True},
        "tl_large_ls": {"variant": "large", "token_labels": True},
    }[name]
    with torch.device("meta"):
        network = create_uniformer(ndim=2, **arguments)  # type: ignore[call-overload]
    decayed, spared = adamw(network, lr=1.0, batch_size=1).param_groups
    assert IMAGES["groups"][name] == {
        "decayed_tensors": len(decayed["params"]),
        "decayed_elements": sum(p.numel() for p in decayed["params"]),
        "spared_tensors": len(spared["params"]),
        "spared_elements": sum(p.numel() for p in spared["params"]),
    }


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"lr_per_32_videos": 1e-4}, 1.6e-3),
        ({"lr_per_512_images": 5e-4}, 5e-4),
        ({"lr": 3e-3}, 3e-3),
    ],
)
def test_rate_scales_with_the_batch_as_its_name_says(
    rates: dict[str, float], expected: float
) -> None:
    optimizer = adamw(nn.Linear(2, 2), batch_size=512, **rates)  # type: ignore[arg-type]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rates", "told"),
    [({}, "none"), ({"lr": 1.0, "lr_per_512_images": 2.0}, "lr_per_512_")],
)
def test_no_or_several_rates_are_refused(rates: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=f"given learning rates: {told}.*; expected one of lr_per"):
        adamw(nn.Linear(2, 2), batch_size=4, **rates)  # type: ignore[arg-type]
