"""The class of each pixel of a picture, as the published segmentation networks are tested."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.scene_scaling import scaled
from video_uniformer.data.image.scene_transforms import normalised_scene
from video_uniformer.inference.score_rows import Score, resized_rows, whole_rows, windowed_rows

MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
"""The published `scales` of multi-scale tests, which also flip."""

SceneNetwork = Callable[[Tensor], Tensor]
"""float32 (B, 3, h, w) -> logits (B, K, h / 4, w / 4)."""


class Segments(NamedTuple):
    """What a picture consists of.

    Attributes:
        labels: (H, W), the class of each pixel; uint8 for up to 256 classes, else int16.
        shares: (K,) float64, the share of the pixels that each class has.
    """

    labels: npt.NDArray[np.uint8] | npt.NDArray[np.int16]
    shares: npt.NDArray[np.float64]


@torch.inference_mode()
def segment_picture(
    network: SceneNetwork,
    pixels: npt.NDArray[np.uint8],
    spec: SceneSpec,
    *,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    window: int | None = None,
    stride: int | None = None,
    device: str | torch.device = "cpu",
) -> Segments:
    """Name the class of each pixel.

    The picture is scaled as `spec` says, logits are resized to its own size, and the probabilities
    of all passes are averaged. Of the logits at the picture's own size a few rows at a time are in
    memory, and with windows, for each pass, as many rows of the scaled picture as a window has.

    UniFormer (arXiv 2201.09450), semantic segmentation; official configurations, `test_pipeline`.

    Args:
        network: In evaluation mode, on `device`.
        pixels: uint8 RGB (H, W, 3), upright.
        spec: How a picture becomes the network's input. To cut a big picture into windows at its
            own size, let the sides be the picture's.
        scales: The picture is seen at each of these times the sides of `spec`.
        flip: It is also seen mirrored.
        window: Height and width of the windows in which the network sees the scaled picture,
            pixels; None shows it as a whole.
        stride: From one window to the next, pixels; None takes two thirds of a window.
        device: Where the network is, and where the scores are summed.

    Raises:
        ValueError: An argument is not as said above, or `window` is no multiple of `spec.multiple`.
    """
    _check_pixels(pixels)
    rows_of = _row_source(spec, scales, window, stride)
    height, width = pixels.shape[:2]
    picture = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C")).to(device)
    score = partial(_score, network=network, spec=spec)
    passes = []
    for ratio in scales:
        view = scaled(picture, spec, ratio=ratio)
        for mirrored in (False, True) if flip else (False,):
            blocks = rows_of(score, view.flip(2) if mirrored else view)
            rows = resized_rows(blocks, view.shape[1], height, width)
            passes.append((row.flip(2) for row in rows) if mirrored else rows)
    return _labelled(passes, height, width)


def check_passes(
    spec: SceneSpec, *, scales: Sequence[float], window: int | None, stride: int | None
) -> None:
    """Refuse what `segment_picture` would refuse for every picture.

    Args:
        spec: As there, and so are the others.
        scales: At which the picture is seen.
        window: Height and width of the windows, pixels.
        stride: From one window to the next, pixels.

    Raises:
        ValueError: An argument is out of range, or contradicts another.
    """
    _row_source(spec, scales, window, stride)


def _check_pixels(pixels: npt.NDArray[np.uint8]) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(
            f"pixels is {pixels.dtype} {pixels.shape}, expected uint8 (height, width, 3)"
        )


def _row_source(
    spec: SceneSpec, scales: Sequence[float], window: int | None, stride: int | None
) -> Callable[[Score, Tensor], Iterator[Tensor]]:
    """What makes rows of logits of a scaled picture.

    Raises:
        ValueError: The arguments contradict each other.
    """
    if not scales or not all(0 < ratio < float("inf") for ratio in scales):
        raise ValueError(f"scales is {tuple(scales)}, expected at least one number above 0")
    if window is None:
        if stride is not None:
            raise ValueError(f"stride is {stride}, expected None where window is None")
        return whole_rows
    if window < 1 or window % spec.multiple:
        raise ValueError(f"window is {window}, expected a multiple of {spec.multiple} pixels")
    stride = max(1, window * 2 // 3) if stride is None else stride
    if not 1 <= stride <= window:
        raise ValueError(f"stride is {stride}, expected 1 to {window}, the window's pixels")
    return partial(windowed_rows, window=window, stride=stride)


def _score(pixels: Tensor, *, network: SceneNetwork, spec: SceneSpec) -> Tensor:
    """Logits (K, h / 4, w / 4) of uint8 (3, h, w)."""
    return network(normalised_scene(pixels, spec)[None])[0].float()


def _labelled(passes: list[Iterator[Tensor]], height: int, width: int) -> Segments:
    """The best class of each pixel, from blocks (K, n, W) of every pass."""
    labels, top = np.empty((0, 0), np.uint8), 0
    counts = torch.zeros(0, dtype=torch.int64)
    for blocks in zip(*passes, strict=True):
        # Of one pass the best logit is the best probability.
        best = (blocks[0] if len(blocks) == 1 else _mean_probability(blocks)).argmax(0)
        num_classes, num_rows = blocks[0].shape[:2]
        if top == 0:
            labels = np.empty((height, width), np.uint8 if num_classes <= 256 else np.int16)
            counts = torch.zeros(num_classes, dtype=torch.int64)
        labels[top : top + num_rows] = best.cpu().numpy()
        counts += torch.bincount(best.flatten().cpu(), minlength=num_classes)
        top += num_rows
    return Segments(labels, counts.double().div_(height * width).numpy())


def _mean_probability(blocks: tuple[Tensor, ...]) -> Tensor:
    total = blocks[0].softmax(0)
    for block in blocks[1:]:
        total += block.softmax(0)
    return total.div_(len(blocks))
