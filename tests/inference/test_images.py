"""A checkpoint as a classifier of pictures: single ones, and streams of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from video_uniformer import create_uniformer, load_classifier
from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.description import KEY, Description, plain_values
from video_uniformer.inference.images import ImageClassifier
from video_uniformer.inference.prediction import Failure, Prediction
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.writing import save_weights

SPEC = ImageSpec(size=32, crop_share=0.9, interpolation="bilinear")
NAMES = ("cat", "dog", "fish")


def make_network(*, token_labels: bool = False) -> UniFormer:
    """A network that has seen something, so that its batch norms are not the identity."""
    torch.manual_seed(0)
    network = create_uniformer("test", ndim=2, num_classes=3, token_labels=token_labels)
    with torch.no_grad():
        network(torch.randn(8, 3, 32, 32))
        network.head.get_parameter("proj.weight").mul_(30)
    return network.eval()


def write_picture(path: Path, grey: int = 90) -> Path:
    noise = np.random.default_rng(grey).integers(0, 60, (50, 70, 3)) + grey
    Image.fromarray(noise.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return write_picture(tmp_path / "a.png")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint as the training does, or as the converter does."""

    def write(name: str = "best.ckpt", **options: Any) -> Path:
        network, path = make_network(**options), tmp_path / name
        said = Description(
            task="image_classification", network=network.config, input=SPEC, class_names=NAMES
        )
        if name.endswith(".safetensors"):
            save_weights(path, network.state_dict(), said)
        else:
            state = {f"network.{key}": value for key, value in network.state_dict().items()}
            torch.save({"state_dict": state, KEY: plain_values(said), "epoch": 3}, path)
        return path

    return write


def load(source: Path, **options: Any) -> ImageClassifier:
    classifier = load_classifier(source, **options)
    assert isinstance(classifier, ImageClassifier)
    return classifier


def expected(path: Path, network: UniFormer | None = None, spec: ImageSpec = SPEC) -> torch.Tensor:
    """Probabilities (K,), step by step and without any shortcut."""
    with torch.inference_mode():
        logits = (network or make_network())(eval_transform(spec)(Picture(path))[None])
    return logits.softmax(1)[0]


@pytest.mark.parametrize("name", ["best.ckpt", "net.safetensors"])
def test_checkpoint_answers_as_its_network_does(
    name: str, checkpoint: Callable[..., Path], picture: Path
) -> None:
    prediction = load(checkpoint(name))(picture)
    assert (prediction.path, prediction.class_names) == (picture, NAMES)
    assert prediction.indices is prediction.times is prediction.frames is None
    torch.testing.assert_close(prediction.probabilities, expected(picture), atol=1e-5, rtol=1e-4)


def test_token_labelled_network_answers_by_class_and_best_token(
    checkpoint: Callable[..., Path], picture: Path
) -> None:
    network = make_network(token_labels=True)
    with torch.inference_mode():
        view = eval_transform(SPEC)(Picture(picture))[None]
        logits, token_logits = network.forward_auxiliary(view)
    published = (logits + 0.5 * token_logits.amax(1)).softmax(1)[0]
    prediction = load(checkpoint(token_labels=True))(picture)
    torch.testing.assert_close(prediction.probabilities, published, atol=1e-5, rtol=1e-4)


def test_input_can_be_changed(checkpoint: Callable[..., Path], picture: Path) -> None:
    classifier = load(checkpoint(), image={"size": 64, "crop_share": 1.0})
    spec = ImageSpec(size=64, crop_share=1.0, interpolation="bilinear")
    assert classifier.image == spec
    found = classifier(picture).probabilities
    torch.testing.assert_close(found, expected(picture, spec=spec), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("clip", {"num_clips": 1}), ("decoder", "pyav"), ("deadline_seconds", 3)],
)
def test_what_is_for_videos_is_refused(
    argument: str, value: object, checkpoint: Callable[..., Path]
) -> None:
    path = checkpoint()
    message = f"^{argument} is given, but {path} is a network for images, expected none"
    with pytest.raises(ValueError, match=message):
        load_classifier(path, **{argument: value})  # type: ignore[arg-type]


