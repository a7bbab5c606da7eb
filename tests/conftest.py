"""Fixtures shared by all tests."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

# Test processes beside each other have one thread each: PyTorch reads this when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def lock_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the lock files of all tests."""
    return tmp_path_factory.mktemp("locks")


@pytest.fixture(autouse=True)
def own_lock_file(lock_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the hashes of made-up weights out of the user's lock file; commands inherit this."""
    monkeypatch.setenv("VIDEO_UNIFORMER_LOCK", str(lock_folder / f"{uuid.uuid4().hex}.json"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos, which a user's clone does not have."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("VIDEO_UNIFORMER_SHARED", beside)) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real videos at {folder}")
    return folder


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


@pytest.fixture
def video_file(tmp_path: Path) -> Callable[..., Path]:
    """Write small real videos in which a frame's grey level tells its number."""

    def write(
        num_frames: int = 32,
        width: int = 64,
        height: int = 48,
        fps: int = 25,
        gop: int = 12,
        name: str = "a.mp4",
        grey: int | None = None,
    ) -> Path:
        return write_video(
            tmp_path / name,
            num_frames=num_frames,
            width=width,
            height=height,
            fps=fps,
            gop=gop,
            grey=grey,
        )

    return write
