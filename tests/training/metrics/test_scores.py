"""Scores of whole videos: fusion of views, each video once, metrics computed by hand."""

import math

import pytest
import torch
from torch import Tensor

from video_uniformer.models.view_fusion import fuse_views
from video_uniformer.outcomes import SALVAGED, SKIPPED
from video_uniformer.training.metrics.scores import SampleScores, ScoreTable

# One video, two views, two classes: probabilities 0.8 and 0.4 of the first class.
TWO_VIEWS = torch.tensor([[[math.log(8), math.log(2)], [math.log(4), math.log(6)]]])


def test_logits_are_averaged_over_views() -> None:
    expected = [(math.log(8) + math.log(4)) / 2, (math.log(2) + math.log(6)) / 2]
    assert fuse_views(TWO_VIEWS, "logits")[0].tolist() == pytest.approx(expected)


def test_probabilities_are_averaged_over_views() -> None:
    scores = fuse_views(TWO_VIEWS, "probabilities")
    assert scores.softmax(1)[0].tolist() == pytest.approx([0.6, 0.4])


def test_the_two_fusions_can_disagree() -> None:
    # A single sure view outweighs two mild ones among logits, but not among probabilities.
    logits = torch.tensor([[[9.0, 0.0], [0.0, 4.0], [0.0, 4.0]]])
    assert [fuse_views(logits, name).argmax().item() for name in ("logits", "probabilities")] == [
        0,
        1,
    ]


@pytest.mark.parametrize("fusion", ["logits", "probabilities"])
def test_order_of_views_does_not_matter(fusion: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 4, 7)
    expected = fuse_views(logits, fusion)
    torch.testing.assert_close(fuse_views(logits[:, [2, 0, 3, 1]], fusion), expected)


@pytest.mark.parametrize("fusion", ["logits", "probabilities"])
def test_one_view_keeps_its_probabilities(fusion: str) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 1, 4)
    torch.testing.assert_close(fuse_views(logits, fusion).softmax(1), logits[:, 0].softmax(1))


def test_unknown_fusion_is_refused() -> None:
    with pytest.raises(ValueError, match="fusion is 'mean', expected one of logits, probabilities"):
        fuse_views(TWO_VIEWS, "mean")


def scored(order: list[int], batch_sizes: list[int]) -> ScoreTable:
    """The table of seven videos that arrive in some order, in batches of some sizes."""
    torch.manual_seed(3)
    scores, labels = torch.randn(7, 6), torch.arange(7) % 6
    metric = SampleScores()
    for batch in torch.tensor(order).split(batch_sizes):
        metric.update(batch, labels[batch], scores[batch])
    return metric.table()


def assert_same(table: ScoreTable, expected: ScoreTable) -> None:
    assert table.problem == expected.problem
    for name in ("sample_index", "label", "scores", "status"):
        assert torch.equal(getattr(table, name), getattr(expected, name)), name
    summary = table.summary()
    assert {name: float(value) for name, value in summary.items()} == {
        name: float(value) for name, value in expected.summary().items()
    }


@pytest.mark.parametrize(
    ("order", "batch_sizes"),
    [
        ([6, 5, 4, 3, 2, 1, 0], [7]),
        ([0, 2, 4, 6, 1, 3, 5], [1] * 7),
        ([3, 1, 4, 0, 5, 2, 6], [2, 3, 2]),
    ],
)
def test_table_depends_on_neither_order_nor_batches(
    order: list[int], batch_sizes: list[int]
) -> None:
    assert_same(scored(order, batch_sizes), scored(list(range(7)), [4, 3]))


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6, 0], [0, 0, 1, 2, 6, 6, 3, 4, 5, 3]])
def test_video_dealt_out_twice_counts_once(order: list[int]) -> None:
    table = scored(order, [4, len(order) - 4])
    assert table.sample_index.tolist() == list(range(7))
    assert_same(table, scored(list(range(7)), [7]))


def test_of_a_video_dealt_out_twice_the_first_row_counts() -> None:
    metric = SampleScores()
    metric.update(torch.tensor([1, 1]), torch.tensor([0, 0]), torch.tensor([[1.0, 2], [3, 4]]))
    assert metric.table().scores.tolist() == [[1, 2]]


def test_part_of_the_videos_is_a_table_of_that_part() -> None:
    metric = SampleScores()
    metric.update(torch.tensor([4, 2]), torch.tensor([1, 0]), torch.eye(2))
    table = metric.table()
    assert table.sample_index.tolist() == [2, 4]
    assert table.label.tolist() == [0, 1]
    assert table.scores.tolist() == [[0, 1], [1, 0]]


def test_scores_are_forgotten_at_a_reset() -> None:
    metric = SampleScores()
    metric.update(torch.tensor([0]), torch.tensor([0]), torch.eye(2)[:1])
    metric.compute()
    metric.reset()
    metric.update(torch.tensor([1]), torch.tensor([1]), torch.eye(2)[1:])
    assert metric.table().sample_index.tolist() == [1]


