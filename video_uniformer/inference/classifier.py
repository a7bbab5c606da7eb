"""A checkpoint as a classifier of files; needs neither config nor Lightning."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.data.decoding import VideoError
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.sampling import eval_sampler
from video_uniformer.data.video.transforms import eval_transform
from video_uniformer.inference.answer_stream import answer_stream
from video_uniformer.inference.images import ImageClassifier
from video_uniformer.inference.network_answers import Look, NetworkAnswers
from video_uniformer.inference.prediction import Failure, Prediction
from video_uniformer.models.uniformer.network import Described, UniFormer
from video_uniformer.weights.loading import load_network
from video_uniformer.weights.reading import Checkpoint

_VIDEOS, _IMAGES = "video_classification", "image_classification"
# Of most published networks; what a file that says nothing is taken to expect.
PUBLISHED_CLIP = ClipSpec(num_frames=16, stride=4, size=224, num_clips=4)
PUBLISHED_IMAGE = ImageSpec(size=224)


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

    Example:
        >>> from video_uniformer import ClipSpec, create_uniformer
        >>> network = create_uniformer("test", num_classes=2)
        >>> clip = ClipSpec(num_frames=4, stride=2, size=32)
        >>> classifier = VideoClassifier(network, clip=clip, class_names=["sit", "stand"])
        >>> for answer in classifier.predict_many(["absent.mp4"]):
        ...     print(answer)
        absent.mp4: No such file or directory, expected a video or a folder of frames
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
        self._answer = NetworkAnswers(
            network, class_names=class_names, fusion=fusion, device=device
        )
        self.network, self.device = self._answer.network, self._answer.device
        self.class_names = self._answer.class_names
        self.clip = clip
        self.fusion = fusion
        self.decoder = decoder
        self._sampler, self._transform = eval_sampler(clip), eval_transform(clip)
        on_bad_sample = "salvage" if salvage else "raise"
        self._policy = BadSamplePolicy(on_bad_sample, deadline_seconds=deadline_seconds)
        self._reader = VideoReader(self._policy, decoder)

    def __call__(self, path: str | Path, *, keep_frames: bool = False) -> Prediction:
        """Classify a video file or a folder of frames.

        Args:
            path: The video.
            keep_frames: Let the answer hold the frames that it rests on, and their times.

        Raises:
            ValueError: the video cannot be read; the message names it.
        """
        [answer] = self._answer([self._look(self._reader, Path(path), keep_frames=keep_frames)])
        return answer

    def predict_many(
        self, paths: Iterable[str | Path], *, batch_size: int = 1, keep_frames: bool = False
    ) -> Generator[Prediction | Failure, None, None]:
        """Classify videos one after the other; see `answer_stream`.

        Args:
            paths: Video files or folders of frames.
            batch_size: Videos whose views go through the network together; the answers are the
                same up to rounding.
            keep_frames: As for a call.

        Raises:
            ValueError: `batch_size` is below 1. What is wrong with a video is its answer.
        """
        return answer_stream(paths, self._looking(keep_frames), self._answer, batch_size=batch_size)

    @contextmanager
    def _looking(self, keep_frames: bool) -> Iterator[Callable[[Path], Look]]:
        # A reader serves one thread, and this object's own belongs to the caller's.
        reader = VideoReader(self._policy, self.decoder)
        try:
            yield partial(self._look, reader, keep_frames=keep_frames)
        finally:
            reader.close()

    def _look(self, reader: VideoReader, path: Path, *, keep_frames: bool) -> Look:
        """Views of a video: the line from a path to what the network takes."""
        per_clip = None if keep_frames else self._transform  # so no more than a clip is in memory
        reading = reader.read(path, self._sampler, with_times=keep_frames, per_clip=per_clip)
        if reading.frames is None or reading.indices is None:
            raise VideoError(f"{path}: {reading.problem}")
        frames = reading.frames if keep_frames else None
        views = self._transform(reading.frames) if keep_frames else reading.frames
        return Look(path, views, reading.indices, reading.times, frames, reading.problem)


def load_classifier(
    source: str | Path | Checkpoint,
    *,
    class_names: Sequence[str] | None = None,
    clip: Mapping[str, Any] | None = None,
    image: Mapping[str, Any] | None = None,
    decoder: str = "auto",
    device: str | torch.device = "cpu",
    deadline_seconds: float | None = None,
    salvage: bool = False,
) -> VideoClassifier | ImageClassifier:
    """Make a classifier of a checkpoint, of videos or of pictures: one of ours, or published.

    Ours say everything themselves, and so do published files under their published names. Of any
    other the class names must be given, and the input where it is not 16x4 at 224 pixels for
    videos, 224 pixels of 256 for pictures.

    Args:
        source: A file, the name of a release (`video-uniformer zoo` lists them),
            "hf://owner/repo[/file]", or what `open_checkpoint` gave.
        class_names: K names, which must be the checkpoint's own where those are known; the answers
            come in the order given.
        clip: Fields of `ClipSpec` that replace the checkpoint's, such as {"num_clips": 4}.
        image: Fields of `ImageSpec` that replace the checkpoint's, such as {"size": 256}.
        decoder: Decoder of the videos.
        device: Where the network runs.
        deadline_seconds: The longest wait for a video; None waits for ever.
        salvage: Use the intact frames of a damaged video, and the intact part of a picture.

    Raises:
        ValueError: the file is unreadable or no classifier, class names are missing, or what is
            given is for networks of the other kind.
    """
    loaded = load_network(source, class_names=class_names, tasks=(_VIDEOS, _IMAGES))
    name = source.name if isinstance(source, Checkpoint) else str(source)
    network, names = _named(loaded, class_names, name)
    said = network.description
    if said.task == _IMAGES:
        given = {"clip": clip, "decoder": decoder != "auto", "deadline_seconds": deadline_seconds}
        _refuse(name, "images", given)
        spec = replace(said.image or PUBLISHED_IMAGE, **(image or {}))
        return ImageClassifier(
            network, image=spec, class_names=names, device=device, salvage=salvage
        )
    _refuse(name, "videos", {"image": image})
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


def _named(
    network: Described, class_names: Sequence[str] | None, name: str
) -> tuple[UniFormer, Sequence[str]]:
    """A classifier with the names that are given, or its own."""
    if not isinstance(network, UniFormer):
        raise ValueError(f"{name} gives stage maps, expected a classifier")
    if (names := class_names or network.description.class_names) is None:
        raise ValueError(f"{name} holds no class names, expected them to be given")
    return network, names


def _refuse(name: str, kind: str, odd: Mapping[str, object]) -> None:
    """Refuse arguments that a network of the other kind takes."""
    for argument, value in odd.items():
        if value:
            raise ValueError(
                f"{argument} is given, but {name} is a network for {kind}, expected none"
            )
