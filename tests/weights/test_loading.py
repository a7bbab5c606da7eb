import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from kinds import KINDS, build, scramble
from safetensors.torch import save_file
from torch import Tensor, nn

from video_uniformer.clip import ClipSpec
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.keys import to_published_names
from video_uniformer.weights.loading import WeightsReport, inflate, load_weights


def network(*, seed: int, ndim: int = 3, num_classes: int = 5, variant: str = "test") -> UniFormer:
    torch.manual_seed(seed)
    return create_uniformer(variant, ndim=ndim, num_classes=num_classes)


@pytest.fixture
def given() -> dict[str, Tensor]:
    """A state dict in our naming, unlike any network that the tests build."""
    return network(seed=1).state_dict()


@pytest.fixture
def target() -> UniFormer:
    return network(seed=2)


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def refused(target: UniFormer, source: object, message: str) -> None:
    """The source is refused with this message, and the network stays as it was."""
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_weights(target, source)  # type: ignore[arg-type]
    assert same(target.state_dict(), before)


def test_own_state_dict_is_copied(target: UniFormer, given: dict[str, Tensor]) -> None:
    report = load_weights(target, given)
    assert same(target.state_dict(), given)
    assert report == WeightsReport(tuple(given), (), (), (), ())


@pytest.mark.parametrize("suffix", [".pth", ".pyth", ".pt", ".ckpt"])
def test_pytorch_file_is_read(
    tmp_path: Path, target: UniFormer, given: dict[str, Tensor], suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save({"model_state": given}, path)
    load_weights(target, path)
    assert same(target.state_dict(), given)


def test_safetensors_file_is_read(
    tmp_path: Path, target: UniFormer, given: dict[str, Tensor]
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in given.items()}, path)
    load_weights(target, str(path))
    assert same(target.state_dict(), given)


def test_image_weights_inflate_by_the_mean_unless_told_otherwise(target: UniFormer) -> None:
    image = network(seed=1, ndim=2).state_dict()
    report = load_weights(target, image)
    inflated = {key for key, value in image.items() if value.ndim == 4}
    assert set(report.inflated) == inflated
    assert set(report.loaded) == set(image)
    for key in inflated:
        kernel = target.state_dict()[key]  # (out, in, T, H, W)
        assert torch.allclose(kernel.sum(2), image[key], atol=1e-6)
        assert torch.equal(kernel[:, :, 0], kernel[:, :, -1])


def test_centre_inflation_fills_the_middle_slice_only(target: UniFormer) -> None:
    image = network(seed=1, ndim=2).state_dict()
    load_weights(target, image, inflation="center")
    kernel = target.state_dict()["stages.0.blocks.0.mhra.affinity.weight"]  # (8, 1, 5, 5, 5)
    assert torch.equal(kernel[:, :, 2], image["stages.0.blocks.0.mhra.affinity.weight"])
    assert not kernel[:, :, [0, 1, 3, 4]].any()


@pytest.mark.parametrize(
    ("rule", "expected"), [("mean", [2.0, 2.0, 2.0]), ("center", [0.0, 6.0, 0.0])]
)
def test_inflation_rules(rule: str, expected: list[float]) -> None:
    assert inflate(torch.full((1, 1, 1, 1), 6.0), 3, rule).flatten().tolist() == expected


def test_unknown_inflation_is_refused(target: UniFormer) -> None:
    with pytest.raises(ValueError, match="inflation is 'average', expected 'mean' or 'center'"):
        load_weights(target, network(seed=1, ndim=2).state_dict(), inflation="average")


def test_missing_counters_of_old_checkpoints_are_reported_not_refused(
    target: UniFormer, given: dict[str, Tensor]
) -> None:
    counters = tuple(key for key in given if key.endswith("num_batches_tracked"))
    report = load_weights(target, {k: v for k, v in given.items() if k not in counters})
    assert report.missing == counters
    assert len(report.loaded) == len(given) - len(counters)


def test_head_of_other_classes_is_refused_with_a_hint(target: UniFormer) -> None:
    other = network(seed=1, num_classes=7).state_dict()
    message = r"head.proj.\w+ is \(7.*\) in the state dict, expected \(5.*pass reset_head=True"
    refused(target, other, message)


def test_head_of_other_classes_is_initialised_anew_when_asked(target: UniFormer) -> None:
    old_head = target.get_parameter("head.proj.weight").clone()
    other = network(seed=1, num_classes=7).state_dict()
    report = load_weights(target, other, reset_head=True)
    assert report.reinitialised == ("head.proj.weight", "head.proj.bias")
    assert report.unexpected == ("head.proj.weight", "head.proj.bias")
    assert report.missing == ()
    new_head = target.get_parameter("head.proj.weight")
    assert new_head.shape == (5, 64)
    assert not torch.equal(new_head, old_head)
    assert not target.get_parameter("head.proj.bias").any()
    own = target.state_dict()
    assert all(torch.equal(own[key], other[key]) for key in report.loaded)


def test_head_may_be_absent_only_when_it_is_reset(
    target: UniFormer, given: dict[str, Tensor]
) -> None:
    headless = {key: value for key, value in given.items() if not key.startswith("head.")}
    with pytest.raises(ValueError, match=r"2 keys are missing \(first 'head.proj.weight'\)"):
        load_weights(target, headless)
    report = load_weights(target, headless, reset_head=True)
    assert report.reinitialised == ("head.proj.weight", "head.proj.bias")


