"""`video-uniformer info`: costs for people and programs, and one clear line for what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from video_uniformer import create_uniformer
from video_uniformer.cli.info import main, parser, request
from video_uniformer.models.cost import measure

Run = Callable[..., Any]
TINY = ("test", "--frames", "4", "--size", "64")
ROOT = Path(__file__).parents[2]


def asked(*arguments: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The builder arguments that are not left open, and the input size."""
    arguments_, size = request(parser().parse_args(arguments))
    return {name: value for name, value in arguments_.items() if value is not None}, size


@pytest.mark.slow
def test_program_gets_what_was_measured(run: Run) -> None:
    ran = run(main, *TINY, "--json")
    assert (ran.status, ran.err) == (0, "")
    with torch.device("meta"):
        cost = measure(create_uniformer("test"), (4, 64, 64))
    answer = json.loads(ran.out)
    assert answer["input_shape"] == [3, 4, 64, 64]
    assert answer["network"]["variant"] == "test"
    for name in ("parameters", "multiply_adds", "activation_bytes", "inference_bytes"):
        assert answer[name] == getattr(cost, name)
    parts = [(part["name"], part["shape"], part["share"]) for part in answer["parts"]]
    assert parts == [(part.name, list(part.shape), cost.share(part)) for part in cost.parts]


def test_person_gets_a_table(run: Run) -> None:
    ran = run(main, *TINY)
    assert (ran.status, ran.err) == (0, "")
    with torch.device("meta"):
        cost = measure(create_uniformer("test"), (4, 64, 64))
    rows = [" ".join(line.replace("│", " ").split()) for line in ran.out.splitlines()]
    third = cost.parts[2]
    numbers = f"{third.multiply_adds / 1e9:.3f} {100 * cost.share(third):.1f} %"
    memory = f"{third.activation_bytes / 2**20:.1f} MiB"
    assert f"stage 3 32, 2x4x4 1 {third.parameters:,} {numbers} {memory}" in rows
    [total] = [row for row in rows if row.startswith("all ")]
    assert total.startswith(f"all 4 {cost.parameters:,} ")
    assert f"{cost.inference_bytes / 2**20:.1f} MiB at most" in ran.out


def test_table_is_not_cut_at_the_width_of_a_terminal(run: Run) -> None:
    ran = run(main, *TINY)
    assert "…" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_defaults_are_the_published_clip() -> None:
    arguments, size = asked("small")
    assert size == (16, 224, 224)
    assert (arguments["variant"], arguments["ndim"]) == ("small", 3)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--size", "96"], (16, 96, 96)),
        (["--size", "96x128"], (16, 96, 128)),
        (["--size", "96X128", "--frames", "3"], (3, 96, 128)),
        (["--height", "96"], (16, 96, 224)),
        (["--width", "96"], (16, 224, 96)),
        (["--height", "64", "--width", "96", "--frames", "1"], (1, 64, 96)),
        (["--size", "160", "--width", "320"], (16, 160, 320)),
        (["--image", "--size", "96x128"], (96, 128)),
    ],
)
def test_size_can_be_said_in_several_ways(options: list[str], size: tuple[int, ...]) -> None:
    assert asked("small", *options)[1] == size


def test_options_are_those_of_the_builder() -> None:
    arguments, _ = asked(
        *("small", "--image", "--classes", "7", "--head-dim", "32", "--layer-scale", "0.1"),
        *("--attention", "hybrid", "--window-size", "7", "--token-labels"),
    )
    assert arguments == {
        "variant": "small",
        "ndim": 2,
        "num_classes": 7,
        "head_dim": 32,
        "layer_scale": 0.1,
        "attention": "hybrid",
        "window_size": 7,
        "token_labels": True,
        "features_only": False,
    }
    assert asked("base", "--embed-frames", "3")[0]["embed_frames"] == 3
    assert asked("base", "--image", "--features-only")[0]["features_only"]


@pytest.mark.parametrize(
    ("name", "variant", "size"),
    [
        ("k400_s_16x4", "small", (16, 224, 224)),
        ("k400_b_32x4", "base", (32, 224, 224)),
        ("k400_xxs_16_160", "xxs", (16, 160, 160)),
        ("uniformer_small_k400_16x8", "small", (16, 224, 224)),
        ("in1k_xs_192", "xs", (192, 192)),
    ],
)
def test_release_brings_its_network_and_clip(
    name: str, variant: str, size: tuple[int, ...]
) -> None:
    arguments, its_size = asked(name)
    assert (arguments["variant"], arguments["ndim"], its_size) == (variant, len(size), size)


