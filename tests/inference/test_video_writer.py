"""An MP4 file, written frame after frame."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from video_uniformer.data.decoding.opening import open_video
from video_uniformer.data.decoding.pyav_reader import PyAVVideo
from video_uniformer.inference.video_writer import writing_video


def grey(value: int, height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def write_all(
    path: Path,
    frames: list[npt.NDArray[np.uint8]],
    times: list[float | None],
    error: Exception | None = None,
) -> None:
    """Write frames at times, then raise an error if there is one."""
    with writing_video(path, rate=25) as writer:
        for pixels, seconds in zip(frames, times, strict=True):
            writer.write(pixels, seconds=seconds)
        if error is not None:
            raise error


def write(path: Path, num_frames: int = 30, rate: Fraction | float = 25, **size: int) -> Path:
    with writing_video(path, rate=rate) as writer:
        for number in range(num_frames):
            writer.write(grey(8 * number, **size))
    return path


def test_frames_come_back_in_their_order(tmp_path: Path) -> None:
    with open_video(write(tmp_path / "a.mp4")) as video:
        assert len(video) == 30
        found = video.frames(range(30))[:, 20, 20, 0].numpy()
    assert np.abs(found - 8.0 * np.arange(30)).max() <= 3


def test_file_is_plain_h264(tmp_path: Path) -> None:
    with av.open(str(write(tmp_path / "a.mp4"))) as container:
        [stream] = container.streams
        assert isinstance(stream, av.VideoStream)
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.frames == 30
        assert "mp4" in container.format.name


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        (30000 / 1001, Fraction(30000, 1001)),
        (12.5, Fraction(25, 2)),
        (1, Fraction(1)),
    ],
)
def test_rate_is_kept_exactly(rate: Fraction | float, expected: Fraction, tmp_path: Path) -> None:
    with av.open(str(write(tmp_path / "a.mp4", rate=rate))) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == expected
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == 30 / expected


def test_given_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.3, 1.0, 1.04]
    with writing_video(tmp_path / "a.mp4", rate=10) as writer:
        for seconds in times:
            writer.write(grey(100), seconds=seconds)
    with PyAVVideo(tmp_path / "a.mp4") as video:
        assert video.times.tolist() == pytest.approx(times, abs=1e-4)


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(47, 63, (48, 64)), (48, 63, (48, 64)), (1, 1, (2, 2))]
)
def test_odd_sides_get_their_last_pixels_twice(
    height: int, width: int, expected: tuple[int, int], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.mp4", height=height, width=width)
    with PyAVVideo(path) as video:
        frame = video.frames([20])[0].numpy()
    assert frame.shape[:2] == expected
    assert np.abs(frame - 160.0).max() <= 3


def test_colours_are_those_of_the_frames(tmp_path: Path) -> None:
    colours = np.array([[220, 30, 40], [20, 200, 60], [40, 50, 230]], np.uint8)
    pixels = colours.repeat(32, axis=0)[None].repeat(48, axis=0)
    with writing_video(tmp_path / "a.mp4", rate=25, crf=4) as writer:
        writer.write(pixels)
    with open_video(tmp_path / "a.mp4") as video:
        found = video.frames([0])[0, 20, [16, 48, 80]].numpy()
    assert np.abs(found - colours.astype(float)).max() <= 4


def test_views_of_larger_arrays_can_be_written(tmp_path: Path) -> None:
    with writing_video(tmp_path / "a.mp4", rate=25) as writer:
        writer.write(grey(90, 96, 128)[::2, ::-2])
    assert (tmp_path / "a.mp4").exists()


def test_nothing_is_left_where_the_block_raises(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"what was there")
    with pytest.raises(KeyError):
        write_all(tmp_path / "a.mp4", [grey(1)], [None], KeyError())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"what was there"


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    with writing_video(tmp_path / "new" / "a.mp4", rate=25) as writer:
        writer.write(grey(1))
        assert not (tmp_path / "new" / "a.mp4").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.mp4"]


def test_video_of_no_frame_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"a\.mp4: no frame was written, expected at least one"),
        writing_video(tmp_path / "a.mp4", rate=25),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [0, -25, float("nan"), float("inf"), 1e-9])
def test_impossible_rate_is_refused(rate: float, tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"rate is .*, expected 0\.001 to 10000 frames per second"),
        writing_video(tmp_path / "a.mp4", rate=rate),
    ):
        pass


def test_impossible_quality_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="crf is 52, expected 0 to 51"),
        writing_video(tmp_path / "a.mp4", rate=25, crf=52),
    ):
        pass


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([np.zeros((4, 4, 3))], r"pixels is float64 \(4, 4, 3\), expected uint8 \(height, width"),
        ([np.zeros((4, 4), np.uint8)], r"pixels is uint8 \(4, 4\), expected uint8 \(height, wi"),
        (
            [grey(1), grey(1, 50)],
            r"pixels is uint8 \(50, 64, 3\), expected uint8 \(48, 64, 3\), as",
        ),
        ([grey(1), grey(1).astype(float)], r"pixels is float64 .*, expected uint8 .*, as before"),
    ],
)
def test_other_frames_are_refused(
    frames: list[npt.NDArray[np.uint8]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_all(tmp_path / "a.mp4", frames, [None] * len(frames))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([-0.1], "seconds is -0.1, expected later than the frame before, from 0"),
        ([0.0, 0.0], "seconds is 0.0, expected later than the frame before"),
        ([0.5, 0.4], "seconds is 0.4, expected later than the frame before"),
        ([0.5, None], "seconds is None, expected a time, as before"),
        ([None, 0.5], "seconds is 0.5, expected None, as before"),
    ],
)
def test_times_that_do_not_rise_are_refused(
    times: list[float | None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_all(tmp_path / "a.mp4", [grey(1)] * len(times), times)