def test_network_without_classes_takes_no_head(given: dict[str, Tensor]) -> None:
    features = network(seed=2, num_classes=0)
    report = load_weights(features, given)
    assert report.unexpected == ("head.proj.weight", "head.proj.bias")
    assert len(report.loaded) == len(given) - 2


def test_report_counts_in_one_line(target: UniFormer) -> None:
    report = load_weights(target, network(seed=1, ndim=2).state_dict())
    expected = r"\d+ loaded, \d+ inflated, 0 reinitialised, 0 missing, 0 unexpected"
    assert re.fullmatch(expected, str(report))


def test_missing_key_is_refused(target: UniFormer, given: dict[str, Tensor]) -> None:
    del given["norm.weight"]
    refused(target, given, r"does not fit UniFormer test: 1 keys are missing \(first 'norm.weight'")


def test_unexpected_key_is_refused(target: UniFormer, given: dict[str, Tensor]) -> None:
    given["blocks1.0.gamma_1"] = torch.ones(8)
    refused(target, given, r"1 keys are unexpected \(first 'stages.0.blocks.0.gamma_1'\)")


def test_wrong_shape_is_refused(target: UniFormer, given: dict[str, Tensor]) -> None:
    given["norm.weight"] = torch.ones(63)
    refused(target, given, r"norm.weight is \(63,\) in the state dict, expected \(64,\)")


def test_transposed_kernel_is_not_taken_for_a_2d_one(
    target: UniFormer, given: dict[str, Tensor]
) -> None:
    key = "stages.0.patch_embed.proj.weight"  # (8, 3, 3, 4, 4)
    given[key] = torch.ones(3, 8, 4, 4)
    refused(target, given, r"stages.0.patch_embed.proj.weight is \(3, 8, 4, 4\)")


def test_video_weights_do_not_fit_an_image_network(given: dict[str, Tensor]) -> None:
    refused(network(seed=2, ndim=2), given, r"in the state dict, expected \(")


def test_checkpoint_of_another_network_is_refused(target: UniFormer) -> None:
    refused(target, nn.Linear(3, 3).state_dict(), "does not fit UniFormer test: .* missing")


def test_checkpoint_of_a_deeper_network_is_refused() -> None:
    with torch.device("meta"):
        base, small = create_uniformer("base"), create_uniformer("small")
    with pytest.raises(ValueError, match="does not fit UniFormer small: 356 keys are unexpected"):
        load_weights(small, base.state_dict())


def test_folder_is_refused(tmp_path: Path, target: UniFormer) -> None:
    refused(target, tmp_path, re.escape(str(tmp_path)))


@pytest.mark.parametrize("kind", KINDS)
def test_published_form_of_every_kind_is_loaded_whole(kind: str) -> None:
    given, target = build(kind), build(kind)
    scramble(given)
    report = load_weights(target, {"model": to_published_names(given.state_dict())})
    assert same(target.state_dict(), given.state_dict())
    assert report.reinitialised == report.missing == report.unexpected == ()


@pytest.mark.parametrize(
    ("image", "video"),
    [("image", "video"), ("image", "video_std"), ("image_light", "video_light")],
)
def test_image_weights_of_every_kind_inflate(image: str, video: str) -> None:
    given, target = build(image).state_dict(), build(video)
    report = load_weights(target, given)
    assert set(report.loaded) == set(given)
    assert set(report.inflated) == {key for key, value in given.items() if value.ndim == 4}


@pytest.mark.parametrize(
    ("classifier", "maps", "unused"),
    [
        ("image", "maps", 7),
        ("image_light", "maps_light", 11),
        ("image_conv_stem", "maps_conv_stem", 7),
    ],
)
def test_stage_maps_take_a_classifier_without_its_end(
    classifier: str, maps: str, unused: int
) -> None:
    given, target = build(classifier).state_dict(), build(maps)
    report = load_weights(target, given)
    assert set(report.reinitialised) == {k for k in target.state_dict() if k.startswith("norms.")}
    assert len(report.unexpected) == unused
    assert all(key.startswith(("head.", "norm.")) for key in report.unexpected)
    assert len(report.loaded) == len(given) - unused


@pytest.mark.parametrize("attention", ["window", "hybrid"])
def test_global_weights_fit_windows(attention: str) -> None:
    given, target = build("image").state_dict(), build("image", attention=attention)
    assert load_weights(target, given).loaded == tuple(given)


def test_divided_attention_does_not_start_from_joint_attention() -> None:
    refused(build("video_divided"), build("video").state_dict(), "12 keys are missing .*time_norm")


@pytest.mark.parametrize("kind", ["video_light", "image_token_labels"])
def test_head_is_reset_with_all_its_parts(kind: str) -> None:
    given, target = build(kind, num_classes=7).state_dict(), build(kind)
    report = load_weights(target, given, reset_head=True)
    heads = tuple(key for key in given if key.startswith("head."))
    assert report.reinitialised == report.unexpected == heads
    assert all(len(target.get_parameter(key)) == 5 for key in heads if "proj" in key)


def test_second_classifier_is_not_dropped_in_silence() -> None:
    refused(
        build("image"),
        build("image_token_labels").state_dict(),
        r"2 keys are unexpected \(first 'head.aux_proj.weight'\)",
    )


def test_what_weights_say_of_themselves_is_said_of_the_network(target: UniFormer) -> None:
    said = {"clip": {"num_frames": 4, "stride": 2, "size": 32}, "class_names": list("abcde")}
    load_weights(target, {"state_dict": network(seed=1).state_dict(), "classifier": said})
    assert target.description.clip == ClipSpec(num_frames=4, stride=2, size=32)
    assert target.description.class_names == tuple("abcde")
