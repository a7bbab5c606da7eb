"""Found joints against annotated ones: similarity, suppression, scores, COCO's numbers."""

import contextlib
import io
import json
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_persons import FIVE, coco, draw, person, write
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from ranks import launch_ranks
from torch import Tensor
from torch.utils.data import DataLoader

from video_uniformer.clip import PersonSpec
from video_uniformer.data.annotations import read_coco_keypoints
from video_uniformer.data.image.person_dataset import PersonDataset
from video_uniformer.data.image.person_transforms import person_eval_transform
from video_uniformer.models.heads.pose_decoding import map_to_picture, peaks
from video_uniformer.outcomes import SKIPPED
from video_uniformer.skeleton import COCO_PERSON
from video_uniformer.training.metrics import coco_comparison
from video_uniformer.training.metrics.coco_comparison import STATISTICS
from video_uniformer.training.metrics.keypoints import (
    KeypointEvaluation,
    keypoint_similarities,
    oks_nms,
    person_scores,
)

SIGMAS = (0.1, 0.2)


@pytest.mark.parametrize(
    ("box", "joints", "expected"),
    [
        (0.5, [0.8, 0.4, 0.1], 0.3),
        (0.5, [0.2, 0.2, 0.2], 0),
        (1.0, [0.9, 0.9, 0.9], 0.9),
        (0.8, [0.25, -1, 0], 0.2),
    ],
)
def test_a_persons_score_is_the_boxes_times_the_mean_of_good_joints(
    box: float, joints: list[float], expected: float
) -> None:
    score = person_scores(torch.tensor([box]), torch.tensor([joints]))
    assert score.tolist() == pytest.approx([expected])


def test_the_similarity_of_two_persons_by_hand() -> None:
    # Off by 3 and 4: 25 square pixels at the first joint, none at the second; areas 100 and 300.
    points = torch.tensor([[[10.0, 10], [20, 20]], [[13, 14], [20, 20]]])
    found = keypoint_similarities(points, torch.tensor([100.0, 300]), SIGMAS)
    # 25 / (2 x 0.1)^2 / 200 / 2 = 1.5625
    expected = (math.exp(-1.5625) + 1) / 2
    assert found.tolist() == [[1, pytest.approx(expected)], [pytest.approx(expected), 1]]


def test_persons_without_area_are_alike_only_if_they_are_the_same() -> None:
    points = torch.tensor([[[1.0, 1], [2, 2]], [[1, 1], [2, 2]], [[1, 2], [3, 2]]])
    found = keypoint_similarities(points, torch.zeros(3), SIGMAS)
    assert found.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def in_a_row(*places: float) -> Tensor:
    """Persons of two joints, each some pixels to the right."""
    return torch.tensor([[[place, 0.0], [place, 10]] for place in places])


def suppress(places: Sequence[float], scores: Sequence[float], threshold: float) -> list[int]:
    areas = torch.full((len(places),), 100.0)
    points, sigmas = in_a_row(*places), (0.1, 0.1)
    kept = oks_nms(points, areas, torch.tensor(scores), sigmas=sigmas, threshold=threshold)
    return kept.tolist()


@pytest.mark.parametrize(
    ("places", "scores", "expected"),
    [
        # d pixels apart: exp(-d^2 / 0.04 / 100 / 2) = exp(-d^2 / 8); 0.88 at 1, 0.61 at 2.
        ((0, 1, 50), (0.5, 0.9, 0.1), [1, 2]),
        ((0, 2, 50), (0.5, 0.9, 0.1), [1, 0, 2]),
        # The middle one goes, and so keeps nobody from staying.
        ((0, 1, 2), (0.9, 0.8, 0.7), [0, 2]),
        ((0, 1, 2), (0.7, 0.9, 0.8), [1]),
        ((5,), (0.1,), [0]),
    ],
)
def test_persons_like_a_better_one_are_left_out(
    places: tuple[float, ...], scores: tuple[float, ...], expected: list[int]
) -> None:
    assert suppress(places, scores, 0.7) == expected


