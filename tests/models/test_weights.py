import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from official import official_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

from video_uniformer.models.uniformer import UniFormer, create_uniformer
from video_uniformer.models.weights import (
    WeightsReport,
    inflate,
    load_weights,
    read_weights,
    to_our_names,
)


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


@pytest.mark.parametrize("wrapper", ["model", "model_state", "state_dict"])
def test_published_wrapper_key_is_unwrapped(
    target: UniFormer, given: dict[str, Tensor], wrapper: str
) -> None:
    load_weights(target, {wrapper: given, "epoch": 3, "optimizer": {"lr": 0.1}})
    assert same(target.state_dict(), given)


@pytest.mark.parametrize("prefix", ["module.", "network.", "_orig_mod.", "module._orig_mod."])
def test_prefix_of_a_training_wrapper_is_stripped(
    target: UniFormer, given: dict[str, Tensor], prefix: str
) -> None:
    load_weights(target, {f"{prefix}{key}": value for key, value in given.items()})
    assert same(target.state_dict(), given)


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


def test_authors_names_become_ours_and_none_is_left_over() -> None:
    renamed = to_our_names(official_state_dict("small", 3, 400))
    with torch.device("meta"):
        own = create_uniformer("small").state_dict()
    assert {key: value.shape for key, value in renamed.items()} == {
        key: value.shape for key, value in own.items()
    }


def test_own_names_are_left_alone(given: dict[str, Tensor]) -> None:
    assert list(to_our_names(given)) == list(given)


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
    old_head = target.head.proj.weight.clone()  # type: ignore[operator, union-attr]
    other = network(seed=1, num_classes=7).state_dict()
    report = load_weights(target, other, reset_head=True)
    assert report.reinitialised == ("head.proj.weight", "head.proj.bias")
    assert report.unexpected == ("head.proj.weight", "head.proj.bias")
    assert report.missing == ()
    new_head = target.head.proj.weight
    assert new_head.shape == (5, 64)  # type: ignore[union-attr]
    assert not torch.equal(new_head, old_head)  # type: ignore[arg-type]
    assert not target.head.proj.bias.any()  # type: ignore[operator, union-attr]
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


def test_entry_that_is_no_tensor_is_refused(target: UniFormer, given: dict[str, Tensor]) -> None:
    refused(target, {**given, "epoch": 3}, "entry 'epoch' is a int, expected a state dict of tens")


def test_two_entries_of_one_name_are_refused(target: UniFormer, given: dict[str, Tensor]) -> None:
    given["module.norm.weight"] = given["norm.weight"]
    refused(target, given, "two entries of the state dict are called 'norm.weight'")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.pth"
    with pytest.raises(ValueError, match=f"weights file {path} does not exist"):
        read_weights(path)


def test_folder_is_refused(tmp_path: Path, target: UniFormer) -> None:
    refused(target, tmp_path, re.escape(str(tmp_path)))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"this is no checkpoint\n", b"\x00" * 64])
def test_file_of_another_kind_is_refused(
    tmp_path: Path, target: UniFormer, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    refused(target, path, re.escape(str(path)))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_truncated_file_is_refused(
    tmp_path: Path, target: UniFormer, given: dict[str, Tensor], suffix: str, share: float
) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in given.items()}, path)
    else:
        torch.save(given, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(target, path, re.escape(str(path)))


def test_file_that_holds_a_list_is_refused(tmp_path: Path, target: UniFormer) -> None:
    path = tmp_path / "list.pth"
    torch.save([torch.ones(1)], path)
    refused(target, path, "list.pth holds a list, expected a state dict")


class _Intruder:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("legacy", [False, True])
def test_pickle_that_runs_code_is_refused_and_not_run(
    tmp_path: Path, target: UniFormer, given: dict[str, Tensor], legacy: bool
) -> None:
    path, touched = tmp_path / "evil.pth", tmp_path / "touched"
    content = {"model": given, "intruder": _Intruder(touched)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    refused(target, path, r"evil.pth is refused:")
    assert not touched.exists()
