"""Index masks: files of all kinds, labels, and what is refused."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_uniformer.data.image.masks import read_index_mask, read_mask, reduced_labels
from video_uniformer.data.image.picture import PictureError

VALUES = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)
SIZE = {"height": 2, "width": 3}


def grey_png(rows: list[bytes], bits: int) -> bytes:
    """A grey PNG 3 wide and 2 high; Pillow writes none of 2 or 4 bits."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + end

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, bits, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def write_mask(path: Path, values: np.ndarray = VALUES) -> Path:
    Image.fromarray(values).save(path)
    return path


def test_labels_counted_from_1_are_reduced() -> None:
    given = np.array([[0, 1, 2, 150, 253, 254, 255]], np.uint8)
    assert reduced_labels(given).tolist() == [[255, 0, 1, 149, 252, 253, 255]]


def test_ade20k_masks_become_labels_of_150_classes(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.png", np.array([[0, 1, 150]], np.uint8))
    labels = read_mask(path, height=1, width=3, num_classes=150, reduce_zero_label=True)
    assert labels.tolist() == [[255, 0, 149]]
    assert labels.dtype == np.uint8


def test_labels_counted_from_0_stay_as_they_are(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.png", np.array([[0, 2, 255]], np.uint8))
    assert read_mask(path, height=1, width=3, num_classes=3).tolist() == [[0, 2, 255]]


@pytest.mark.parametrize("kind", ["png", "bmp", "tif", "pgm"])
def test_every_kind_of_file_that_keeps_values_is_a_mask(tmp_path: Path, kind: str) -> None:
    path = write_mask(tmp_path / f"a.{kind}")
    assert read_index_mask(path, **SIZE).tolist() == VALUES.tolist()


def test_a_palette_gives_its_indices_and_not_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(VALUES).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([200, 0, 0, 0, 150, 0, 9, 9, 9, 255, 255, 255])
    image.save(tmp_path / "a.png", transparency=0)
    assert read_mask(tmp_path / "a.png", **SIZE, num_classes=4).tolist() == VALUES.tolist()


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_a_mask_of_16_bits_keeps_its_values(tmp_path: Path, kind: str) -> None:
    path = write_mask(tmp_path / f"a.{kind}", VALUES.astype(np.uint16))
    assert read_mask(path, **SIZE, num_classes=4).tolist() == VALUES.tolist()


def test_a_mask_of_32_bits_keeps_its_values(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.tif", VALUES.astype(np.int32))
    assert read_mask(path, **SIZE, num_classes=4).tolist() == VALUES.tolist()


def test_a_mask_of_1_bit_has_labels_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(VALUES > 1).save(tmp_path / "a.png")
    labels = read_mask(tmp_path / "a.png", **SIZE, num_classes=2)
    assert labels.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert labels.dtype == np.uint8


@pytest.mark.parametrize(
    ("bits", "rows"),
    [(2, [b"\x18", b"\xd0"]), (4, [b"\x01\x20", b"\x31\x00"])],
)
def test_grey_of_2_and_4_bits_is_not_spread(tmp_path: Path, bits: int, rows: list[bytes]) -> None:
    (tmp_path / "a.png").write_bytes(grey_png(rows, bits))
    assert np.asarray(Image.open(tmp_path / "a.png")).max() == 3 * 255 // (2**bits - 1)
    assert read_mask(tmp_path / "a.png", **SIZE, num_classes=4).tolist() == VALUES.tolist()


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        (
            np.array([[0, 3, 7]], np.uint8),
            {"num_classes": 3},
            "label 3 in 2 pixels that are no class, expected 0 to 2, or 255 for ignored ones",
        ),
        (
            np.array([[0, 3, 3]], np.uint8),
            {"num_classes": 3},
            "label 3 in 2 pixels that are no class, expected 0 to 2, or 255 for ignored ones; "
            "reduce_zero_label is for classes counted from 1",
        ),
        (
            np.array([[0, 151, 150]], np.uint8),
            {"num_classes": 150, "reduce_zero_label": True},
            "label 151 in 1 pixels that are no class, expected 0 to 150, or 255",
        ),
        (
            np.array([[0, 256, 65535]], np.uint16),
            {"num_classes": 3},
            "label 256 in 2 pixels that are no class",
        ),
    ],
)
def test_a_label_beyond_the_classes_is_refused(
    tmp_path: Path, values: np.ndarray, settings: dict, message: str
) -> None:
    path = write_mask(tmp_path / "a.png", values)
    with pytest.raises(PictureError, match=f"^{re.escape(f'{path}: {message}')}"):
        read_mask(path, height=1, width=3, **settings)


def test_a_negative_label_is_refused(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.tif", np.array([[0, -1, 1]], np.int32))
    with pytest.raises(PictureError, match="label -1 in 1 pixels that are no class"):
        read_mask(path, height=1, width=3, num_classes=3)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "a.png")
    with pytest.raises(
        PictureError, match=r"a\.png: mask of 3 x 2 pixels, expected 2 x 3, as its picture"
    ):
        read_index_mask(path, height=3, width=2)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "F"])
def test_what_has_no_whole_number_a_pixel_is_refused(tmp_path: Path, mode: str) -> None:
    kind = "tif" if mode == "F" else "png"
    Image.fromarray(VALUES).convert(mode).save(tmp_path / f"a.{kind}")
    with pytest.raises(PictureError, match=rf"a\.{kind}: of mode {mode}, expected a mask of one"):
        read_index_mask(tmp_path / f"a.{kind}", **SIZE)


def test_a_jpeg_is_refused(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match=r"a\.jpg: a JPEG, which alters labels, expected a PNG"):
        read_index_mask(tmp_path / "a.jpg", **SIZE)


def test_a_damaged_mask_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4, (64, 64), np.uint8)
    path = write_mask(tmp_path / "a.png", noise)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(PictureError, match=r"a\.png: cut short"):
        read_index_mask(path, height=64, width=64)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty, expected a mask"), (b"<html>404</html>", "not a picture of a known kind")],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match=rf"a\.png: {message}"):
        read_index_mask(tmp_path / "a.png", **SIZE)


def test_a_missing_mask_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.png"):
        read_index_mask(tmp_path / "a.png", **SIZE)
