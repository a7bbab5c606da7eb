"""A checkpoint as a classifier of video files; needs neither config nor Lightning."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from video_uniformer.clip import ClipSpec, check_count
from video_uniformer.data.decoding import VideoError
from video_uniformer.data.video.policy import BadVideoPolicy
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.sampling import eval_sampler
from video_uniformer.data.video.transforms import eval_transform
from video_uniformer.inference.prediction import Failure, Prediction
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.models.view_fusion import fuse_views
from video_uniformer.weights.loading import load_network

# Of most published networks; what a file that says nothing is taken to expect.
PUBLISHED_CLIP = ClipSpec(num_frames=16, stride=4, size=224, num_clips=4)


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
        self._policy = BadVideoPolicy(on_bad_video, deadline_seconds=deadline_seconds)
        self._reader = VideoReader(self._policy, decoder)

    def __call__(self, path: str | Path, *, keep_frames: bool = False) -> Prediction:
        """Classify a video file or a folder of frames.

        Args:
            path: The video.
            keep_frames: Let the answer hold the frames that it rests on, and their times.

        Raises:
            ValueError: the video cannot be read; the message names it.
        """
        [answer] = self._classify([self._look(self._reader, Path(path), keep_frames)])
        return answer

    def predict_many(
        self, paths: Iterable[str | Path], *, batch_size: int = 1, keep_frames: bool = False
    ) -> Generator[Prediction | Failure, None, None]:
        """Classify videos one after the other; answers come in their order, as soon as they can.

        The next videos are read while the network is at work. No more than a few are in memory at a
        time, however many there are. Close the iterator, or exhaust it, to end the reading.

        Args:
            paths: Video files or folders of frames.
            batch_size: Videos whose views go through the network together; the answers are the
                same up to rounding.
            keep_frames: As for a call.

        Raises:
            ValueError: `batch_size` is below 1. What is wrong with a video is its answer.
        """
        check_count("batch_size", batch_size)
        return self._answer_many(paths, batch_size, keep_frames)

    def _answer_many(
        self, paths: Iterable[str | Path], batch_size: int, keep_frames: bool
    ) -> Generator[Prediction | Failure, None, None]:
        batch: list[_Look | Failure] = []
        with closing(self._read_ahead(paths, batch_size + 1, keep_frames)) as looks:
            for look in looks:
                batch.append(look)
                if len(batch) == batch_size:
                    yield from self._answer(batch)
                    batch = []
            yield from self._answer(batch)

    def _read_ahead(
        self, paths: Iterable[str | Path], ahead: int, keep_frames: bool
    ) -> Generator["_Look | Failure", None, None]:
        """Look at videos on another thread, `ahead` of them before they are asked for."""
        # A reader serves one thread, and this object's own belongs to the caller's.
        reader = VideoReader(self._policy, self.decoder)
        thread = ThreadPoolExecutor(1, "read-ahead")
        pending: deque[Future[_Look | Failure]] = deque()
        try:
            for path in paths:
                pending.append(thread.submit(self._try_look, reader, Path(path), keep_frames))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            thread.shutdown(wait=False, cancel_futures=True)
            reader.close()  # nobody waits for a video that hangs
            thread.shutdown()

    def _try_look(self, reader: VideoReader, path: Path, keep_frames: bool) -> "_Look | Failure":
        try:
            return self._look(reader, path, keep_frames)
        except (ValueError, OSError) as error:
            lines = str(error).splitlines()
            return Failure(path, lines[0] if lines else type(error).__name__)

    def _look(self, reader: VideoReader, path: Path, keep_frames: bool) -> "_Look":
        """Views of a video: the line from a path to what the network takes."""
        per_clip = None if keep_frames else self._transform  # so no more than a clip is in memory
        reading = reader.read(path, self._sampler, with_times=keep_frames, per_clip=per_clip)
        if reading.frames is None or reading.indices is None:
            raise VideoError(f"{path}: {reading.problem}")
        frames = reading.frames if keep_frames else None
        views = self._transform(reading.frames) if keep_frames else reading.frames
        return _Look(path, views, reading.indices, reading.times, frames, reading.problem)

    def _answer(self, batch: list["_Look | Failure"]) -> Iterator[Prediction | Failure]:
        """The answers for videos, in their order; the network sees those that could be read."""
        predictions = iter(self._classify([item for item in batch if isinstance(item, _Look)]))
        for item in batch:
            yield item if isinstance(item, Failure) else next(predictions)

    @torch.inference_mode()
    def _classify(self, looks: list["_Look"]) -> list[Prediction]:
        if not looks:
            return []
        views = torch.cat([look.views for look in looks])  # (B V, C, T, H, W)
        logits = self.network(views.to(self.device)).float()
        logits_BVK = logits.unflatten(0, (len(looks), -1))
        probabilities = fuse_views(logits_BVK, self.fusion).softmax(1).cpu()
        return [
            Prediction(look.path, row, self.class_names, *look[2:])
            for look, row in zip(looks, probabilities, strict=True)
        ]


class _Look(NamedTuple):
    """A video on its way to the network; what follows the views are fields of its `Prediction`."""

    path: Path
    views: Tensor  # (V, C, T, H, W)
    indices: Tensor
    times: Tensor | None
    frames: Tensor | None
    problem: str


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
        source: A file, the name of a release (`video-uniformer zoo` lists them), or
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