def test_of_nobody_nobody_is_kept() -> None:
    kept = oks_nms(torch.zeros(0, 2, 2), torch.zeros(0), torch.zeros(0), sigmas=SIGMAS)
    assert kept.shape == (0,)


def test_persons_at_the_threshold_stay() -> None:
    assert suppress((0, 0), (0.5, 0.4), 1.0) == [0, 1]


# Two pictures with two persons each, of 2400 and 1500 square pixels (medium), and one crowd.
PERSONS = [
    person(1, 1, bbox=[10, 10, 60, 80], area=2400),
    person(2, 1, bbox=[50, 20, 50, 60], area=1500),
    person(3, 2, bbox=[5, 5, 60, 80], area=2400),
    person(4, 2, bbox=[60, 5, 50, 60], area=1500),
    person(5, 2, bbox=[0, 0, 120, 90], iscrowd=1, keypoints=[0] * 15, num_keypoints=0),
]


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    return write(tmp_path / "persons.json", coco(PERSONS, 2))


def points_of(number: int) -> Tensor:
    keypoints = torch.tensor(PERSONS[number]["keypoints"], dtype=torch.float32)
    return keypoints.view(5, 3)[:, :2]


def batch(numbers: Sequence[int], shift: float = 0.0, **other: Any) -> dict[str, Any]:
    """Found persons as they are annotated, some pixels to the right."""
    number = len(numbers)
    return {
        "sample_index": torch.tensor(numbers),
        "image_id": torch.tensor([PERSONS[n]["image_id"] for n in numbers]),
        "keypoints": torch.stack([points_of(n) for n in numbers]) + torch.tensor([shift, 0]),
        "scores": torch.full((number, 5), 0.9),
        "box_score": torch.linspace(1, 0.7, number),
        "scale": torch.full((number, 2), 60.0),
        **other,
    }


def shaken(numbers: list[int]) -> dict[str, Any]:
    """Found persons, some pixels off."""
    noise = 4 * torch.randn(4, 5, 2, generator=torch.Generator().manual_seed(0))
    values = batch(numbers, box_score=torch.tensor([0.9, 0.8, 0.7, 0.6])[numbers])
    return {**values, "keypoints": values["keypoints"] + noise[numbers]}


def evaluated(annotations: Path, *batches: dict[str, Any]) -> dict[str, float]:
    metric = KeypointEvaluation(annotations, FIVE)
    for values in batches:
        metric.update(**values)
    return metric.summary()


