"""The image networks under timm's names; importing this module registers them.

    import timm
    import video_uniformer.weights.timm

    timm.create_model("uniformer_small", pretrained=True, num_classes=10)
    timm.create_model("uniformer_base", features_only=True, out_indices=(1, 2, 3))

It needs the extra `timm`. `pretrained=True` takes the authors' ImageNet release by this package's
loader, with its cache and its errors: a path of yours is given, as always in timm, by
`pretrained_cfg_overlay={"file": path}`. In training, xxs, xs and a large of 1000 classes give the
pair of `UniFormer.forward_auxiliary`. timm hands arguments on as `**kwargs`; so do its entry points
here, and nothing else in the package.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import (
    PretrainedCfg,
    build_model_with_cfg,
    generate_default_cfgs,
    register_model,
    resolve_pretrained_cfg,
)
from timm.models._features import FeatureGetterNet  # timm exports the other extractors only
from torch import Tensor, nn

from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.loading import load_weights
from video_uniformer.weights.pretrained import UniFormer
from video_uniformer.weights.zoo import RELEASES, Release

# Where the authors released a network at several sizes, the one at 224 pixels; of large there is
# only the one trained with token labels.
_RELEASES = {
    "uniformer_xxs": RELEASES["in1k_xxs_224"],
    "uniformer_xs": RELEASES["in1k_xs_224"],
    "uniformer_small": RELEASES["in1k_s"],
    "uniformer_small_plus": RELEASES["in1k_s_plus"],
    "uniformer_base": RELEASES["in1k_b"],
    "uniformer_large": RELEASES["in1k_l_ls_tl_224"],
}


def _pretrained_cfg(release: Release) -> dict[str, Any]:
    """How a release was evaluated, in timm's words.

    Official: image_classification/datasets.py resizes to 256/224 of the size; the token-labelling
    networks follow timm's default of their time instead.
    """
    return {
        "hf_hub_id": release.repo,
        "hf_hub_filename": release.file if release.repo else None,
        "num_classes": release.num_classes,
        "input_size": (3, release.size, release.size),
        "crop_pct": 0.9 if release.token_labels else 224 / 256,
        "interpolation": "bicubic",
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "classifier": "head.proj",
        "license": "apache-2.0",
        "origin_url": "https://github.com/Sense-X/UniFormer",
        "paper_ids": "arXiv:2201.09450",
    }


# Read by `register_model`.
default_cfgs = generate_default_cfgs(
    {f"{name}.in1k": _pretrained_cfg(release) for name, release in _RELEASES.items()}
)


class StageMaps(FeatureGetterNet):
    """The chosen stage maps of a network, finest first.

    Shape:
        (B, 3, H, W) -> maps (B, dims[i], H/s, W/s), s = 4, 8, 16, 32.
    """

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of images (B, 3, H, W)."""
        network: Any = self.model
        maps: list[Tensor] = network.forward_intermediates(
            x, self.out_indices, norm=self.norm, intermediates_only=True
        )
        return maps


def _create(name: str, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    if arguments.get("cache_dir") is not None:
        raise ValueError(
            f"cache_dir is {arguments['cache_dir']!r}, expected None: weights are cached where "
            "the environment variable HF_HUB_CACHE says"
        )
    release = _RELEASES[name]
    described = resolve_pretrained_cfg(
        name, arguments.get("pretrained_cfg"), arguments.get("pretrained_cfg_overlay")
    )
    source = _source(described, release) if pretrained else None
    norm = arguments.pop("norm", False)
    if arguments.get("features_only"):
        arguments["num_classes"] = 0  # a head would be parameters without a gradient
    build = partial(_build, release, source, described.num_classes)
    features = {"feature_cls": StageMaps, "out_indices": (0, 1, 2, 3), "norm": norm}
    return build_model_with_cfg(build, name, False, feature_cfg=features, **arguments)


def _source(described: PretrainedCfg, release: Release) -> str | Mapping[str, object]:
    """Where the weights are, in the words of `load_weights`."""
    if described.state_dict:
        return described.state_dict
    if described.file:
        return str(described.file)
    if described.hf_hub_id and described.hf_hub_id != release.repo:
        file = f"/{described.hf_hub_filename}" if described.hf_hub_filename else ""
        return f"hf://{described.hf_hub_id}{file}"
    return release.name


def _build(
    release: Release,
    source: str | Mapping[str, object] | None,
    source_classes: int,
    *,
    num_classes: int,
    in_chans: int = 3,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    attention: str = "global",
    window_size: int = 14,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
) -> UniFormer:
    if in_chans != 3:
        raise ValueError(f"in_chans is {in_chans}, expected 3: UniFormer reads RGB images")
    if drop_rate:
        raise ValueError(f"drop_rate is {drop_rate}, expected 0: UniFormer has no dropout")
    network = create_uniformer(
        release.variant,
        ndim=2,
        num_classes=num_classes,
        head_dim=release.head_dim,
        drop_path_rate=drop_path_rate,
        attention=attention,
        window_size=window_size,
        # With other classes there are no labels of tokens to train the second classifier on.
        token_labels=release.token_labels and num_classes == release.num_classes,
        checkpoint_blocks=checkpoint_blocks,
    )
    if source is not None:
        load_weights(network, source, reset_head=num_classes not in (0, source_classes))
    return network


@register_model
def uniformer_xxs(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """UniFormer-XXS: 10.2 M parameters, 80.6 % at 224 pixels."""
    return _create("uniformer_xxs", pretrained, kwargs)


@register_model
def uniformer_xs(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """UniFormer-XS: 16.5 M parameters, 82.0 % at 224 pixels."""
    return _create("uniformer_xs", pretrained, kwargs)


@register_model
def uniformer_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """UniFormer-S: 21.5 M parameters, 82.9 % at 224 pixels."""
    return _create("uniformer_small", pretrained, kwargs)


@register_model
def uniformer_small_plus(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """UniFormer-S†, with convolutional stems: 24.0 M parameters, 83.4 % at 224 pixels."""
    return _create("uniformer_small_plus", pretrained, kwargs)


@register_model
def uniformer_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """UniFormer-B: 49.8 M parameters, 83.8 % at 224 pixels."""
    return _create("uniformer_base", pretrained, kwargs)


@register_model
def uniformer_large(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """UniFormer-L, with layer scale, trained with token labels: 100 M parameters, 85.6 %."""
    return _create("uniformer_large", pretrained, kwargs)
