"""A checkpoint as a classifier of pictures; needs neither config nor Lightning."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from video_uniformer.clip import ImageSpec
from video_uniformer.data.image.picture import Picture, PictureError
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.policy_reading import PolicyReading
from video_uniformer.inference.answer_stream import answer_stream
from video_uniformer.inference.network_answers import Look, NetworkAnswers
from video_uniformer.inference.prediction import Failure, Prediction
from video_uniformer.models.uniformer.network import UniFormer


class ImageClassifier:
    """A network with everything that is needed to apply it to a picture file.

    Args:
        network: (N, C, H, W) -> logits (N, K).
        image: How a picture becomes the network's input.
        class_names: K names.
        device: Where the network runs.
        salvage: Use what there is of a picture that is cut short.

    Raises:
        ValueError: the number of names is not the network's number of classes, or there is no such
            device.

    Example:
        >>> from video_uniformer import create_uniformer
        >>> network = create_uniformer("test", ndim=2, num_classes=2)
        >>> classifier = ImageClassifier(network, image=ImageSpec(32), class_names=["cat", "dog"])
        >>> for answer in classifier.predict_many(["absent.jpg"]):
        ...     print(answer)
        absent.jpg: No such file or directory, expected a picture
    """

    def __init__(
        self,
        network: UniFormer,
        *,
        image: ImageSpec,
        class_names: Sequence[str],
        device: str | torch.device = "cpu",
        salvage: bool = False,
    ) -> None:
        self._answer = NetworkAnswers(network, class_names=class_names, device=device)
        self.network, self.device = self._answer.network, self._answer.device
        self.class_names = self._answer.class_names
        self.image = image
        self._transform = eval_transform(image)
        self._reading = PolicyReading(BadSamplePolicy("salvage" if salvage else "raise"))

    def __call__(self, path: str | Path, *, keep_frames: bool = False) -> Prediction:
        """Classify a picture file.

        Args:
            path: The picture.
            keep_frames: Let the answer hold the picture.

        Raises:
            ValueError: the picture cannot be read; the message names it.
        """
        [answer] = self._answer([self._look(Path(path), keep_frames=keep_frames)])
        return answer

    def predict_many(
        self, paths: Iterable[str | Path], *, batch_size: int = 1, keep_frames: bool = False
    ) -> Generator[Prediction | Failure, None, None]:
        """Classify pictures one after the other; see `answer_stream`.

        Args:
            paths: Picture files.
            batch_size: Pictures that go through the network together; the answers are the same up
                to rounding.
            keep_frames: As for a call.

        Raises:
            ValueError: `batch_size` is below 1. What is wrong with a picture is its answer.
        """
        look: Callable[[Path], Look] = partial(self._look, keep_frames=keep_frames)
        return answer_stream(paths, nullcontext(look), self._answer, batch_size=batch_size)

    def _look(self, path: Path, *, keep_frames: bool) -> Look:
        """The view of a picture: the line from a path to what the network takes."""

        def attempt(*, salvage: bool) -> tuple[tuple[Tensor, Picture], str]:
            try:
                picture = Picture(path, salvage=salvage)
            except OSError as error:
                reason = error.strerror or str(error)
                raise PictureError(f"{path}: {reason}, expected a picture") from error
            return (self._transform(picture), picture), ""

        content, _, problem = self._reading(path, attempt)
        if content is None:
            raise PictureError(f"{path}: {problem}")
        view, picture = content
        frames = torch.from_numpy(np.array(picture.rgb()))[None, None] if keep_frames else None
        return Look(path, view.unsqueeze(0), frames=frames, problem=problem)
