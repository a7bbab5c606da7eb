"""Small videos that tell which frame is which."""

from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path, *, num_frames: int, width: int, height: int, fps: int, gop: int, grey: int | None
) -> Path:
    """Write an H.264 file whose frame i is grey level 4 i + 8, or always `grey`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = gop
        for index in range(num_frames):
            level = (4 * index + 8) % 256 if grey is None else grey
            image = np.full((height, width, 3), level, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path
