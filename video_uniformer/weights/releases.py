"""What a released checkpoint is, and what the releases of one family have in common.

Parameters and multiply-adds are counts of the official definitions. The table itself is `zoo.py`.
"""

from typing import Literal, NamedTuple

from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.description import NetworkArguments


class Release(NamedTuple):
    """One released file: what is in it, what it expects, and where it is.

    Attributes:
        name: Our key, such as "k400_s_16x4".
        task: "image" or "video".
        dataset: "in1k", "k400", "k600", "ssv1", "ssv2", "ucf101" or "hmdb51".
        variant: `create_uniformer`'s.
        head_dim: Channels of one attention head; no checkpoint reveals it.
        num_classes: Outputs of the head.
        labels: The list of class names in the order of the outputs; see `labels.names.SHIPPED`.
        size: Input height and width, pixels.
        top1: Published accuracy in percent, on the validation set (of split 1, if there are three).
        parameters: Trainable parameters, counted.
        gmacs: Multiply-adds of one view in 10^9, counted.
        published_gflops: What the READMEs call FLOPs: multiply-adds of all views in 10^9.
        file: Name of the file.
        drive_id: Its identifier on Google Drive, where every file is.
        layer_scale: Initial value, or None if the network has no layer scale.
        token_labels: Trained by token labelling, hence with a second linear layer.
        frames: Frames of one clip; 1 for images.
        stride: Frames from one sampled frame to the next; None for segments, and for images.
        clips: Clips per video of the published test.
        crops: Crops per clip of the published test.
        channel_order: "rgb", or "bgr" for what was trained on frame folders, which OpenCV had read.
        inferred: The file's name is known by analogy only.
        wrapper: Key under which the file holds the state dict; None if it is bare or not known
            (reading accepts every published form).
        repo: The authors' repository on the Hugging Face hub that holds the file too, or None.
        init: Name of the release from which it was fine-tuned, or None.
    """

    name: str
    task: str
    dataset: str
    variant: str
    head_dim: int
    num_classes: int
    labels: str
    size: int
    top1: float
    parameters: int
    gmacs: float
    published_gflops: float
    file: str
    drive_id: str
    layer_scale: float | None = None
    token_labels: bool = False
    frames: int = 1
    stride: int | None = None
    clips: int = 1
    crops: int = 1
    channel_order: Literal["rgb", "bgr"] = "rgb"
    inferred: bool = False
    wrapper: str | None = None
    repo: str | None = None
    init: str | None = None

    @property
    def ndim(self) -> int:
        """Axes of the network's input: 2 for images, 3 for videos."""
        return 2 if self.task == "image" else 3

    @property
    def stem(self) -> str:
        """The published file's name without its ending."""
        return self.file.removesuffix(".pth")

    @property
    def drive_url(self) -> str:
        """Where the file can be fetched with a browser."""
        return f"https://drive.google.com/file/d/{self.drive_id}"

    def builder_arguments(self) -> NetworkArguments:
        """The arguments of `create_uniformer` that build the released network."""
        return NetworkArguments(
            variant=self.variant,
            ndim=self.ndim,
            num_classes=self.num_classes,
            head_dim=self.head_dim,
            layer_scale=self.layer_scale,
            token_labels=self.token_labels,
        )

    def input(self) -> ClipSpec | ImageSpec:
        """What the network saw in the published test.

        Official: image_classification/datasets.py resizes to 256/224 of the size; the networks of
        token labelling follow timm's default of their time instead.
        """
        if self.task == "image":
            return ImageSpec(self.size, crop_share=0.9 if self.token_labels else 224 / 256)
        return ClipSpec(
            num_frames=self.frames,
            stride=self.stride,
            size=self.size,
            num_clips=self.clips,
            num_crops=self.crops,
            channel_order=self.channel_order,
        )


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


def _short(network: str) -> str:
    return network.replace("small", "s").replace("base", "b").replace("large", "l")


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
        name=f"in1k_{_short(sized)}",
        task="image",
        dataset="in1k",
        variant=variant,
        head_dim=head_dim,
        num_classes=1000,
        labels="imagenet1k",
        size=size,
        top1=top1,
        parameters=parameters,
        gmacs=gmacs,
        published_gflops=published_gflops,
        file=f"uniformer_{sized}.pth" if token_labels else f"uniformer_{sized}_in1k.pth",
        drive_id=drive_id,
        layer_scale=layer_scale,
        token_labels=token_labels,
        wrapper=None if token_labels or light else "model",
        repo=repo,
        init=f"in1k_{_short(network)}_224" if size == 384 else None,
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
        top1=top1,
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
        name=f"{dataset}_{_short(variant)}_{frames}x{stride}",
        task="video",
        dataset=dataset,
        variant=variant,
        head_dim=64,
        num_classes=num_classes,
        labels=labels,
        size=224,
        top1=top1,
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
        init=f"in1k_{_short(variant)}",
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
        name=f"{dataset}_{_short(variant)}_{sampling}_from_{start}",
        task="video",
        dataset=dataset,
        variant=variant,
        head_dim=64,
        num_classes=num_classes,
        labels=labels,
        size=224,
        top1=top1,
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
        init=f"{start}_{_short(variant)}_16x4",
    )
