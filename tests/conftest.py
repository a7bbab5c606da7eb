"""Fixtures shared by all tests."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_videos import write_video

# Test processes beside each other have one thread each: PyTorch reads this when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _garbage_of_other_tests() -> None:
    """Is not collected by loader workers, as of a data module."""
    from video_uniformer.system.processes import leave_garbage_to_the_parent

    leave_garbage_to_the_parent()


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
