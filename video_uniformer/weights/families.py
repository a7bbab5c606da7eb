"""What the released classification networks of one family have in common.

Parameters and multiply-adds are counts of the official definitions. The rows are in `zoo.py`.
"""

from typing import NamedTuple

from video_uniformer.weights.releases import Release, short_name


class _Network(NamedTuple):
    variant: str
    head_dim: int
    parameters: int
    layer_scale: float | None = None


# By the words that the file names use.
_IMAGE_NETWORKS = {
    "xxs": _Network("xxs", 28, 10_215_280),
    "xs": _Network("xs", 32, 16_509_264),
    "small": _Network("small", 64, 21_545_256),
    "small_plus": _Network("small_plus", 32, 24_032_552),
    "small_plus_dim64": _Network("small_plus", 64, 24_032_552),
    "base": _Network("base", 64, 49_776_552),
    "base_ls": _Network("base", 64, 49_796_520, 1e-6),
    "small_tl": _Network("small", 32, 22_058_256),
    "small_dim64_tl": _Network("small", 64, 22_058_256),
    "small_plus_tl": _Network("small_plus", 32, 24_545_552),
    "small_plus_dim64_tl": _Network("small_plus", 64, 24_545_552),
    "base_tl": _Network("base", 32, 50_289_552),
    "base_dim64_tl": _Network("base", 64, 50_289_552),
    "large_ls_tl": _Network("large", 64, 100_103_888, 1e-6),
}
# Data set -> outputs, and the list of their names. Official: the config for HMDB51 asks for 101
# outputs although there are 51 classes; what the released file has is not known.
_CLASSES = {
    "k400": (400, "kinetics400"),
    "k600": (600, "kinetics600"),
    "ssv1": (174, "something_v1"),
    "ssv2": (174, "something_v2"),
    "ucf101": (101, "ucf101"),
    "hmdb51": (51, "hmdb51"),
}
# Video networks: (variant, outputs) -> parameters.
_PARAMETERS = {
    ("small", 400): 21_400_400,
    ("small", 600): 21_503_000,
    ("small", 174): 21_284_462,
    ("small", 101): 21_247_013,
    ("small", 51): 21_221_363,
    ("base", 400): 49_813_200,
    ("base", 600): 49_915_800,
    ("base", 174): 49_697_262,
}
# Video networks at 224 pixels: (variant, frames) -> `gmacs`; with the views -> `published_gflops`.
_GMACS = {
    ("small", 8): 17.61,
    ("small", 16): 41.76,
    ("small", 32): 109.63,
    ("base", 8): 40.23,
    ("base", 16): 96.74,
    ("base", 32): 258.63,
}
_PUBLISHED_GFLOPS = {
    ("small", 8, 4): 70.0,
    ("small", 16, 4): 167.0,
    ("small", 16, 3): 125.0,
    ("small", 16, 15): 625.0,
    ("small", 32, 3): 329.0,
    ("base", 8, 4): 161.0,
    ("base", 16, 4): 387.0,
    ("base", 16, 3): 290.0,
    ("base", 32, 4): 1036.0,
    ("base", 32, 3): 777.0,
}


def image_release(
    network: str,
    size: int,
    top1: float,
    gmacs: float,
    published_gflops: float,
    drive_id: str,
    *,
    repo: str | None = None,
) -> Release:
    """An ImageNet network; token labelling at 384 pixels is fine-tuned from 224.

    `network` says variant, layer scale, head_dim and training with the words of the file's name.
    """
    variant, head_dim, parameters, layer_scale = _IMAGE_NETWORKS[network]
    token_labels, light = network.endswith("_tl"), network in ("xxs", "xs")
    sized = f"{network}_{size}" if token_labels or light else network
    return Release(
        name=f"in1k_{short_name(sized)}",
        task="image",
        dataset="in1k",
        variant=variant,
        head_dim=head_dim,
        num_classes=1000,
        labels="imagenet1k",
        size=size,
        figure=top1,
        parameters=parameters,
        gmacs=gmacs,
        published_gflops=published_gflops,
        file=f"uniformer_{sized}.pth" if token_labels else f"uniformer_{sized}_in1k.pth",
        drive_id=drive_id,
        layer_scale=layer_scale,
        token_labels=token_labels,
        wrapper=None if token_labels or light else "model",
        repo=repo,
        init=f"in1k_{short_name(network)}_224" if size == 384 else None,
    )


