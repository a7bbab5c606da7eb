"""Label maps made with a network: what it sees at each place of pictures, to train others on."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import islice
from math import log
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from video_uniformer.clip import ImageSpec, check_count
from video_uniformer.data.image.picture import Box, Picture
from video_uniformer.data.image.transforms import normalised
from video_uniformer.inference.prediction import Failure
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.heads.classification import MapHead, TokenLabelHead
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.loading import load_network

_PUBLISHED_SPEC = ImageSpec(224)
_MOST_THREADS = 8


class LabelMap(NamedTuple):
    """The label map of a picture.

    Attributes:
        path: The picture.
        scores: (2, k, n, n) float32: scores of the k best classes at each place, and their numbers.
    """

    path: Path
    scores: Tensor


class TokenLabeller:
    """Makes label maps of whole pictures with an image network.

    Every token of the last map is classified: by the classifier of tokens, where the network has
    one, else by that of the class, which was trained on their mean.

    Args:
        network: Left as it is.
        spec: Its input; pictures are resized to its size whole, whatever their shape.
        num_best: Scores k kept at each place, no more than there are classes.
        device: Where the network runs.

    Raises:
        ValueError: The network is for videos or has no classes, or there is no such device.
    """

    def __init__(
        self,
        network: UniFormer,
        *,
        spec: ImageSpec,
        num_best: int = 5,
        device: str | torch.device = "cpu",
    ) -> None:
        check_count("num_best", num_best)
        if network.ndim != 2 or isinstance(network.head, MapHead) or not network.num_classes:
            raise ValueError("the network has no classes of images, expected an image classifier")
        try:
            self.network = fuse_for_inference(network).to(device)
        except (RuntimeError, AssertionError) as error:  # an unknown device, or one not there
            problem = str(error).split("\n", maxsplit=1)[0]
            raise ValueError(
                f"device is {str(device)!r}, which cannot be used: {problem}"
            ) from None
        self.spec, self.num_best, self.device = spec, num_best, torch.device(device)

    def __call__(self, path: str | Path) -> Tensor:
        """The label map (2, k, n, n) of a picture.

        Raises:
            ValueError: The picture cannot be read; the message names it.
        """
        [found] = self._label([(Path(path), self._look(Path(path)))])
        return found.scores

    def label_many(
        self, paths: Iterable[Path], *, batch_size: int = 8
    ) -> Generator[LabelMap | Failure, None, None]:
        """Label pictures in their order; the next are read while the network is at work.

        Args:
            paths: The pictures; what is wrong with one is its answer.
            batch_size: Pictures that go through the network together.

        Raises:
            ValueError: `batch_size` is below 1.
        """
        check_count("batch_size", batch_size)
        return self._answer_many(paths, batch_size)

    def _answer_many(
        self, paths: Iterable[Path], batch_size: int
    ) -> Generator[LabelMap | Failure, None, None]:
        with closing(self._read_ahead(paths, 2 * batch_size)) as looks:
            while batch := list(islice(looks, batch_size)):
                read = [(path, image) for path, image in batch if isinstance(image, Tensor)]
                labelled = iter(self._label(read))
                for _, image in batch:
                    yield image if isinstance(image, Failure) else next(labelled)

    def _read_ahead(
        self, paths: Iterable[Path], ahead: int
    ) -> Generator[tuple[Path, Tensor | Failure], None, None]:
        threads = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), "read-ahead")
        pending: deque[tuple[Path, Future[Tensor | Failure]]] = deque()
        try:
            for path in paths:
                pending.append((path, threads.submit(self._try_look, path)))
                if len(pending) > ahead:
                    done = pending.popleft()
                    yield done[0], done[1].result()
            for path, look in pending:
                yield path, look.result()
        finally:
            threads.shutdown(cancel_futures=True)

    def _try_look(self, path: Path) -> Tensor | Failure:
        try:
            return self._look(path)
        except (ValueError, OSError) as error:
            lines = str(error).splitlines()
            return Failure(path, lines[0] if lines else type(error).__name__)

    def _look(self, path: Path) -> Tensor:
        """The whole picture as the network's input (3, size, size)."""
        picture, size = Picture(path), self.spec.size
        whole = Box(0, 0, picture.height, picture.width)
        return normalised(picture.resized(whole, size, size, self.spec.interpolation), self.spec)

    @torch.inference_mode()
    def _label(self, looks: Sequence[tuple[Path, Tensor]]) -> list[LabelMap]:
        if not looks:
            return []
        images = torch.stack([image for _, image in looks]).to(self.device)
        last, head = self.network.forward_features(images), self.network.head
        assert not isinstance(head, MapHead)
        classify = head.aux_proj if isinstance(head, TokenLabelHead) else head.proj
        logits = classify(last.movedim(1, -1)).float().movedim(-1, 1)  # (B, K, n, n)
        maps = best_scores(logits, self.num_best).cpu()
        # A file of a part of a tensor would hold the whole of it.
        return [LabelMap(path, map_.clone()) for (path, _), map_ in zip(looks, maps, strict=True)]


def best_scores(logits: Tensor, num_best: int) -> Tensor:
    """The best classes at each place, scored so that all others may be taken for 0.

    A score is a logit less that which all other classes would have if they were equally probable:
    the softmax of the scores, with zeros elsewhere, gives the best classes their probabilities.

    Args:
        logits: (B, K, n, n).
        num_best: Classes k kept, at most K.

    Returns:
        (B, 2, k, n, n) float32: scores, best first, and numbers of the classes.
    """
    num_classes = logits.shape[1]
    best, classes = logits.topk(min(num_best, num_classes), 1)
    if num_best < num_classes:
        others = logits.scatter(1, classes, float("-inf"))
        level = others.logsumexp(1, keepdim=True) - log(num_classes - num_best)
    else:
        level = logits.mean(1, keepdim=True)
    return torch.stack([best - level, classes.to(best.dtype)], 1)


def load_labeller(
    source: str | Path,
    *,
    size: int | None = None,
    num_best: int = 5,
    device: str | torch.device = "cpu",
) -> TokenLabeller:
    """Make what labels pictures of a checkpoint.

    Args:
        source: A file, the name of a release, or "hf://owner/repo[/file]".
        size: Height and width of the network's input, pixels; None: the checkpoint's.
        num_best: As for `TokenLabeller`.
        device: As there.

    Raises:
        ValueError: The file is unreadable, or no classifier of images.
    """
    network = load_network(source)
    if not isinstance(network, UniFormer):
        raise ValueError(f"{source} gives stage maps, expected a classifier of images")
    said = network.description.input
    spec = said if isinstance(said, ImageSpec) else _PUBLISHED_SPEC
    if size is not None:
        spec = replace(spec, size=size)
    return TokenLabeller(network, spec=spec, num_best=num_best, device=device)
