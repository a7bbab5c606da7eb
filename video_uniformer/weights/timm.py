"""The image networks under timm's names; importing this module registers them.

    import timm
    import video_uniformer.weights.timm

    timm.create_model("uniformer_small", pretrained=True, num_classes=10)
    timm.create_model("uniformer_base", features_only=True, out_indices=(1, 2, 3))
    timm.create_model("uniformer_xxs", pretrained=True, in_chans=1, drop_rate=0.1, aux=False)

timm finds foreign networks only once their module is imported.
`pretrained=True` takes the authors' ImageNet release by this package's loader, with its cache and
its errors: a path of yours is given, as always in timm, by `pretrained_cfg_overlay={"file": path}`.
With other `in_chans` its first convolution is adapted by timm's rule.

In training, xxs, xs and a large of 1000 classes give the pair of `UniFormer.forward_auxiliary`, for
a second classifier of theirs takes part in the published training. With `aux=False` they give one
tensor, the logits of evaluation, as timm's own training script wants it; the classifier of the
class token is then frozen. The names and shapes of the weights are the same either way.

timm hands arguments on as `**kwargs`; so do its entry points here, and nothing else in the package.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from pytorchvideo.layers.drop_path import DropPath
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import (
    PretrainedCfg,
    build_model_with_cfg,
    generate_default_cfgs,
    register_model,
    register_notrace_module,
    resolve_pretrained_cfg,
)
from torch import Tensor, nn

from video_uniformer.models.uniformer.variants import find_variant
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
    row = find_variant(release.variant)
    first = "proj" if row.stem == "patch" else "conv1"
    classifiers = ("head.proj", "head.aux_proj") if release.token_labels else "head.proj"
    if row.hourglass:
        classifiers = ("head.proj", "head.cls_proj")
    return {
        "hf_hub_id": release.repo,
        "hf_hub_filename": release.file if release.repo else None,
        "num_classes": release.num_classes,
        "input_size": (3, release.size, release.size),
        "pool_size": (release.size // 32, release.size // 32),
        "fixed_input_size": False,
        "crop_pct": 0.9 if release.token_labels else 224 / 256,
        "interpolation": "bicubic",
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "first_conv": f"stages.0.patch_embed.{first}",
        "classifier": classifiers,
        "license": "apache-2.0",
        "origin_url": "https://github.com/Sense-X/UniFormer",
        "paper_ids": "arXiv:2201.09450",
    }


# Read by `register_model`.
default_cfgs = generate_default_cfgs(
    {f"{name}.in1k": _pretrained_cfg(release) for name, release in _RELEASES.items()}
)


# Its forward branches on the rank of its input, which a symbolic trace does not know.
register_notrace_module(DropPath)


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
    features = _feature_config(arguments)
    build = partial(_build, release, source, described)
    return build_model_with_cfg(build, name, False, feature_cfg=features, **arguments)


def _feature_config(arguments: dict[str, Any]) -> dict[str, Any]:
    """How timm is to take features, of which `arguments` loses what timm would not know."""
    norm, extractor = arguments.pop("norm", False), arguments.pop("feature_cls", "getter")
    if extractor not in ("getter", "fx"):
        raise ValueError(f"feature_cls is {extractor!r}, expected 'getter' or 'fx'")
    if arguments.get("features_only"):
        arguments["num_classes"] = 0  # a head would be parameters without a gradient
    features = {"feature_cls": extractor, "out_indices": (0, 1, 2, 3)}
    return features | {"norm": norm} if extractor == "getter" else features


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


def _build(  # noqa: PLR0913 (the arguments that timm may hand on)
    release: Release,
    source: str | Mapping[str, object] | None,
    described: PretrainedCfg,
    *,
    num_classes: int,
    in_chans: int = 3,
    global_pool: str = "avg",
    aux: bool = True,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    attention: str = "global",
    window_size: int = 14,
    checkpoint_blocks: Sequence[int] = (0, 0, 0, 0),
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> UniFormer:
    build = partial(
        _create_on,
        device,
        dtype,
        release.variant,
        ndim=2,
        num_classes=num_classes,
        head_dim=release.head_dim,
        # With other classes there are no labels of tokens to train the second classifier on.
        token_labels=release.token_labels and num_classes == release.num_classes,
        drop_rate=drop_rate,
        drop_path_rate=drop_path_rate,
        attention=attention,
        window_size=window_size,
        checkpoint_blocks=checkpoint_blocks,
    )
    network: UniFormer = build(in_chans=in_chans)
    if source is not None:
        source_chans = described.input_size[0]
        published = network if in_chans == source_chans else build(in_chans=source_chans)
        reset_head = num_classes not in (0, described.num_classes)
        load_weights(published, source, reset_head=reset_head)
        _take_weights(network, published)
    if global_pool != "avg":
        network.reset_classifier(num_classes, global_pool)
    network.set_auxiliary_training(aux)
    return network


def _create_on(
    device: str | torch.device | None, dtype: torch.dtype | None, *arguments: Any, **named: Any
) -> UniFormer:
    """`create_uniformer`, made where and as precise as timm wants it."""
    with nullcontext() if device is None else torch.device(device):
        return create_uniformer(*arguments, **named).to(dtype=dtype)


def _take_weights(network: UniFormer, published: UniFormer) -> None:
    """Copy the weights of a network that differs, if at all, in the channels of its input."""
    if network is published:
        return
    state = published.state_dict()
    key = next(iter(state))  # of the convolution that reads the input
    state[key] = _adapt_channels(state[key], network.in_chans)
    network.load_state_dict(state)
    network.description = replace(published.description, network=network.config)


def _adapt_channels(kernel: Tensor, in_chans: int) -> Tensor:
    """A kernel (out, C, H, W) for other channels, by timm's rule: one sums all, more repeat them.

    Written here because timm's function has other arguments in other versions.
    """
    if in_chans == 1:
        return kernel.sum(1, keepdim=True)
    channels = kernel.shape[1]
    repeated = kernel.repeat(1, -(-in_chans // channels), 1, 1)[:, :in_chans]
    return repeated * (channels / in_chans)


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
