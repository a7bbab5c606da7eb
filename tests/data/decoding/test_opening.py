"""Opening: whatever stands at a path, either a video that can be trusted or one clear line."""

import logging
import os
import pickle
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from video_uniformer.data.decoding import Video, VideoError, library_reader, open_video
from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.pyav_reader import PyAVVideo

DECODERS = ["decord", "pyav"]

# Path below the folder of real videos, and number of frames as its description has it.
REAL_VIDEOS = [
    ("actions/yoga_indoor.mp4", 300),
    ("actions/arm_wrestling.mp4", 280),
    ("actions/shooting_basketball.mp4", 300),
    ("actions/apply_eye_makeup.avi", 164),
    ("actions/archery.avi", 131),
    ("actions/flipping_pancake.mkv", 310),
    ("packages/carphone_distorted.mp4", 120),
    ("packages/puck_collision.ogv", 34),
    ("packages/ball_drop_vp9.avi", 295),
    ("packages/coin_pushed.mov", 242),
    ("formats/rotated_90.mov", 3),
    ("formats/rotated_180.mov", 3),
    ("formats/rotated_270.mov", 3),
    ("formats/rotated_nasa.mp4", 17),
    ("formats/unordered.mov", 4),
    ("formats/hdr_10bit_hevc.mp4", 325),
    ("formats/av1_10bit.mp4", 25),
    ("formats/h264_10bit.mp4", 30),
    ("formats/h265_small.mp4", 10),
    ("formats/full_range.mp4", 60),
    ("formats/limited_range.mp4", 60),
    ("formats/non_zero_start.mp4", 12),
    ("formats/discard_first_keyframe.mp4", 25),
    ("formats/odd_size_vp9.mp4", 25),
    ("formats/odd_size_444_hevc_10bit.mp4", 25),
    ("formats/odd_size_mpeg2.mp4", 10),
    ("formats/single_frame.mp4", 1),
    ("formats/talking_face_mpeg1.mpg", 75),
    ("formats/flower_fragmented.mp4", 150),
    ("formats/tiny_4x4.avi", 20),
]


