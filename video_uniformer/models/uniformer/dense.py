"""Networks that answer for every place of an image: the backbone's maps, and a head on them.

UniFormer (arXiv 2201.09450), sections on semantic segmentation and pose estimation. Official:
semantic_segmentation and pose_estimation, whose backbone is that of `UniFormerMaps`.
"""

from torch import Tensor

from video_uniformer.models.heads.pose import DeconvHead
from video_uniformer.models.heads.segmentation import AuxiliaryHead, SemanticFPNHead, UPerHead
from video_uniformer.models.uniformer.network import Described, UniFormer, UniFormerMaps
from video_uniformer.models.uniformer.stages import StageOptions
from video_uniformer.models.uniformer.variants import Variant


class Segmenter(Described):
    """Names what every place of an image shows.

    Args:
        variant: A row of `VARIANTS`, or one like them.
        options: How the stages of the backbone are built.
        head: "upernet", which has an auxiliary classifier on stage 3, or "semantic_fpn".
        num_classes: K.
        dim: Channels of the head, half as many in the auxiliary one, twice as many in the pyramid
            of Semantic FPN; None for the published 512 (UperNet) or 128 (Semantic FPN).

    Shape:
        (B, 3, H, W) float, H and W >= 32 -> logits (B, K, H/4, W/4); in training of a network with
        an auxiliary classifier the pair of these and its logits (B, K, H/16, W/16).

    Raises:
        ValueError: an argument or an input's shape is out of range.
    """

    def __init__(
        self,
        variant: Variant,
        options: StageOptions,
        *,
        head: str = "upernet",
        num_classes: int = 150,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        _check_classes(num_classes)
        self.ndim, self.in_chans, self.num_classes = options.ndim, options.in_chans, num_classes
        self.backbone = UniFormerMaps(variant, options)
        dims = self.backbone.dims
        self.auxiliary: AuxiliaryHead | None = None
        self.head: UPerHead | SemanticFPNHead
        if head == "upernet":
            self.head = UPerHead(dims, num_classes, dim or 512)
            self.auxiliary = AuxiliaryHead(dims[2], num_classes, (dim or 512) // 2)
        elif head == "semantic_fpn":
            self.head = SemanticFPNHead(dims, num_classes, 2 * (dim or 128), dim or 128)
        else:
            raise ValueError(f"head is {head!r}, expected 'upernet' or 'semantic_fpn'")

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits of images (B, 3, H, W) at a quarter of their size; in training, see the class."""
        maps = self.backbone(x)
        logits = self.head(maps)
        if self.training and self.auxiliary is not None:
            return logits, self.auxiliary(maps[2])
        return logits


class PoseNetwork(Described):
    """Finds the joints of the one person that an image shows.

    Args:
        variant: A row of `VARIANTS`, or one like them.
        options: How the stages of the backbone are built.
        num_joints: J.
        dim: Channels of the head.

    Shape:
        (B, 3, H, W) float, H and W multiples of 32 -> heatmaps (B, J, H/4, W/4).

    Raises:
        ValueError: an argument or an input's shape is out of range.
    """

    def __init__(
        self, variant: Variant, options: StageOptions, *, num_joints: int = 17, dim: int = 256
    ) -> None:
        super().__init__()
        _check_classes(num_joints)
        self.ndim, self.in_chans, self.num_classes = options.ndim, options.in_chans, num_joints
        self.backbone = UniFormerMaps(variant, options)
        # Official: the norms of the first three maps exist; only the last map is read.
        self.backbone.norms[:3].requires_grad_(False)
        self.head = DeconvHead(self.backbone.dims[-1], num_joints, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps of images (B, 3, H, W) at a quarter of their size."""
        return self.head(self.backbone(x)[-1])


def backbone_of(
    network: UniFormer | UniFormerMaps | Segmenter | PoseNetwork,
) -> UniFormer | UniFormerMaps:
    """What holds the four stages: a part of a dense network, else the network itself."""
    return network.backbone if isinstance(network, Segmenter | PoseNetwork) else network


def _check_classes(number: int) -> None:
    if number < 1:
        raise ValueError(f"num_classes is {number}, expected at least 1")
