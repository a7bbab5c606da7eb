"""MixToken inside the network."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from kinds import build, views
from official import fixed_input, official_state_dict
from torch import Tensor

from video_uniformer.models.uniformer.mix_token import TokenBox, draw_box, swap, unmix
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.loading import load_weights

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "token_labels.json").read_text()
)
EMPTY = TokenBox(0, 0, 0, 0)


@pytest.fixture(scope="module")
def published_small() -> UniFormer:
    network = create_uniformer("small", ndim=2, token_labels=True)
    load_weights(network, official_state_dict("small", 2, 1000, token_labels=True))
    return network


def close(output: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(output, torch.tensor(expected), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_training_outputs_equal_the_reference(published_small: UniFormer) -> None:
    row = GOLDEN["mixtoken"]
    box = TokenBox(*row["box_on_stride4_grid_rows_cols"])
    with torch.no_grad():
        outputs = published_small.train().forward_mixed(fixed_input(2, 3, 224, 224), box)
    assert list(outputs.box) == row["box_returned"]
    assert outputs.size == (7, 7)
    assert list(outputs.token_logits.shape) == row["aux_logits"]["shape"]
    close(outputs.logits[0, :5], row["class_logits"]["first5"])
    close(outputs.logits[1, :5], row["class_image1_first5"])
    close(outputs.logits[1, -3:], row["class_logits"]["last3"])
    close(outputs.token_logits[0, 0, :5], row["aux_logits"]["first5"])
    close(outputs.token_logits[1, 0, :5], row["aux_image1_token0_first5"])
    close(outputs.token_logits[0, 2 * 7 + 3, :5], row["aux_image0_inside_token_row2_col3_first5"])
    assert int(outputs.logits.argmax()) == row["class_logits"]["argmax"]
    assert int(outputs.token_logits.argmax()) == row["aux_logits"]["argmax"]


@pytest.mark.slow
def test_box_between_tokens_equals_the_reference(published_small: UniFormer) -> None:
    row = GOLDEN["mixtoken"]["box_not_multiple_of_8"]
    with torch.no_grad():
        outputs = published_small.train().forward_mixed(
            fixed_input(2, 3, 224, 224), TokenBox(*row["box"])
        )
    assert list(outputs.box) == row["returned"]
    close(outputs.logits[0, :5], row["class_first5"])
    close(outputs.token_logits[0, 0, :5], row["aux_image0_first5"])


@pytest.mark.slow
def test_evaluation_equals_the_reference(published_small: UniFormer) -> None:
    row = GOLDEN["eval_logits"]
    fresh = create_uniformer("small", ndim=2, token_labels=True).eval()  # the statistics moved
    load_weights(fresh, official_state_dict("small", 2, 1000, token_labels=True))
    with torch.no_grad():
        logits = fresh(fixed_input(2, 3, 224, 224))
    close(logits[0, :5], row["first5"])
    assert int(logits.argmax()) == row["argmax"]


def test_empty_box_gives_the_training_pair() -> None:
    network, x = build("image_token_labels").eval(), views(2, batch=3)
    outputs = network.forward_mixed(x, EMPTY)
    logits, token_logits = network.forward_auxiliary(x)
    assert torch.equal(outputs.logits, logits)
    assert torch.equal(outputs.token_logits, token_logits)


def test_whole_box_mixes_the_class_and_puts_the_tokens_back() -> None:
    network, x = build("image_token_labels").eval(), views(2, batch=3, height=64, width=96)
    outputs = network.forward_mixed(x, TokenBox(0, 0, 16, 24))
    logits, token_logits = network.forward_auxiliary(x)
    assert outputs.size == (2, 3)
    torch.testing.assert_close(outputs.logits, logits.flip(0))
    torch.testing.assert_close(outputs.token_logits, token_logits)


@pytest.mark.parametrize("kind", ["image", "image_light"])
def test_network_without_token_classifier_does_not_mix(kind: str) -> None:
    with pytest.raises(ValueError, match="token_labels is False, expected"):
        build(kind).forward_mixed(views(2), EMPTY)


def test_plain_training_call_gives_the_pair_unmixed() -> None:
    network, x = build("image_token_labels").train(), views(2)
    logits, token_logits = network(x)
    outputs = network.forward_mixed(x, EMPTY)
    torch.testing.assert_close(outputs.logits, logits)
    torch.testing.assert_close(outputs.token_logits, token_logits)


def test_mixing_trains_every_parameter() -> None:
    network = build("image_token_labels").train()
    outputs = network.forward_mixed(views(2, height=64, width=64), TokenBox(0, 0, 8, 16))
    (outputs.logits.sum() + outputs.token_logits.square().sum()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_swapped_cells_are_those_of_the_batch_in_reverse() -> None:
    x = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 2, 3).clone()
    swapped = swap(x, TokenBox(0, 1, 1, 3))
    assert swapped[0, 0].tolist() == [[0, 2, 2], [0, 0, 0]]
    assert swapped[1, 0].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert swapped[2, 0].tolist() == [[2, 0, 0], [2, 2, 2]]
    assert x[0].eq(0).all()


def test_unmixing_undoes_the_swap() -> None:
    maps, box = torch.randn(2, 4, 3, 5), TokenBox(1, 0, 3, 2)
    tokens = swap(maps, box).flatten(2).transpose(1, 2)
    assert torch.equal(unmix(tokens, box, (3, 5)), maps.flatten(2).transpose(1, 2))


def test_box_rounds_down_on_the_last_map() -> None:
    assert TokenBox(3, 5, 21, 50).on_last_map() == (0, 0, 2, 6)


def test_drawn_boxes_lie_inside_and_follow_the_seed() -> None:
    torch.manual_seed(0)
    boxes = [draw_box(8, 12) for _ in range(300)]
    for box in boxes:
        assert 0 <= box.top <= box.bottom <= 8
        assert 0 <= box.left <= box.right <= 12
    assert any(box.bottom == 8 for box in boxes)
    assert any(box.right == 12 for box in boxes)
    torch.manual_seed(0)
    assert [draw_box(8, 12) for _ in range(300)] == boxes


def test_drawn_box_has_the_share_of_a_uniform_number() -> None:
    torch.manual_seed(0)
    heights = torch.tensor(
        [float(b.bottom - b.top) for b in (draw_box(64, 64) for _ in range(800))]
    )
    # A side of sqrt(u), at a uniform centre: E[s - s^2 / 4] of the map, as s^2 = u.
    assert float(heights.mean()) / 64 == pytest.approx(2 / 3 - 1 / 8, abs=0.04)
