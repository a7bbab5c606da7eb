"""A checkpoint as a segmenter of pictures; needs neither config nor Lightning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.picture import Picture
from video_uniformer.description import Description
from video_uniformer.inference.ready_network import chosen_attention, ready_network
from video_uniformer.inference.segmentation import SceneNetwork, Segments, segment_picture
from video_uniformer.labels.palettes import palette
from video_uniformer.models.uniformer.dense import Segmenter
from video_uniformer.weights.loading import load_network
from video_uniformer.weights.reading import Checkpoint

_TASK = "segmentation"


class SceneSegmenter:
    """A network with everything that is needed to name the class of each pixel of a picture.

    Args:
        network: (B, 3, H, W) -> logits (B, K, H/4, W/4); copied, and left as it is.
        scene: How a picture becomes the network's input.
        class_names: K names.
        device: Where the network runs.

    Attributes:
        network: The copy, rewritten for inference.
        palette: K colours, red, green and blue, 0 to 255.

    Raises:
        ValueError: The number of names is not the network's number of classes, or there is no such
            device.

    Example:
        >>> from video_uniformer import SceneSpec, create_segmenter
        >>> network = create_segmenter("test", num_classes=2, dim=16)
        >>> segmenter = SceneSegmenter(network, scene=SceneSpec(64), class_names=["sky", "sea"])
        >>> segmenter(np.zeros((40, 60, 3), np.uint8)).labels.shape
        (40, 60)
    """

    def __init__(
        self,
        network: Segmenter,
        *,
        scene: SceneSpec,
        class_names: Sequence[str],
        device: str | torch.device = "cpu",
    ) -> None:
        if len(class_names) != network.num_classes:
            raise ValueError(
                f"there are {len(class_names)} class names, expected {network.num_classes}, "
                "the number of classes of the checkpoint"
            )
        self.network = ready_network(network, device)
        self.scene = scene
        self.class_names = tuple(class_names)
        self.palette = palette(len(class_names))
        self.device = torch.device(device)

    def __call__(
        self,
        picture: str | Path | npt.NDArray[np.uint8],
        *,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        window: int | None = None,
        stride: int | None = None,
    ) -> Segments:
        """Name the class of each pixel.

        Args:
            picture: A file, or uint8 RGB (H, W, 3), upright.
            scales: As in `segment_picture`, and so are those that follow.
            flip: The picture is also seen mirrored.
            window: Height and width of the windows that the network sees, pixels.
            stride: From one window to the next, pixels.

        Raises:
            PictureError: The file is no picture, or damaged.
            OSError: The file cannot be read.
            ValueError: An argument is out of range, or the picture is too small or too narrow.
        """
        pixels = _read(picture) if isinstance(picture, str | Path) else picture
        # In evaluation it gives no pair.
        network = cast(SceneNetwork, self.network)
        return segment_picture(
            network,
            pixels,
            self.scene,
            scales=scales,
            flip=flip,
            window=window,
            stride=stride,
            device=self.device,
        )


def _read(path: str | Path) -> npt.NDArray[np.uint8]:
    return np.array(Picture(Path(path)).rgb())


def load_segmenter(
    source: str | Path | Checkpoint,
    *,
    class_names: Sequence[str] | None = None,
    scene: Mapping[str, Any] | None = None,
    attention: str | None = None,
    window_size: int | None = None,
    device: str | torch.device = "cpu",
) -> SceneSegmenter:
    """Make a segmenter of a checkpoint: one of ours, or published.

    Ours say everything themselves. A published file does not name its classes, and is taken to
    expect what the published tests show.

    Args:
        source: A file, "hf://owner/repo[/file]", or what `open_checkpoint` gave.
        class_names: K names, which must be the checkpoint's own where those are known.
        scene: Fields of `SceneSpec` that replace the checkpoint's, such as {"short_side": 640}.
        attention: "global", "window" or "hybrid"; None for the checkpoint's.
        window_size: Cells along a side of a window; None for the checkpoint's.
        device: Where the network runs.

    Raises:
        ValueError: The file is unreadable or no segmentation network, class names are missing, or
            an argument is out of range.
    """
    given = chosen_attention(attention, window_size)
    network = load_network(source, given, class_names=class_names, tasks=(_TASK,))
    name = source.name if isinstance(source, Checkpoint) else str(source)
    assert isinstance(network, Segmenter)
    said = network.description
    if (names := class_names or said.class_names) is None:
        raise ValueError(f"{name} holds no class names, expected them to be given")
    spec = replace(_scene_of(said), **(scene or {}))
    return SceneSegmenter(network, scene=spec, class_names=names, device=device)


def _scene_of(said: Description) -> SceneSpec:
    if isinstance(said.input, SceneSpec):
        return said.input
    return SceneSpec(multiple=32 if said.network.get("head") == "semantic_fpn" else 1)
