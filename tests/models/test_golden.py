import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from official import fixed_input, manifest_hash, official_shapes, official_state_dict
from torch import Tensor, nn

from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.keys import to_published_names
from video_uniformer.weights.loading import load_weights

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "models.json").read_text()
)
TOLERANCE = 1e-4  # of the largest absolute value of the tensor
FAST = {"video_S_16x64x96_c174", "video_XXS_4x128", "image_small_224", "image_xxs_128"}
LIGHT = {"xxs", "xs"}
# Arguments of the builder that no key or shape of a state dict reveals.
HIDDEN = {"variant", "ndim", "head_dim", "window_size"}


def forward_rows(*, with_key: str = "out") -> pytest.MarkDecorator:
    """One case for each forward row that holds `with_key`."""
    names = [name for name, row in GOLDEN["forward"].items() if with_key in row]
    marked = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("name", marked)


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


def authors_shapes(row: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    build = row["build"]
    options = {key: value for key, value in build.items() if key not in HIDDEN}
    return official_shapes(build["variant"], build.get("ndim", 3), row["classes"], **options)


def authors_weights(row: dict[str, Any]) -> dict[str, Tensor]:
    build = row["build"]
    options = {key: value for key, value in build.items() if key not in HIDDEN}
    return official_state_dict(
        build["variant"], build.get("ndim", 3), row["classes"], gain=row["gain"], **options
    )


def on_meta(build: Mapping[str, Any], num_classes: int | None) -> UniFormer:
    with torch.device("meta"):
        return create_uniformer(**build, num_classes=num_classes)


def without_storage(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def unfilled(
    build: Mapping[str, Any], num_classes: int | None, dtype: torch.dtype = torch.float32
) -> UniFormer:
    """A network in evaluation mode that spends no time on initial values."""
    return on_meta(build, num_classes).to_empty(device="cpu").to(dtype).eval()


def filled(row: dict[str, Any]) -> tuple[UniFormer, Tensor]:
    """The row's network with its weights, and its input."""
    dtype = getattr(torch, row["dtype"])
    network = unfilled(row["build"], row["classes"], dtype)
    load_weights(network, authors_weights(row))
    return network, fixed_input(*row["input"]).to(dtype)


@contextmanager
def recorded_maps(network: UniFormer) -> Iterator[dict[str, Tensor]]:
    """What each patch embed, each stage and, if it is plain, the first global block gives."""
    maps: dict[str, Tensor] = {}

    def record(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        maps[name] = output

    def record_stage(
        name: str, module: nn.Module, inputs: tuple[Any, ...], output: tuple[Tensor, Any]
    ) -> None:
        maps[name], state = output
        if state is not None:
            maps[f"{name}.cls"] = state.cls

    handles = []
    for number, stage in enumerate(network.stages, start=1):
        embed = stage.get_submodule("patch_embed")
        handles.append(embed.register_forward_hook(partial(record, f"patch_embed{number}")))
        handles.append(stage.register_forward_hook(partial(record_stage, f"blocks{number}")))
    if network.config["variant"] not in LIGHT:
        block = network.get_submodule("stages.2.blocks.0")
        handles.append(block.register_forward_hook(partial(record, "blocks3.0")))
    yield maps
    for handle in handles:
        handle.remove()


class Case(NamedTuple):
    """A row of the manifests, and the network it speaks of, without storage."""

    row: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    network: UniFormer


@pytest.fixture(scope="module", params=GOLDEN["manifests"])
def case(request: pytest.FixtureRequest) -> Case:
    row = GOLDEN["manifests"][request.param]
    return Case(row, authors_shapes(row), on_meta(row["build"], row["classes"]))


def test_official_keys_are_those_of_the_authors(case: Case) -> None:
    assert len(case.shapes) == case.row["keys"]
    assert manifest_hash(case.shapes, ordered=False) == case.row["sorted"]
    assert manifest_hash(case.shapes, ordered=True) == case.row["ordered"]


def test_network_has_the_published_numbers_of_parameters_and_keys(case: Case) -> None:
    row, network = case.row, case.network
    assert len(network.state_dict()) == row["keys"]
    assert len(list(network.parameters())) == row["param_keys"]
    assert len(list(network.buffers())) == row["buffers"]
    assert sum(p.numel() for p in network.parameters()) == row["params"]
    assert sum(t.numel() for t in network.state_dict().values()) == row["elements"]


def test_published_names_are_those_of_the_authors_in_their_order(case: Case) -> None:
    published = to_published_names(case.network.state_dict())
    shapes = {key: tuple(tensor.shape) for key, tensor in published.items()}
    assert list(shapes.items()) == list(case.shapes.items())


def test_authors_state_dict_fills_every_entry(case: Case) -> None:
    report = load_weights(case.network, without_storage(case.shapes))
    assert set(report.loaded) == set(case.network.state_dict())
    assert not report.missing
    assert not report.unexpected


@pytest.mark.slow
@forward_rows()
def test_forward_pass_equals_the_reference_at_every_depth(name: str) -> None:
    row = GOLDEN["forward"][name]
    network, x = filled(row)
    with torch.inference_mode(), recorded_maps(network) as maps:
        out = network(x)
    assert maps.keys() == row["stages"].keys()
    errors = {depth: deviation(maps[depth], stored) for depth, stored in row["stages"].items()}
    outputs = out if isinstance(out, list) else [out]
    for number, (output, stored) in enumerate(zip(outputs, row["out"], strict=True), start=1):
        errors[f"output {number}"] = deviation(output, stored)
    wrong = {depth: error for depth, error in errors.items() if not error <= TOLERANCE}
    assert not wrong, f"deviates first after {next(iter(wrong))}: {wrong}"
    largest = [int(output.argmax()) for output in outputs]
    assert largest == [stored["argmax"] for stored in row["out"]]


@forward_rows(with_key="auxiliary")
def test_both_heads_equal_the_reference(name: str) -> None:
    row = GOLDEN["forward"][name]
    network, x = filled(row)
    with torch.inference_mode():
        outputs = network.forward_auxiliary(x)
    for output, stored in zip(outputs, row["auxiliary"], strict=True):
        assert deviation(output, stored) <= TOLERANCE


@pytest.fixture(scope="module")
def image_weights() -> dict[str, Tensor]:
    return official_state_dict("small", 2, 1000)


@pytest.mark.parametrize("rule", ["mean", "center"])
def test_inflated_network_equals_the_reference(image_weights: dict[str, Tensor], rule: str) -> None:
    row = GOLDEN["inflation"][rule]
    network = unfilled({"variant": "small"}, 1000)
    report = load_weights(network, image_weights, inflation=rule)
    assert len(report.inflated) == row["num_inflated"]
    still = fixed_input(1, 3, 64, 96).unsqueeze(2).expand(-1, -1, 8, -1, -1)
    with torch.inference_mode():
        video_logits, still_logits = network(fixed_input(1, 3, 8, 64, 96)), network(still)
    assert deviation(video_logits, row["video"]) <= TOLERANCE
    assert deviation(still_logits, row["still"]) <= TOLERANCE


def maps_of_a_still_clip(
    variant: str, weights: dict[str, Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each stage's map of an image, and of the clip that repeats it, through centre inflation."""
    image_network = unfilled({"variant": variant, "ndim": 2}, 1000)
    video_network = unfilled({"variant": variant}, 1000)
    load_weights(image_network, weights)
    load_weights(video_network, weights, inflation="center")
    image = fixed_input(1, 3, 64, 96)
    still = image.unsqueeze(2).expand(-1, -1, 6, -1, -1)
    with torch.inference_mode():
        expected = image_network.forward_stages(image)
        yield from zip(video_network.forward_stages(still), expected, strict=True)


def test_still_clip_through_centre_inflation_gives_the_image_features(
    image_weights: dict[str, Tensor],
) -> None:
    for own, other in maps_of_a_still_clip("small", image_weights):
        error = (own - other.unsqueeze(2)).abs().max() / other.abs().max()
        assert error <= 5e-6


@pytest.mark.slow
def test_still_clip_gives_a_light_network_the_image_features_of_the_local_stages() -> None:
    # Later a clip has one class token for all frames, an image one for itself.
    pairs = list(maps_of_a_still_clip("xxs", official_state_dict("xxs", 2, 1000)))
    for own, other in pairs[:2]:
        error = (own - other.unsqueeze(2)).abs().max() / other.abs().max()
        assert error <= 5e-6


def test_light_image_weights_inflate_stem_embeds_and_local_stages() -> None:
    network = on_meta({"variant": "xxs"}, 1000)
    report = load_weights(network, without_storage(official_shapes("xxs", 2, 1000)))
    # Two convolutions of the stem, three embeds, 17 DPEs, five convolutions in 7 local blocks.
    assert len(report.inflated) == 2 + 3 + 17 + 5 * 7
    assert not report.missing


@pytest.mark.slow
def test_image_weights_give_the_dense_form_its_maps(image_weights: dict[str, Tensor]) -> None:
    image_network = unfilled({"variant": "small", "ndim": 2}, 1000)
    load_weights(image_network, image_weights)
    dense = create_uniformer("small", ndim=2, features_only=True).eval()
    report = load_weights(dense, image_weights)
    assert set(report.reinitialised) == {
        f"norms.{stage}.{part}" for stage in range(4) for part in ("weight", "bias")
    }
    image = fixed_input(1, 3, 64, 96)
    with torch.inference_mode():
        expected = image_network.forward_stages(image)
        for own, other in zip(dense(image), expected, strict=True):
            norm = nn.functional.layer_norm(other.movedim(1, -1), other.shape[1:2], eps=1e-6)
            torch.testing.assert_close(own, norm.movedim(-1, 1), rtol=0, atol=1e-4)
