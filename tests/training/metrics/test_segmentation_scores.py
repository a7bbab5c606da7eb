"""Scores of segmented pictures: pixels of the whole set, each picture once, counted by hand."""

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ranks import launch_ranks
from torch import Tensor
from torch.utils.data import DistributedSampler

from video_uniformer.outcomes import SALVAGED, SKIPPED
from video_uniformer.training.metrics.segmentation import SegmentationScores, SegmentationTable

NUM_CLASSES, NUM_PICTURES = 6, 7


def pictures() -> tuple[list[Tensor], list[Tensor]]:
    """Labels, some of them ignored, and predictions of seven pictures of different sizes."""
    generator = torch.Generator().manual_seed(5)
    labels, predictions = [], []
    for number in range(NUM_PICTURES):
        size = (3 + number, 9 - number)
        label = torch.randint(NUM_CLASSES, size, generator=generator)
        labels.append(label.masked_fill(torch.rand(size, generator=generator) < 0.2, 255))
        predictions.append(torch.randint(NUM_CLASSES, size, generator=generator))
    return labels, predictions


def scored(order: list[int], batch_sizes: list[int]) -> SegmentationTable:
    """The table of pictures that arrive in some order, in batches of some sizes."""
    labels, predictions = pictures()
    metric = SegmentationScores(NUM_CLASSES)
    for batch in torch.tensor(order).split(batch_sizes):
        metric.update(batch, [labels[i] for i in batch], [predictions[i] for i in batch])
    return metric.table()


def counted_one_by_one(indices: list[int]) -> list[list[int]]:
    """The confusion matrix, pixel after pixel."""
    matrix = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=int)
    labels, predictions = pictures()
    for index in indices:
        pairs = zip(labels[index].flatten(), predictions[index].flatten(), strict=True)
        for label, prediction in pairs:
            if label != 255:
                matrix[int(label), int(prediction)] += 1
    return matrix.tolist()


def table_of(confusion: list[list[int]]) -> SegmentationTable:
    one = torch.zeros(1, dtype=torch.long)
    return SegmentationTable(one, one, ("",), torch.tensor(confusion))


def plain(summary: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in summary.items()}


def test_two_classes_are_scored_as_by_hand() -> None:
    label = torch.tensor([[[0, 0, 0, 1], [1, 255, 255, 0]]])
    prediction = torch.tensor([[[0, 0, 1, 1], [0, 1, 0, 0]]])
    metric = SegmentationScores(2)
    metric.update(torch.tensor([0]), label, prediction)
    table = metric.table()
    assert table.confusion.tolist() == [[3, 1], [1, 1]]
    assert table.class_iou().tolist() == pytest.approx([3 / 5, 1 / 3])
    assert table.class_accuracy().tolist() == pytest.approx([3 / 4, 1 / 2])
    assert plain(table.summary()) == {
        "miou": pytest.approx((3 / 5 + 1 / 3) / 2),
        "mean_accuracy": pytest.approx(5 / 8),
        "accuracy": pytest.approx(4 / 6),
    }


def test_class_that_is_nowhere_is_left_out_of_the_mean() -> None:
    table = table_of([[3, 1, 0], [1, 1, 0], [0, 0, 0]])
    assert math.isnan(table.class_iou()[2])
    assert plain(table.summary()) == plain(table_of([[3, 1], [1, 1]]).summary())


def test_class_that_is_only_predicted_has_an_iou_of_zero_and_no_accuracy() -> None:
    table = table_of([[3, 1], [0, 0]])
    assert table.class_iou().tolist() == [0.75, 0]
    assert table.class_accuracy()[0] == 0.75
    assert math.isnan(table.class_accuracy()[1])
    assert plain(table.summary()) == {"miou": 0.375, "mean_accuracy": 0.75, "accuracy": 0.75}


def test_pixels_are_counted_over_the_whole_set() -> None:
    table = scored(list(range(NUM_PICTURES)), [3, 4])
    assert table.confusion.dtype == torch.long
    assert table.confusion.tolist() == counted_one_by_one(list(range(NUM_PICTURES)))


@pytest.mark.parametrize(
    ("order", "batch_sizes"),
    [
        ([6, 5, 4, 3, 2, 1, 0], [7]),
        ([0, 2, 4, 6, 1, 3, 5], [1] * 7),
        ([0, 1, 2, 3, 4, 5, 6, 0], [4, 4]),
        ([0, 0, 1, 2, 6, 6, 3, 4, 5, 3], [4, 6]),
    ],
)
def test_picture_counts_once_however_it_is_dealt_out(
    order: list[int], batch_sizes: list[int]
) -> None:
    table, expected = scored(order, batch_sizes), scored(list(range(NUM_PICTURES)), [4, 3])
    assert table.sample_index.tolist() == list(range(NUM_PICTURES))
    assert table.problem == expected.problem
    assert torch.equal(table.status, expected.status)
    assert torch.equal(table.confusion, expected.confusion)


