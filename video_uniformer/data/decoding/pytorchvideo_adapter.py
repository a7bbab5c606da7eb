"""Our decoders for PyTorchVideo's datasets, which ask for stretches of seconds.

`LabeledVideoDataset` makes its own path handler and offers no argument for another, so it is
replaced after construction:

    dataset = pytorchvideo.data.LabeledVideoDataset(paths, clip_sampler, decoder="decord")
    dataset.video_path_handler = VideoPathHandler()
"""

import math
from pathlib import Path

import pytorchvideo.data.video
import torch
from torch import Tensor

from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.interface import Video
from video_uniformer.data.decoding.opening import open_video

_TOLERANCE_FRAMES = 1e-3  # seconds that were meant to fall on a frame miss it by rounding


class TimedVideo(pytorchvideo.data.video.Video):
    """A video that is asked for by seconds, in PyTorchVideo's manner.

    Args:
        video: Frame i is taken to be shown at i / fps seconds.
    """

    def __init__(self, video: Video) -> None:
        self._video = video

    @property
    def name(self) -> str:
        """Name of the file or folder, without what leads to it."""
        return self._video.path.name

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self._video) / self._video.fps

    def get_clip(self, start_sec: float, end_sec: float) -> dict[str, Tensor | None]:
        """Decode the frames shown from `start_sec` up to, but not at, `end_sec`.

        Returns:
            `video`, float32 (C, T, H, W) in 0 ... 255, or None where no frame falls in between;
            `audio`, always None.

        Raises:
            VideoError: The file is damaged there. PyTorchVideo's own decoders would stay silent.
        """
        first = max(0, self._first_frame_from(start_sec))
        last = min(len(self._video), self._first_frame_from(end_sec))
        if first >= last:
            return {"video": None, "audio": None}
        frames = self._video.frames(torch.arange(first, last))  # (T, H, W, C)
        return {"video": frames.permute(3, 0, 1, 2).to(torch.float32), "audio": None}

    def close(self) -> None:
        """Close the video."""
        self._video.close()

    def _first_frame_from(self, seconds: float) -> int:
        # Clamped before rounding, as the end may be infinite.
        position = min(float(seconds) * self._video.fps, float(len(self._video)))
        return math.ceil(position - _TOLERANCE_FRAMES)


class VideoPathHandler(pytorchvideo.data.video.VideoPathHandler):
    """Opens videos for PyTorchVideo's datasets with our decoders."""

    def video_from_path(
        self,
        filepath: str | Path,
        decode_audio: bool = False,
        decoder: str = "pyav",
        fps: float = 30,
    ) -> TimedVideo:
        """Open a video file or a folder of pictures.

        Args:
            filepath: As for `open_video`.
            decode_audio: Without effect, as no audio is ever decoded; it is here because the
                datasets pass it, and true unless told otherwise.
            decoder: As for `open_video`.
            fps: Of a folder of pictures, in frames per second.

        Raises:
            ValueError: There is no such decoder.
            VideoError: The path is missing, or not a readable video.
        """
        path = Path(filepath)
        return TimedVideo(
            FrameFolder(path, fps=fps) if path.is_dir() else open_video(path, decoder)
        )
