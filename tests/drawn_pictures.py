"""Picture files of many kinds, intact and not, drawn from noise."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ExifTags import Base as ExifTag


def noise(seed: int, width: int = 64, height: int = 48, channels: int = 3) -> np.ndarray:
    """Pixels (H, W, C), other for other seeds."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def png(width: int, height: int, *, bits: int = 8, rows: bytes = b"") -> bytes:
    """A PNG in RGB with this header, whatever its rows are."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + end

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def draw_intact(folder: Path) -> None:
    """Pictures that differ from plain ones, named by how."""
    folder.mkdir(parents=True, exist_ok=True)
    turned = Image.Exif()
    turned[ExifTag.Orientation] = 6
    frames = [Image.fromarray(noise(seed)) for seed in range(3)]
    Image.fromarray(noise(10)).save(folder / "plain.jpg")
    Image.fromarray(noise(11, channels=4), "CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(noise(12)).convert("P").save(folder / "palette.png")
    Image.fromarray(noise(13)[..., 0].astype(np.uint16) * 257).save(folder / "grey16.png")
    rows = b"".join(b"\0" + row.tobytes() for row in noise(14, 20, 8))
    (folder / "rgb16.png").write_bytes(png(10, 8, bits=16, rows=rows))
    Image.fromarray(noise(15)).save(folder / "turned.jpg", exif=turned)
    Image.fromarray(noise(16, channels=4)).save(folder / "alpha.png")
    Image.new("RGB", (1600, 1200)).save(folder / "large.jpg")
    frames[0].save(folder / "pages.tiff", save_all=True, append_images=frames[1:])
    Image.fromarray(noise(17)).save(folder / "lies.jpg", "PNG")


def draw_damaged(folder: Path) -> None:
    """Files that are no whole pictures, named by what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cut.jpg", "cut.png", "altered.png"):
        Image.fromarray(noise(len(name))).save(folder / name)
    for name in ("cut.jpg", "cut.png"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    content = bytearray((folder / "altered.png").read_bytes())
    content[-14] ^= 0xFF  # in the check sum of the last rows
    (folder / "altered.png").write_bytes(content)
    (folder / "empty.jpg").touch()
    (folder / "page.jpg").write_bytes(b"<html>404</html>")
    (folder / "giant.png").write_bytes(png(60_000, 60_000))
    Image.new("F", (8, 8)).save(folder / "float.tiff")
