"""All frames of a video in their order, a few of them in memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from video_uniformer.data.decoding import Video

_BLOCK_BYTES = 64 * 2**20


def frames_in_order(
    video: Video, *, block_bytes: int = _BLOCK_BYTES
) -> Iterator[npt.NDArray[np.uint8]]:
    """Every frame, from the first to the last, uint8 RGB (H, W, 3).

    Frames are asked for in blocks: for each one a reader may have to begin at a key frame before.

    Args:
        video: Open for reading.
        block_bytes: Of the frames that are read together; at least one frame is.

    Raises:
        VideoError: The video is damaged at one of the frames, or where that builds on.
    """
    first = video.frames([0]).numpy()
    size = max(1, block_bytes // max(1, first.nbytes))
    yield first[0]
    for start in range(1, len(video), size):
        yield from video.frames(list(range(start, min(start + size, len(video))))).numpy()
