"""torchcodec: an extra decoder, for files on which it is known to be exact."""

from pathlib import Path

from torch import Tensor
from torchcodec.decoders import VideoDecoder

from video_uniformer.data.decoding.fallback import open_instead
from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.mp4 import UnsuitableError, read_plain_track
from video_uniformer.data.decoding.pyav import PyAVVideo


class TorchCodecVideo(Video):
    """A plain mp4 or mov file read with torchcodec on one thread.

    It is held to the files that decord reads, which are those on which the two and PyAV agree bit
    for bit; of others it refuses some, and makes RGB of odd sizes and deep colours in its own way.

    Args:
        path: A file that `read_plain_track` accepts.

    Raises:
        UnsuitableError: torchcodec cannot be trusted with the file, or cannot open it.
    """

    decoder = "torchcodec"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.choice = "asked for, and a plain mp4 or mov file, which torchcodec reads exactly"
        self._substitute: PyAVVideo | None = None
        self._track = read_plain_track(path)
        try:
            self._reader = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1)
        except Exception as error:  # RuntimeError and ValueError have been seen
            raise UnsuitableError("mp4 files that it cannot open") from error
        if len(self._reader) != self._track.num_frames:
            raise UnsuitableError("mp4 files whose frames it counts otherwise than their index")

    def __len__(self) -> int:
        return self._track.num_frames

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._track.fps

    def _release(self) -> None:
        self._reader = None  # torchcodec frees it with its last reference
        if self._substitute:
            self._substitute.close()

    def _read(self, indices: list[int]) -> Tensor:
        if self._substitute is None:
            try:
                images: Tensor = self._reader.get_frames_at(indices).data  # (N, H, W, 3)
                return images.contiguous()
            except Exception:  # damage raises several types
                kind = "frames that it cannot decode"
                self._substitute = open_instead(self.path, "torchcodec", kind)
                self.decoder, self.choice = self._substitute.decoder, self._substitute.choice
        if len(self._substitute) != len(self):  # its numbers mean other frames
            raise VideoError(
                f"{self.path}: {len(self._substitute)} of its {len(self)} frames can be decoded"
            )
        return self._substitute.frames(indices)
