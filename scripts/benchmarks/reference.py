"""A plain video UniFormer to measure against: the straightforward way to write the paper down.

Contiguous maps, modules one after another, attention written out as a softmax of a matrix product.
Key names are the authors', so `load_weights(network, reference.state_dict())` gives our network the
same weights, and the two must give the same outputs before they are timed.
"""

from torch import Tensor, nn


class _FFN(nn.Module):
    def __init__(self, fc1: nn.Module, fc2: nn.Module) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = fc1, nn.GELU(), fc2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, self.scale = num_heads, (dim // num_heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
        affinity = (query @ key.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.proj((affinity @ value).transpose(1, 2).reshape(batch, tokens, dim))


class _LocalBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv3d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.BatchNorm3d(dim)
        self.conv1 = nn.Conv3d(dim, dim, 1)
        self.conv2 = nn.Conv3d(dim, dim, 1)
        self.attn = nn.Conv3d(dim, dim, 5, padding=2, groups=dim)
        self.norm2 = nn.BatchNorm3d(dim)
        self.mlp = _FFN(nn.Conv3d(dim, 4 * dim, 1), nn.Conv3d(4 * dim, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.conv2(self.attn(self.conv1(self.norm1(x))))
        return x + self.mlp(self.norm2(x))


class _GlobalBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv3d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = _Attention(dim, dim // 64)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = _FFN(nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        shape = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, D)
        tokens = tokens + self.attn(self.norm1(tokens))
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(shape)


class _PatchEmbed(nn.Module):
    def __init__(self, in_dim: int, dim: int, first: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        kernel, stride, padding = ((3, 4, 4), (2, 4, 4), (1, 0, 0))
        if not first:
            kernel, stride, padding = (1, 2, 2), (1, 2, 2), (0, 0, 0)
        self.proj = nn.Conv3d(in_dim, dim, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x)
        shape = x.shape
        tokens = self.norm(x.flatten(2).transpose(1, 2))  # (B, N, D)
        return tokens.transpose(1, 2).reshape(shape).contiguous()


class PlainUniFormer(nn.Module):
    """UniFormer-S for videos, without anything done for speed.

    Shape:
        (B, 3, T, H, W) -> logits (B, K).
    """

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        dims, depths = (64, 128, 320, 512), (3, 4, 8, 3)
        in_dims = (3, *dims)
        for number, (dim, depth) in enumerate(zip(dims, depths, strict=True), start=1):
            block = _LocalBlock if number < 3 else _GlobalBlock
            embed = _PatchEmbed(in_dims[number - 1], dim, first=number == 1)
            self.add_module(f"patch_embed{number}", embed)
            self.add_module(f"blocks{number}", nn.Sequential(*(block(dim) for _ in range(depth))))
        self.norm = nn.BatchNorm3d(dims[-1])
        self.head = nn.Linear(dims[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of clips (B, 3, T, H, W)."""
        for number in range(1, 5):
            x = self.get_submodule(f"patch_embed{number}")(x)
            x = self.get_submodule(f"blocks{number}")(x)
        return self.head(self.norm(x).flatten(2).mean(-1))


def move_statistics(network: nn.Module) -> None:
    """Set the running statistics off their initial values, so that outputs depend on them."""
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(buffer, std=0.1)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 1.5)
