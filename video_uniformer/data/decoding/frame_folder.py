"""A folder of pictures, one per frame, as Something-Something V1 and many extractions have it."""

import functools
import logging
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.pictures import read_picture
from video_uniformer.system.file_kinds import PICTURE_SUFFIXES, choose_pictures, suffix_of

_logger = logging.getLogger(__name__)


class FrameFolder(Video):
    """The pictures of a folder, in the order of the numbers in their names.

    Pictures of one format make the video, as `choose_pictures` says; that others are left out, such
    as masks, `choice` tells, and the log once per pair of formats and process.

    Args:
        path: The folder; other files in it and folders below it are ignored.
        fps: Frames per second at which the pictures were taken; a folder does not say.
        short_side: Pixels that larger pictures are scaled down to; None leaves them as they are.

    Raises:
        ValueError: `fps` is not positive.
        VideoError: The folder holds no picture, or cannot be listed.
    """

    decoder = "pictures"

    def __init__(self, path: Path, *, fps: float = 30.0, short_side: int | None = None) -> None:
        super().__init__(path)
        if not fps > 0:
            raise ValueError(f"fps is {fps}, expected a positive number")
        self.choice = "a folder of pictures"
        self._fps = float(fps)
        self._short_side = short_side
        pictures = _list_pictures(path)
        self._names = sorted(choose_pictures(pictures), key=_natural_order)
        if not self._names:
            raise VideoError(
                f"{path}: the folder holds no picture, expected {', '.join(PICTURE_SUFFIXES)}"
            )
        if len(self._names) < len(pictures):
            others = set(pictures).difference(self._names)
            suffixes = ", ".join(sorted(set(map(suffix_of, others))))
            self.choice += f", {len(others)} {suffixes} left out"
            _warn_once(suffix_of(self._names[0]), suffixes)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def fps(self) -> float:
        """Frames per second, as given."""
        return self._fps

    @property
    def pictures(self) -> list[Path]:
        """The files of the frames, in their order."""
        return [self.path / name for name in self._names]

    def _release(self) -> None:
        """No file stays open."""

    def _read(self, indices: list[int]) -> Tensor:
        pictures = [self._read_picture(self._names[index]) for index in indices]
        for index, picture in zip(indices, pictures, strict=True):
            if picture.shape != pictures[0].shape:
                raise VideoError(
                    f"{self.path / self._names[index]}: the picture is {_size(picture)}, "
                    f"expected {_size(pictures[0])} as {self._names[indices[0]]}"
                )
        return torch.from_numpy(np.stack(pictures))  # (N, H, W, 3)

    def _read_picture(self, name: str) -> np.ndarray:
        try:
            return read_picture(self.path / name, short_side=self._short_side)
        except Exception as error:  # Pillow raises many types for damaged files
            raise VideoError(f"{self.path / name}: not a readable picture ({error})") from error


def _list_pictures(folder: Path) -> list[str]:
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise VideoError(f"{folder}: {error.strerror}, expected a folder of frames") from error
    # A leading dot marks what file systems put beside a picture, such as ._0001.jpg.
    return [n for n in names if suffix_of(n) in PICTURE_SUFFIXES and not n.startswith(".")]


@functools.cache
def _warn_once(suffix: str, others: str) -> None:
    _logger.warning("folders of %s frames hold %s pictures too, which are left out", suffix, others)


def _natural_order(name: str) -> tuple[list[tuple[str, int]], str]:
    """Sort 2 before 10, and equal numbers by their spelling."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", name)
    return [(text, int(digits or -1)) for text, digits in parts], name


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"
