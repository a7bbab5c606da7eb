import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from official import fixed_input, manifest_hash, official_shapes, official_state_dict
from torch import Tensor, nn

from video_uniformer.models.uniformer import UniFormer, create_uniformer
from video_uniformer.models.weights import load_weights

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "models.json").read_text()
)
TOLERANCE = 1e-4  # of the largest absolute value of the tensor
FAST = {"video_S_16x64x96_c174", "image_small_224"}


def deviation(output: Tensor, expected: dict[str, Any]) -> float:
    """Largest difference of the stored numbers, relative to the tensor's largest value."""
    assert list(output.shape) == expected["shape"]
    flat = output.flatten().double()
    ours = torch.cat(
        [
            flat[:5],
            flat[-3:],
            flat.mean()[None],
            flat.std(correction=0)[None],
            flat.abs().max()[None],
        ]
    )
    stored = [*expected["first5"], *expected["last3"]]
    stored += [expected["mean"], expected["std"], expected["absmax"]]
    theirs = torch.tensor(stored, dtype=torch.float64)
    return float((ours - theirs).abs().max()) / expected["absmax"]


def unfilled(variant: str, ndim: int, num_classes: int) -> UniFormer:
    """A network in evaluation mode that spends no time on initial values."""
    with torch.device("meta"):
        network = create_uniformer(variant, ndim=ndim, num_classes=num_classes)
    return network.to_empty(device="cpu").eval()


@contextmanager
def recorded_maps(network: UniFormer) -> Iterator[dict[str, Tensor]]:
    """The output of each patch embed and each stage of the forward passes inside, by depth."""
    maps: dict[str, Tensor] = {}

    def record(name: str, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        maps[name] = output

    handles = []
    for number, stage in enumerate(network.stages, start=1):
        embed = stage.get_submodule("patch_embed")
        handles.append(embed.register_forward_hook(partial(record, f"patch_embed{number}")))
        handles.append(stage.register_forward_hook(partial(record, f"blocks{number}")))
    yield maps
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize(
    "row",
    GOLDEN["manifests"],
    ids=lambda row: f"{row['variant']}-{row['ndim']}d-{row['num_classes']}",
)
def test_official_keys_are_those_of_the_authors(row: dict[str, Any]) -> None:
    shapes = official_shapes(row["variant"], row["ndim"], row["num_classes"])
    assert len(shapes) == row["keys"]
    assert manifest_hash(shapes, ordered=False) == row["sorted"]
    assert manifest_hash(shapes, ordered=True) == row["ordered"]


@pytest.mark.parametrize(
    "row",
    GOLDEN["manifests"],
    ids=lambda row: f"{row['variant']}-{row['ndim']}d-{row['num_classes']}",
)
def test_network_has_the_published_numbers_of_parameters_and_keys(row: dict[str, Any]) -> None:
    with torch.device("meta"):
        network = create_uniformer(row["variant"], ndim=row["ndim"], num_classes=row["num_classes"])
    assert len(network.state_dict()) == row["keys"]
    assert len(list(network.parameters())) == row["param_keys"]
    assert len(list(network.buffers())) == row["buffers"]
    assert sum(p.numel() for p in network.parameters()) == row["params"]
    assert sum(t.numel() for t in network.state_dict().values()) == row["elements"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
        for name in GOLDEN["forward"]
    ],
)
def test_forward_pass_equals_the_reference_at_every_depth(name: str) -> None:
    row = GOLDEN["forward"][name]
    arguments = row["variant"], row["ndim"], row["num_classes"]
    network = unfilled(*arguments)
    load_weights(network, official_state_dict(*arguments))
    with torch.inference_mode(), recorded_maps(network) as maps:
        logits = network(fixed_input(*row["input"]))
    assert maps.keys() == row["stages"].keys()
    errors = {depth: deviation(output, row["stages"][depth]) for depth, output in maps.items()}
    errors["logits"] = deviation(logits, row["out"])
    wrong = {depth: error for depth, error in errors.items() if not error <= TOLERANCE}
    assert not wrong, f"deviates first after {next(iter(wrong))}: {wrong}"
    assert int(logits.argmax()) == row["out"]["argmax"]


@pytest.fixture(scope="module")
def image_weights() -> dict[str, Tensor]:
    return official_state_dict("small", 2, 1000)


@pytest.mark.parametrize("rule", ["mean", "center"])
def test_inflated_network_equals_the_reference(image_weights: dict[str, Tensor], rule: str) -> None:
    row = GOLDEN["inflation"][rule]
    network = unfilled("small", 3, 1000)
    report = load_weights(network, image_weights, inflation=rule)
    assert len(report.inflated) == row["num_inflated"]
    still = fixed_input(1, 3, 64, 96).unsqueeze(2).expand(-1, -1, 8, -1, -1)
    with torch.inference_mode():
        video_logits, still_logits = network(fixed_input(1, 3, 8, 64, 96)), network(still)
    assert deviation(video_logits, row["video"]) <= TOLERANCE
    assert deviation(still_logits, row["still"]) <= TOLERANCE


def test_still_clip_through_centre_inflation_gives_the_image_features(
    image_weights: dict[str, Tensor],
) -> None:
    image_network, video_network = unfilled("small", 2, 1000), unfilled("small", 3, 1000)
    load_weights(image_network, image_weights)
    load_weights(video_network, image_weights, inflation="center")
    image = fixed_input(1, 3, 64, 96)
    still = image.unsqueeze(2).expand(-1, -1, 6, -1, -1)
    with torch.inference_mode():
        expected = image_network.forward_stages(image)
        maps = video_network.forward_stages(still)
    for own, other in zip(maps, expected, strict=True):
        error = (own - other.unsqueeze(2)).abs().max() / other.abs().max()
        assert error <= 5e-6
