"""Every released segmentation and pose network: its row, and what it says of itself when loaded."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_places import Place
from official_dense import dense_shapes
from torch import Tensor

from video_uniformer import create_pose_network, create_segmenter, create_uniformer, load_classifier
from video_uniformer.clip import PersonSpec, SceneSpec
from video_uniformer.labels.names import shipped_class_names
from video_uniformer.models.cost import measure
from video_uniformer.models.uniformer.building import build_network
from video_uniformer.skeleton import COCO_PERSON
from video_uniformer.weights.card import model_card
from video_uniformer.weights.convert import Request, convert, write
from video_uniformer.weights.reading import identify, open_checkpoint
from video_uniformer.weights.zoo import RELEASES, Release, find_release

GOLDEN: list[list[Any]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "dense_zoo.json").read_text()
)["tests"]
DENSE = [pytest.param(r, id=name) for name, r in RELEASES.items() if r.head is not None]
SCENES = [pytest.param(r, id=name) for name, r in RELEASES.items() if r.task == "segmentation"]
PERSONS = [pytest.param(r, id=name) for name, r in RELEASES.items() if r.task == "pose"]


def put(place: Place, release: Release, state: dict[str, Tensor]) -> None:
    """Lay a file down as it was published, where one fetched by hand is looked for."""
    content = io.BytesIO()
    torch.save({"state_dict": state, "optimizer": {}}, content)
    (place.by_hand / release.file).write_bytes(content.getvalue())


def published(release: Release) -> dict[str, Tensor]:
    """Zeros under the authors' key names that take no space."""
    shapes = dense_shapes(release.variant, release.head or "", release.num_classes)
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}


def test_every_published_test_of_a_released_file_is_listed_once() -> None:
    dense = [release for release in RELEASES.values() if release.head is not None]
    listed = [(release.file, test.attention) for release in dense for test in release.tests]
    assert sorted(listed) == sorted((row[0], row[4]) for row in GOLDEN)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row[0]}-{row[4]}")
def test_release_equals_the_published_rows(row: list[Any]) -> None:
    release = find_release(row[0].removesuffix(".pth"))
    assert release is not None
    [test] = [test for test in release.tests if test.attention == row[4]]
    assert row[:8] == [
        release.file,
        release.head,
        release.variant,
        list(release.input_size),
        test.attention,
        None if test.attention == "global" else test.window_size,
        test.figure,
        test.multi_scale,
    ]
    assert row[8] in (None, test.gmacs)
    assert row[9:] == [test.published_gflops, release.drive_id]


@pytest.mark.parametrize("release", DENSE)
def test_only_the_name_that_a_copy_attests_is_not_inferred(release: Release) -> None:
    assert release.inferred == (release.file != "upernet_global_small.pth")
    assert release.wrapper == "state_dict"
    assert release.metric == ("AP" if release.task == "pose" else "mIoU")


@pytest.mark.slow
@pytest.mark.parametrize("release", DENSE)
def test_costs_are_those_that_are_measured(release: Release) -> None:
    for test in release.tests:
        arguments = release.builder_arguments()
        arguments["attention"], arguments["window_size"] = test.attention, test.window_size
        with torch.device("meta"):
            cost = measure(build_network(arguments), release.input_size)
        assert cost.multiply_adds / 1e9 == pytest.approx(test.gmacs, rel=2e-3)
        assert cost.parameters == release.parameters


