import pytest
import torch
from torch import Tensor

from video_uniformer.models.heads.classification import (
    ClassificationHead,
    ClassTokenHead,
    TokenLabelHead,
)

SHAPES = [(2, 4, 2, 3, 5), (2, 4, 3, 5), (1, 4, 1, 1)]


@pytest.mark.parametrize("head_type", [ClassificationHead, ClassTokenHead])
@pytest.mark.parametrize("shape", SHAPES)
def test_head_classifies_the_mean_over_positions(
    head_type: type[ClassificationHead], shape: tuple[int, ...]
) -> None:
    head, map_ = head_type(4, 3), torch.randn(shape)
    expected = head.proj(map_.flatten(2).mean(2))
    torch.testing.assert_close(head(map_), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_head_of_token_labels_adds_half_the_largest_of_each_class(shape: tuple[int, ...]) -> None:
    head, map_ = TokenLabelHead(4, 3), torch.randn(shape)
    tokens = map_.flatten(2).unbind(2)
    of_tokens = torch.stack([head.aux_proj(token) for token in tokens])  # (N, B, K)
    mean = torch.stack(tokens).mean(0)
    torch.testing.assert_close(head(map_), head.proj(mean) + 0.5 * of_tokens.amax(0))


def test_token_logits_come_row_by_row() -> None:
    head, map_ = TokenLabelHead(4, 3), torch.randn(2, 4, 2, 5)
    logits, token_logits = head.forward_auxiliary(map_)
    assert token_logits.shape == (2, 10, 3)
    torch.testing.assert_close(token_logits[:, 7], head.aux_proj(map_[:, :, 1, 2]))
    torch.testing.assert_close(logits, head.proj(map_.mean((2, 3))))


def test_class_token_is_normalised_and_classified_by_itself() -> None:
    head, map_, cls = ClassTokenHead(4, 3), torch.randn(2, 4, 3, 5), torch.randn(2, 1, 4)
    logits, cls_logits = head.forward_auxiliary(map_, cls)
    assert torch.equal(logits, head(map_))
    normed = torch.nn.functional.layer_norm(cls[:, 0], (4,), eps=1e-5)
    torch.testing.assert_close(cls_logits, head.cls_proj(normed))


@pytest.mark.parametrize("head_type", [ClassificationHead, ClassTokenHead, TokenLabelHead])
def test_pre_logits_are_the_pooled_features(head_type: type[ClassificationHead]) -> None:
    map_: Tensor = torch.randn(2, 4, 2, 3, 5)
    pooled = head_type(4, 3)(map_, pre_logits=True)
    torch.testing.assert_close(pooled, map_.mean((2, 3, 4)))


def test_head_without_classes_gives_features_and_has_no_parameters() -> None:
    head, video = ClassificationHead(4, 0), torch.randn(2, 4, 2, 3, 5)
    assert torch.equal(head(video), head(video, pre_logits=True))
    assert not list(head.parameters())
