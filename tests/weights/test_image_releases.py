"""Every released image network answers a picture by its name, with the right list of classes."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_places import Place
from PIL import Image
from torch import Tensor

from video_uniformer import create_uniformer, load_classifier
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.inference.images import ImageClassifier
from video_uniformer.labels.names import shipped_class_names
from video_uniformer.weights.keys import to_published_names
from video_uniformer.weights.reading import open_checkpoint
from video_uniformer.weights.zoo import RELEASES, Release

IMAGES = [pytest.param(r, id=name) for name, r in RELEASES.items() if r.task == "image"]
# One of each kind of network: the others differ in depth, width or size.
ANSWERING = ("in1k_xxs_160", "in1k_xs_192", "in1k_s_plus_dim64", "in1k_b_ls", "in1k_l_ls_tl_224")
RAISED = {
    "head.proj.bias": (207, 1.0),
    "head.aux_proj.bias": (3, 3.0),
    "head.cls_proj.bias": (9, 5),
}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (120, 150, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def put(place: Place, release: Release, state: Mapping[str, Tensor]) -> None:
    """Lay a release's file where it is looked for: in the hub's cache, or fetched by hand."""
    published = to_published_names(state)
    content = io.BytesIO()
    torch.save({release.wrapper: published} if release.wrapper else published, content)
    if release.repo is None:
        (place.by_hand / release.file).write_bytes(content.getvalue())
    else:
        place.put_into_cache(release.repo, release.file, content.getvalue())


def constant_state(release: Release) -> dict[str, Tensor]:
    """Zeros that take no space, but for a bias in each classifier."""
    with torch.device("meta"):
        network = create_uniformer(**release.builder_arguments())
    state = {
        key: torch.zeros((), dtype=value.dtype).expand(value.shape)
        for key, value in network.state_dict().items()
    }
    for key, (index, value) in RAISED.items():
        if key in state:
            bias = torch.zeros(1000)
            bias[index] = value
            state[key] = bias
    return state


def load(release: Release) -> ImageClassifier:
    classifier = load_classifier(release.name)
    assert isinstance(classifier, ImageClassifier)
    return classifier


def test_there_are_22_image_networks() -> None:
    assert len(IMAGES) == 22


@pytest.mark.parametrize("release", IMAGES)
def test_released_network_knows_its_input_and_classes(release: Release, place: Place) -> None:
    put(place, release, constant_state(release))
    said = open_checkpoint(release.name).description
    assert said.input == release.input()
    assert said.class_names == tuple(shipped_class_names("imagenet1k"))
    assert said.network == release.builder_arguments()


@pytest.mark.slow
@pytest.mark.parametrize("release", [RELEASES[name] for name in ANSWERING], ids=ANSWERING)
def test_released_network_classifies_a_picture(
    release: Release, place: Place, picture: Path
) -> None:
    put(place, release, constant_state(release))
    classifier = load(release)
    assert classifier.image == release.input()
    assert classifier.class_names == tuple(shipped_class_names("imagenet1k"))
    [(best, _)] = classifier(picture).top(1)
    # By half the best token, 1.5, where there are such; by the class token never.
    assert best == ("tiger shark" if release.token_labels else "golden retriever")


@pytest.mark.parametrize(
    "name", ["in1k_xxs_160", pytest.param("in1k_s_tl_224", marks=pytest.mark.slow)]
)
def test_answer_is_that_of_the_authors_network(name: str, place: Place, picture: Path) -> None:
    release = RELEASES[name]
    torch.manual_seed(0)
    network = create_uniformer(**release.builder_arguments()).eval()
    with torch.no_grad():
        network.head.get_parameter("proj.weight").mul_(20)
    put(place, release, network.state_dict())
    spec = release.input()
    view = eval_transform(spec)(Picture(picture))[None]  # type: ignore[arg-type]
    with torch.inference_mode():
        last = network.forward_features(view).flatten(2)
        logits = network.head.get_submodule("proj")(last.mean(2))
        if release.token_labels:
            tokens = network.head.get_submodule("aux_proj")(last.transpose(1, 2))
            logits = logits + 0.5 * tokens.amax(1)
    found = load(release)(picture).probabilities
    torch.testing.assert_close(found, logits.softmax(1)[0], atol=1e-5, rtol=1e-3)