@pytest.mark.parametrize(
    ("name", "file", "init"),
    [
        ("ade20k_xxs_fpn", "fpn_xxs.pth", "in1k_xxs_224"),
        ("ade20k_xs_fpn", "fpn_xs.pth", "in1k_xs_224"),
        ("ade20k_s_fpn", "fpn_global_small.pth", "in1k_s"),
        ("ade20k_b_fpn_h14", "fpn_hybrid_base.pth", "in1k_b"),
        ("ade20k_b_fpn", "fpn_global_base.pth", "in1k_b"),
        ("ade20k_s_upernet", "upernet_global_small.pth", "in1k_s"),
        ("ade20k_b_upernet", "upernet_global_base.pth", "in1k_b"),
        ("coco_s_pose_256x192", "top_down_256x192_global_small.pth", "in1k_s"),
        ("coco_b_pose_448x320", "top_down_448x320_global_base.pth", "in1k_b"),
    ],
)
def test_name_stands_for_a_dense_file(name: str, file: str, init: str) -> None:
    assert (RELEASES[name].file, RELEASES[name].init) == (file, init)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("ade20k_xxs_fpn", SceneSpec(512, 2048, crop_size=512, multiple=32)),
        ("ade20k_b_upernet", SceneSpec(512, 2048, crop_size=512, multiple=1)),
        ("coco_b_pose_256x192", PersonSpec(256, 192, sigma=2.0)),
        ("coco_s_pose_384x288", PersonSpec(384, 288, sigma=3.0)),
        ("coco_s_pose_448x320", PersonSpec(448, 320, sigma=3.0)),
    ],
)
def test_input_is_that_of_the_published_test(name: str, spec: SceneSpec | PersonSpec) -> None:
    assert RELEASES[name].input() == spec


@pytest.mark.parametrize("release", SCENES)
def test_released_segmenter_knows_its_input_and_classes(release: Release, place: Place) -> None:
    put(place, release, published(release))
    for name in (release.name, release.stem, place.by_hand / release.file):
        said = open_checkpoint(name).description
        assert said.task == "segmentation"
        assert said.network == release.builder_arguments()
        assert said.input == release.input()
        assert said.class_names == tuple(shipped_class_names("ade20k"))
        assert said.skeleton is None
        assert said.source == release.name


@pytest.mark.parametrize("release", PERSONS)
def test_released_pose_network_knows_its_input_and_joints(release: Release, place: Place) -> None:
    put(place, release, published(release))
    said = open_checkpoint(release.name).description
    assert said.task == "pose"
    assert said.network == release.builder_arguments()
    assert said.input == release.input()
    assert said.class_names == COCO_PERSON.joints
    assert said.skeleton == COCO_PERSON


@pytest.mark.slow
def test_released_segmenter_is_built_by_its_name(place: Place) -> None:
    release = RELEASES["ade20k_xxs_fpn"]
    put(place, release, published(release))
    network = create_segmenter(weights="ade20k_xxs_fpn")
    assert network.config["head"] == "semantic_fpn"
    assert network.description.class_names == tuple(shipped_class_names("ade20k"))
    assert network.description.input == release.input()
    assert not any(parameter.any() for parameter in network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "given", "attention"),
    [
        ("ade20k_b_fpn_h14", {}, ("hybrid", 14)),
        ("fpn_hybrid_base", {"attention": "global"}, ("global", 14)),
        ("ade20k_s_upernet", {"attention": "window", "window_size": 32}, ("window", 32)),
    ],
)
def test_attention_of_a_release_is_kept_unless_another_is_given(
    name: str, given: dict[str, Any], attention: tuple[str, int], place: Place
) -> None:
    release = find_release(name)
    assert release is not None
    put(place, release, published(release))
    network = create_segmenter(weights=name, **given)
    assert (network.config["attention"], network.config["window_size"]) == attention


@pytest.mark.slow
def test_released_pose_network_is_built_by_its_name(place: Place) -> None:
    release = RELEASES["coco_s_pose_256x192"]
    put(place, release, published(release))
    network = create_pose_network(weights="coco_s_pose_256x192")
    assert network.description.skeleton == COCO_PERSON
    assert network.description.class_names == COCO_PERSON.joints
    assert not any(parameter.any() for parameter in network.parameters())


@pytest.mark.slow
def test_backbone_of_a_released_segmenter_gives_maps(place: Place) -> None:
    release = RELEASES["ade20k_xxs_fpn"]
    put(place, release, published(release))
    maps = create_uniformer(features_only=True, weights="ade20k_xxs_fpn")
    assert maps.dims == (56, 112, 224, 448)


