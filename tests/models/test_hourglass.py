"""The hourglass block against a plain reading of its description, and its laws."""

import copy

import pytest
import torch
from kinds import LIGHT, build, operators_of_a_forward_pass, views
from torch import Tensor, nn

from video_uniformer.models.uniformer.hourglass import (
    HourglassBlock,
    Ranking,
    RankingMHRA,
    pool_scores,
)
from video_uniformer.models.uniformer.stages import HourglassStage

DIM = 8
# Maps down to those of which all, all but one, or one token is left out.
SHAPES = [
    (1, 1),
    (1, 2),
    (1, 3),
    (2, 2),
    (3, 3),
    (4, 5),
    (1, 1, 1),
    (2, 1, 1),
    (1, 3, 1),
    (2, 3, 4),
]


def new_block(
    ndim: int, *, keep_ratio: float = 0.5, layer_scale: float | None = None, rate: float = 0.0
) -> HourglassBlock:
    torch.manual_seed(0)
    block = HourglassBlock(
        DIM,
        2,
        mlp_ratio=3.0,
        drop_path_rate=rate,
        ndim=ndim,
        keep_ratio=keep_ratio,
        layer_scale=layer_scale,
    ).double()
    for parameter in block.parameters():  # so that attention is far from uniform
        parameter.data += 0.3 * torch.randn_like(parameter)
    return block


