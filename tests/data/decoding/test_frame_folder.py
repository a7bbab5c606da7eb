"""Frame folders: pictures in the order of their numbers."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from video_uniformer.data.decoding import VideoError
from video_uniformer.data.decoding.frame_folder import FrameFolder


def write(path: Path, level: int = 0, size: tuple[int, int] = (8, 6), mode: str = "L") -> None:
    Image.new(mode, size, level).save(path)


def levels(folder: FrameFolder) -> list[int]:
    return folder.frames(range(len(folder)))[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "names",
    [
        ["2.png", "10.png", "100.png"],
        ["00002.png", "00010.png", "00100.png"],
        ["img_2.PNG", "img_10.PNG", "img_100.PNG"],
        ["a2_b9.png", "a2_b10.png", "a10_b1.png"],
        ["a.png", "b.png", "c.png"],
        ["01.png", "1.png", "2.png"],
    ],
)
def test_pictures_are_in_the_order_of_their_numbers(names: list[str], tmp_path: Path) -> None:
    for place, name in reversed(list(enumerate(names))):
        write(tmp_path / name, level=50 * place)
    assert levels(FrameFolder(tmp_path)) == [0, 50, 100]


def test_other_files_are_ignored(tmp_path: Path) -> None:
    write(tmp_path / "1.png")
    write(tmp_path / "2.PNG")
    (tmp_path / "._1.png").write_text("left by a file system")
    (tmp_path / "list.txt").write_text("1.png")
    (tmp_path / "more").mkdir()
    assert len(FrameFolder(tmp_path)) == 2


def test_masks_beside_frames_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.jpg", level=50 * number)
        write(tmp_path / f"{number}.tiff", level=255)
    for _ in range(2):
        folder = FrameFolder(tmp_path)
        assert levels(folder) == [0, 50, 100]
        assert folder.choice == "a folder of pictures, 3 .tiff left out"
    assert caplog.messages == ["folders of .jpg frames hold .tiff pictures too, which are left out"]


@pytest.mark.parametrize("suffix", ["bmp", "webp", "tif", "ppm", "pgm", "jfif", "WEBP"])
def test_pictures_of_every_listed_format_are_read(suffix: str, tmp_path: Path) -> None:
    for number in range(3):
        image = Image.new("L", (8, 6), 50 * number)
        image.save(
            tmp_path / f"{number}.{suffix}", **({"lossless": True} if suffix[-1] == "p" else {})
        )
    assert levels(FrameFolder(tmp_path)) == [0, 50, 100]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK"])
def test_pictures_of_any_mode_become_rgb(mode: str, tmp_path: Path) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    write(tmp_path / f"1.{suffix}", mode=mode, size=(8, 6))
    assert FrameFolder(tmp_path).frames([0]).shape == (1, 6, 8, 3)


def test_colours_are_in_the_order_red_green_blue(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (10, 20, 30)).save(tmp_path / "1.png")
    assert FrameFolder(tmp_path).frames([0])[0, 0, 0].tolist() == [10, 20, 30]


def test_fps_is_30_unless_given(tmp_path: Path) -> None:
    write(tmp_path / "1.png")
    assert FrameFolder(tmp_path).fps == 30
    assert FrameFolder(tmp_path, fps=12).fps == 12


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_fps_must_be_positive(fps: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"fps is {fps}, expected a positive number"):
        FrameFolder(tmp_path, fps=fps)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").touch()
    with pytest.raises(VideoError, match=rf"^{tmp_path}: the folder holds no picture, expected"):
        FrameFolder(tmp_path)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "1.png")
    with pytest.raises(VideoError, match=r"1\.png: Not a directory, expected a folder of frames"):
        FrameFolder(tmp_path / "1.png")


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    write(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"not a picture")
    folder = FrameFolder(tmp_path)
    assert torch.equal(folder.frames([0]), torch.zeros(1, 6, 8, 3, dtype=torch.uint8))
    with pytest.raises(VideoError, match=r"2\.png: not a readable picture \("):
        folder.frames([0, 1])


def test_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "1.png")
    write(tmp_path / "2.png", size=(9, 6))
    with pytest.raises(VideoError, match=r"2\.png: the picture is 9x6, expected 8x6 as 1\.png"):
        FrameFolder(tmp_path).frames([0, 1])
