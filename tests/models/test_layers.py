import pytest
import torch
import torch.nn.functional as F
from torch import nn

from video_uniformer.models.uniformer.layers import (
    DPE,
    FFN,
    ConvEmbed,
    ConvStem,
    GlobalMHRA,
    LocalMHRA,
    PatchEmbed,
    depthwise,
    map_to_tokens,
    split_heads,
    tokens_to_map,
)


def test_tokens_run_over_time_then_rows_then_columns() -> None:
    video = torch.arange(24).reshape(1, 1, 2, 3, 4)
    assert map_to_tokens(video)[0, :, 0].tolist() == list(range(24))


def test_tokens_to_map_undoes_map_to_tokens() -> None:
    video = torch.randn(2, 5, 2, 3, 4)
    assert torch.equal(tokens_to_map(map_to_tokens(video), (2, 3, 4)), video)


def test_tokens_of_a_channels_last_map_are_a_view() -> None:
    video = torch.randn(2, 5, 2, 3, 4).contiguous(memory_format=torch.channels_last_3d)
    tokens = map_to_tokens(video)
    assert tokens.is_contiguous()
    assert tokens.data_ptr() == video.data_ptr()


def test_patch_embed_normalises_over_channels() -> None:
    embed = PatchEmbed(3, 8, kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))
    output = embed(torch.randn(2, 3, 9, 6))
    assert output.shape == (2, 8, 4, 3)
    assert torch.allclose(output.mean(1), torch.zeros(2, 4, 3), atol=1e-5)
    assert torch.allclose(output.var(1, correction=0), torch.ones(2, 4, 3), atol=1e-3)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 32), (16, 8)),
        ((33, 47), (9, 12)),
        ((4, 64, 32), (2, 16, 8)),
        ((1, 33, 47), (1, 9, 12)),
        ((5, 32, 32), (3, 8, 8)),
    ],
)
def test_convolutional_stem_quarters_a_frame_and_halves_time_rounding_up(
    size: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    stem = ConvStem(3, 8, ndim=len(size))
    assert stem(torch.randn(2, 3, *size)).shape == (2, 8, *expected)


def test_convolutional_stem_is_two_convolutions_with_a_gelu_between() -> None:
    stem, image = ConvStem(3, 8, ndim=2).eval(), torch.randn(1, 3, 9, 9)
    assert stem.conv1.get_parameter("weight").shape == (4, 3, 3, 3)
    expected = stem.norm2(stem.conv2(F.gelu(stem.norm1(stem.conv1(image)))))
    assert torch.equal(stem(image), expected)


@pytest.mark.parametrize(
    ("size", "expected"), [((8, 6), (4, 3)), ((7, 5), (4, 3)), ((1, 1), (1, 1))]
)
def test_convolutional_embed_halves_rounding_up(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    embed = ConvEmbed(4, 8).eval()
    image = torch.randn(2, 4, *size)
    assert embed(image).shape == (2, 8, *expected)
    assert torch.equal(embed(image), embed.norm(embed.proj(image)))


def test_heads_are_split_queries_first_and_channels_fastest() -> None:
    qkv = torch.arange(24.0).reshape(1, 1, 24)  # one token of 2 heads with 4 channels
    query, key, value = split_heads(qkv, 2)
    assert query[0, :, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert key[0, 0, 0].tolist() == [8, 9, 10, 11]
    assert value[0, 1, 0].tolist() == [20, 21, 22, 23]


def test_dpe_with_a_zero_kernel_is_the_identity() -> None:
    dpe, video = DPE(4, ndim=3), torch.randn(1, 4, 2, 5, 5)
    nn.init.zeros_(dpe.get_parameter("conv.weight"))
    nn.init.zeros_(dpe.get_parameter("conv.bias"))
    assert torch.equal(dpe(video), video)


@pytest.mark.parametrize("ndim", [2, 3])
def test_local_mhra_reaches_two_cells_and_no_further(ndim: int) -> None:
    mhra = LocalMHRA(4, ndim=ndim)
    silent, loud = torch.zeros(1, 4, *(9,) * ndim), torch.zeros(1, 4, *(9,) * ndim)
    loud.flatten(2)[:, :, 9**ndim // 2] = 1  # the middle cell
    changed = (mhra(loud) - mhra(silent)).abs().sum(1)[0] > 1e-9
    reached = changed.nonzero()
    assert reached.min(0).values.tolist() == [2] * ndim
    assert reached.max(0).values.tolist() == [6] * ndim


def test_global_mhra_is_softmax_attention_over_all_tokens() -> None:
    mhra, tokens = GlobalMHRA(12, 3), torch.randn(2, 7, 12)
    query, key, value = mhra.qkv(tokens).reshape(2, 7, 3, 3, 4).permute(2, 0, 3, 1, 4)
    affinity = torch.softmax(query @ key.mT / 4**0.5, dim=-1)  # (B, heads, N, N)
    expected = mhra.proj((affinity @ value).transpose(1, 2).reshape(2, 7, 12))
    assert torch.allclose(mhra(tokens), expected, atol=1e-6)


def test_global_mhra_does_not_depend_on_the_order_of_tokens() -> None:
    mhra, tokens, order = GlobalMHRA(12, 3), torch.randn(1, 7, 12), torch.randperm(7)
    assert torch.allclose(mhra(tokens)[:, order], mhra(tokens[:, order]), atol=1e-6)


@pytest.mark.parametrize("num_heads", [0, 5, -1])
def test_heads_that_do_not_divide_dim_are_refused(num_heads: int) -> None:
    message = f"num_heads is {num_heads}, expected a divisor of dim 12"
    with pytest.raises(ValueError, match=message):
        GlobalMHRA(12, num_heads)


def test_ffn_on_a_map_equals_ffn_on_its_tokens() -> None:
    on_map, on_tokens = FFN(4, 8, ndim=3), FFN(4, 8, ndim=None)
    for name, parameter in on_tokens.named_parameters():
        other = on_map.get_parameter(name)
        parameter.data = other.detach().reshape(parameter.shape)
    video = torch.randn(2, 4, 2, 3, 3)
    expected = tokens_to_map(on_tokens(map_to_tokens(video)), (2, 3, 3))
    assert torch.allclose(on_map(video), expected, atol=1e-6)


def test_ffn_uses_the_exact_gelu() -> None:
    ffn, tokens = FFN(4, 8, ndim=None), torch.randn(1, 3, 4)
    expected = ffn.fc2(F.gelu(ffn.fc1(tokens), approximate="none"))
    assert torch.equal(ffn(tokens), expected)


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("shape", [(2, 4, 1, 3, 7), (2, 4, 5, 6, 6), (1, 4, 2, 1, 1)])
def test_depthwise_gradients_are_those_of_a_plain_convolution(
    kernel_size: int, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    conv, video, grad = depthwise(4, kernel_size, ndim=3), torch.randn(shape), torch.randn(shape)
    weight, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
    leaves = video.requires_grad_(), weight, bias
    plain = F.conv3d(*leaves, padding=kernel_size // 2, groups=4)
    expected = torch.autograd.grad(plain, leaves, grad)
    for own, other in zip(torch.autograd.grad(conv(video), leaves, grad), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_depthwise_takes_part_in_autocast() -> None:
    conv, video = depthwise(4, 3, ndim=3), torch.randn(1, 4, 2, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        output = conv(video)
    output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert conv.get_parameter("weight").grad.dtype == torch.float32  # type: ignore[union-attr]
    assert video.grad is not None
    assert video.grad.dtype == torch.float32


def test_depthwise_gradient_stays_channels_last() -> None:
    conv, video = depthwise(4, 3, ndim=3), torch.randn(2, 4, 3, 5, 5)
    video = video.contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    conv(video).square().sum().backward()
    assert video.grad is not None
    assert video.grad.is_contiguous(memory_format=torch.channels_last_3d)