@pytest.mark.parametrize(
    ("name", "task"), [("ade20k_xxs_fpn", "segmentation"), ("coco_s_pose_256x192", "pose")]
)
def test_dense_release_is_refused_as_a_classifier(name: str, task: str, place: Place) -> None:
    put(place, RELEASES[name], published(RELEASES[name]))
    with pytest.raises(ValueError, match=f"^{name} is a network for {task}, expected video_cl"):
        load_classifier(name)


def test_missing_file_says_where_to_fetch_it(place: Place) -> None:
    drive_id = "13hOneJiFqwEneUz1Zpqo1W2uv7BsoXGF"
    with pytest.raises(ValueError, match=rf"fetch \S+/{drive_id} and save it as .*_small\.pth"):
        create_segmenter(weights="ade20k_s_upernet")


def test_classifier_under_the_name_of_a_dense_file_is_not_the_release() -> None:
    with torch.device("meta"):
        state = create_uniformer("xxs", ndim=2).state_dict()
    said = identify(state, "fpn_xxs.pth", RELEASES["ade20k_xxs_fpn"]).description
    assert (said.task, said.source, said.input) == ("image_classification", None, None)


def test_file_of_other_joints_has_no_skeleton() -> None:
    shapes = dense_shapes("small", "pose", 14)
    state = {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}
    said = identify(state, "a.pth", RELEASES["coco_s_pose_256x192"]).description
    assert said.network["num_classes"] == 14
    assert (said.class_names, said.skeleton) == (None, None)


def card_of(name: str, place: Place) -> str:
    put(place, RELEASES[name], published(RELEASES[name]))
    conversion = convert(Request(name, place.by_hand / "a.safetensors"))
    assert conversion.notes == ("left out, as it is of a training's state: optimizer",)
    assert conversion.wrapper == "state_dict"
    return model_card(conversion.description, RELEASES[name].parameters)


def test_card_of_a_converted_segmenter_tells_all_figures(place: Place) -> None:
    card = card_of("ade20k_s_upernet", place)
    for said in (
        "- mean_iou\n",
        "an mIoU of 47.6 % on ADE20K (512x2048 px).",
        "47.6 (48.5 at six scales, mirrored too) with global attention, ",
        "46.6 (48.4 at six scales, mirrored too) with window attention in windows of 32, ",
        "| classes | 150, in this order: `wall`, `building`",
    ):
        assert said in card


def test_card_of_a_converted_pose_network_tells_its_figure(place: Place) -> None:
    card = card_of("coco_b_pose_384x288", place)
    assert "an AP of 76.7 % on COCO (384x288 px).\n" in card
    assert "| classes | 17, in this order: `nose`" in card
    assert "metrics" not in card


def test_card_of_a_network_of_one_attention_repeats_nothing(place: Place) -> None:
    assert "an mIoU of 42.3 % on ADE20K (512x2048 px).\n" in card_of("ade20k_xxs_fpn", place)


@pytest.mark.slow
def test_converted_release_is_read_back(place: Place, tmp_path: Path) -> None:
    release = RELEASES["coco_s_pose_256x192"]
    put(place, release, published(release))
    request = Request(release.name, tmp_path / "pose.safetensors")
    said = open_checkpoint(write(request, convert(request))).description
    assert (said.input, said.skeleton, said.source) == (release.input(), COCO_PERSON, release.name)


def test_input_of_an_unknown_dense_file_is_left_open(tmp_path: Path) -> None:
    torch.save(published(RELEASES["coco_s_pose_256x192"]), tmp_path / "mine.pth")
    conversion = convert(Request(str(tmp_path / "mine.pth"), tmp_path / "a.safetensors"))
    assert conversion.description.input is None
    assert "its input is not known" in conversion.notes


def test_size_of_a_dense_release_cannot_be_said_to_the_converter(place: Place) -> None:
    put(place, RELEASES["ade20k_xxs_fpn"], published(RELEASES["ade20k_xxs_fpn"]))
    request = Request("ade20k_xxs_fpn", place.by_hand / "a.safetensors", clip={"size": 224})
    with pytest.raises(ValueError, match="--size is given, but ade20k_xxs_fpn is for segmentation"):
        convert(request)
