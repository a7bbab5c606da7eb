"""The head that finds the joints of a person: heatmaps at stride 4, from the last map.

Xiao et al., "Simple Baselines for Human Pose Estimation" (arXiv 1804.06208), section 2. Official:
pose_estimation (mmpose 0.16), `TopdownHeatmapSimpleHead`.
"""

from torch import Tensor, nn

_STD = 0.001  # Official: `init_weights`


class DeconvHead(nn.Module):
    """Three transposed convolutions, each of twice the size, and a heatmap for every joint.

    Args:
        in_dim: Channels of the last map.
        num_joints: J.
        dim: Channels between.

    Shape:
        (B, in_dim, H/32, W/32) -> (B, J, H/4, W/4).
    """

    def __init__(self, in_dim: int, num_joints: int, dim: int = 256) -> None:
        super().__init__()
        self.deconvs = nn.ModuleList(_Doubling(in_dim if i == 0 else dim, dim) for i in range(3))
        self.proj = nn.Conv2d(dim, num_joints, 1)
        nn.init.normal_(self.proj.weight, std=_STD)
        assert self.proj.bias is not None
        nn.init.zeros_(self.proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps of the last map."""
        for deconv in self.deconvs:
            x = deconv(x)
        return self.proj(x)


class _Doubling(nn.Module):
    """(B, in_dim, h, w) -> (B, dim, 2 h, 2 w)."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_dim, dim, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(dim)
        nn.init.normal_(self.conv.weight, std=_STD)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()
