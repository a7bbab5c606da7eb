"""Decoded frames as one array of upright RGB pictures."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from video_uniformer.data.decoding.interface import Allocate, allocate_pixels


class Images:
    """The wanted frames as RGB in one array; no other frame is converted.

    Args:
        names: What frames are asked for by; distinct, in the order of the result.
        size: Width and height, pixels, that all frames get before they are turned upright; also
            when they change on the way.
        reformatter: Kept between calls; setting one up costs as much as converting a frame.
        allocate: Makes `rgb`.

    Attributes:
        rgb: uint8 (N, H, W, 3).
        missing: The names of frames not yet taken.
    """

    def __init__(
        self,
        names: Sequence[int],
        size: tuple[int, int],
        reformatter: VideoReformatter,
        allocate: Allocate = allocate_pixels,
    ) -> None:
        self.rgb: npt.NDArray[np.uint8] = np.empty((0, 0, 0, 3), dtype=np.uint8)
        self.missing = set(names)
        self._positions = {name: position for position, name in enumerate(names)}
        self._width, self._height = size
        self._reformatter = reformatter
        self._allocate = allocate

    @property
    def first_missing(self) -> int:
        """Position in the result of the first frame not yet taken."""
        return min((self._positions[name] for name in self.missing), default=0)

    def take(self, named_frames: Iterable[tuple[int | None, VideoFrame]]) -> None:
        """Convert the missing ones among these frames; stop when none is missing."""
        for name, frame in named_frames:
            if name in self.missing:
                self._put(self._positions[name], frame)
                self.missing.remove(name)
                if not self.missing:
                    return

    def _put(self, position: int, frame: VideoFrame) -> None:
        converted = self._reformatter.reformat(
            frame, width=self._width, height=self._height, format="rgb24", threads=1
        )
        upright = np.rot90(converted.to_ndarray(), round(frame.rotation / 90) % 4)  # (H, W, 3)
        if not len(self.rgb):
            self.rgb = self._allocate((len(self._positions), *upright.shape))
        self.rgb[position] = upright
