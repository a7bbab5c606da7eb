"""Awkward picture files through the data set: every one is accounted for, none hangs or crashes."""

import faulthandler
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_pictures import ANY, BAD, CUT, INTACT, HostilePicture, make_pictures
from torch import Tensor

from video_uniformer.clip import ImageSpec
from video_uniformer.data.annotations import Annotations, Sample
from video_uniformer.data.decoding.pictures import read_picture
from video_uniformer.data.image.dataset import ImageDataset
from video_uniformer.data.image.picture import Picture, PictureError
from video_uniformer.data.image.quick_crop import decode_jpeg
from video_uniformer.data.image.train_transforms import train_transform
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED, SUBSTITUTED

SPEC = ImageSpec(32)
MOST_MEGABYTES = 800  # above what was used before: a picture of Pillow's limit is not half of it
SECONDS = 120  # for one test, on a busy machine


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[HostilePicture]:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(autouse=True)
def _end_a_hang() -> Iterator[None]:
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def dataset(pictures: list[HostilePicture], policy: str, *, train: bool = False) -> ImageDataset:
    samples = [Sample(picture.path, 0) for picture in pictures]
    return ImageDataset(
        lambda root, class_names: Annotations(samples, ["thing"]),
        root=Path(),
        transform=train_transform(SPEC) if train else eval_transform(SPEC),
        bad_samples=BadSamplePolicy(policy),
    )


def outcome(item: dict) -> tuple[int, str, Tensor]:
    return int(item["status"]), item["problem"], item["image"]


def test_the_corpus_is_large_and_varied(pictures: list[HostilePicture]) -> None:
    assert len(pictures) >= 200
    kinds = [picture.kind for picture in pictures]
    assert all(kinds.count(kind) >= 10 for kind in (INTACT, CUT, BAD, ANY))


@pytest.mark.filterwarnings("ignore")  # of Pillow's, whose own reading this compares with
def test_intact_pictures_are_those_of_pillow(pictures: list[HostilePicture]) -> None:
    for path in (picture.path for picture in pictures if picture.kind == INTACT):
        expected = read_picture(path)
        picture = Picture(path)
        assert (picture.height, picture.width) == expected.shape[:2], path
        least = {"least_height": picture.height, "least_width": picture.width}
        assert np.array_equal(picture.pixels(decode_jpeg, **least), expected), path
        assert np.array_equal(np.asarray(picture.rgb()), expected), path


@pytest.mark.parametrize("train", [False, True], ids=["evaluated", "trained on"])
def test_every_picture_is_accounted_for(pictures: list[HostilePicture], train: bool) -> None:
    wrong = []
    data = dataset(pictures, "salvage", train=train)
    expected = {INTACT: {OK}, CUT: {SALVAGED}, BAD: {SKIPPED}, ANY: {OK, SALVAGED, SKIPPED}}
    for index, picture in enumerate(pictures):
        status, problem, image = outcome(data[index])
        is_told = bool(problem) == (status != OK) and "\n" not in problem
        is_image = image.shape == (3, 32, 32) and bool(torch.isfinite(image).all())
        if status not in expected[picture.kind] or not is_told or not is_image:
            wrong.append((picture.path.name, picture.kind, status, problem))
    assert not wrong


def test_training_and_evaluation_judge_alike(pictures: list[HostilePicture]) -> None:
    evaluated, trained_on = (dataset(pictures, "salvage", train=train) for train in (False, True))
    for index, picture in enumerate(pictures):
        assert outcome(evaluated[index])[:2] == outcome(trained_on[index])[:2], picture


def test_raise_names_the_file(pictures: list[HostilePicture]) -> None:
    data = dataset(pictures, "raise")
    for index, picture in enumerate(pictures):
        if picture.kind in (BAD, CUT):
            with pytest.raises((PictureError, OSError)) as caught:
                data[index]
            assert str(picture.path) in str(caught.value)
            assert "\n" not in str(caught.value)


def test_skip_leaves_cut_pictures_out(pictures: list[HostilePicture]) -> None:
    data = dataset(pictures, "skip")
    for index, picture in enumerate(pictures):
        if picture.kind in (BAD, CUT):
            assert outcome(data[index])[0] == SKIPPED, picture


def test_substitute_shows_another_picture(pictures: list[HostilePicture]) -> None:
    data = dataset(pictures, "substitute", train=True)
    for index, picture in enumerate(pictures):
        if picture.kind in (BAD, CUT):
            status, problem, _ = outcome(data[index])
            assert status == SUBSTITUTED, picture
            assert problem


def test_salvage_tells_that_a_picture_is_cut_short(pictures: list[HostilePicture]) -> None:
    data = dataset(pictures, "salvage")
    for index, picture in enumerate(pictures):
        if picture.kind == CUT:
            assert "cut short" in outcome(data[index])[1], picture


def test_claims_of_size_take_no_memory(pictures: list[HostilePicture]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    claiming = [p for p in pictures if "claims" in p.path.name or "bomb" in p.path.name]
    data = dataset(claiming, "salvage")
    assert {outcome(data[index])[0] for index in range(len(data))} == {SKIPPED}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < MOST_MEGABYTES * 1024


def test_salvage_tells_where_a_cut_jpeg_ends(pictures: list[HostilePicture]) -> None:
    halves = [p for p in pictures if p.path.name.endswith("cut5_baseline.jpg")]
    status, problem, _ = outcome(dataset(halves, "salvage")[0])
    assert status == SALVAGED
    assert problem.startswith("cut short; of one colour below row ")
    assert 32 <= int(problem.split()[-3]) <= 64  # of 96