def new_inputs(shape: tuple[int, ...], batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """A map, a class token and scores, which require gradients."""
    torch.manual_seed(1)
    num_tokens = int(torch.tensor(shape).prod())
    x = torch.randn(batch, DIM, *shape, dtype=torch.float64)
    cls = torch.randn(batch, 1, DIM, dtype=torch.float64)
    scores = torch.randn(batch, num_tokens, dtype=torch.float64).softmax(1)
    return x.requires_grad_(), cls.requires_grad_(), scores.detach().requires_grad_()


def silence(block: HourglassBlock, *layers: str) -> None:
    """Zero some layers of a block."""
    for layer in layers:
        for parameter in block.get_submodule(layer).parameters():
            nn.init.zeros_(parameter)


def slow_branches(block: HourglassBlock, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens after both branches, the branches' sum, and the first row of the attention."""
    batch, num_tokens, dim = tokens.shape
    qkv = block.mhra.qkv(block.norm1(tokens)).reshape(batch, num_tokens, 3, 2, dim // 2)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
    attention = torch.softmax(query @ key.transpose(2, 3) * (dim // 2) ** -0.5, dim=-1)
    joined = (attention @ value).transpose(1, 2).reshape(batch, num_tokens, dim)
    first = block.mhra.proj(joined)
    first = first if block.gamma_1 is None else block.gamma_1 * first
    second = block.ffn(block.norm2(tokens + first))
    second = second if block.gamma_2 is None else block.gamma_2 * second
    return tokens + first + second, first + second, attention.mean(1)[:, 0]


def take(values: Tensor, order: Tensor) -> Tensor:
    """Each sample's rows in its own order."""
    return torch.stack([row[index] for row, index in zip(values, order, strict=True)])


def slow_block(
    block: HourglassBlock, x: Tensor, cls: Tensor, scores: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sort, relate, sort back: the map, the class token and the scores after the block."""
    x = x + block.get_submodule("dpe.conv")(x)
    tokens, ratio = x.flatten(2).transpose(1, 2), block.keep_ratio
    if ratio == 1:
        related, _, row = slow_branches(block, torch.cat([cls, tokens], 1))
        fresh = row[:, 1:]
        scores = fresh if scores is None else (1 - ratio) * scores + ratio * fresh
        return related[:, 1:].transpose(1, 2).reshape(x.shape), related[:, :1], scores
    assert scores is not None
    num_tokens = tokens.shape[1]
    num_kept = int(num_tokens * ratio)
    order = torch.argsort(scores, dim=1, descending=True)
    places = take(torch.arange(num_tokens).expand(len(x), -1), order)
    tokens, scores = take(tokens, order), take(scores, order)
    rest, weights = tokens[:, num_kept:], scores[:, num_kept:]
    weights = weights / weights.sum(1, keepdim=True)
    stand_in = (weights[:, :, None] * rest).sum(1, keepdim=True)
    related, change, row = slow_branches(block, torch.cat([cls, tokens[:, :num_kept], stand_in], 1))
    # The authors tell the two updates apart by the number of scores.
    updated = num_tokens if num_tokens == related.shape[1] - 1 else num_kept
    fresh = (1 - ratio) * scores[:, :updated] + ratio * row[:, 1 : updated + 1]
    scores = torch.cat([fresh, scores[:, updated:]], 1)
    tokens = torch.cat([related[:, 1 : num_kept + 1], rest + change[:, -1:]], 1)
    back = torch.argsort(places, dim=1)
    tokens, scores = take(tokens, back), take(scores, back)
    return tokens.transpose(1, 2).reshape(x.shape), related[:, :1], scores


def run(block: HourglassBlock, x: Tensor, cls: Tensor, scores: Tensor | None) -> tuple[Tensor, ...]:
    map_, ranking = block(x, Ranking(cls, scores))
    assert ranking.scores is not None
    return map_, ranking.cls, ranking.scores


@pytest.mark.parametrize("layer_scale", [None, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_block_equals_sorting_relating_and_sorting_back(
    shape: tuple[int, ...], layer_scale: float | None
) -> None:
    block = new_block(len(shape), layer_scale=layer_scale)
    inputs = new_inputs(shape)
    for own, expected in zip(run(block, *inputs), slow_block(block, *inputs), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("has_scores", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 3, 4)])
def test_block_that_keeps_all_equals_its_plain_form(
    shape: tuple[int, ...], has_scores: bool
) -> None:
    block = new_block(len(shape), keep_ratio=1.0)
    x, cls, scores = new_inputs(shape)
    given = (x, cls, scores if has_scores else None)
    for own, expected in zip(run(block, *given), slow_block(block, *given), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layer_scale", [None, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_equal_those_of_the_plain_form(
    shape: tuple[int, ...], layer_scale: float | None
) -> None:
    block = new_block(len(shape), layer_scale=layer_scale)
    inputs = new_inputs(shape)
    leaves = (*inputs, *block.parameters())
    torch.manual_seed(3)
    outputs = run(block, *inputs)
    probes = [torch.randn_like(output) for output in outputs]
    own = torch.autograd.grad(outputs, leaves, probes)
    expected = torch.autograd.grad(slow_block(block, *inputs), leaves, probes)
    for gradient, other in zip(own, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-8, atol=1e-10)


def test_gradients_flow_through_the_scores() -> None:
    block, (x, cls, scores) = new_block(2), new_inputs((3, 4))
    map_, ranking = block(x, Ranking(cls, scores))
    (of_map,) = torch.autograd.grad(map_.square().sum(), scores, retain_graph=True)
    (of_scores,) = torch.autograd.grad(ranking.scores.square().sum(), scores)
    rest = scores.argsort(1)[:, :6]  # the mean of the rest is weighted by their scores
    assert of_map.gather(1, rest).all()
    assert of_scores.all()


def test_order_of_the_tokens_does_not_matter() -> None:
    block, (x, cls, scores) = new_block(2), new_inputs((4, 5))
    silence(block, "dpe")  # which alone knows where a token is
    order = torch.randperm(20, generator=torch.Generator().manual_seed(5))
    shuffled = x.flatten(2)[:, :, order].unflatten(2, (4, 5))
    map_, cls_out, scores_out = run(block, x, cls, scores)
    own_map, own_cls, own_scores = run(block, shuffled, cls, scores[:, order])
    torch.testing.assert_close(own_map.flatten(2), map_.flatten(2)[:, :, order])
    torch.testing.assert_close(own_cls, cls_out)
    torch.testing.assert_close(own_scores, scores_out[:, order])


def test_samples_are_ranked_by_themselves() -> None:
    block, (x, cls, scores) = new_block(3), new_inputs((2, 3, 4), batch=3)
    together = run(block, x, cls, scores)
    for number in range(3):
        alone = run(block, x[[number]], cls[[number]], scores[[number]])
        for own, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(own, all_[[number]])


def test_rest_is_moved_by_one_vector() -> None:
    block, (x, cls, scores) = new_block(2), new_inputs((3, 4))
    silence(block, "dpe")
    moved = (run(block, x, cls, scores)[0] - x).flatten(2).transpose(1, 2)
    rest = take(moved, scores.argsort(1)[:, :6])
    torch.testing.assert_close(rest, rest[:, :1].expand_as(rest))
    assert not torch.allclose(moved, moved[:, :1].expand_as(moved))


def test_drop_path_spares_what_the_rest_gets() -> None:
    block, (x, cls, scores) = new_block(2, rate=1 - 1e-9), new_inputs((3, 4))
    silence(block, "dpe")
    expected = (run(block.eval(), x, cls, scores)[0] - x).flatten(2).transpose(1, 2)
    moved, cls_out, _ = run(block.train(), x, cls, scores)
    moved = (moved - x).flatten(2).transpose(1, 2)
    order = scores.argsort(1)
    assert torch.equal(cls_out, cls)
    assert not take(moved, order[:, 6:]).any()
    assert take(moved, order[:, :6]).all()
    # With the first branch dropped, the second one sees another input.
    assert not torch.allclose(take(moved, order[:, :6]), take(expected, order[:, :6]))


def test_only_the_best_half_gets_new_scores() -> None:
    block, (x, cls, scores) = new_block(2), new_inputs((3, 4))
    silence(block, "mhra.qkv")  # attention is uniform over 1 + 6 + 1 tokens
    after = run(block, x, cls, scores)[2]
    best = scores >= scores.topk(6, dim=1).values[:, -1:]
    torch.testing.assert_close(after, torch.where(best, 0.5 * scores + 0.5 / 8, scores))


def test_map_of_more_than_2048_tokens_keeps_its_order_in_bfloat16() -> None:
    block = new_block(3).bfloat16()
    silence(block, "dpe", "mhra", "ffn")  # nothing is left but taking tokens out and putting back
    x = torch.randn(2, DIM, 16, 12, 12, dtype=torch.bfloat16)
    scores = torch.rand(2, 2304).softmax(1)
    map_, ranking = block(x, Ranking(torch.zeros(2, 1, DIM, dtype=torch.bfloat16), scores))
    assert torch.equal(map_, x)
    best = scores >= scores.topk(1152, dim=1).values[:, -1:]
    expected = torch.where(best, 0.5 * scores + 0.5 / 1154, scores)
    torch.testing.assert_close(ranking.scores, expected)


@pytest.mark.parametrize("kind", LIGHT)
def test_scores_stay_float32_in_bfloat16(kind: str) -> None:
    network = build(kind).eval().bfloat16()
    x = views(network.ndim).bfloat16()
    ranking = None
    for stage in network.stages:
        x, ranking = stage(x, ranking)
    assert x.dtype == torch.bfloat16
    assert ranking is not None
    assert ranking.scores.dtype == torch.float32


def test_scores_stay_float32_under_autocast() -> None:
    network = build("video_light")
    x, ranking = views(3), None
    with torch.autocast("cpu", torch.bfloat16):
        for stage in network.stages:
            x, ranking = stage(x, ranking)
    assert ranking is not None
    assert ranking.scores.dtype == torch.float32


def test_32_frames_of_192_pixels_in_bfloat16_stay_near_float32() -> None:
    network = build("video_light").eval()
    video = views(3, batch=1, frames=32, height=192, width=192)
    with torch.inference_mode():
        expected = network(video)
        output = copy.deepcopy(network).bfloat16()(video.bfloat16())
    assert (output.float() - expected).abs().max() <= 0.05 * expected.abs().max()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 2), [[10.0]]),
        ((2, 3), [[21.0]]),  # the last column is dropped, the sum is not
        ((2, 4), [[14 * 36 / 36, 22 * 36 / 36]]),
        ((1, 2, 2), [[10.0]]),
        ((2, 2, 2), [[10.0, 26.0]]),  # frames are not mixed
    ],
)
def test_pooled_scores(shape: tuple[int, ...], expected: list[list[float]]) -> None:
    scores = torch.arange(1.0, 1 + int(torch.tensor(shape).prod()))[None]
    torch.testing.assert_close(pool_scores(scores, torch.Size(shape)), torch.tensor(expected))


@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (3, 4, 6), (3, 5, 7)])
def test_pooling_keeps_the_sum_of_the_scores(shape: tuple[int, ...]) -> None:
    scores = new_inputs(shape)[2]
    pooled = pool_scores(scores, torch.Size(shape))
    assert pooled.shape == (2, scores.shape[1] // (shape[-1] * shape[-2]) * 6)
    torch.testing.assert_close(pooled.sum(1), scores.sum(1))


def test_class_token_starts_anew_for_every_input() -> None:
    network = build("image_light").eval()
    expected = network(views(2))
    network(views(2, height=96, seed=7))
    assert torch.equal(network(views(2)), expected)


def test_one_block_keeps_all_tokens_and_the_others_half() -> None:
    with torch.device("meta"):
        network = build("video_light", variant="xxs")
    ratios = [m.keep_ratio for m in network.modules() if isinstance(m, HourglassBlock)]
    assert ratios == [1.0] + [0.5] * 9


def test_class_token_is_learned_in_stage_3_and_widened_in_stage_4() -> None:
    network = build("video_light")
    third, fourth = network.stages[2], network.stages[3]
    assert isinstance(third, HourglassStage)
    assert third.cls_token.shape == (1, 1, 32)
    assert not third.cls_token.any()
    assert fourth.cls_upsample.weight.shape == (64, 32)


@pytest.mark.parametrize("num_heads", [0, 5, -1])
def test_heads_that_do_not_divide_dim_are_refused(num_heads: int) -> None:
    message = f"num_heads is {num_heads}, expected a divisor of dim 12"
    with pytest.raises(ValueError, match=message):
        RankingMHRA(12, num_heads)


@pytest.mark.parametrize("kind", LIGHT)
def test_nothing_is_sorted_and_each_shrinking_block_ranks_once(kind: str) -> None:
    network = build(kind).eval()
    ran = [name for name, _ in operators_of_a_forward_pass(network, views(network.ndim))]
    assert not {"sort", "argsort", "msort"} & set(ran)
    assert ran.count("topk") == 3  # of 4 blocks the first keeps all


@pytest.mark.parametrize("kind", LIGHT)
def test_only_the_class_tokens_row_of_the_attention_is_formed(kind: str) -> None:
    network = build(kind).eval()
    ran = operators_of_a_forward_pass(network, views(network.ndim))
    assert sum("scaled_dot_product" in name for name, _ in ran) == 4
    softmaxed = [shapes[0] for name, shapes in ran if name == "_softmax"]
    assert [shape[2] for shape in softmaxed] == [1] * 4  # (B, heads, 1, N)
