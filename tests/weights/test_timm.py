"""The image networks in timm's hands."""

from typing import Any

import pytest
import torch
from kinds import views

from video_uniformer.weights.build import create_uniformer

timm = pytest.importorskip("timm")
timm_models = pytest.importorskip("video_uniformer.weights.timm")

pytestmark = pytest.mark.slow  # the registered networks are large to build

NAMES = [
    "uniformer_base",
    "uniformer_large",
    "uniformer_small",
    "uniformer_small_plus",
    "uniformer_xs",
    "uniformer_xxs",
]
CHEAP = ["uniformer_xxs", "uniformer_small_plus"]
ONE_CLASSIFIER = ["uniformer_small", "uniformer_small_plus", "uniformer_base"]


def create(name: str, **arguments: Any) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, **arguments)


def test_names_are_registered_and_hide_none_of_timms() -> None:
    assert timm.list_models("*uniformer*") == NAMES
    assert all(timm.is_model(name) for name in NAMES)
    assert timm.list_models("*", module="timm") == NAMES


def test_weights_that_can_be_downloaded_are_listed() -> None:
    assert timm.list_pretrained("*uniformer*") == [
        "uniformer_base.in1k",
        "uniformer_small.in1k",
        "uniformer_small_plus.in1k",
    ]


@pytest.mark.parametrize("name", CHEAP)
def test_network_is_that_of_our_builder(name: str) -> None:
    ours = create_uniformer(name.removeprefix("uniformer_"), ndim=2, num_classes=7).eval()
    theirs = create(name, num_classes=7).eval()
    theirs.load_state_dict(ours.state_dict())
    image = views(2)
    with torch.inference_mode():
        assert torch.equal(theirs(image), ours(image))


@pytest.mark.parametrize("name", NAMES)
def test_published_network_is_built_by_default(name: str) -> None:
    release = timm_models._RELEASES[name]
    with torch.device("meta"):
        network = timm.create_model(name)
    assert sum(p.numel() for p in network.parameters()) == release.parameters
    for key in ("variant", "ndim", "head_dim", "num_classes", "token_labels"):
        assert network.config[key] == release.builder_arguments()[key]


def test_large_network_of_other_classes_has_no_labels_of_tokens() -> None:
    with torch.device("meta"):
        assert timm.create_model("uniformer_large").config["token_labels"]
        assert not timm.create_model("uniformer_large", num_classes=10).config["token_labels"]