@pytest.mark.parametrize(
    ("options", "head", "size"),
    [
        (["small", "--head", "upernet"], "upernet", (512, 2048)),
        (["xxs", "--head", "semantic_fpn", "--size", "64x96"], "semantic_fpn", (64, 96)),
        (["base", "--head", "pose", "--image"], "pose", (256, 192)),
        (["ade20k_xs_fpn"], "semantic_fpn", (512, 2048)),
        (["upernet_global_small", "--size", "512"], "upernet", (512, 512)),
        (["coco_s_pose_448x320"], "pose", (448, 320)),
    ],
)
def test_dense_network_has_the_size_of_its_task(
    options: list[str], head: str, size: tuple[int, ...]
) -> None:
    arguments, its_size = asked(*options)
    assert (arguments["head"], arguments["ndim"], its_size) == (head, 2, size)


def test_attention_of_a_release_can_be_chosen() -> None:
    arguments, _ = asked("ade20k_b_fpn_h14")
    assert (arguments["attention"], arguments["window_size"]) == ("hybrid", 14)
    arguments, _ = asked("ade20k_b_fpn_h14", "--attention", "window", "--window-size", "32")
    assert (arguments["attention"], arguments["window_size"]) == ("window", 32)


def test_backbone_of_a_dense_release_can_be_measured_alone() -> None:
    arguments, size = asked("ade20k_s_upernet", "--features-only")
    assert "head" not in arguments
    assert arguments["features_only"]
    assert size == (512, 2048)


@pytest.mark.slow
def test_person_gets_the_cost_of_a_dense_release_uncut(run: Run) -> None:
    ran = run(main, "ade20k_s_upernet")
    assert ran.out.startswith("ade20k_s_upernet, input 3, 512x2048\n")
    assert "…" not in ran.out
    rows = [" ".join(line.replace("│", " ").split()) for line in ran.out.splitlines()]
    [total] = [row for row in rows if row.startswith("all ")]
    assert total.startswith("all 18 51,521,132 1004.4")


def test_release_can_be_measured_at_another_size() -> None:
    arguments, size = asked("k600_s_16x4", "--frames", "8", "--size", "160", "--classes", "5")
    assert size == (8, 160, 160)
    assert arguments["num_classes"] == 5


def test_release_keeps_its_options() -> None:
    arguments, size = asked("in1k_b_tl_384")
    assert size == (384, 384)
    assert (arguments["head_dim"], arguments["token_labels"]) == (32, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smal"], "network is 'smal', expected one of xxs, xs, small"),
        (
            ["small", "--size", "31"],
            "input_size is (16, 31, 31), expected (T, H, W), T of at least",
        ),
        (["small", "--frames", "0"], "input_size is (0, 224, 224), expected (T, H, W), T of at"),
        (["small", "--frames=-1"], "input_size is (-1, 224, 224), expected (T, H, W), T of at"),
        (
            ["small", "--size", "big"],
            "--size is 'big', expected pixels such as 224, or HEIGHTxWIDTH",
        ),
        (
            ["small", "--size", "96x"],
            "--size is '96x', expected pixels such as 224, or HEIGHTxWIDTH",
        ),
        (["small", "--image", "--frames", "4"], "--frames is 4, but the network is for images"),
        (["in1k_s", "--frames", "4"], "--frames is 4, but the network is for images"),
        (["k400_s_16x4", "--image"], "--image is given, but 'k400_s_16x4' is a network for videos"),
        (["small", "--classes=-1"], "num_classes is -1, expected"),
        (
            ["small", "--head-dim", "48"],
            "head_dim is 48, expected a divisor of the stage's dim 320",
        ),
        (["small", "--attention", "window"], "attention is 'window', which is defined for images"),
        (["in1k_s", "--head", "pose"], "--head is 'pose', but 'in1k_s' is not a variant"),
        (
            ["small", "--head", "upernet", "--features-only"],
            "--features-only is given beside --head upernet, expected one",
        ),
        (
            ["coco_s_pose_256x192", "--token-labels"],
            "--token-labels is given, but the network has the head 'pose'",
        ),
        (["small", "--head", "pose", "--frames", "4"], "--frames is 4, but the network is for"),
        (["small_plus"], "ndim is 3, expected 2"),
        (["small", "--features-only"], "features_only is True"),
    ],
)
def test_wrong_request_is_one_line(arguments: list[str], message: str, run: Run) -> None:
    ran = run(main, *arguments)
    assert ran.status == 1
    assert ran.err.startswith(f"error: {message}")
    assert ran.err.count("\n") == 1
    assert ran.out == ""


@pytest.mark.parametrize(
    ("name", "near"), [("smal", "small"), ("k400_s_16x3", "k400_s_16x"), ("in1k_xs_190", "in1k_xs")]
)
def test_nearest_name_is_suggested(name: str, near: str, run: Run) -> None:
    assert f"did you mean '{near}" in run(main, name).err


def test_name_like_no_other_gets_no_suggestion(run: Run) -> None:
    ran = run(main, "!!")
    assert ran.status == 1
    assert "did you mean" not in ran.err


def test_help_is_worth_reading(run: Run) -> None:
    ran = run(main, "--help")
    assert ran.status == 0
    for word in ("--frames", "--size", "--json", "examples:", "GMACs"):
        assert word in ran.out
