"""What networks cost: against the counts of the official definitions, fvcore and real runs."""

import functools
import json
import warnings
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from video_uniformer.description import NetworkArguments
from video_uniformer.models.cost import Cost, measure
from video_uniformer.models.uniformer.building import build_network, complete_arguments
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.models.uniformer.variants import find_variant
from video_uniformer.weights.build import create_uniformer

pytestmark = pytest.mark.slow  # fake tensors take a second for each new shape

ROOT = Path(__file__).parents[2]
GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "costs.json").read_text()
)
NETWORKS: list[dict[str, Any]] = GOLDEN["networks"]
# A shape that was not seen before takes a second: as few sizes as will do.
CLIP, IMAGE = (4, 64, 64), (128, 96)


def name_of(row: dict[str, Any]) -> str:
    size = "x".join(map(str, row["input_size"]))
    return "-".join([*map(str, row["arguments"].values()), size])


def cases(key: str) -> list[Any]:
    """The rows that have `key`."""
    return [pytest.param(row, id=name_of(row)) for row in NETWORKS if key in row]


def parameter_cases() -> list[Any]:
    """One row for each network."""
    rows = {str(row["arguments"]): row for row in NETWORKS}
    return [pytest.param(row, id=name) for name, row in rows.items()]


def on_meta(**arguments: Any) -> Any:
    with torch.device("meta"):
        return build_network(cast(NetworkArguments, arguments))


def cost_of(arguments: dict[str, Any], input_size: Sequence[int]) -> Cost:
    """Measured once for each network and size, whether or not defaults are written out."""
    config = dict(complete_arguments(arguments))
    row = find_variant(arguments["variant"])
    token_head_dim = row.token_label_head_dim if config["token_labels"] else None
    defaults = {"head_dim": token_head_dim or row.head_dim, "layer_scale": row.layer_scale}
    config |= {name: value for name, value in defaults.items() if config[name] is None}
    return _cost_of(json.dumps(config, sort_keys=True), tuple(input_size))


@functools.cache
def _cost_of(config: str, input_size: tuple[int, ...]) -> Cost:
    return measure(on_meta(**json.loads(config)), input_size)


def within_two_percent(value: float, printed: str) -> bool:
    """Of any number that is printed like this."""
    half_a_digit = 0.5 * 10.0 ** int(Decimal(printed).as_tuple().exponent)
    lowest, highest = float(printed) - half_a_digit, float(printed) + half_a_digit
    return 0.98 * lowest <= value <= 1.02 * highest


@pytest.mark.parametrize("row", parameter_cases())
def test_parameters_are_those_of_the_official_network(row: dict[str, Any]) -> None:
    parameters = sum(p.numel() for p in on_meta(**row["arguments"]).parameters())
    assert parameters == row["parameters"]
    printed = row.get("published_parameters_millions", str(parameters / 1e6))
    assert within_two_percent(parameters / 1e6, printed)


@pytest.mark.parametrize("row", cases("gmacs"))
def test_multiply_adds_are_those_of_the_official_network(row: dict[str, Any]) -> None:
    cost = cost_of(row["arguments"], row["input_size"])
    digits = -int(Decimal(row["gmacs"]).as_tuple().exponent)
    assert f"{cost.multiply_adds / 1e9:.{digits}f}" == row["gmacs"]
    assert cost.parameters == row["parameters"]


def test_page_of_models_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import model_table

    page = model_table.document(lambda row: cost_of(row.arguments, row.input_size))
    assert page == (ROOT / "docs" / "models.md").read_text()


@pytest.mark.parametrize("row", cases("published_gflops"))
def test_published_cost_is_right_but_where_it_is_known_to_be_wrong(row: dict[str, Any]) -> None:
    gmacs = row.get("views", 1) * cost_of(row["arguments"], row["input_size"]).multiply_adds / 1e9
    right = within_two_percent(gmacs, row["published_gflops"])
    assert right != row.get("published_gflops_is_wrong", False)


@pytest.mark.parametrize(
    "row", GOLDEN["attention"], ids=lambda row: "-".join(map(str, row.values()))
)
def test_windows_save_what_they_save_in_the_official_network(row: dict[str, Any]) -> None:
    given = {"variant": row["variant"], "ndim": 2, "features_only": True}
    other = {"attention": row["attention"], "window_size": row["window_size"]}
    gmacs = [
        measure(on_meta(**given, **more), (512, 2048)).multiply_adds / 1e9 for more in ({}, other)
    ]
    # A difference of two numbers with one digit after the point.
    assert gmacs[0] - gmacs[1] == pytest.approx(float(row["gmacs_less_than_global"]), abs=0.11)


