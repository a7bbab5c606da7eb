"""Attention under half precision: logits that half precision cannot hold stay as in float32."""

import copy

import pytest
import torch
from torch import Tensor, nn

from video_uniformer.models.uniformer.hourglass import RankingMHRA
from video_uniformer.models.uniformer.layers import GlobalMHRA

HALVES = [torch.float16, torch.bfloat16]
DIM, NUM_TOKENS = 64, 50


def with_large_logits(block: GlobalMHRA | RankingMHRA) -> nn.Module:
    """The block with one head whose queries and keys are hundreds: logits of about a million."""
    with torch.no_grad():
        block.qkv.weight.zero_()
        block.qkv.weight[: 2 * DIM].copy_(300 * torch.eye(DIM).repeat(2, 1))
        block.qkv.weight[2 * DIM :].copy_(torch.eye(DIM))
    return block


def tokens_of_exact_products() -> Tensor:
    """Tokens of signs, so that a half holds queries, keys and values without rounding."""
    torch.manual_seed(0)
    return torch.randint(0, 2, (2, NUM_TOKENS, DIM)).float() * 2 - 1


def outputs(block: nn.Module, tokens: Tensor) -> tuple[Tensor, ...]:
    made = block(tokens)
    return made if isinstance(made, tuple) else (made,)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("kind", [GlobalMHRA, RankingMHRA])
@pytest.mark.parametrize("how", ["autocast", "weights"])
def test_logits_beyond_half_precision_give_the_attention_of_float32(
    how: str, kind: type[GlobalMHRA] | type[RankingMHRA], dtype: torch.dtype
) -> None:
    torch.manual_seed(1)
    block, tokens = with_large_logits(kind(DIM, num_heads=1)), tokens_of_exact_products()
    expected = outputs(block, tokens)
    if how == "weights":
        made = outputs(copy.deepcopy(block).to(dtype), tokens.to(dtype))
    else:
        with torch.autocast("cpu", dtype):
            made = outputs(block, tokens)
    for half, full in zip(made, expected, strict=True):
        torch.testing.assert_close(half.float(), full, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("dtype", HALVES)
def test_gradients_of_logits_beyond_half_precision_are_finite(dtype: torch.dtype) -> None:
    block, tokens = with_large_logits(RankingMHRA(DIM, num_heads=1)), tokens_of_exact_products()
    with torch.autocast("cpu", dtype):
        related, affinity = block(tokens)
    (related.float().square().mean() + affinity.square().mean()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in block.parameters())
