"""Videos with something to see in them, and what a scan says of them."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest


def scene(seed: int, moment: float, height: int, width: int) -> np.ndarray:
    """A picture (H, W, 3), uint8, of soft blobs that drift; other seeds look different."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    image = np.zeros((height, width))
    for wave in range(8):
        kx, ky, phase, speed = random.uniform(-14, 14, 4)
        image += np.sin(kx * x + ky * y + phase + speed * moment) / (1 + wave / 4)
    grey = 255 * (image - image.min()) / np.ptp(image)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


@pytest.fixture
def scene_file(tmp_path: Path) -> Callable[..., Path]:
    """Write short videos that differ to the eye where their seeds differ."""

    def write(name: str, seed: int, *, side: int = 96, crf: int = 20, num_frames: int = 20) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
            stream.width, stream.height, stream.pix_fmt = side * 4 // 3, side, "yuv420p"
            for index in range(num_frames):
                image = scene(seed, index / num_frames, side, side * 4 // 3)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write