def fvcore_multiply_adds(network: torch.nn.Module, x: Tensor) -> int:
    """fvcore's count; it needs to be told what fused attention costs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        def attention(inputs: list[Any], outputs: list[Any]) -> int:
            (batch, heads, queries, dim), (*_, keys, _) = (
                value.type().sizes() for value in inputs[:2]
            )
            return 2 * batch * heads * queries * keys * dim

        analysis = FlopCountAnalysis(network.eval(), x)
        analysis.set_op_handle("aten::scaled_dot_product_attention", attention)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        with torch.no_grad():
            return int(analysis.total())


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({}, CLIP),
        ({"attention": "divided"}, CLIP),
        ({"ndim": 2, "token_labels": True}, IMAGE),
        ({"layer_scale": 0.1}, CLIP),
        ({"embed_frames": 3}, CLIP),
        ({"num_classes": 0}, CLIP),
        ({"ndim": 2}, IMAGE),
        pytest.param(
            {"ndim": 2, "features_only": True, "attention": "window", "window_size": 3}, IMAGE
        ),
    ],
)
def test_fvcore_counts_the_same(arguments: dict[str, Any], size: tuple[int, ...]) -> None:
    network = create_uniformer("test", **arguments)
    counted = fvcore_multiply_adds(network, torch.zeros(1, 3, *size))
    assert measure(network, size).multiply_adds == counted


def test_fvcore_counts_the_ranking_of_tokens_on_top() -> None:
    network = create_uniformer("test_light", ndim=2)
    counted = fvcore_multiply_adds(network, torch.zeros(1, 3, *IMAGE))
    # Stage 3 has 32 channels and 48 tokens: a row over all in block 1; in block 2 a row over
    # 1 + 24 + 1 tokens and a mean over 48. Stage 4 has 64 channels and 12 tokens and means twice;
    # its last row is not used any more, so that tracing leaves it out.
    ranking = 32 * (49 + 26 + 48) + 64 * (8 + 12 + 12)
    assert counted - measure(network, IMAGE).multiply_adds == ranking


def kept_bytes(network: torch.nn.Module, x: Tensor) -> int:
    """Bytes of the storages that autograd really keeps beside those of the network."""
    own = {t.untyped_storage().data_ptr() for t in (*network.parameters(), *network.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network.train()(x)
    del output
    return sum(kept.values())


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"variant": "test"}, CLIP),
        ({"variant": "test_light"}, CLIP),
        ({"variant": "test", "checkpoint_blocks": (1, 0, 1, 0)}, CLIP),
        ({"variant": "test", "drop_path_rate": 0.5, "layer_scale": 0.1}, CLIP),
        ({"variant": "test_light", "checkpoint_blocks": (0, 1, 2, 0)}, CLIP),
        ({"variant": "test", "ndim": 2, "token_labels": True}, IMAGE),
        pytest.param(
            {"variant": "test", "ndim": 2, "features_only": True, "attention": "window"}, IMAGE
        ),
    ],
)
def test_activations_are_what_autograd_keeps(
    arguments: dict[str, Any], size: tuple[int, ...]
) -> None:
    network = create_uniformer(**arguments)
    kept = kept_bytes(network, torch.randn(2, 3, *size))
    assert measure(network, size).activation_bytes == pytest.approx(kept / 2, abs=8)


def test_recomputed_blocks_keep_less() -> None:
    usual = measure(on_meta(variant="test"), CLIP)
    recomputed = measure(on_meta(variant="test", checkpoint_blocks=(1, 1, 1, 1)), CLIP)
    assert recomputed.activation_bytes < 0.5 * usual.activation_bytes
    assert recomputed.multiply_adds == usual.multiply_adds


def test_frozen_network_keeps_nothing() -> None:
    network = on_meta(variant="test").requires_grad_(False)
    assert measure(network, CLIP).activation_bytes == 0


def test_half_precision_halves_the_memory() -> None:
    network = on_meta(variant="test", ndim=2)
    single = measure(network, IMAGE)
    half = measure(network.to(torch.bfloat16), IMAGE)
    assert half.inference_bytes == single.inference_bytes / 2
    assert half.multiply_adds == single.multiply_adds


def test_inference_holds_no_more_in_a_deeper_network() -> None:
    row = find_variant("test")
    with torch.device("meta"):
        networks = [UniFormer(row._replace(depths=(depth,) * 4)) for depth in (1, 2)]
    shallow, deep = (measure(network, CLIP) for network in networks)
    assert deep.inference_bytes == shallow.inference_bytes
    assert deep.activation_bytes > shallow.activation_bytes


def test_inference_holds_at_least_its_largest_step() -> None:
    cost = measure(on_meta(variant="test"), CLIP)
    # Input, and the hidden map of the first FFN with 32 channels; before and after GELU.
    assert cost.inference_bytes >= 4 * (3 * 4 * 64 * 64 + 2 * 32 * 2 * 16 * 16)


def test_parts_have_names_shapes_and_blocks() -> None:
    cost = measure(on_meta(variant="test_light"), CLIP)
    assert cost.input_shape == (3, 4, 64, 64)
    assert [(part.name, part.shape, part.num_blocks) for part in cost.parts] == [
        ("stage 1", (8, 2, 16, 16), 1),
        ("stage 2", (16, 2, 8, 8), 1),
        ("stage 3", (32, 2, 4, 4), 2),
        ("stage 4", (64, 2, 2, 2), 2),
        ("head", (400,), 0),
    ]


def test_parts_of_the_dense_form_end_with_the_last_map() -> None:
    cost = measure(on_meta(variant="test", ndim=2, features_only=True), IMAGE)
    assert [part.shape for part in cost.parts] == [
        (8, 32, 24),
        (16, 16, 12),
        (32, 8, 6),
        (64, 4, 3),
        (64, 4, 3),
    ]


def test_shares_are_those_of_the_whole() -> None:
    cost = measure(on_meta(variant="test"), CLIP)
    assert sum(cost.share(part) for part in cost.parts) == pytest.approx(1)
    assert cost.share(cost.parts[0]) == cost.parts[0].multiply_adds / cost.multiply_adds
    assert all(part.multiply_adds > 0 and part.activation_bytes > 0 for part in cost.parts)


def test_cost_of_the_parameters_is_that_of_the_parts() -> None:
    network = on_meta(variant="test_light")
    cost = measure(network, CLIP)
    stages = [sum(p.numel() for p in stage.parameters()) for stage in network.stages]
    assert [part.parameters for part in cost.parts[:4]] == stages
    assert cost.parameters == sum(p.numel() for p in network.parameters())


def test_network_stays_as_it_is() -> None:
    network = create_uniformer("test_light")
    network.stages[0].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    measure(network, CLIP)
    assert [module.training for module in network.modules()] == modes
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not network.stages[0]._forward_hooks
    assert not network.stages[0]._forward_pre_hooks


def test_weights_make_no_difference() -> None:
    with_weights = create_uniformer("test", ndim=2)
    assert measure(with_weights, IMAGE) == measure(on_meta(variant="test", ndim=2), IMAGE)


def test_gradients_may_be_off() -> None:
    network = on_meta(variant="test")
    with torch.no_grad():
        without = measure(network, CLIP)
    assert without == measure(network, CLIP)


def test_huge_clip_costs_no_memory() -> None:
    cost = measure(on_meta(variant="test"), (1024, 2048, 2048))
    assert cost.activation_bytes > 2**37
    assert cost.multiply_adds > 10**12


@pytest.mark.parametrize("variant", ["test_light", "test"])
def test_smallest_clip_is_measured(variant: str) -> None:
    assert measure(on_meta(variant=variant), (1, 32, 32)).parts[3].shape == (64, 1, 1, 1)


@pytest.mark.parametrize(
    ("ndim", "size", "expected"),
    [
        (3, (224, 224), r"\(T, H, W\), T of at least 1, H and W of at least 32"),
        (3, (0, 64, 64), r"\(T, H, W\), T of at least 1, H and W of at least 32"),
        (3, (4, 31, 64), r"\(T, H, W\), T of at least 1, H and W of at least 32"),
        (2, (4, 64, 64), r"\(H, W\), H and W of at least 32"),
        (2, (64, -64), r"\(H, W\), H and W of at least 32"),
        (2, (), r"\(H, W\), H and W of at least 32"),
    ],
)
def test_wrong_input_size_is_refused(ndim: int, size: tuple[int, ...], expected: str) -> None:
    with pytest.raises(ValueError, match=f"^input_size is .*, expected {expected}$"):
        measure(on_meta(variant="test", ndim=ndim), size)
