"""A checkpoint as a classifier of video files; needs neither config nor Lightning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from video_uniformer.data.decoding import open_video
from video_uniformer.data.sampling import ClipSpec, test_sampler
from video_uniformer.data.transforms import eval_transform
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.pretrained import find_weights
from video_uniformer.models.uniformer import VARIANTS, UniFormer, create_uniformer
from video_uniformer.models.weights import load_weights, read_weights, to_our_names


@dataclass(frozen=True)
class Prediction:
    """The answer for one video.

    Attributes:
        path: The video.
        probabilities: (K,) float32, summing to 1.
        class_names: K names.
        frames: (clips, T) numbers of the frames that were looked at.
    """

    path: Path
    probabilities: Tensor
    class_names: tuple[str, ...]
    frames: Tensor

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The `k` most probable classes with their probabilities, best first."""
        values, indices = self.probabilities.topk(min(k, len(self.class_names)))
        return [
            (self.class_names[index], value)
            for index, value in zip(indices.tolist(), values.tolist(), strict=True)
        ]


class VideoClassifier:
    """A network with everything that is needed to apply it to a video file.

    Args:
        network: (V, C, T, H, W) -> logits (V, K).
        clip: How a video becomes views.
        class_names: K names.
        fusion: "logits" or "probabilities": what is averaged over the views.
        decoder: Decoder of the videos.
        device: Where the network runs.

    Raises:
        ValueError: the number of names is not the network's number of classes, or there is no such
            device.
    """

    def __init__(
        self,
        network: UniFormer,
        *,
        clip: ClipSpec,
        class_names: Sequence[str],
        fusion: str = "logits",
        decoder: str = "decord",
        device: str | torch.device = "cpu",
    ) -> None:
        if len(class_names) != network.num_classes:
            raise ValueError(
                f"there are {len(class_names)} class names, expected {network.num_classes}, "
                "the number of classes of the checkpoint"
            )
        self.network = _to_device(fuse_for_inference(network), device)
        self.clip = clip
        self.class_names = tuple(class_names)
        self.fusion = fusion
        self.decoder = decoder
        self.device = torch.device(device)
        self._sampler, self._transform = test_sampler(clip), eval_transform(clip)

    @torch.inference_mode()
    def __call__(self, path: str | Path) -> Prediction:
        """Classify a video file or a folder of frames.

        Raises:
            ValueError: the video cannot be read; the message names it.
        """
        with open_video(path, self.decoder) as video:
            frames = self._sampler(len(video))
            views = self._transform(video.frames(frames))
        logits_VK = self.network(views.to(self.device)).float()
        if self.fusion == "logits":
            probabilities = logits_VK.mean(0).softmax(0)
        else:
            probabilities = logits_VK.softmax(1).mean(0)
        return Prediction(Path(path), probabilities.cpu(), self.class_names, frames)


def load_classifier(
    source: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    clip: Mapping[str, Any] | None = None,
    decoder: str = "decord",
    device: str | torch.device = "cpu",
) -> VideoClassifier:
    """Make a classifier of a checkpoint: one of ours, or a published file.

    Ours say everything themselves. A published file holds weights alone: its class names must be
    given, and its clip where it is not the default 16x4 at 224 pixels.

    Args:
        source: A file, or the name of a published one.
        class_names: K names, in the order of the network's outputs.
        clip: Fields of `ClipSpec` that replace the checkpoint's, such as {"num_clips": 4}.
        decoder: Decoder of the videos.
        device: Where the network runs.

    Raises:
        ValueError: the file is unreadable, fits no variant, or class names are missing.
    """
    path = find_weights(source)
    content = read_weights(path)
    facts: Any = content.get("classifier")
    if not isinstance(facts, dict):
        facts = _published_facts(path, to_our_names(content))
    network = create_uniformer(**facts["network"])
    load_weights(network, content)
    names = class_names if class_names is not None else facts["class_names"]
    if names is None:
        raise ValueError(f"{path} holds no class names, expected them to be given")
    return VideoClassifier(
        network,
        clip=ClipSpec(**{**facts["clip"], **(clip or {})}),
        class_names=names,
        fusion=facts["fusion"],
        decoder=decoder,
        device=device,
    )


def _to_device(network: UniFormer, device: str | torch.device) -> UniFormer:
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:  # an unknown device, or one that is not there
        problem = str(error).split("\n", maxsplit=1)[0]
        raise ValueError(f"device is {str(device)!r}, which cannot be used: {problem}") from None


def _published_facts(path: Path, state: dict[str, Tensor]) -> dict[str, Any]:
    """What the shapes of a bare state dict tell, and the defaults of the published networks."""
    stem = state.get("stages.0.patch_embed.proj.weight")
    head = state.get("head.proj.weight")
    depths = tuple(_depth(state, stage) for stage in range(4))
    dims = tuple(_dim(state, stage) for stage in range(4))
    variant = next(
        (k for k, row in VARIANTS.items() if (row.dims, row.depths) == (dims, depths)), ""
    )
    if stem is None or stem.ndim != 5 or head is None or not variant:
        raise ValueError(
            f"{path} is not a video classifier of a known variant ({', '.join(VARIANTS)})"
        )
    return {
        "network": {"variant": variant, "ndim": 3, "num_classes": len(head)},
        "clip": {"num_frames": 16, "stride": 4, "size": 224, "num_clips": 4},
        "class_names": None,
        "fusion": "logits",
    }


def _depth(state: dict[str, Tensor], stage: int) -> int:
    prefix = f"stages.{stage}.blocks."
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


def _dim(state: dict[str, Tensor], stage: int) -> int:
    bias = state.get(f"stages.{stage}.patch_embed.proj.bias")
    return 0 if bias is None else len(bias)
