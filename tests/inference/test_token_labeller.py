"""Label maps made with a network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from video_uniformer import create_uniformer
from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.description import Description
from video_uniformer.inference.prediction import Failure
from video_uniformer.inference.token_labels import (
    LabelMap,
    TokenLabeller,
    best_scores,
    load_labeller,
)
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.writing import save_weights

SPEC = ImageSpec(64, crop_share=1)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)).save(path)
    return path


def network(*, token_labels: bool = True, num_classes: int = 7, variant: str = "test") -> UniFormer:
    torch.manual_seed(0)
    return create_uniformer(
        variant, ndim=2, num_classes=num_classes, token_labels=token_labels
    ).eval()


def test_best_scores_keep_the_probabilities() -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(2, 9, 2, 2) + 4
    scores, classes = best_scores(logits, 3).unbind(1)
    dense = torch.zeros(2, 9, 2, 2).scatter(1, classes.long(), scores)
    probabilities, expected = dense.softmax(1), logits.softmax(1)
    kept = classes.long()
    torch.testing.assert_close(probabilities.gather(1, kept), expected.gather(1, kept))
    assert torch.equal(kept[:, 0], logits.argmax(1))


@pytest.mark.parametrize("num_best", [4, 9])
def test_all_classes_are_kept_where_there_are_no_more(num_best: int) -> None:
    logits = torch.randn(1, 4, 2, 2)
    scores, classes = best_scores(logits, num_best).unbind(1)
    dense = torch.zeros(1, 4, 2, 2).scatter(1, classes.long(), scores)
    torch.testing.assert_close(dense.softmax(1), logits.softmax(1))


def test_map_is_of_the_token_classifier(picture: Path) -> None:
    net = network()
    found = TokenLabeller(net, spec=SPEC, num_best=7)(picture)
    with torch.no_grad():
        _, token_logits = net.forward_auxiliary(eval_transform(SPEC)(Picture(picture))[None])
    dense = torch.zeros(7, 2, 2).scatter(0, found[1].long(), found[0])
    expected = token_logits[0].T.unflatten(1, (2, 2))
    torch.testing.assert_close(dense.softmax(0), expected.softmax(0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", ["test", "test_light"])
def test_map_is_of_the_class_where_there_is_no_token_classifier(
    picture: Path, variant: str
) -> None:
    net = network(token_labels=False, variant=variant)
    found = TokenLabeller(net, spec=SPEC, num_best=7)(picture)
    with torch.no_grad():
        features = net.forward_features(eval_transform(SPEC)(Picture(picture))[None])
        each = torch.stack([net.forward_head(f[..., None]) for f in features.flatten(2).unbind(2)])
    dense = torch.zeros(7, 2, 2).scatter(0, found[1].long(), found[0])
    expected = each[:, 0].T.unflatten(1, (2, 2))
    torch.testing.assert_close(dense.softmax(0), expected.softmax(0), rtol=0, atol=1e-5)


def test_answers_come_in_order_with_what_is_wrong(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    paths = [picture, tmp_path / "bad.png", tmp_path / "absent.png", picture, picture]
    labeller = TokenLabeller(network(), spec=SPEC, num_best=3)
    answers = list(labeller.label_many(paths, batch_size=2))
    assert [answer.path for answer in answers] == paths
    assert [isinstance(answer, Failure) for answer in answers] == [False, True, True, False, False]
    for answer in answers:
        if isinstance(answer, LabelMap):
            assert answer.scores.shape == (2, 3, 2, 2)
            assert answer.scores.untyped_storage().nbytes() == 2 * 3 * 4 * 4
            torch.testing.assert_close(answer.scores, labeller(picture), rtol=0, atol=1e-5)


def test_whole_picture_is_seen_whatever_its_shape(tmp_path: Path) -> None:
    pixels = np.zeros((50, 200, 3), np.uint8)
    pixels[:, :20] = 255  # which a centre crop would not show
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.fromarray(np.zeros_like(pixels)).save(tmp_path / "black.png")
    labeller = TokenLabeller(network(), spec=SPEC)
    assert not torch.equal(labeller(tmp_path / "wide.png"), labeller(tmp_path / "black.png"))


def test_checkpoint_tells_the_input_unless_a_size_is_given(tmp_path: Path) -> None:
    net = network()
    said = Description(network=net.config, input=ImageSpec(96, mean=(0.5, 0.5, 0.5)))
    save_weights(tmp_path / "a.safetensors", net.state_dict(), said)
    assert load_labeller(tmp_path / "a.safetensors").spec == said.input
    other = load_labeller(tmp_path / "a.safetensors", size=64).spec
    assert other == ImageSpec(64, mean=(0.5, 0.5, 0.5))


@pytest.mark.parametrize("num_classes", [0, 5])
def test_network_that_classifies_no_images_is_refused(num_classes: int) -> None:
    ndim = 3 if num_classes else 2
    net = create_uniformer("test", ndim=ndim, num_classes=num_classes)
    with pytest.raises(ValueError, match="no classes of images, expected an image classifier"):
        TokenLabeller(net, spec=SPEC)


def test_checkpoint_of_stage_maps_is_refused(tmp_path: Path) -> None:
    net = create_uniformer("test", ndim=2, features_only=True)
    save_weights(tmp_path / "a.safetensors", net.state_dict(), Description(network=net.config))
    with pytest.raises(ValueError, match="gives stage maps, expected a classifier of images"):
        load_labeller(tmp_path / "a.safetensors")


def test_checkpoint_of_a_video_network_is_refused(tmp_path: Path) -> None:
    net = create_uniformer("test", num_classes=3)
    said = Description(network=net.config, input=ClipSpec(num_frames=4, stride=1, size=32))
    save_weights(tmp_path / "a.safetensors", net.state_dict(), said)
    with pytest.raises(ValueError, match="expected an image classifier"):
        load_labeller(tmp_path / "a.safetensors")