def test_image_is_refused_for_a_network_of_videos(tmp_path: Path) -> None:
    network, path = create_uniformer("test", num_classes=2), tmp_path / "v.safetensors"
    clip = ClipSpec(num_frames=4, stride=2, size=32)
    said = Description(network=network.config, input=clip, class_names=("a", "b"))
    save_weights(path, network.state_dict(), said)
    with pytest.raises(ValueError, match=r"^image is given, but .* is a network for videos"):
        load_classifier(path, image={"size": 64})


def test_file_that_says_nothing_needs_names_and_has_the_default_input(tmp_path: Path) -> None:
    path = tmp_path / "my.pth"
    torch.save({"model": make_network().state_dict()}, path)
    with pytest.raises(ValueError, match=r"my\.pth holds no class names, expected them to be"):
        load_classifier(path)
    classifier = load(path, class_names=NAMES)
    assert classifier.image == ImageSpec(size=224)
    assert classifier.class_names == NAMES


def test_answers_come_in_the_order_of_the_class_names_that_are_given(
    checkpoint: Callable[..., Path], picture: Path
) -> None:
    turned = load(checkpoint(), class_names=NAMES[::-1])(picture)
    assert turned.class_names == NAMES[::-1]
    torch.testing.assert_close(turned.probabilities.flip(0), expected(picture))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Three pictures, with one that is missing before the last."""
    pictures = [write_picture(tmp_path / f"{grey}.jpg", grey) for grey in (20, 90, 180)]
    return [*pictures[:2], tmp_path / "absent.jpg", pictures[2]]


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_many_answers_are_those_of_single_calls(
    batch_size: int, checkpoint: Callable[..., Path], paths: list[Path]
) -> None:
    classifier = load(checkpoint())
    answers = list(classifier.predict_many(paths, batch_size=batch_size))
    assert [answer.path for answer in answers] == paths
    assert isinstance(answers[2], Failure)
    for answer in (answers[0], answers[1], answers[3]):
        assert isinstance(answer, Prediction)
        single = classifier(answer.path).probabilities
        torch.testing.assert_close(answer.probabilities, single, atol=1e-6, rtol=1e-5)


def test_no_more_than_a_few_pictures_are_read_ahead(
    checkpoint: Callable[..., Path], picture: Path
) -> None:
    asked = 0

    def endless() -> Iterator[Path]:
        nonlocal asked
        while True:
            asked += 1
            yield picture

    answers = load(checkpoint()).predict_many(endless(), batch_size=2)
    assert isinstance(next(answers), Prediction)
    answers.close()
    assert asked <= 5


def test_picture_is_kept_where_it_is_asked_for(
    checkpoint: Callable[..., Path], picture: Path
) -> None:
    [answer] = load(checkpoint()).predict_many([picture], keep_frames=True)
    assert isinstance(answer, Prediction)
    assert answer.frames is not None
    with Image.open(picture) as image:
        assert np.array_equal(answer.frames[0, 0].numpy(), np.asarray(image))


@pytest.mark.parametrize("salvage", [False, True])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory, expected a picture"),
        (b"", "empty, expected a picture"),
        (b"some text", "not a picture of a known kind"),
    ],
)
def test_what_is_no_picture_is_named(
    content: bytes | None,
    reason: str,
    salvage: bool,
    checkpoint: Callable[..., Path],
    tmp_path: Path,
) -> None:
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: {reason}"):
        load(checkpoint(), salvage=salvage)(path)


def test_picture_cut_short_is_answered_where_it_is_to_be_salvaged(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_picture(tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match=f"^{path}: cut short"):
        load(checkpoint())(path)
    prediction = load(checkpoint(), salvage=True)(path)
    assert prediction.problem.startswith("cut short")
    assert "  only the intact part: cut short" in str(prediction)


def test_wrong_number_of_names_is_refused() -> None:
    with pytest.raises(ValueError, match="there are 2 class names, expected 3"):
        ImageClassifier(make_network(), image=SPEC, class_names=["a", "b"])
