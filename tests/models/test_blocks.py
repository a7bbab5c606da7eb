"""The blocks against loops that say the same in plain words."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from video_uniformer.models.recompute import run_block
from video_uniformer.models.uniformer.blocks import DividedBlock, GlobalBlock, LocalBlock
from video_uniformer.models.uniformer.layers import GlobalMHRA

DIM = 8


def scrambled(block: nn.Module) -> Any:
    torch.manual_seed(0)
    for parameter in block.double().parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return block


def new_global(**changes: Any) -> Any:
    arguments = {"mlp_ratio": 2.0, "drop_path_rate": 0.0, "ndim": 2, **changes}
    return scrambled(GlobalBlock(DIM, 2, **arguments))


def new_divided(*, drop_path_rate: float = 0.0) -> Any:
    return scrambled(DividedBlock(DIM, 2, mlp_ratio=2.0, drop_path_rate=drop_path_rate))


def new_local(**changes: Any) -> Any:
    arguments = {"mlp_ratio": 2.0, "drop_path_rate": 0.0, "ndim": 2, **changes}
    return scrambled(LocalBlock(DIM, **arguments)).eval()


def new_map(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, DIM, *shape, dtype=torch.float64)


def slow_attention(mhra: GlobalMHRA, tokens: Tensor) -> Tensor:
    """Attention of one set of tokens (N, D), head by head and query by query."""
    query, key, value = mhra.qkv(tokens).split(DIM, dim=1)
    heads = []
    for head in range(2):
        part = slice(head * DIM // 2, (head + 1) * DIM // 2)
        rows = []
        for one in query[:, part]:
            weights = torch.softmax(key[:, part] @ one / (DIM // 2) ** 0.5, dim=0)
            rows.append(weights @ value[:, part])
        heads.append(torch.stack(rows))
    return mhra.proj(torch.cat(heads, 1))


def slow_windows(block: GlobalBlock, normed: Tensor, size: int) -> Tensor:
    """Related tokens (H, W, D) of one image, cell by cell; beyond the edge stand zeros."""
    height, width, _ = normed.shape
    related = torch.zeros_like(normed)
    for top in range(0, height, size):
        for left in range(0, width, size):
            cells = [(top + i, left + j) for i in range(size) for j in range(size)]
            inside = [row < height and column < width for row, column in cells]
            zero = torch.zeros(DIM, dtype=normed.dtype)
            tokens = [
                normed[cell] if here else zero for cell, here in zip(cells, inside, strict=True)
            ]
            attended = slow_attention(block.mhra, torch.stack(tokens))
            for cell, here, token in zip(cells, inside, attended, strict=True):
                if here:
                    related[cell] = token
    return related


@pytest.mark.parametrize(
    ("shape", "size"), [((4, 6), 2), ((5, 7), 3), ((3, 2), 4), ((1, 1), 14), ((3, 3), 1)]
)
def test_windows_equal_a_loop_over_them_with_zeros_beyond_the_edge(
    shape: tuple[int, int], size: int
) -> None:
    block, x = new_global(window_size=size), new_map(*shape)
    tokens = (x + block.dpe.conv(x)).movedim(1, -1)  # (B, H, W, D)
    related = torch.stack([slow_windows(block, one, size) for one in block.norm1(tokens)])
    tokens = tokens + related
    tokens = tokens + block.ffn(block.norm2(tokens))
    torch.testing.assert_close(block(x), tokens.movedim(-1, 1))


def test_window_that_fits_the_map_relates_all_tokens() -> None:
    x, windowed = new_map(5, 5), new_global(window_size=5)
    everywhere = new_global()
    everywhere.load_state_dict(windowed.state_dict())
    torch.testing.assert_close(windowed(x), everywhere(x))


def test_token_sees_its_window_only() -> None:
    block, x = new_global(window_size=3), new_map(6, 6)
    nn.init.zeros_(block.dpe.conv.weight)
    changed = x.clone()
    changed[:, 0, 0, 0] += 1
    differs = (block(x) != block(changed)).any(1)[0]
    assert differs[:3, :3].all()
    assert differs.sum() == 9


@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (2, 2, 3), (1, 1, 1)])
def test_global_block_relates_all_tokens(shape: tuple[int, ...]) -> None:
    block, x = new_global(ndim=len(shape)), new_map(*shape)
    tokens = (x + block.dpe.conv(x)).flatten(2).transpose(1, 2)
    tokens = tokens + torch.stack([slow_attention(block.mhra, t) for t in block.norm1(tokens)])
    tokens = tokens + block.ffn(block.norm2(tokens))
    torch.testing.assert_close(block(x), tokens.transpose(1, 2).unflatten(2, shape))


@pytest.mark.parametrize("shape", [(3, 2, 4), (1, 3, 3), (4, 1, 1)])
def test_divided_block_equals_loops_over_places_and_frames(shape: tuple[int, ...]) -> None:
    block, x = new_divided(), new_map(*shape)
    frames, height, width = shape
    tokens = (x + block.dpe.conv(x)).movedim(1, -1)  # (B, T, H, W, D)
    timed = torch.zeros_like(tokens)
    for i in range(height):
        for j in range(width):
            for sample in range(2):
                along = tokens[sample, :, i, j]  # (T, D)
                timed[sample, :, i, j] = along + slow_attention(
                    block.time_mhra, block.time_norm(along)
                )
    related = torch.zeros_like(tokens)
    for t in range(frames):
        for sample in range(2):
            within = block.norm1(timed[sample, t]).reshape(height * width, DIM)
            # The residual is the map before the relation along time.
            related[sample, t] = tokens[sample, t] + slow_attention(block.mhra, within).reshape(
                height, width, DIM
            )
    expected = related + block.ffn(block.norm2(related))
    torch.testing.assert_close(block(x), expected.movedim(-1, 1))


def test_divided_block_starts_without_time() -> None:
    block, tokens = new_divided(), torch.randn(3, 5, DIM, dtype=torch.float64)
    block.start_without_time()
    assert not block.time_mhra(block.time_norm(tokens)).any()
    assert block.time_mhra.proj.weight.eq(1).all()


def test_drop_path_skips_time_by_place_and_space_by_frame() -> None:
    block, x = new_divided(drop_path_rate=0.5), new_map(3, 4, 5)
    drawn: list[tuple[int, ...]] = []
    block.drop_path.register_forward_pre_hook(
        lambda module, inputs: drawn.append(tuple(inputs[0].shape))
    )
    block(x)
    assert drawn == [(2 * 20, 3, DIM), (2 * 3, 20, DIM), (2, 60, DIM)]


def test_drop_path_skips_a_branch_for_whole_samples() -> None:
    block = new_local(drop_path_rate=0.5).train()
    x = torch.randn(64, DIM, 3, 3, dtype=torch.float64)
    for name in ("dpe.conv", "ffn.fc2"):  # only the first branch is left
        for parameter in block.get_submodule(name).parameters():
            nn.init.zeros_(parameter)
    moved = (block(x) - x).flatten(1)
    skipped = moved.eq(0).all(1)
    assert moved.ne(0).any(1).eq(~skipped).all()
    assert 16 < int(skipped.sum()) < 48


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6)])
def test_local_block_adds_position_relation_and_transformation(shape: tuple[int, ...]) -> None:
    block, x = new_local(ndim=len(shape), layer_scale=0.5), new_map(*shape)
    expected = x + block.dpe.conv(x)
    expected = expected + block.gamma_1 * block.mhra(block.norm1(expected))
    expected = expected + block.gamma_2 * block.ffn(block.norm2(expected))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("ndim", [2, 3])
def test_layer_scale_of_zero_leaves_the_position_alone(ndim: int) -> None:
    shape = (3, 4, 5)[-ndim:]
    for block in (new_local(ndim=ndim, layer_scale=1.0), new_global(ndim=ndim, layer_scale=1.0)):
        nn.init.zeros_(block.gamma_1)
        nn.init.zeros_(block.gamma_2)
        x = new_map(*shape)
        assert torch.equal(block(x), x + block.dpe.conv(x))


def test_layer_scale_multiplies_each_channel_of_a_branch() -> None:
    scaled, plain, x = new_global(layer_scale=0.5), new_global(), new_map(3, 4)
    plain.load_state_dict({k: v for k, v in scaled.state_dict().items() if "gamma" not in k})
    for gamma, layer in ((scaled.gamma_1, plain.mhra.proj), (scaled.gamma_2, plain.ffn.fc2)):
        layer.weight.data *= gamma[:, None]
        layer.bias.data *= gamma
    torch.testing.assert_close(scaled(x), plain(x))


def test_window_attention_is_fused() -> None:
    block, x = new_global(window_size=3), new_map(5, 7)
    normed = block.norm1((x + block.dpe.conv(x)).movedim(1, -1))
    padded = F.pad(normed, (0, 0, 0, 2, 0, 1))
    assert padded.shape == (2, 6, 9, DIM)
    calls: list[tuple[int, ...]] = []
    block.mhra.register_forward_pre_hook(lambda module, inputs: calls.append(inputs[0].shape))
    block(x)
    assert calls == [(2 * 2 * 3, 9, DIM)]  # every window of the batch in one call


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm3d, nn.SyncBatchNorm])
def test_recomputed_batch_norms_count_a_batch_once(kind: type[nn.Module]) -> None:
    block = nn.Sequential(kind(DIM))  # type: ignore[call-arg]
    shape = (2, DIM, 3) if kind is nn.BatchNorm1d else (2, DIM, 1, 1, 3)
    run_block(block, torch.randn(shape, requires_grad=True), recompute=True).sum().backward()
    assert block.get_buffer("0.num_batches_tracked") == 1
