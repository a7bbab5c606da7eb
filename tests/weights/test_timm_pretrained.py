"""Weights of releases, and of one's own, in the image networks that timm builds."""

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


def test_pretrained_reads_grey_images_as_colourless_ones(
    release_file: Callable[[str], Any],
) -> None:
    published = release_file("in1k_xxs_224")
    grey = views(2)[:, :1]
    network = create("uniformer_xxs", pretrained=True, in_chans=1).eval()
    with torch.inference_mode():
        torch.testing.assert_close(network(grey), published(grey.repeat(1, 3, 1, 1)))
    assert network.in_chans == network.config["in_chans"] == 1


def test_pretrained_takes_further_channels_by_timms_rule(
    release_file: Callable[[str], Any],
) -> None:
    published = release_file("in1k_xxs_224")
    network = create("uniformer_xxs", pretrained=True, in_chans=6, num_classes=4).eval()
    first = "stages.0.patch_embed.conv1.weight"
    own, theirs = network.state_dict()[first], published.state_dict()[first]
    torch.testing.assert_close(own, torch.cat([theirs, theirs], 1) / 2)
    assert network(torch.cat([views(2), views(2)], 1)).shape == (2, 4)


@pytest.mark.parametrize("in_chans", [1, 2, 3, 4, 7])
def test_channels_are_adapted_as_timm_adapts_them(in_chans: int) -> None:
    from timm.models import adapt_input_conv

    kernel = torch.randn(8, 3, 4, 4)
    own = timm_models._adapt_channels(kernel, in_chans)
    torch.testing.assert_close(own, adapt_input_conv(in_chans, kernel))


def test_file_of_another_number_of_channels_is_adapted(tmp_path: Path) -> None:
    given = create_uniformer("xxs", ndim=2, num_classes=3, in_chans=2).eval()
    torch.save(given.state_dict(), tmp_path / "two.pth")
    overlay = {"file": str(tmp_path / "two.pth"), "num_classes": 3, "input_size": (2, 64, 64)}
    arguments = {"pretrained": True, "pretrained_cfg_overlay": overlay}
    image = views(2)[:, :1]
    same, grey = (create("uniformer_xxs", **arguments, in_chans=n).eval() for n in (2, 1))
    with torch.inference_mode():
        expected = given(image.repeat(1, 2, 1, 1))
        torch.testing.assert_close(same(image.repeat(1, 2, 1, 1)), expected)
        torch.testing.assert_close(grey(image), expected)


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
