"""Small networks of every kind, and a view of the operators that they run."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from video_uniformer.models.uniformer.network import UniFormer, UniFormerMaps
from video_uniformer.models.uniformer.stages import StageOptions
from video_uniformer.models.uniformer.variants import VARIANTS
from video_uniformer.weights.build import create_uniformer

KINDS: dict[str, dict[str, Any]] = {
    "video": {"variant": "test", "ndim": 3},
    "video_scaled": {"variant": "test", "ndim": 3, "layer_scale": 0.1},
    "video_divided": {"variant": "test", "ndim": 3, "attention": "divided"},
    "video_std": {"variant": "test", "ndim": 3, "embed_frames": 3},
    "video_light": {"variant": "test_light", "ndim": 3},
    "video_light_scaled": {"variant": "test_light", "ndim": 3, "layer_scale": 0.1},
    "image": {"variant": "test", "ndim": 2},
    "image_scaled": {"variant": "test", "ndim": 2, "layer_scale": 0.1},
    "image_window": {"variant": "test", "ndim": 2, "attention": "window", "window_size": 3},
    "image_hybrid": {"variant": "test", "ndim": 2, "attention": "hybrid", "window_size": 3},
    "image_token_labels": {"variant": "test", "ndim": 2, "token_labels": True},
    "image_conv_stem": {"variant": "small_plus", "ndim": 2},  # shrunk by `build`
    "image_light": {"variant": "test_light", "ndim": 2},
    "image_light_scaled": {"variant": "test_light", "ndim": 2, "layer_scale": 0.1},
    "maps": {"variant": "test", "ndim": 2, "features_only": True},
    "maps_window": {
        "variant": "test",
        "ndim": 2,
        "features_only": True,
        "attention": "window",
        "window_size": 3,
    },
    "maps_conv_stem": {"variant": "small_plus", "ndim": 2, "features_only": True},
    "maps_light": {"variant": "test_light", "ndim": 2, "features_only": True},
}
LIGHT = ("video_light", "video_light_scaled", "image_light", "image_light_scaled")
AUXILIARY = (*LIGHT, "image_token_labels")


def build(kind: str, **changes: Any) -> Any:
    """The network of a kind, always initialised alike, with 5 classes unless told otherwise."""
    torch.manual_seed(0)
    arguments = {"num_classes": 5, **KINDS[kind], **changes}
    if arguments["variant"] == "small_plus":
        return _build_small_plus(**arguments)
    return create_uniformer(**arguments)


def _build_small_plus(
    *, variant: str, ndim: int, num_classes: int, features_only: bool = False, **options: Any
) -> UniFormer | UniFormerMaps:
    row = VARIANTS[variant]._replace(dims=(8, 16, 32, 64), depths=(1, 1, 1, 1), head_dim=16)
    if features_only:
        return UniFormerMaps(row, StageOptions(ndim=ndim, **options))
    return UniFormer(row, StageOptions(ndim=ndim, **options), num_classes=num_classes)


def views(
    ndim: int, *, batch: int = 2, frames: int = 4, height: int = 64, width: int = 64, seed: int = 1
) -> Tensor:
    """(B, 3, T, H, W) or (B, 3, H, W), always alike."""
    generator = torch.Generator().manual_seed(seed)
    size = (frames, height, width)[-ndim:]
    return torch.randn(batch, 3, *size, generator=generator)


def scramble(network: nn.Module) -> None:
    """Take norms, statistics, layer scales and biases off their initial values."""
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1 or "gamma" in name or "cls_token" in name:
            parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)


class Operators(TorchDispatchMode):
    """Names every operator that runs, and the shapes of the tensors given to it."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[tuple[str, list[tuple[int, ...]]]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        shapes = [tuple(arg.shape) for arg in args if isinstance(arg, Tensor)]
        self.ran.append((func.overloadpacket.__name__, shapes))
        return func(*args, **(kwargs or {}))


def operators_of_a_forward_pass(
    network: nn.Module, x: Tensor
) -> list[tuple[str, list[tuple[int, ...]]]]:
    """What runs, in order."""
    with torch.no_grad(), Operators() as operators:
        network(x)
    return operators.ran
