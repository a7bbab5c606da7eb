"""Many videos through one classifier: in order, each once, a few in memory at a time."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from video_uniformer import ClipSpec, create_uniformer
from video_uniformer.inference.classifier import VideoClassifier
from video_uniformer.inference.prediction import Failure, Prediction

CLIP = ClipSpec(num_frames=4, stride=2, size=32, num_clips=2)


@pytest.fixture(scope="module")
def classifier() -> VideoClassifier:
    torch.manual_seed(0)
    network = create_uniformer("test", num_classes=3)
    with torch.no_grad():
        network(torch.randn(4, 3, 4, 32, 32))
        network.head.get_parameter("proj.weight").mul_(30)
    return VideoClassifier(
        network.eval(), clip=CLIP, class_names=["walk", "sit", "fall"], deadline_seconds=60
    )


@pytest.fixture
def paths(video_file: Callable[..., Path], tmp_path: Path) -> list[Path]:
    """Three videos, with one that is missing before the last."""
    videos = [video_file(num_frames=12, grey=60 * i + 40, name=f"{i}.mp4") for i in range(3)]
    return [*videos[:2], tmp_path / "absent.mp4", videos[2]]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 9])
def test_many_answers_are_those_of_single_calls(
    batch_size: int, classifier: VideoClassifier, paths: list[Path]
) -> None:
    answers = list(classifier.predict_many(paths, batch_size=batch_size))
    assert [answer.path for answer in answers] == paths
    for answer in answers:
        if isinstance(answer, Failure):
            expected = "No such file or directory, expected a video or a folder of frames"
            assert answer == Failure(paths[2], f"{paths[2]}: {expected}")
        else:
            single = classifier(answer.path)
            scores, expected_scores = answer.probabilities.log(), single.probabilities.log()
            torch.testing.assert_close(scores, expected_scores, atol=1e-5, rtol=0)
            assert torch.equal(answer.indices, single.indices)


def test_a_list_without_end_is_answered_as_it_comes(
    classifier: VideoClassifier, paths: list[Path]
) -> None:
    num_taken = 0

    def endless() -> Iterator[Path]:
        nonlocal num_taken
        for path in itertools.cycle(paths):
            num_taken += 1
            yield path

    many = classifier.predict_many(endless(), batch_size=2)
    for num_answered, _ in enumerate(itertools.islice(many, 20)):
        assert num_taken - num_answered <= 2 * 2 + 2
    many.close()


def test_closing_ends_the_reading(classifier: VideoClassifier, paths: list[Path]) -> None:
    many = classifier.predict_many(itertools.cycle(paths))
    next(many)
    assert any("read-ahead" in thread.name for thread in threading.enumerate())
    many.close()
    assert not any("read-ahead" in thread.name for thread in threading.enumerate())


def test_calls_and_many_answers_take_turns(classifier: VideoClassifier, paths: list[Path]) -> None:
    for answer in classifier.predict_many(paths[:2]):
        assert isinstance(answer, Prediction)
        torch.testing.assert_close(classifier(answer.path).probabilities, answer.probabilities)


@pytest.mark.parametrize("batch_size", [0, 1.5])
def test_batch_size_is_checked_before_the_first_answer(
    batch_size: int, classifier: VideoClassifier
) -> None:
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}, expected a whole number"):
        classifier.predict_many([], batch_size=batch_size)


def test_frames_are_kept_where_asked_for(classifier: VideoClassifier, paths: list[Path]) -> None:
    [kept] = classifier.predict_many(paths[:1], keep_frames=True)
    [usual] = classifier.predict_many(paths[:1])
    assert isinstance(kept, Prediction)
    assert isinstance(usual, Prediction)
    assert usual.frames is None
    assert kept.frames is not None
    assert kept.frames.shape == (2, 4, 48, 64, 3)
    assert float(kept.frames.float().mean()) == pytest.approx(40, abs=3)
    assert kept.times is not None
    torch.testing.assert_close(kept.times, kept.indices.double() / 25)


def test_prediction_prints_its_best_classes() -> None:
    probabilities = torch.tensor([0.125, 0.625, 0.25])
    names = ("walk", "sit", "fall")
    prediction = Prediction(Path("a.mp4"), probabilities, names, torch.zeros(1, 1))
    assert str(prediction).splitlines() == [
        "a.mp4",
        "   62.5 %  sit",
        "   25.0 %  fall",
        "   12.5 %  walk",
    ]
    assert repr(prediction) == "Prediction('a.mp4', 'sit' 62.5 % of 3 classes)"