@pytest.mark.parametrize(("name", "num_frames"), REAL_VIDEOS)
def test_real_video_gives_the_frames_of_sequential_decoding(
    name: str, num_frames: int, shared_data: Path, decode_in_order: Callable
) -> None:
    path = shared_data / "videos" / name
    truth = list(islice(decode_in_order(path), 30))
    indices = sorted({0, len(truth) // 3, len(truth) // 2, len(truth) - 1})
    expected = torch.stack([truth[index] for index in indices])
    for decoder in DECODERS:
        with open_video(path, decoder) as video:
            assert len(video) == num_frames
            assert torch.equal(video.frames(indices), expected), decoder


def test_both_decoders_give_the_same_frames_of_recorded_actions(shared_data: Path) -> None:
    files = sorted((shared_data / "daily_actions").glob("*/*.mp4"))[::8]
    assert len(files) > 5
    for path in files:
        with open_video(path, "decord") as one, open_video(path, "pyav") as other:
            assert len(one) == len(other)
            assert one.fps == other.fps
            indices = [0, len(one) // 2, len(one) - 1]
            assert torch.equal(one.frames(indices), other.frames(indices)), path


@pytest.fixture(params=["decord", "pyav", "folder"])
def video(request: pytest.FixtureRequest, video_file: Callable, tmp_path: Path) -> Video:
    """A video of 32 frames of 64x48, frame i of grey level 4 i + 8."""
    if request.param != "folder":
        return open_video(video_file(), request.param)
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(32):
        Image.new("RGB", (64, 48), (4 * index + 8,) * 3).save(folder / f"{index}.png")
    return open_video(folder)


def numbers(frames: torch.Tensor) -> list:
    """Which frames these are, from their grey levels."""
    return ((frames.float().mean(dim=(-1, -2, -3)) - 8) / 4).round().long().tolist()


def test_frames_come_in_the_order_asked_for(video: Video) -> None:
    with video:
        assert numbers(video.frames([31, 0, 17, 17, 3])) == [31, 0, 17, 17, 3]


def test_frames_have_the_shape_of_their_indices(video: Video) -> None:
    with video:
        frames = video.frames(torch.tensor([[[0, 4]], [[8, 4]]]))
        assert (frames.shape, frames.dtype) == ((2, 1, 2, 48, 64, 3), torch.uint8)
        assert numbers(frames) == [[[0, 4]], [[8, 4]]]


def test_a_single_number_gives_a_single_picture(video: Video) -> None:
    with video:
        assert video.frames(torch.tensor(7)).shape == (48, 64, 3)


def test_a_video_can_be_read_again_and_backwards(video: Video) -> None:
    with video:
        assert [numbers(video.frames([index])) for index in (30, 5, 6)] == [[30], [5], [6]]


def test_frames_outlive_their_video(video: Video) -> None:
    with video:
        frames = video.frames([5, 9])
    del video
    assert numbers(frames) == [5, 9]


@pytest.mark.parametrize("index", [-1, 32])
def test_a_number_that_is_no_frame_is_refused(index: int, video: Video) -> None:
    message = rf"index {index} is outside .*{video.path.name} with its 32 frames, expected 0 to 31"
    with video, pytest.raises(ValueError, match=message):
        video.frames([0, index])


def test_no_indices_are_refused(video: Video) -> None:
    with video, pytest.raises(ValueError, match="indices is empty, expected at least one frame"):
        video.frames([])


def test_indices_that_are_no_integers_are_refused(video: Video) -> None:
    with video, pytest.raises(ValueError, match=r"indices has dtype torch\.float32, expected int"):
        video.frames(torch.tensor([0.5]))


def test_a_closed_video_is_not_read(video: Video) -> None:
    video.close()
    video.close()
    with pytest.raises(ValueError, match="is closed, expected an open video"):
        video.frames([0])


def test_fps_is_that_of_the_file(video_file: Callable) -> None:
    for decoder in DECODERS:
        with open_video(video_file(fps=24), decoder) as video:
            assert video.fps == 24


def test_a_path_may_be_a_string(video_file: Callable) -> None:
    with open_video(str(video_file())) as video:
        assert len(video) == 32


def test_an_unknown_decoder_is_refused_with_the_nearest_name(video_file: Callable) -> None:
    message = (
        "decoder is 'decort', expected auto, decord, pyav or torchcodec; did you mean 'decord'?"
    )
    with pytest.raises(ValueError, match=message):
        open_video(video_file(), "decort")


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_folder_is_read_as_pictures_by_any_decoder(decoder: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    with open_video(tmp_path, decoder) as video:
        assert isinstance(video, FrameFolder)


def make_missing(path: Path) -> None:
    """Leave nothing there."""


def make_empty(path: Path) -> None:
    path.touch()


def make_text(path: Path) -> None:
    path.write_text("not a video\n" * 100)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_beginning(path: Path) -> None:
    path.write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41")


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_missing, "No such file or directory, expected a video or a folder of frames"),
        (make_empty, "the file is empty, expected a video"),
        (make_text, r"not a readable video \(Invalid data found"),
        (make_pipe, "not a file, expected a video or a folder of frames"),
        (make_loop, "Too many levels of symbolic links, expected a video"),
        (make_folder, "the folder holds no picture, expected"),
        (make_beginning, r"not a readable video \(Invalid data found"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(
    make: Callable, reason: str, decoder: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    make(path)
    with pytest.raises(VideoError, match=rf"^{path}: {reason}") as caught:
        open_video(path, decoder)
    assert "\n" not in str(caught.value)


def test_the_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(VideoError("a.mp4: cut short")))
    assert (type(error), str(error)) == (VideoError, "a.mp4: cut short")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of a process that has opened no video yet."""
    library_reader._warn_once.cache_clear()
    caplog.set_level(logging.WARNING, logger="video_uniformer")
    return caplog


def test_the_log_says_once_per_kind_why_decord_is_passed_over(
    encode: Callable, log: pytest.LogCaptureFixture
) -> None:
    fragmented = encode("b.mp4", container_options={"movflags": "frag_keyframe+empty_moov"})
    for path in (encode("a.mkv"), encode("c.mkv"), fragmented, fragmented):
        with open_video(path, "decord") as video:
            assert isinstance(video, PyAVVideo)
    assert log.messages == [
        "decord is passed over for containers other than mp4 and mov; PyAV reads them",
        "decord is passed over for fragmented mp4 files; PyAV reads them",
    ]


def test_the_default_is_pyav_for_every_file(
    encode: Callable, log: pytest.LogCaptureFixture
) -> None:
    for name in ("a.mkv", "a.mp4"):
        with open_video(encode(name)) as video:
            assert (video.decoder, video.choice) == ("pyav", "the default, exact for every file")
    assert log.messages == []


def test_decord_says_why_it_reads_a_file_and_why_not(encode: Callable) -> None:
    with open_video(encode("a.mkv"), "decord") as one, open_video(encode("a.mp4"), "decord") as two:
        assert one.decoder == "pyav"
        assert one.choice == "decord is passed over for containers other than mp4 and mov"
        assert two.decoder == "decord"
        assert two.choice == "asked for, and a plain mp4 or mov file, which decord reads exactly"


def test_what_was_asked_for_is_the_choice(video_file: Callable, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    with open_video(video_file(), "pyav") as video, open_video(tmp_path) as folder:
        assert (video.decoder, video.choice) == ("pyav", "asked for")
        assert (folder.decoder, folder.choice) == ("pictures", "a folder of pictures")


@pytest.mark.parametrize("decoder", DECODERS)
def test_times_count_from_the_first_frame(decoder: str, video_file: Callable) -> None:
    with open_video(video_file(fps=25), decoder) as video:
        assert video.times.dtype == torch.float64
        assert torch.allclose(video.times, torch.arange(32, dtype=torch.float64) / 25)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_times_are_those_of_the_file(name: str, encode: Callable) -> None:
    path = encode(name, times=[1000, 1020, 1110, 1143, 1400], num_frames=5)
    with open_video(path) as video:
        expected = torch.tensor([0, 0.020, 0.110, 0.143, 0.400], dtype=torch.float64)
        assert torch.allclose(video.times, expected, atol=1e-4)


def test_times_of_a_counted_video_are_even(encode: Callable) -> None:
    with open_video(encode("a.avi")) as video:  # with B-frames, of which AVI stores no times
        assert torch.allclose(video.times, torch.arange(40, dtype=torch.float64) / 25)


def test_nothing_is_said_to_be_salvaged_unless_asked_for(video: Video) -> None:
    with video:
        assert video.salvaged == ""


def test_pyav_asked_for_by_name_is_no_matter_for_the_log(
    encode: Callable, log: pytest.LogCaptureFixture
) -> None:
    open_video(encode("a.mkv"), "pyav").close()
    assert log.messages == []


def test_pyav_serves_where_decord_is_not_installed(
    video_file: Callable, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with open_video(video_file(), "decord") as video:
        assert isinstance(video, PyAVVideo)
    assert log.messages == [
        "decord is passed over for all files, as it is not installed; PyAV reads them"
    ]


def test_video_shows_what_it_is(video_file: Callable[..., Path]) -> None:
    path = video_file(num_frames=12)
    with open_video(path, "pyav") as video:
        assert repr(video) == f"Video({str(path)!r}, 12 frames, 25 fps, pyav)"
    assert repr(video) == f"Video({str(path)!r}, pyav, closed)"
