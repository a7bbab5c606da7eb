"""200 awkward picture files, made on the spot, and what each of them is.

An intact file is read bit for bit as Pillow decodes it; a cut one has pixels that are worth
salvaging; a bad one has none. Of some damage nobody can tell which it is: Pillow decides.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

INTACT, CUT, BAD, ANY = "intact", "cut", "bad", "any"
HEIGHT, WIDTH = 96, 128


class HostilePicture(NamedTuple):
    """A file, and what is known of it."""

    path: Path
    kind: str


def make_pictures(folder: Path) -> list[HostilePicture]:
    """Write them all; the last ones are no files."""
    found = []
    for number, (name, kind, content) in enumerate(_contents()):
        path = folder / f"{number:03d}_{name}"
        path.write_bytes(content)
        found.append(HostilePicture(path, kind))
    return [*found, *_places(folder)]


def photo(height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """A picture with soft and sharp parts."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 40, (height, width))
    layers = [x * 200 // width + noise, y * 200 // height + noise, (x * y) % 200 + noise]
    return Image.fromarray(np.stack(layers, 2).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """What Pillow makes of a picture."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _contents() -> Iterator[tuple[str, str, bytes]]:
    yield "empty.jpg", BAD, b""
    yield "text.jpg", BAD, b"this is a list of pictures, not a picture\n" * 20
    yield "html.jpg", BAD, b"<!DOCTYPE html><html>404 not found</html>"
    yield "zeros.jpg", BAD, bytes(5000)
    yield "noise.jpg", BAD, np.random.default_rng(1).bytes(5000)
    yield from _intact_jpegs()
    yield from _intact_others()
    yield from _wrong_suffixes()
    yield from _shapes()
    yield from _cut()
    yield from _flipped()
    yield from _claims()


def _intact_jpegs() -> Iterator[tuple[str, str, bytes]]:
    image = photo()
    for quality in (10, 50, 95, 100):
        for subsampling in (0, 1, 2):
            content = saved(image, "JPEG", quality=quality, subsampling=subsampling)
            yield f"q{quality}s{subsampling}.jpg", INTACT, content
    yield "progressive.jpg", INTACT, saved(image, "JPEG", progressive=True)
    yield "restarts.jpg", INTACT, saved(image, "JPEG", restart_marker_blocks=2)
    yield "grey.jpg", INTACT, saved(image.convert("L"), "JPEG")
    cmyk = saved(image.convert("CMYK"), "JPEG")
    yield "cmyk_adobe.jpg", INTACT, cmyk
    adobe = cmyk.index(b"\xff\xee")
    yield "cmyk_plain.jpg", INTACT, cmyk[:adobe] + cmyk[adobe + 16 :]
    ycck = bytearray(cmyk)
    ycck[adobe + 15] = 2
    yield "ycck.jpg", INTACT, bytes(ycck)
    for orientation in range(1, 10):  # nine is none
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"exif{orientation}.jpg", INTACT, saved(image, "JPEG", exif=exif)
        yield f"exif{orientation}.png", INTACT, saved(image, "PNG", exif=exif)
    yield "exif_huge.jpg", INTACT, saved(image, "JPEG", exif=b"Exif\0\0" + bytes(65000))
    yield "exif_noise.jpg", INTACT, saved(image, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    yield "icc.jpg", INTACT, saved(image, "JPEG", icc_profile=b"profile" * 30000)
    plain = saved(image, "JPEG")
    yield "trailing.jpg", INTACT, plain + bytes(10000)
    yield "trailing_text.jpg", INTACT, plain + b"<html>" * 100
    yield "two.jpg", INTACT, plain + saved(image.rotate(180), "JPEG")
    yield "comment.jpg", INTACT, saved(image, "JPEG", comment=b"x" * 60000)
    # The frame header of arithmetic coding; the scan is Huffman's, so that it is damaged at best.
    yield "arithmetic.jpg", ANY, plain.replace(b"\xff\xc0", b"\xff\xc9")
    yield "lossless.jpg", BAD, plain.replace(b"\xff\xc0", b"\xff\xc3")
    second = [image.rotate(180)]
    yield "mpo.jpg", INTACT, saved(image, "MPO", save_all=True, append_images=second)


def _intact_others() -> Iterator[tuple[str, str, bytes]]:
    image = photo()
    palette = image.quantize(16)
    deep = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 5
    for mode in ("1", "L", "LA", "RGB", "RGBA"):
        yield f"{mode}.png", INTACT, saved(image.convert(mode), "PNG")
    for kind in ("PNG", "GIF"):
        yield f"clear.{kind.lower()}", INTACT, saved(palette, kind, transparency=3)
    yield "clear_rgb.png", INTACT, saved(image, "PNG", transparency=(0, 0, 0))
    yield "grey16.png", INTACT, saved(Image.fromarray(deep), "PNG")
    yield "grey16.tif", INTACT, saved(Image.fromarray(deep), "TIFF")
    yield "rgb16.png", INTACT, _png(np.stack([deep] * 3, 2))
    yield "float.tif", BAD, saved(Image.fromarray(deep.astype(np.float32)), "TIFF")
    second = [image.rotate(180)]
    for kind in ("GIF", "WEBP", "PNG"):
        content = saved(image, kind, save_all=True, append_images=second)
        yield f"moving.{kind.lower()}", INTACT, content
    for kind in ("WEBP", "BMP", "TIFF", "PPM", "TGA", "PCX", "ICO", "JPEG2000"):
        yield f"plain.{kind.lower()}", INTACT, saved(image, kind)
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        yield f"{compression}.tif", INTACT, saved(image, "TIFF", compression=compression)
    yield "lossless.webp", INTACT, saved(image, "WEBP", lossless=True)
    yield "clear.webp", INTACT, saved(image.convert("RGBA"), "WEBP")
    yield "icc.png", INTACT, saved(image, "PNG", icc_profile=b"no profile")


def _wrong_suffixes() -> Iterator[tuple[str, str, bytes]]:
    for kind, suffix in (("PNG", "jpg"), ("JPEG", "png"), ("WEBP", "jpg"), ("GIF", "jpeg")):
        yield f"is_{kind}.{suffix}", INTACT, saved(photo(), kind)
    yield "no_suffix", INTACT, saved(photo(), "JPEG")


def _shapes() -> Iterator[tuple[str, str, bytes]]:
    for height, width in ((1, 1), (1, 5000), (5000, 1), (2, 3), (17, 31), (8, 8)):
        for kind in ("JPEG", "PNG"):
            content = saved(photo(height, width), kind)
            yield f"{height}x{width}.{kind.lower()}", INTACT, content


def _cut() -> Iterator[tuple[str, str, bytes]]:
    image = photo()
    contents = {
        "baseline.jpg": saved(image, "JPEG", quality=95),
        "progressive.jpg": saved(image, "JPEG", quality=95, progressive=True),
        "plain.png": saved(image, "PNG"),
        "plain.webp": saved(image, "WEBP"),
        "plain.gif": saved(image, "GIF"),
        "plain.bmp": saved(image, "BMP"),
    }
    for name, content in contents.items():
        for tenth in range(1, 10):
            is_jpeg = name.endswith(".jpg") and tenth > 2
            length = len(content) * tenth // 10
            yield f"cut{tenth}_{name}", CUT if is_jpeg else ANY, content[:length]
    yield "no_end.jpg", ANY, contents["baseline.jpg"][:-2]
    yield "header_only.jpg", ANY, contents["baseline.jpg"][:600]


def _flipped() -> Iterator[tuple[str, str, bytes]]:
    random = np.random.default_rng(2)
    for kind in ("JPEG", "PNG", "WEBP"):
        content = saved(photo(), kind)
        for part, (low, high) in {"head": (2, 300), "scan": (700, len(content))}.items():
            for number in range(6):
                changed = bytearray(content)
                for place in random.integers(low, min(high, len(content)), 3):
                    changed[place] ^= 1 << int(random.integers(8))
                yield f"flip_{part}{number}.{kind.lower()}", ANY, bytes(changed)


def _claims() -> Iterator[tuple[str, str, bytes]]:
    for side in (20_000, 60_000, 2**31 - 1):
        yield f"claims{side}.png", BAD, _png_claiming(side, side)
    yield "claims0.png", BAD, _png_claiming(0, 10)
    yield "bomb.png", BAD, _png_claiming(30_000, 30_000, zlib.compress(bytes(30_000_000), 9))
    jpeg = bytearray(saved(photo(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    yield "claims.jpg", BAD, bytes(jpeg)
    gif = bytearray(saved(photo(), "GIF"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    yield "claims.gif", BAD, bytes(gif)
    bmp = bytearray(saved(photo(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 100_000, 100_000)
    yield "claims.bmp", BAD, bytes(bmp)
    yield "empty_directory.tif", BAD, b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    yield "no_directory.tif", BAD, b"II*\0\xff\xff\xff\x7f"


def _png_claiming(width: int, height: int, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _png(pixels: np.ndarray) -> bytes:
    """RGB of 16 bits, which Pillow cannot write."""
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _places(folder: Path) -> Iterator[HostilePicture]:
    """What is no file, or not ours to read."""
    (folder / "folder.jpg").mkdir()
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    (folder / "round.jpg").symlink_to(folder / "round.jpg")
    os.mkfifo(folder / "pipe.jpg")
    for name in ("folder.jpg", "nowhere.jpg", "round.jpg", "pipe.jpg", "missing.jpg"):
        yield HostilePicture(folder / name, BAD)
    linked, closed = folder / "linked.jpg", folder / "closed.jpg"
    linked.symlink_to("is_linked_to.jpg")
    for name in ("is_linked_to.jpg", "closed.jpg"):
        (folder / name).write_bytes(saved(photo(), "JPEG"))
    closed.chmod(0)
    yield HostilePicture(linked, INTACT)
    # A superuser may read what nobody may.
    yield HostilePicture(closed, INTACT if os.access(closed, os.R_OK) else BAD)