def test_network_is_made_on_the_device_and_in_the_precision_that_timm_asks_for() -> None:
    network = timm.create_model("uniformer_xxs", device="meta", dtype=torch.float64)
    tensors = [*network.parameters(), *network.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {torch.float64}


def test_drop_path_rate_is_passed_on() -> None:
    network = create("uniformer_xxs", drop_path_rate=0.1)
    assert network.config["drop_path_rate"] == 0.1


def test_drop_rate_is_passed_on() -> None:
    network = create("uniformer_xxs", drop_rate=0.2)
    assert network.config["drop_rate"] == network.head.drop.p == 0.2


def test_windows_are_passed_on() -> None:
    network = create("uniformer_small", attention="hybrid", window_size=7)
    assert [block.window_size for block in network.stages[2].blocks] == [7, 7, 7, None] * 2


@pytest.mark.parametrize("name", CHEAP)
def test_features_only_gives_the_stage_maps(name: str) -> None:
    network = create(name, features_only=True).eval()
    plain = create(name, num_classes=0).eval()
    plain.load_state_dict(network.model.state_dict(), strict=False)  # without the final norm
    image = views(2, height=64, width=96)
    with torch.inference_mode():
        maps, expected = network(image), plain.forward_stages(image)
    assert network.feature_info.channels() == [m.shape[1] for m in maps] == list(plain.dims)
    assert network.feature_info.reduction() == [4, 8, 16, 32]
    assert [tuple(m.shape[2:]) for m in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert all(torch.equal(own, other) for own, other in zip(maps, expected, strict=True))


@pytest.mark.parametrize(
    ("out_indices", "stages"), [((1, 2, 3), [1, 2, 3]), ((0,), [0]), ((-1,), [3]), (2, [2, 3])]
)
def test_features_are_chosen_by_out_indices(out_indices: Any, stages: list[int]) -> None:
    network = create("uniformer_xxs", features_only=True, out_indices=out_indices).eval()
    dims, strides = (56, 112, 224, 448), (4, 8, 16, 32)
    assert network.feature_info.channels() == [dims[stage] for stage in stages]
    assert network.feature_info.reduction() == [strides[stage] for stage in stages]
    assert [m.shape[1] for m in network(views(2))] == [dims[stage] for stage in stages]


def test_last_feature_goes_through_the_final_norm_when_asked() -> None:
    network = create("uniformer_xxs", features_only=True, norm=True).eval()
    image = views(2)
    assert torch.equal(network(image)[3], network.model.forward_features(image))


@pytest.mark.parametrize("out_indices", [(0, 1, 2, 3), (1,), (0, 2)])
def test_features_have_only_the_parameters_they_need(out_indices: tuple[int, ...]) -> None:
    network = create("uniformer_xxs", features_only=True, out_indices=out_indices).train()
    sum(map_.mean() for map_ in network(views(2))).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    # What ranks the tokens for a next block is left over in the last.
    assert not [name for name in without if not name.startswith("model.stages.2.cls_")]


@pytest.mark.parametrize("name", CHEAP)
def test_features_of_a_traced_graph_are_those_of_the_network(name: str) -> None:
    network = create(name, features_only=True, out_indices=(0, 2, 3)).eval()
    traced = create(name, features_only=True, out_indices=(0, 2, 3), feature_cls="fx").eval()
    traced.graph_module.load_state_dict(network.model.state_dict())
    image = views(2)
    with torch.inference_mode():
        for own, other in zip(traced(image), network(image), strict=True):
            assert torch.equal(own, other)
    assert traced.feature_info.channels() == network.feature_info.channels()


@pytest.mark.parametrize("name", NAMES)
def test_default_configuration_names_what_is_there(name: str) -> None:
    with torch.device("meta"):
        network = timm.create_model(name).eval()
        features = network.forward_features(torch.empty(1, *network.default_cfg["input_size"]))
    described, parameters = network.default_cfg, dict(network.named_parameters())
    assert described["pool_size"] == features.shape[2:]
    first = parameters[described["first_conv"] + ".weight"]
    assert first is next(network.parameters())
    heads = [n for n, p in parameters.items() if n.startswith("head.") and p.shape[0] == 1000]
    assert {n.rpartition(".")[0] for n in heads} == {
        *([described["classifier"]] if name in ONE_CLASSIFIER else described["classifier"])
    }


@pytest.mark.parametrize("name", NAMES)
def test_network_without_pooling_gives_the_map(name: str) -> None:
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=0, global_pool="").eval()
        assert network(torch.empty(2, 3, 64, 96)).shape == (2, network.num_features, 2, 3)


@pytest.mark.filterwarnings("ignore:NOTE. The nodes obtained by tracing")  # torchvision's hint
@pytest.mark.parametrize("name", ["uniformer_xxs", "uniformer_small"])
def test_timms_extractor_traces_training_with_drop_path(name: str) -> None:
    from timm.models import FeatureGraphNet

    network = create(name, drop_path_rate=0.5, num_classes=3).train()
    traced = FeatureGraphNet(network, out_indices=(3,)).train()
    (first,), (second,) = traced(views(2)), traced(views(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", ["uniformer_xxs", "uniformer_small"])
def test_rates_decay_from_the_head_to_the_stem(name: str) -> None:
    from timm.optim import param_groups_layer_decay

    network = create(name, num_classes=3)
    groups = param_groups_layer_decay(network, layer_decay=0.5)
    scales = {parameter: group["lr_scale"] for group in groups for parameter in group["params"]}
    assert scales.keys() == set(network.parameters())
    assert scales[next(network.parameters())] == min(scales.values())
    assert scales[network.head.proj.weight] == max(scales.values()) == 1.0
    assert len(set(scales.values())) > sum(network.depths)


@pytest.mark.parametrize("name", ["uniformer_xxs", "uniformer_large"])
def test_training_gives_one_tensor_without_the_auxiliary_classifier(name: str) -> None:
    with torch.device("meta"):
        images = torch.empty(2, 3, 64, 64)
        assert len(timm.create_model(name).train()(images)) == 2
        assert timm.create_model(name, aux=False).train()(images).shape == (2, 1000)


def test_weights_are_the_same_with_and_without_auxiliary_training() -> None:
    network = create("uniformer_xxs", num_classes=3)
    create("uniformer_xxs", num_classes=3, aux=False).load_state_dict(network.state_dict())


def test_reset_classifier_changes_the_classes() -> None:
    network = create("uniformer_xxs").eval()
    for num_classes, width in ((0, 448), (3, 3)):
        network.reset_classifier(num_classes)
        assert network(views(2)).shape == (2, width)


def test_optimiser_groups_spare_norms_and_biases() -> None:
    from timm.optim import create_optimizer_v2

    network = create("uniformer_xxs", num_classes=5)
    optimiser = create_optimizer_v2(network, opt="adamw", lr=1e-3, weight_decay=0.05)
    spared, decayed = optimiser.param_groups
    assert (spared["weight_decay"], decayed["weight_decay"]) == (0.0, 0.05)
    names = {parameter: name for name, parameter in network.named_parameters()}
    assert {names[p] for p in spared["params"]} == network.no_weight_decay()


@pytest.mark.parametrize(
    ("name", "crop_pct"), [("uniformer_small", 0.875), ("uniformer_large", 0.9)]
)
def test_data_config_is_that_of_the_published_evaluation(name: str, crop_pct: float) -> None:
    from timm.data import resolve_model_data_config

    with torch.device("meta"):
        network = timm.create_model(name)
    assert resolve_model_data_config(network) == {
        "input_size": (3, 224, 224),
        "interpolation": "bicubic",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "crop_pct": crop_pct,
        "crop_mode": "center",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_chans": 0}, "in_chans is 0, expected 1 channel or more"),
        ({"drop_rate": 1.5}, r"drop_rate is 1.5, expected a probability in \[0, 1\)"),
        ({"global_pool": "max", "num_classes": 0}, "global_pool is 'max', expected 'avg', or ''"),
        (
            {"features_only": True, "feature_cls": "hook"},
            "feature_cls is 'hook', expected 'getter'",
        ),
        ({"cache_dir": "here"}, "cache_dir is 'here', expected None: weights are cached where"),
        ({"attention": "divided"}, r"attention is 'divided', which is defined for videos"),
    ],
)
def test_what_uniformer_does_not_have_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create("uniformer_xxs", **arguments)


def test_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="drop_path_rte"):
        create("uniformer_xxs", drop_path_rte=0.1)