def test_table_of_one_video_has_the_axes_of_any_table() -> None:
    metric = SampleScores()
    metric.update(torch.tensor([3]), torch.tensor([1]), torch.eye(2)[1:])
    table = metric.table()
    assert [tuple(column.shape) for column in table[:4]] == [(1,), (1,), (1, 2), (1,)]
    assert table.problem == ("",)
    assert float(table.summary()["top1"]) == 1


def test_scores_are_kept_in_float32_whatever_comes() -> None:
    metric = SampleScores()
    metric.update(torch.tensor([0]), torch.tensor([0]), torch.eye(2, dtype=torch.bfloat16)[:1])
    assert metric.table().scores.dtype == torch.float32


def table_of(scores: list[list[float]], labels: list[int]) -> ScoreTable:
    status, problem = torch.zeros(len(labels), dtype=torch.long), ("",) * len(labels)
    columns = torch.arange(len(labels)), torch.tensor(labels), torch.tensor(scores)
    return ScoreTable(*columns, status, problem)


def plain(summary: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in summary.items()}


def test_metrics_are_those_counted_by_hand() -> None:
    # Six classes; the label stands first, second, fifth, last.
    falling = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    summary = plain(table_of([falling] * 4, [0, 1, 4, 5]).summary())
    total = math.log(sum(math.exp(value) for value in falling))
    assert summary == {
        "top1": pytest.approx(1 / 4),
        "top5": pytest.approx(3 / 4),
        "loss": pytest.approx(total - (6 + 5 + 2 + 1) / 4, abs=5e-5),
    }


def test_loss_does_not_tell_the_digits_that_depend_on_the_machine() -> None:
    torch.manual_seed(0)
    table = table_of(torch.randn(9, 4).tolist(), [0, 1, 2, 3, 0, 1, 2, 3, 0])
    noise = 1e-6 * torch.randn(9, 4)
    noisy = table._replace(scores=table.scores + noise)
    assert torch.equal(noisy.summary()["loss"], table.summary()["loss"])


def test_top1_counts_videos_and_not_classes() -> None:
    # Class 0 has three videos, all right; class 1 has one, wrong. The mean over classes is 1/2.
    table = table_of([[1.0, 0.0]] * 4, [0, 0, 0, 1])
    assert float(table.summary()["top1"]) == 0.75


def test_fewer_than_five_classes_have_no_top5() -> None:
    assert set(table_of([[0.0, 1, 2, 3]], [0]).summary()) == {"loss", "top1"}


def test_five_classes_have_a_top5_of_one() -> None:
    assert float(table_of([[0.0, 1, 2, 3, 4]], [0]).summary()["top5"]) == 1


BAD = {1: "the file is empty", 4: "no answer within 3 s"}


def scored_with_bad(batch_sizes: list[int]) -> ScoreTable:
    """The table of seven videos of which two were skipped and one salvaged."""
    torch.manual_seed(3)
    scores, labels = torch.randn(7, 6), torch.arange(7) % 6
    status = torch.tensor([0, SKIPPED, 0, SALVAGED, SKIPPED, 0, 0])
    problems = {**BAD, 3: "cut short"}
    metric = SampleScores()
    for batch in torch.arange(7).split(batch_sizes):
        texts = [problems.get(index, "") for index in batch.tolist()]
        metric.update(batch, labels[batch], scores[batch], status[batch], texts)
    return metric.table()


@pytest.mark.parametrize("batch_sizes", [[7], [1] * 7, [2, 2, 3], [4, 3]])
def test_skipped_videos_leave_the_metrics_of_the_others(batch_sizes: list[int]) -> None:
    torch.manual_seed(3)
    scores, labels = torch.randn(7, 6), torch.arange(7) % 6
    good = torch.tensor([0, 2, 3, 5, 6])
    metric = SampleScores()
    metric.update(good, labels[good], scores[good])
    table = scored_with_bad(batch_sizes)
    assert plain(table.summary()) == plain(metric.table().summary())
    assert table.evaluated().sample_index.tolist() == good.tolist()


def test_table_tells_status_and_problem_of_every_video() -> None:
    table = scored_with_bad([3, 4])
    assert table.status.tolist() == [0, SKIPPED, 0, SALVAGED, SKIPPED, 0, 0]
    assert table.problem == ("", BAD[1], "", "cut short", BAD[4], "", "")
    assert table.evaluated().problem == ("", "", "cut short", "", "")


def test_skipped_videos_have_no_scores() -> None:
    assert scored_with_bad([7]).scores.isnan().all(1).nonzero().flatten().tolist() == [1, 4]


def test_problems_are_forgotten_at_a_reset() -> None:
    metric, index = SampleScores(), torch.tensor([0])
    metric.update(index, index, torch.zeros(1, 2), torch.tensor([SKIPPED]), ["damaged"])
    metric.reset()
    metric.update(index, index, torch.zeros(1, 2), torch.tensor([SALVAGED]), [""])
    assert metric.table().problem == ("",)


def test_metrics_of_no_video_are_refused() -> None:
    index = torch.arange(2)
    metric = SampleScores()
    skipped = torch.full((2,), SKIPPED)
    metric.update(index, index, torch.zeros(2, 2), skipped, ["it is empty", "it is text"])
    with pytest.raises(ValueError, match=r"evaluated 0 of 2 samples, .*; the first: it is empty"):
        metric.table().summary()