def light_release(
    frames: int,
    size: int,
    top1: float,
    gmacs: float,
    published_gflops: float,
    drive_id: str,
    *,
    variant: str = "xxs",
    layer_scale: float | None = None,
    repo: str | None = None,
) -> Release:
    """A light network for Kinetics-400: one frame from each of T segments, one view.

    Only the name of the file that the hub has too is attested.
    """
    parameters = 16_099_552 if variant == "xs" else 9_833_896 if layer_scale is None else 9_840_616
    return Release(
        name=f"k400_{variant}_{frames}_{size}",
        task="video",
        dataset="k400",
        variant=variant,
        head_dim=_IMAGE_NETWORKS[variant].head_dim,
        num_classes=400,
        labels="kinetics400",
        size=size,
        figure=top1,
        parameters=parameters,
        gmacs=gmacs,
        published_gflops=published_gflops,
        file=f"uniformer_{variant}{frames}_{size}_k400.pth",
        drive_id=drive_id,
        layer_scale=layer_scale,
        frames=frames,
        inferred=repo is None,
        repo=repo,
        init=f"in1k_{variant}_{size}",
    )


def kinetics_release(
    dataset: str,
    variant: str,
    frames: int,
    stride: int,
    top1: float,
    drive_id: str,
    *,
    repo: str | None = None,
    inferred: bool = False,
) -> Release:
    """A network for Kinetics: dense clips, 4 clips in the test."""
    num_classes, labels = _CLASSES[dataset]
    return Release(
        name=f"{dataset}_{short_name(variant)}_{frames}x{stride}",
        task="video",
        dataset=dataset,
        variant=variant,
        head_dim=64,
        num_classes=num_classes,
        labels=labels,
        size=224,
        figure=top1,
        parameters=_PARAMETERS[variant, num_classes],
        gmacs=_GMACS[variant, frames],
        published_gflops=_PUBLISHED_GFLOPS[variant, frames, 4],
        file=f"uniformer_{variant}_{dataset}_{frames}x{stride}.pth",
        drive_id=drive_id,
        frames=frames,
        stride=stride,
        clips=4,
        inferred=inferred,
        repo=repo,
        init=f"in1k_{short_name(variant)}",
    )


def fine_tuned_release(
    dataset: str,
    variant: str,
    frames: int,
    start: str,
    top1: float,
    drive_id: str,
    *,
    repo: str | None = None,
) -> Release:
    """A network started from Kinetics 16x4: segments for Something-Something, else dense clips.

    `start` is "k400" or "k600". Only the names of the files that the hub has too are attested.
    """
    segments = dataset in ("ssv1", "ssv2")
    num_classes, labels = _CLASSES[dataset]
    clips, stride, sampling = (1, None, f"{frames}") if segments else (5, 4, f"{frames}x4")
    folder = dataset.replace("ssv", "sthv")
    return Release(
        name=f"{dataset}_{short_name(variant)}_{sampling}_from_{start}",
        task="video",
        dataset=dataset,
        variant=variant,
        head_dim=64,
        num_classes=num_classes,
        labels=labels,
        size=224,
        figure=top1,
        parameters=_PARAMETERS[variant, num_classes],
        gmacs=_GMACS[variant, frames],
        published_gflops=_PUBLISHED_GFLOPS[variant, frames, 3 * clips],
        file=f"uniformer_{variant}_{folder}_{sampling}_pre{start}.pth",
        drive_id=drive_id,
        frames=frames,
        stride=stride,
        clips=clips,
        crops=3,
        channel_order="rgb" if dataset == "ucf101" else "bgr",
        inferred=repo is None,
        repo=repo,
        init=f"{start}_{short_name(variant)}_16x4",
    )
