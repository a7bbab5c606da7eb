"""The authors' state dicts of dense networks, from their key tables, filled by formula."""

from official import Shapes, _batch_norm, _layer, fill, official_shapes
from torch import Tensor

DIMS = {
    "small": (64, 128, 320, 512),
    "base": (64, 128, 320, 512),
    "xxs": (56, 112, 224, 448),
    "xs": (64, 128, 256, 512),
}


def dense_shapes(variant: str, head: str, num_classes: int) -> Shapes:
    """Key -> shape: the backbone, then the heads."""
    backbone = official_shapes(variant, 2, None, features_only=True)
    shapes = {f"backbone.{key}": shape for key, shape in backbone.items()}
    dims = DIMS[variant]
    parts = {
        "upernet": lambda: _upernet(dims, num_classes) | _auxiliary(dims[2], num_classes),
        "semantic_fpn": lambda: _semantic_fpn(dims, num_classes),
        "pose": lambda: _pose(dims[3], num_classes),
    }
    return shapes | parts[head]()


def _conv_norm(prefix: str, weight: tuple[int, ...]) -> Shapes:
    return {f"{prefix}.conv.weight": weight} | _batch_norm(f"{prefix}.bn", weight[0])


def _semantic_fpn(dims: tuple[int, ...], num_classes: int) -> Shapes:
    shapes: Shapes = {}
    for level, dim in enumerate(dims):
        shapes |= _layer(f"neck.lateral_convs.{level}.conv", (256, dim, 1, 1))
        shapes |= _layer(f"neck.fpn_convs.{level}.conv", (256, 256, 3, 3))
        for step in range(max(1, level)):
            prefix = f"decode_head.scale_heads.{level}.{2 * step}"
            shapes |= _conv_norm(prefix, (128, 128 if step else 256, 3, 3))
    return shapes | _layer("decode_head.conv_seg", (num_classes, 128, 1, 1))


def _upernet(dims: tuple[int, ...], num_classes: int) -> Shapes:
    shapes = _layer("decode_head.conv_seg", (num_classes, 512, 1, 1))
    for pool in range(4):
        shapes |= _conv_norm(f"decode_head.psp_modules.{pool}.1", (512, dims[3], 1, 1))
    shapes |= _conv_norm("decode_head.bottleneck", (512, dims[3] + 4 * 512, 3, 3))
    for level, dim in enumerate(dims[:3]):
        shapes |= _conv_norm(f"decode_head.lateral_convs.{level}", (512, dim, 1, 1))
        shapes |= _conv_norm(f"decode_head.fpn_convs.{level}", (512, 512, 3, 3))
    return shapes | _conv_norm("decode_head.fpn_bottleneck", (512, 2048, 3, 3))


def _auxiliary(dim: int, num_classes: int) -> Shapes:
    convolution = _conv_norm("auxiliary_head.convs.0", (256, dim, 3, 3))
    return convolution | _layer("auxiliary_head.conv_seg", (num_classes, 256, 1, 1))


def _pose(dim: int, num_joints: int) -> Shapes:
    shapes: Shapes = {}
    for number in range(3):
        prefix = f"keypoint_head.deconv_layers.{3 * number}"
        shapes[f"{prefix}.weight"] = (256 if number else dim, 256, 4, 4)
        shapes |= _batch_norm(f"keypoint_head.deconv_layers.{3 * number + 1}", 256)
    return shapes | _layer("keypoint_head.final_layer", (num_joints, 256, 1, 1))


def dense_state_dict(variant: str, head: str, num_classes: int) -> dict[str, Tensor]:
    """A whole state dict in the authors' naming, float32."""
    shapes = dense_shapes(variant, head, num_classes)
    return {key: fill(key, shape) for key, shape in shapes.items()}
