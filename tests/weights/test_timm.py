"""The image networks in timm's hands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kinds import views

from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.keys import to_published_names
from video_uniformer.weights.zoo import RELEASES

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


def create(name: str, **arguments: Any) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, **arguments)


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where releases are looked for, away from the user's own files."""
    monkeypatch.setenv("VIDEO_UNIFORMER_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("VIDEO_UNIFORMER_LOCK", str(tmp_path / "lock.json"))
    return tmp_path


@pytest.fixture
def release_file(weights_folder: Path) -> Callable[[str], Any]:
    """Puts weights of our making where those of a release belong, in the authors' form."""

    def save(release_name: str) -> Any:
        release = RELEASES[release_name]
        torch.manual_seed(1)
        network = create_uniformer(**release.builder_arguments()).eval()
        torch.save(
            {"model": to_published_names(network.state_dict())}, weights_folder / release.file
        )
        return network

    return save


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


def test_drop_path_rate_is_passed_on() -> None:
    network = create("uniformer_xxs", drop_path_rate=0.1)
    assert network.config["drop_path_rate"] == 0.1


def test_windows_are_passed_on() -> None:
    network = create("uniformer_small", attention="hybrid", window_size=7)
    assert [block.window_size for block in network.stages[2].blocks] == [7, 7, 7, None] * 2


@pytest.mark.parametrize("name", CHEAP)
def test_features_only_gives_the_stage_maps(name: str) -> None:
    network = create(name, features_only=True).eval()
    plain = create(name, num_classes=0).eval()
    plain.load_state_dict(network.model.state_dict())
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


def test_features_have_no_head() -> None:
    network = create("uniformer_xxs", features_only=True)
    assert not [name for name, _ in network.named_parameters() if "head" in name]


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


def test_pretrained_takes_the_release(release_file: Callable[[str], Any]) -> None:
    published, image = release_file("in1k_xxs_224"), views(2)
    network = create("uniformer_xxs", pretrained=True).eval()
    with torch.inference_mode():
        assert torch.equal(network(image), published(image))
    assert len(network.description.class_names) == 1000


def test_pretrained_with_other_classes_gets_a_new_head(release_file: Callable[[str], Any]) -> None:
    published, image = release_file("in1k_xxs_224"), views(2)
    network = create("uniformer_xxs", pretrained=True, num_classes=5).eval()
    with torch.inference_mode():
        assert torch.equal(network.forward_features(image), published.forward_features(image))
    assert network(image).shape == (2, 5)
    assert not network.head.proj.bias.any()


def test_pretrained_features_are_those_of_the_release(release_file: Callable[[str], Any]) -> None:
    published, image = release_file("in1k_xxs_224"), views(2)
    network = create("uniformer_xxs", pretrained=True, features_only=True).eval()
    for own, other in zip(network(image), published.forward_stages(image), strict=True):
        assert torch.equal(own, other)


def test_file_of_ones_own_is_taken_in_timms_way(
    release_file: Callable[[str], Any], weights_folder: Path
) -> None:
    published, image = release_file("in1k_xxs_128"), views(2)
    overlay = {"file": str(weights_folder / RELEASES["in1k_xxs_128"].file)}
    network = create("uniformer_xxs", pretrained=True, pretrained_cfg_overlay=overlay).eval()
    assert torch.equal(network(image), published(image))


def test_state_dict_of_ones_own_is_taken_in_timms_way() -> None:
    given = create_uniformer("xxs", ndim=2, num_classes=3).eval()
    overlay = {"state_dict": dict(given.state_dict()), "num_classes": 3}
    network = create(
        "uniformer_xxs", pretrained=True, num_classes=3, pretrained_cfg_overlay=overlay
    ).eval()
    assert torch.equal(network(views(2)), given(views(2)))


def test_weights_that_are_not_here_are_explained(weights_folder: Path) -> None:
    message = f"in1k_xxs_224.*Google Drive.*save it as {weights_folder}"
    with pytest.raises(ValueError, match=message):
        create("uniformer_xxs", pretrained=True)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"model": {"head.weight": torch.zeros(1000, 448)}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"does not fit UniFormer xxs: .* keys are missing"):
        create(
            "uniformer_xxs",
            pretrained=True,
            pretrained_cfg_overlay={"file": str(tmp_path / "a.pth")},
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_chans": 1}, "in_chans is 1, expected 3: UniFormer reads RGB images"),
        ({"drop_rate": 0.1}, "drop_rate is 0.1, expected 0: UniFormer has no dropout"),
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
