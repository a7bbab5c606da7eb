"""An MP4 file, written frame after frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from video_uniformer.system.atomic import replacing

_TICKS = Fraction(1, 90000)  # unit of times that are given, seconds
_SLOWEST, _FASTEST = 0.001, 10_000  # frames per second
_MOST_PARTS = 100_000  # denominator of a rate
_BT709 = 1  # ITU-T H.273, of primaries and of the transfer


class VideoWriter:
    """Encodes frames as H.264, 8 bit 4:2:0; made by `writing_video`.

    The frames of a lookahead are all that is kept of what was written.

    Args:
        container: Open for writing.
        rate: Frames per second; the mean where times are given.
        crf: Quality, 0 to 51; lower is better and larger.

    Attributes:
        num_frames: Frames written.
    """

    def __init__(self, container: OutputContainer, *, rate: Fraction, crf: int) -> None:
        self._container = container
        self._rate = rate
        self._crf = crf
        self._stream: VideoStream | None = None
        self._shape: tuple[int, ...] = ()
        self._is_timed = False
        self._last = -1  # time of the frame before, in units of the stream
        self.num_frames = 0

    def write(self, pixels: npt.NDArray[np.uint8], *, seconds: float | None = None) -> None:
        """Append a frame.

        Args:
            pixels: uint8 RGB (H, W, 3), of one size in all frames. An odd row or column is doubled,
                since colours are stored for two by two pixels.
            seconds: When the frame is shown, from 0 on and rising, where the rate varies; None
                shows it one frame after the last. All frames have it or none.

        Raises:
            ValueError: The frame is of another size or kind, or its time does not rise.
        """
        if self._stream is None:
            self._stream = self._begin(pixels, is_timed=seconds is not None)
        self._check(pixels, seconds)
        stamp = self.num_frames if seconds is None else round(seconds / _TICKS)
        if stamp <= self._last:
            raise ValueError(f"seconds is {seconds}, expected later than the frame before, from 0")
        odd = [(0, length % 2) for length in pixels.shape[:2]]
        even = np.pad(pixels, [*odd, (0, 0)], mode="edge") if pixels.size % 4 else pixels
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = stamp, self._stream.codec_context.time_base
        self._container.mux(self._stream.encode(frame))
        self._last = stamp
        self.num_frames += 1

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _begin(self, pixels: npt.NDArray[np.uint8], *, is_timed: bool) -> VideoStream:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise ValueError(
                f"pixels is {pixels.dtype} {pixels.shape}, expected uint8 (height, width, 3)"
            )
        self._shape, self._is_timed = pixels.shape, is_timed
        stream = self._container.add_stream(
            "libx264", rate=self._rate, options={"crf": f"{self._crf}"}
        )
        stream.height, stream.width = (length + length % 2 for length in pixels.shape[:2])
        stream.pix_fmt = "yuv420p"
        encoder = stream.codec_context
        encoder.time_base = _TICKS if is_timed else 1 / self._rate
        encoder.colorspace, encoder.color_range = Colorspace.ITU709, ColorRange.MPEG
        encoder.color_primaries = encoder.color_trc = _BT709
        return stream

    def _check(self, pixels: npt.NDArray[np.uint8], seconds: float | None) -> None:
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise ValueError(
                f"pixels is {pixels.dtype} {pixels.shape}, expected uint8 {self._shape}, as before"
            )
        if (seconds is not None) != self._is_timed:
            expected = "a time" if self._is_timed else "None"
            raise ValueError(f"seconds is {seconds}, expected {expected}, as before")


@contextmanager
def writing_video(
    path: str | Path, *, rate: Fraction | float, crf: int = 20
) -> Iterator[VideoWriter]:
    """A writer whose file appears under its name when the block ends.

    Where the block raises nothing is left, and what stood under `path` stays.

    Args:
        path: The file, whatever its name ends in an MP4; its folder is made.
        rate: Frames per second; the mean where times are given.
        crf: Quality, 0 to 51; lower is better and larger.

    Raises:
        ValueError: `rate` or `crf` is out of range, or no frame was written.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> with writing_video(target, rate=Fraction(30000, 1001)) as writer:
        ...     for grey in range(3):
        ...         writer.write(np.full((48, 64, 3), grey, np.uint8))
        >>> target.exists()
        True
    """
    if not _SLOWEST <= rate <= _FASTEST:
        raise ValueError(f"rate is {rate}, expected {_SLOWEST} to {_FASTEST} frames per second")
    if not 0 <= crf <= 51:
        raise ValueError(f"crf is {crf}, expected 0 to 51")
    exact = Fraction(rate).limit_denominator(_MOST_PARTS)
    with replacing(path) as part, _system_errors(path):
        # The index comes first, so that players can begin before they have all of the file.
        options = {"movflags": "+faststart"}
        with av.open(str(part), "w", format="mp4", options=options) as container:
            writer = VideoWriter(container, rate=exact, crf=crf)
            yield writer
            if not writer.num_frames:
                raise ValueError(f"{path}: no frame was written, expected at least one")
            writer.finish()


@contextmanager
def _system_errors(path: str | Path) -> Iterator[None]:
    """What FFmpeg cannot write as an error of the system, which few of its errors are."""
    try:
        yield
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
