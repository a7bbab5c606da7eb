"""A checkpoint as a classifier of files: ours, which says everything, and a published one."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from video_uniformer import ClipSpec, create_uniformer, load_classifier
from video_uniformer.data.decoding import open_video
from video_uniformer.data.video import sampling
from video_uniformer.data.video.transforms import eval_transform
from video_uniformer.inference.classifier import VideoClassifier
from video_uniformer.inference.prediction import Prediction
from video_uniformer.models.uniformer.network import UniFormer

CLIP = ClipSpec(num_frames=4, stride=2, size=32, num_clips=2)
NAMES = ["walking", "sitting", "falling"]


def make_network(num_classes: int = 3) -> UniFormer:
    """A network that has seen something, so that its batch norms are not the identity."""
    torch.manual_seed(0)
    network = create_uniformer("test", num_classes=num_classes)
    with torch.no_grad():
        network(torch.randn(4, 3, 4, 32, 32))
        network.head.get_parameter("proj.weight").mul_(30)
    return network.eval()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint as the training does; keywords change what it says of itself."""

    def write(name: str = "best.ckpt", **facts: Any) -> Path:
        network = make_network()
        said = {
            "network": network.config,
            "clip": asdict(CLIP),
            "class_names": NAMES,
            "fusion": "logits",
        }
        state = {f"network.{key}": value for key, value in network.state_dict().items()}
        path = tmp_path / name
        torch.save({"state_dict": state, "classifier": {**said, **facts}, "epoch": 3}, path)
        return path

    return write


def logits_of(path: Path, clip: ClipSpec = CLIP) -> torch.Tensor:
    """Logits (V, K) of each view, step by step and without any shortcut."""
    with open_video(path) as video, torch.inference_mode():
        frames = video.frames(sampling.eval_sampler(clip)(len(video)))
        return make_network()(eval_transform(clip)(frames))


def test_checkpoint_answers_as_its_network_does(
    checkpoint: Callable[..., Path], video_file: Callable[..., Path]
) -> None:
    video = video_file()
    prediction = load_classifier(checkpoint())(video)
    assert prediction.path == video
    assert prediction.class_names == tuple(NAMES)
    expected = logits_of(video).mean(0).softmax(0)
    torch.testing.assert_close(prediction.probabilities, expected, atol=1e-5, rtol=1e-4)


def test_checkpoint_says_how_views_are_fused(
    checkpoint: Callable[..., Path], video_file: Callable[..., Path]
) -> None:
    video = video_file()
    prediction = load_classifier(checkpoint(fusion="probabilities"))(video)
    expected = logits_of(video).softmax(1).mean(0)
    torch.testing.assert_close(prediction.probabilities, expected, atol=1e-5, rtol=1e-4)


def test_prediction_tells_which_frames_were_looked_at(
    checkpoint: Callable[..., Path], video_file: Callable[..., Path]
) -> None:
    prediction = load_classifier(checkpoint())(video_file(num_frames=24))
    assert prediction.indices.tolist() == [[0, 2, 4, 7], [16, 18, 20, 23]]


def test_clip_can_be_changed(
    checkpoint: Callable[..., Path], video_file: Callable[..., Path]
) -> None:
    classifier = load_classifier(checkpoint(), clip={"num_clips": 1, "num_crops": 3, "size": 64})
    assert classifier.clip == ClipSpec(num_frames=4, stride=2, size=64, num_clips=1, num_crops=3)
    video = video_file()
    expected = logits_of(video, classifier.clip).mean(0).softmax(0)
    torch.testing.assert_close(classifier(video).probabilities, expected, atol=1e-5, rtol=1e-4)


