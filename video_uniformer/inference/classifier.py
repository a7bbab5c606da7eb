"""A checkpoint as a classifier of video files; needs neither config nor Lightning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from video_uniformer.clip import ClipSpec
from video_uniformer.data.decoding import VideoError
from video_uniformer.data.video.policy import BadVideoPolicy
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.sampling import eval_sampler
from video_uniformer.data.video.transforms import eval_transform
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.models.view_fusion import fuse_views
from video_uniformer.weights.loading import load_network

# Of most published networks; what a file that says nothing is taken to expect.
PUBLISHED_CLIP = ClipSpec(num_frames=16, stride=4, size=224, num_clips=4)


@dataclass(frozen=True)
class Prediction:
    """The answer for one video.

    Attributes:
        path: The video.
        probabilities: (K,) float32, summing to 1.
        class_names: K names.
        frames: (clips, T) numbers of the frames that were looked at.
        problem: What is wrong with a video of which only the intact frames were used; else empty.
    """

    path: Path
    probabilities: Tensor
    class_names: tuple[str, ...]
    frames: Tensor
    problem: str = ""

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
        deadline_seconds: The longest wait for opening a video, and for reading its frames, which a
            process of its own then does; None waits for ever.
        salvage: Use the intact frames of a damaged video.

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
        decoder: str = "auto",
        device: str | torch.device = "cpu",
        deadline_seconds: float | None = None,
        salvage: bool = False,
    ) -> None:
        if len(class_names) != network.num_classes:
            raise ValueError(
                f"there are {len(class_names)} class names, expected {network.num_classes}, "
                "the number of classes of the checkpoint"
            )
        fused = fuse_for_inference(network)
        try:
            self.network = fused.to(device)
        except (RuntimeError, AssertionError) as error:  # an unknown device, or one not there
            problem = str(error).split("\n", maxsplit=1)[0]
            raise ValueError(
                f"device is {str(device)!r}, which cannot be used: {problem}"
            ) from None
        self.clip = clip
        self.class_names = tuple(class_names)
        self.fusion = fusion
        self.decoder = decoder
        self.device = torch.device(device)
        self._sampler, self._transform = eval_sampler(clip), eval_transform(clip)
        on_bad_video = "salvage" if salvage else "raise"
        policy = BadVideoPolicy(on_bad_video, deadline_seconds=deadline_seconds)
        self._reader = VideoReader(policy, decoder)

    @torch.inference_mode()
    def __call__(self, path: str | Path) -> Prediction:
        """Classify a video file or a folder of frames.

        Raises:
            ValueError: the video cannot be read; the message names it.
        """
        frames, indices, problem = self._look(Path(path))
        views = self._transform(frames)
        logits_VK = self.network(views.to(self.device)).float()
        probabilities = fuse_views(logits_VK[None], self.fusion)[0].softmax(0)
        return Prediction(Path(path), probabilities.cpu(), self.class_names, indices, problem)

    def pictures(self, path: str | Path) -> Tensor:
        """The frames that the answer for a video rests on, uint8 (clips, T, H, W, 3).

        Raises:
            ValueError: the video cannot be read; the message names it.
        """
        return self._look(Path(path))[0]

    def _look(self, path: Path) -> tuple[Tensor, Tensor, str]:
        """Frames and their numbers, and what is wrong with the video."""
        reading = self._reader.read(path, self._sampler)
        if reading.frames is None or reading.indices is None:
            raise VideoError(f"{path}: {reading.problem}")
        return reading.frames, reading.indices, reading.problem


def load_classifier(
    source: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    clip: Mapping[str, Any] | None = None,
    decoder: str = "auto",
    device: str | torch.device = "cpu",
    deadline_seconds: float | None = None,
    salvage: bool = False,
) -> VideoClassifier:
    """Make a classifier of a checkpoint: one of ours, or a published file.

    Ours say everything themselves, and so do published files under their published names. Of any
    other the class names must be given, and the clip where it is not 16x4 at 224 pixels.

    Args:
        source: A file, the name of a release (`video-uniformer-zoo` lists them), or
            "hf://owner/repo[/file]".
        class_names: K names, which must be the checkpoint's own where those are known; the answers
            come in the order given.
        clip: Fields of `ClipSpec` that replace the checkpoint's, such as {"num_clips": 4}.
        decoder: As for `VideoClassifier`, and so are those that follow.
        device: Where the network runs.
        deadline_seconds: The longest wait for a video.
        salvage: Use the intact frames of a damaged video.

    Raises:
        ValueError: the file is unreadable, fits no variant, or class names are missing.
    """
    network = load_network(source, class_names=class_names, task="video_classification")
    said = network.description
    if not isinstance(network, UniFormer):
        raise ValueError(f"{source} gives stage maps, expected a classifier of videos")
    if (names := class_names or said.class_names) is None:
        raise ValueError(f"{source} holds no class names, expected them to be given")
    return VideoClassifier(
        network,
        clip=replace(said.clip or PUBLISHED_CLIP, **(clip or {})),
        class_names=names,
        fusion=said.fusion or "logits",
        decoder=decoder,
        device=device,
        deadline_seconds=deadline_seconds,
        salvage=salvage,
    )
