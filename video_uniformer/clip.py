"""What a network expects to see: clips of a video, an image, a scene, or one person of an image.

Plain data without torch, so that checkpoints, commands and tables can speak of it at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CHANNEL_ORDERS = ("rgb", "bgr")
INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class ClipSpec:
    """Everything that turns a video into the network's input.

    Checkpoints hold it as plain types: `ClipSpec(**dataclasses.asdict(spec))` equals `spec`, also
    when JSON or YAML have made lists of the tuples.

    Attributes:
        num_frames: Frames T of one clip.
        stride: Frames from one sampled frame to the next (dense clips), or None for segments: one
            frame from each of T equal parts of the whole video.
        size: Height and width of the network's input, pixels.
        num_clips: Clips per video in testing.
        num_crops: Crops per clip in testing: 1 (centre) or 3 (along the longer side).
        mean: Per channel of the network's input, for values in [0, 1].
        std: Per channel of the network's input, for values in [0, 1].
        channel_order: "rgb", or "bgr" for the published networks that were trained on frame
            folders, which OpenCV had read.
        by: "frame" counts `stride` and parts in frames; "time" in frames of the mean rate, for
            videos of variable rate. Where the rate is constant both are the same.

    Raises:
        ValueError: A field is outside what is said above.
    """

    num_frames: int
    stride: int | None
    size: int
    num_clips: int = 1
    num_crops: int = 1
    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.225, 0.225, 0.225)
    channel_order: Literal["rgb", "bgr"] = "rgb"
    by: Literal["frame", "time"] = "frame"

    def __post_init__(self) -> None:
        for name in ("num_frames", "size", "num_clips"):
            check_count(name, getattr(self, name))
        if self.stride is not None and (type(self.stride) is not int or self.stride < 1):
            raise ValueError(f"stride is {self.stride!r}, expected a whole number >= 1, or None")
        if type(self.num_crops) is not int or self.num_crops not in (1, 3):
            raise ValueError(f"num_crops is {self.num_crops!r}, expected 1 or 3")
        if self.by not in ("frame", "time"):
            raise ValueError(f"by is {self.by!r}, expected 'frame' or 'time'")
        _set_channels(self)

    @property
    def span(self) -> int | None:
        """Frames from the first to the last of a dense clip, both included; None for segments."""
        # Official: (T - 1) stride + 1 would be natural; dense_clip stretches the clip.
        return None if self.stride is None else self.num_frames * self.stride


@dataclass(frozen=True)
class ImageSpec:
    """Everything that turns an image into the network's input.

    Attributes:
        size: Height and width of the network's input, pixels.
        crop_share: Share of the shorter side that the centre crop of a test takes, in (0, 1].
        interpolation: "bicubic" (published) or "bilinear".
        mean: Per channel of the network's input, for values in [0, 1].
        std: Per channel of the network's input, for values in [0, 1].
        channel_order: "rgb", or "bgr".

    Raises:
        ValueError: A field is outside what is said above.
    """

    size: int
    crop_share: float = 224 / 256
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        check_count("size", self.size)
        share = self.crop_share
        if type(share) not in (int, float) or not 0 < share <= 1:
            raise ValueError(f"crop_share is {share!r}, expected a share above 0 and up to 1")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation is {self.interpolation!r}, expected {' or '.join(INTERPOLATIONS)}"
            )
        _set_channels(self)


@dataclass(frozen=True)
class SceneSpec:
    """Everything that turns an image into the input of a segmentation network.

    UniFormer (arXiv 2201.09450), semantic segmentation on ADE20K.

    Attributes:
        short_side: A test scales the image, aspect kept, so that neither its shorter side exceeds
            this nor its longer side `long_side`, pixels.
        long_side: Pixels.
        crop_size: Height and width of a training crop, pixels.
        multiple: A test stretches the scaled image so that both sides become multiples of this:
            32 for the published networks with a Semantic FPN, else 1.
        mean: Per channel of the network's input, for values in [0, 1].
        std: Per channel of the network's input, for values in [0, 1].
        channel_order: "rgb", or "bgr".

    Raises:
        ValueError: A field is outside what is said above.
    """

    short_side: int = 512
    long_side: int = 2048
    crop_size: int = 512
    multiple: int = 1
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        for name in ("short_side", "long_side", "crop_size", "multiple"):
            check_count(name, getattr(self, name))
        if self.long_side < self.short_side:
            raise ValueError(
                f"long_side is {self.long_side}, expected at least short_side, {self.short_side}"
            )
        _set_channels(self)


@dataclass(frozen=True)
class PersonSpec:
    """Everything that turns one person of an image into the input of a pose network.

    UniFormer (arXiv 2201.09450), pose estimation on COCO.

    Attributes:
        height: Of the network's input, pixels; a multiple of 32.
        width: Likewise.
        sigma: Standard deviation of the training's targets, cells of the heatmaps, each of which is
            4 pixels wide.
        padding: How much larger than the person's box the crop is.
        mean: Per channel of the network's input, for values in [0, 1].
        std: Per channel of the network's input, for values in [0, 1].
        channel_order: "rgb", or "bgr".

    Raises:
        ValueError: A field is outside what is said above.
    """

    height: int = 256
    width: int = 192
    sigma: float = 2.0
    padding: float = 1.25
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    channel_order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            check_count(name, getattr(self, name))
            if getattr(self, name) % 32:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a multiple of 32")
        for name in ("sigma", "padding"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not value > 0:
                raise ValueError(f"{name} is {value!r}, expected a number above 0")
        _set_channels(self)


InputSpec = ClipSpec | ImageSpec | SceneSpec | PersonSpec


def check_count(name: str, count: int) -> None:
    """Refuse what is no count.

    Raises:
        ValueError: `count` is not a whole number of at least 1.
    """
    if type(count) is not int or count < 1:
        raise ValueError(f"{name} is {count!r}, expected a whole number >= 1")


def _set_channels(spec: InputSpec) -> None:
    """Check what all kinds of input say of their channels; JSON makes lists of the tuples."""
    if spec.channel_order not in CHANNEL_ORDERS:
        raise ValueError(f"channel_order is {spec.channel_order!r}, expected 'rgb' or 'bgr'")
    for name in ("mean", "std"):
        object.__setattr__(spec, name, _three_floats(name, getattr(spec, name)))
    if min(spec.std) <= 0:
        raise ValueError(f"std is {spec.std!r}, expected three numbers > 0")


def _three_floats(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    numbers = list(values) if isinstance(values, Sequence) else []
    if len(numbers) != 3 or not all(isinstance(number, (int, float)) for number in numbers):
        raise ValueError(f"{name} is {values!r}, expected three numbers, one per channel")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])