def test_answers_come_in_the_order_of_the_class_names_that_are_given(
    checkpoint: Callable[..., Path], video_file: Callable[..., Path]
) -> None:
    video, classifier = video_file(), load_classifier(checkpoint())
    expected = dict(zip(classifier.class_names, classifier(video).probabilities, strict=True))
    names = list(reversed(classifier.class_names))
    turned = load_classifier(checkpoint(), class_names=names)
    assert turned.class_names == tuple(names)
    for name, probability in zip(names, turned(video).probabilities, strict=True):
        assert float(probability) == pytest.approx(float(expected[name]), abs=1e-6)


def test_class_names_other_than_the_checkpoints_are_refused(
    checkpoint: Callable[..., Path],
) -> None:
    with pytest.raises(ValueError, match=r"trained on 3 classes .* 3 of them unknown to it"):
        load_classifier(checkpoint(), class_names=["a", "b", "c"])


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_both_decoders_answer_alike(
    decoder: str, checkpoint: Callable[..., Path], video_file: Callable[..., Path]
) -> None:
    video = video_file()
    expected = load_classifier(checkpoint())(video)
    prediction = load_classifier(checkpoint(), decoder=decoder)(video)
    assert torch.equal(prediction.probabilities, expected.probabilities)


def test_wrong_number_of_names_is_refused(checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="was trained on 3 classes and the data has 2"):
        load_classifier(checkpoint(), class_names=["a", "b"])


def test_unreadable_video_is_named(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=f"^{tmp_path / 'text.mp4'}: "):
        load_classifier(checkpoint())(tmp_path / "text.mp4")


def save_published(path: Path, **changes: torch.Tensor) -> Path:
    """A bare state dict, as the authors publish, of the test network."""
    torch.save({"model_state": {**make_network().state_dict(), **changes}}, path)
    return path


def test_published_file_needs_class_names(tmp_path: Path) -> None:
    path = save_published(tmp_path / "published.pth")
    with pytest.raises(ValueError, match=f"{path} holds no class names, expected them to be given"):
        load_classifier(path)


def test_published_file_tells_its_variant_and_number_of_classes(
    tmp_path: Path, video_file: Callable[..., Path]
) -> None:
    path, video = save_published(tmp_path / "published.pth"), video_file()
    classifier = load_classifier(path, class_names=NAMES, clip=asdict(CLIP))
    expected = logits_of(video).mean(0).softmax(0)
    torch.testing.assert_close(classifier(video).probabilities, expected, atol=1e-5, rtol=1e-4)


def test_published_file_has_the_published_clip(tmp_path: Path) -> None:
    path = save_published(tmp_path / "published.pth")
    clip = load_classifier(path, class_names=NAMES).clip
    assert clip == ClipSpec(num_frames=16, stride=4, size=224, num_clips=4)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"fc.weight": torch.zeros(2, 2)},
        create_uniformer("test", num_classes=0).state_dict(),
    ],
    ids=["empty", "foreign", "no head"],
)
def test_file_of_another_network_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    message = r"other.pth is a network for .*, expected video_classification"
    with pytest.raises(ValueError, match=message):
        load_classifier(tmp_path / "other.pth", class_names=NAMES)


def test_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"absent\.ckpt' is neither a file, nor a released checkpoint"
    ):
        load_classifier(tmp_path / "absent.ckpt")


def test_text_file_as_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"a\.ckpt is "):
        load_classifier(tmp_path / "a.ckpt")


def predicted(probabilities: list[float]) -> Prediction:
    names = tuple("abcdefgh"[: len(probabilities)])
    return Prediction(Path("v.mp4"), torch.tensor(probabilities), names, torch.zeros(1, 1))


def test_most_probable_classes_come_first() -> None:
    top = predicted([0.125, 0.5, 0.25, 0.125]).top(2)
    assert top == [("b", 0.5), ("c", 0.25)]


def test_top_of_few_classes_is_all_of_them() -> None:
    assert [name for name, _ in predicted([0.25, 0.75]).top(5)] == ["b", "a"]


def test_network_of_the_caller_is_left_as_it_was() -> None:
    network = make_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    VideoClassifier(network, clip=CLIP, class_names=NAMES)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
