"""Training with token labels: targets from label maps, and the loss."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from video_uniformer import create_uniformer
from video_uniformer.models.uniformer.mix_token import MixedLogits, TokenBox
from video_uniformer.training.token_labels import TokenLabelLoss, TokenTargets, map_targets

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "token_labels.json").read_text()
)
EMPTY = TokenBox(0, 0, 0, 0)


def golden_maps() -> tuple[Tensor, Tensor]:
    """The label maps and boxes of the reference."""
    draw = np.random.RandomState(2022)
    ids = [np.argsort(draw.standard_normal((12, 18, 18)), axis=0)[:5] for _ in range(2)]
    values = (3 * draw.standard_normal((2, 5, 18, 18))).astype(np.float32)
    maps = torch.stack([torch.from_numpy(values), torch.from_numpy(np.stack(ids)).float()], 1)
    return maps, torch.tensor(GOLDEN["label_map"]["crops_yxhw"])


def close(found: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [7, 12])
def test_targets_equal_the_reference(size: int) -> None:
    row = GOLDEN["label_map"][f"size{size}"]
    maps, boxes = golden_maps()
    targets = map_targets(maps, boxes, num_classes=12, size=(size, size))
    close(targets.classes[0], row["image0_class_column"])
    close(targets.classes[1], row["image1_class_column"])
    close(targets.tokens[0, 0], row["image0_token0"])
    close(targets.tokens[0, 1], row["image0_token1"])
    close(targets.tokens[0, -1], row["image0_last"])
    close(targets.tokens[1, size + 1], row["image1_token_size_plus_1"])


def test_boxes_read_as_they_are_differ_from_the_published() -> None:
    row = GOLDEN["label_map"]["xy_order_for_comparison_size7"]
    maps, boxes = golden_maps()
    targets = map_targets(
        maps, boxes, num_classes=12, size=(7, 7), label_smoothing=0, transposes_boxes=False
    )
    close(targets.classes[0], row["image0_class_column_before_smoothing"])
    close(targets.tokens[0, 0], row["image0_token0_before_smoothing"])


def test_reading_targets_changes_no_input() -> None:
    maps, boxes = golden_maps()
    before = maps.clone(), boxes.clone()
    for _ in range(2):
        map_targets(maps, boxes, num_classes=12, size=(7, 7))
    assert torch.equal(maps, before[0])
    assert torch.equal(boxes, before[1])


def test_targets_without_smoothing_sum_to_one() -> None:
    maps, boxes = golden_maps()
    targets = map_targets(maps, boxes, num_classes=12, size=(2, 3), label_smoothing=0)
    assert targets.tokens.shape == (2, 6, 12)
    torch.testing.assert_close(targets.tokens.sum(2), torch.ones(2, 6))


@pytest.mark.parametrize("shape", [(2, 2, 5, 3, 4), (2, 3, 5, 4, 4), (2, 5, 4, 4)])
def test_map_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"label maps have shape .*, expected \(B, 2, k, n, n\)"):
        map_targets(torch.zeros(shape), torch.zeros(2, 4), num_classes=3, size=(2, 2))


@pytest.mark.parametrize("key", ["no_box", "box_0_1_2_3"])
def test_loss_equals_the_reference(key: str) -> None:
    draw = np.random.RandomState(2022)
    shapes = [(2, 6), (2, 9, 6), (2, 6, 11)]
    parts = [torch.from_numpy(draw.standard_normal(s).astype(np.float32)) for s in shapes]
    targets = parts[2].softmax(1)  # ground truth, class, then tokens
    box = EMPTY if key == "no_box" else TokenBox(0, 1, 2, 3)
    outputs = MixedLogits(parts[0], parts[1], box, (3, 3))
    soft = TokenTargets(targets[:, :, 1], targets[:, :, 2:].transpose(1, 2))
    loss = TokenLabelLoss(6).loss(outputs, soft)
    assert float(loss) == pytest.approx(GOLDEN["token_loss"][key], abs=1e-5)


def test_weights_of_both_losses_are_as_asked() -> None:
    torch.manual_seed(0)
    outputs = MixedLogits(torch.randn(2, 3), torch.randn(2, 4, 3), EMPTY, (2, 2))
    targets = TokenTargets(torch.rand(2, 3), torch.rand(2, 4, 3))
    both, of_class, of_tokens = (
        float(TokenLabelLoss(3, class_weight=a, token_weight=b).loss(outputs, targets))
        for a, b in ((1, 1), (1, 0), (0, 1))
    )
    assert both == pytest.approx(of_class + of_tokens)
    assert min(of_class, of_tokens) > 0


def small_batch() -> dict[str, Tensor]:
    maps = torch.zeros(2, 2, 1, 2, 2)
    maps[:, 0], maps[:, 1] = 50, 2  # class 2 everywhere
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2)
    return {
        "label": torch.tensor([0, 1]),
        "label_map": maps,
        "label_box": whole,
        "has_label_map": torch.tensor([True, False]),
    }


def test_sample_without_a_map_has_its_plain_label_everywhere() -> None:
    targets = TokenLabelLoss(3, label_smoothing=0.3).targets(small_batch(), (2, 2))
    close(targets.classes[1], [0.1, 0.8, 0.1])
    for token in targets.tokens[1]:
        close(token, [0.1, 0.8, 0.1])
    assert targets.classes[0].argmax() == 2
    assert (targets.tokens[0].argmax(1) == 2).all()


def test_batch_without_maps_has_plain_labels_everywhere() -> None:
    batch = {"label": torch.tensor(GOLDEN["label_map"]["ground_truth"])}
    targets = TokenLabelLoss(12).targets(batch, (7, 7))
    for number, expected in enumerate(GOLDEN["label_map"]["plain_labels"]):
        close(targets.classes[number], expected)
        close(targets.tokens[number, 48], expected)


class Recording(nn.Module):
    """A network that keeps the box it was given, and answers zeros."""

    box: TokenBox

    def forward_mixed(self, x: Tensor, box: TokenBox) -> MixedLogits:
        self.box = box
        return MixedLogits(torch.zeros(2, 3), torch.zeros(2, 4, 3), TokenBox(0, 0, 1, 1), (2, 2))


def test_hits_are_counted_with_the_plain_labels_as_mixed() -> None:
    _, logits, targets = TokenLabelLoss(3)(Recording(), torch.zeros(2, 3, 64, 64), small_batch())
    assert logits.shape == (2, 3)
    close(targets, [[0.75, 0.25, 0], [0.25, 0.75, 0]])  # type: ignore[arg-type]


def test_box_is_drawn_on_the_map_after_the_stem() -> None:
    network, boxes = Recording(), []
    torch.manual_seed(0)
    for _ in range(60):
        TokenLabelLoss(3)(network, torch.zeros(2, 3, 32, 128), small_batch())
        boxes.append(network.box)
    assert max(box.bottom for box in boxes) == 8
    assert max(box.right for box in boxes) == 32


def test_loss_trains_a_network_with_token_labels() -> None:
    network = create_uniformer("test", ndim=2, num_classes=3, token_labels=True)
    loss, _, _ = TokenLabelLoss(3)(network, torch.rand(2, 3, 64, 64), small_batch())
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 0}, "num_classes is 0, expected"),
        ({"label_smoothing": 2}, "label_smoothing is 2, expected 0 to 1"),
        ({"class_weight": -1}, "class_weight is -1, expected a number >= 0"),
        ({"token_weight": float("nan")}, "token_weight is nan, expected"),
    ],
)
def test_argument_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TokenLabelLoss(**{"num_classes": 3, **settings})