def test_counts_of_many_pixels_are_exact() -> None:
    # 2**25 + 1 is no float32.
    label = torch.zeros(1, 1, 2**25 + 1, dtype=torch.uint8)
    metric = SegmentationScores(1)
    metric.update(torch.tensor([0]), label, label)
    assert metric.table().confusion.tolist() == [[2**25 + 1]]


def test_skipped_picture_is_met_and_not_counted() -> None:
    labels, predictions = pictures()
    metric = SegmentationScores(NUM_CLASSES)
    status = torch.tensor([0, SKIPPED, SALVAGED])
    # Of a picture that could not be read nothing is looked at, not even the size.
    labels[1] = torch.full((1, 1), 99)
    metric.update(torch.arange(3), labels[:3], predictions[:3], status, ["", "empty", "cut short"])
    table = metric.table()
    assert table.confusion.tolist() == counted_one_by_one([0, 2])
    assert (table.num_evaluated, len(table.status)) == (2, 3)
    assert table.status.tolist() == [0, SKIPPED, SALVAGED]
    assert table.problem == ("", "empty", "cut short")


def test_pictures_are_forgotten_at_a_reset() -> None:
    labels, predictions = pictures()
    metric = SegmentationScores(NUM_CLASSES)
    status = torch.tensor([SKIPPED])
    metric.update(torch.tensor([0]), labels[:1], predictions[:1], status, ["empty"])
    metric.compute()
    metric.reset()
    metric.update(torch.tensor([0]), labels[:1], predictions[:1], torch.tensor([SALVAGED]), [""])
    table = metric.table()
    assert table.problem == ("",)
    assert table.confusion.tolist() == counted_one_by_one([0])


def test_scores_of_no_picture_are_refused() -> None:
    metric = SegmentationScores(2)
    maps = torch.zeros(2, 1, 1)
    metric.update(torch.arange(2), maps, maps, torch.full((2,), SKIPPED), ["it is empty", "text"])
    with pytest.raises(ValueError, match=r"evaluated 0 of 2 samples, .*; the first: it is empty"):
        metric.table().summary()


def test_scores_of_ignored_pixels_alone_are_refused() -> None:
    metric = SegmentationScores(2)
    metric.update(torch.tensor([0]), torch.full((1, 2, 2), 255), torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match=r"of the 1 samples evaluated are 255 .* expected classes"):
        metric.table().summary()


@pytest.mark.parametrize(
    ("label", "prediction", "message"),
    [
        ([[2]], [[0]], "label of sample 4 is 2 in places, expected 0 to 1 or 255"),
        ([[-1]], [[0]], "label of sample 4 is -1 in places"),
        ([[0]], [[255]], "prediction of sample 4 is 255 in places, expected 0 to 1$"),
        ([[0]], [[0, 1]], r"prediction of sample 4 has shape \(1, 2\), expected \(1, 1\)"),
    ],
)
def test_map_of_something_else_is_refused(
    label: list[list[int]], prediction: list[list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentationScores(2).update(
            torch.tensor([4]), [torch.tensor(label)], [torch.tensor(prediction)]
        )


@pytest.mark.parametrize("num_classes", [0, 256])
def test_number_of_classes_out_of_range_is_refused(num_classes: int) -> None:
    with pytest.raises(ValueError, match=f"num_classes is {num_classes}, expected 1 to 255"):
        SegmentationScores(num_classes)


def main() -> None:
    """One process's part: the tables of seven pictures that a padding sampler deals out to two."""
    torch.distributed.init_process_group("gloo")
    rank = int(os.environ["RANK"])
    order = list(DistributedSampler(range(NUM_PICTURES), num_replicas=2, rank=rank, shuffle=False))
    table = scored(order, [3, 1])
    everything_twice = scored(list(range(NUM_PICTURES)), [7])
    # A process of which every picture was skipped has no cell.
    labels, predictions = pictures()
    metric = SegmentationScores(NUM_CLASSES)
    status = torch.tensor([SKIPPED if rank else 0])
    metric.update(torch.tensor([rank]), labels[:1], predictions[:1], status, ["text" * rank])
    found = {
        "order": order,
        "index": table.sample_index.tolist(),
        "padded": table.confusion.tolist(),
        "twice": everything_twice.confusion.tolist(),
        "skipped": metric.table().confusion.tolist(),
        "problem": metric.table().problem,
    }
    Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(found))


@pytest.mark.slow
def test_two_processes_count_as_one(tmp_path: Path) -> None:
    ranks = launch_ranks(main, str(tmp_path), cwd=tmp_path)
    assert [rank.status for rank in ranks] == [0, 0], ranks[0].err
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert sorted([*first.pop("order"), *second.pop("order")]) == [0, 0, 1, 2, 3, 4, 5, 6]
    assert first == second
    expected = counted_one_by_one(list(range(NUM_PICTURES)))
    assert first["index"] == list(range(NUM_PICTURES))
    assert first["padded"] == first["twice"] == expected
    assert first["skipped"] == counted_one_by_one([0])
    assert first["problem"] == ["", "text"]