def official(annotations: Path, results: Path, sigmas: Sequence[float]) -> list[float]:
    """pycocotools' own numbers of two files."""
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = COCO(str(annotations))
        evaluation = COCOeval(annotated, annotated.loadRes(str(results)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


def test_perfect_persons_score_one(annotations: Path) -> None:
    summary = evaluated(annotations, batch([0, 1, 2, 3]))
    assert tuple(summary) == STATISTICS
    # Nobody annotated is large, above 96 x 96 square pixels.
    assert {
        name: value for name, value in summary.items() if not math.isnan(value)
    } == dict.fromkeys(("AP", "AP50", "AP75", "APM", "AR", "AR50", "AR75", "ARM"), 1.0)


def test_the_targets_themselves_score_one_when_decoded(annotations: Path, tmp_path: Path) -> None:
    draw(tmp_path, (1, 2))
    read = partial(read_coco_keypoints, annotations, skeleton=FIVE)
    data = PersonDataset(read, root=tmp_path, transform=person_eval_transform(PersonSpec(), FIVE))
    metric = KeypointEvaluation(annotations, FIVE)
    for found in DataLoader(data, batch_size=3):
        cells, scores = peaks(found["heatmaps"])
        metric.update(
            found["image_index"],
            image_id=found["image_id"],
            keypoints=map_to_picture(cells, found["center"], found["scale"], height=64, width=48),
            scores=scores,
            box_score=found["score"],
            scale=found["scale"],
            status=found["status"],
            problem=found["problem"],
        )
    assert metric.summary()["AP"] == 1


def test_persons_far_off_score_nothing(annotations: Path) -> None:
    assert evaluated(annotations, batch([0, 1, 2, 3], shift=500))["AP"] == 0


def test_half_of_the_persons_is_half_of_the_recall(annotations: Path) -> None:
    assert evaluated(annotations, batch([0, 2]))["AR"] == 0.5


def test_the_numbers_are_pycocotools_own_of_the_written_file(
    annotations: Path, tmp_path: Path
) -> None:
    metric = KeypointEvaluation(annotations, FIVE)
    metric.update(**shaken([0, 1, 2, 3]))
    summary = metric.summary(tmp_path / "results.json")
    expected = official(annotations, tmp_path / "results.json", FIVE.sigmas)
    assert 0.1 < summary["AP"] < 0.9
    for name, value in zip(STATISTICS, expected, strict=True):
        assert summary[name] == value or (value == -1 and math.isnan(summary[name])), name


def test_the_sigmas_are_the_skeletons(annotations: Path, tmp_path: Path) -> None:
    strict = KeypointEvaluation(annotations, type(FIVE)(**{**vars(FIVE), "sigmas": (0.01,) * 5}))
    strict.update(**batch([0, 1, 2, 3], shift=3))
    assert strict.summary()["AP"] < evaluated(annotations, batch([0, 1, 2, 3], shift=3))["AP"]


def test_results_are_cocos(annotations: Path, tmp_path: Path) -> None:
    metric = KeypointEvaluation(annotations, FIVE)
    metric.update(**batch([2, 0]))
    metric.summary(tmp_path / "results.json")
    first, second = json.loads((tmp_path / "results.json").read_text())
    assert (first["image_id"], first["category_id"], second["image_id"]) == (1, 1, 2)
    assert first["score"] == pytest.approx(0.7 * 0.9)
    x, y = points_of(0)[0].tolist()
    assert first["keypoints"][:3] == [x, y, pytest.approx(0.9)]
    assert len(first["keypoints"]) == 15


def test_a_double_is_suppressed_within_its_picture_alone(annotations: Path, tmp_path: Path) -> None:
    metric = KeypointEvaluation(annotations, FIVE)
    values = batch([0, 1, 2])
    # The second is like the first, in its picture; so is the third, in another.
    values["keypoints"] = points_of(0).expand(3, 5, 2)
    metric.update(**values)
    metric.summary(tmp_path / "results.json")
    found = json.loads((tmp_path / "results.json").read_text())
    assert [entry["image_id"] for entry in found] == [1, 2]
    assert found[0]["score"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    "order", [[[0, 1, 2, 3]], [[3], [2], [1], [0]], [[2, 0], [3, 1]], [[0, 1, 2], [3, 0, 1]]]
)
def test_numbers_depend_on_neither_order_nor_doubles(
    annotations: Path, order: list[list[int]]
) -> None:
    expected = evaluated(annotations, shaken([0, 1, 2, 3]))
    assert str(evaluated(annotations, *map(shaken, order))) == str(expected)


def test_of_a_person_dealt_out_twice_the_first_row_counts(annotations: Path) -> None:
    metric = KeypointEvaluation(annotations, FIVE)
    metric.update(**batch([1, 1], box_score=torch.tensor([0.5, 0.9])))
    persons = metric.persons()
    assert persons.sample_index.tolist() == [1]
    assert persons.score.tolist() == pytest.approx([0.45])
    assert persons.keypoints.shape == (1, 5, 3)
    assert persons.area.tolist() == [3600]


def test_persons_are_forgotten_at_a_reset(annotations: Path) -> None:
    metric = KeypointEvaluation(annotations, FIVE)
    metric.update(**batch([0, 1], problem=["a", ""]))
    metric.persons()
    metric.reset()
    metric.update(**batch([2]))
    assert metric.persons().sample_index.tolist() == [2]
    assert metric.persons().problem == ("",)


def test_pictures_of_skipped_persons_are_left_out(annotations: Path) -> None:
    status = torch.tensor([0, 0, SKIPPED, SKIPPED])
    values = batch([0, 1, 2, 3], status=status, problem=["", "", "cut short", "cut short"])
    assert evaluated(annotations, values)["AR"] == 1
    spoilt = {**values, "keypoints": values["keypoints"] + status[:, None, None] * 100}
    assert evaluated(annotations, spoilt)["AP"] == 1


def test_pictures_without_a_sample_count_as_missed(annotations: Path) -> None:
    assert evaluated(annotations, batch([0, 1]))["AR"] == 0.5


def test_scores_that_are_no_numbers_count_as_nothing(annotations: Path, tmp_path: Path) -> None:
    metric = KeypointEvaluation(annotations, FIVE)
    metric.update(**batch([0, 1], scores=torch.full((2, 5), math.nan)))
    metric.summary(tmp_path / "results.json")
    found = json.loads((tmp_path / "results.json").read_text())
    assert [entry["score"] for entry in found] == [0, 0]


def test_an_annotation_may_be_number_0_and_lack_its_counts(tmp_path: Path) -> None:
    # pycocotools alone takes a match with number 0 for none, and needs all of the counts.
    bare = [
        {k: v for k, v in p.items() if k not in ("num_keypoints", "iscrowd")} for p in PERSONS[:4]
    ]
    persons = [{**p, "id": number} for number, p in enumerate(bare)]
    file = write(tmp_path / "persons.json", coco(persons, 2))
    assert evaluated(file, batch([0, 1, 2, 3]))["AP"] == 1


def test_nothing_is_printed(annotations: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(annotations, batch([0, 1]))
    assert capsys.readouterr().out == ""


def test_numbers_of_nobody_are_refused(annotations: Path) -> None:
    values = batch(
        [0, 1], status=torch.tensor([SKIPPED] * 2), problem=["it is empty", "it is text"]
    )
    with pytest.raises(ValueError, match=r"evaluated 0 of 2 persons, .*; the first: it is empty"):
        evaluated(annotations, values)


def test_a_picture_that_is_not_annotated_is_refused(annotations: Path) -> None:
    values = batch([0], image_id=torch.tensor([77]))
    with pytest.raises(ValueError, match=r"persons\.json: no picture with id 77, expected one of"):
        evaluated(annotations, values)


def test_other_joints_than_the_files_are_refused(annotations: Path) -> None:
    metric = KeypointEvaluation(annotations, COCO_PERSON)
    metric.update(**batch([0]))
    with pytest.raises(ValueError, match=r"keypoints is .*, expected the skeleton's joints, nose"):
        metric.summary()


def test_without_pycocotools_the_extra_is_named(
    annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is evaluated."""
    monkeypatch.setattr(coco_comparison, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'video-uniformer\[dense\]'"):
        KeypointEvaluation(annotations, FIVE)


def main() -> None:
    """One process's share of the persons, of whom one is dealt out twice; then the numbers."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    metric = KeypointEvaluation(sys.argv[1], FIVE)
    metric.update(**shaken([[0, 2, 3], [1, 0]][rank]))
    sys.stdout.write(str(metric.summary()))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_get_the_numbers_of_one(annotations: Path, tmp_path: Path) -> None:
    ranks = launch_ranks(main, str(annotations), cwd=tmp_path)
    expected = evaluated(annotations, shaken([0, 1, 2, 3]))
    assert 0.1 < expected["AP"] < 0.9
    assert [(rank.status, rank.out) for rank in ranks] == [(0, str(expected))] * 2
