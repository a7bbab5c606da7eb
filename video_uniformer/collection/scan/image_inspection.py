"""One picture file, decoded as training does: what it is, and whether all of it is there."""

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from video_uniformer.collection.scan.inspection import (
    DAMAGED,
    NO_PICTURE,
    OK,
    UNREADABLE,
    FileReport,
    bare_reason,
    hash_files,
    scale_down,
    unreachable,
)
from video_uniformer.collection.scan.pictures import thumbnail
from video_uniformer.data.decoding.pictures import inspect_picture
from video_uniformer.data.image.picture import Picture, PictureError

_FOREIGN = ("empty, expected a picture", "not a picture of a known kind")


def inspect_image(path: Path, decode: str = "every") -> FileReport:
    """Tell what a picture file is and whether all of it can be shown.

    Args:
        path: A file.
        decode: "none" reads its header alone; else the whole picture is decoded.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return FileReport(NO_PICTURE, "not a file")
        report = FileReport(OK, size_bytes=status.st_size, content_hash=hash_files([path]))
    except (OSError, ValueError) as error:
        return unreachable(error)
    report = replace(report, **_describe(path))
    try:
        picture = Picture(path)
        _check_sums(path, report.container)
        if decode == "none":
            return report
        report = replace(report, thumbnail=_thumbnail(picture))
        return replace(report, reason=_complaint(path)) if report.container == "JPEG" else report
    except OSError as error:
        return unreachable(error)
    except PictureError as error:
        reason = bare_reason(path, error)
    status_word = NO_PICTURE if reason in _FOREIGN else UNREADABLE
    return _salvage(path, replace(report, status=status_word, reason=reason, num_frames=0))


def _salvage(path: Path, report: FileReport) -> FileReport:
    """Call a picture damaged, in place of unreadable, of which training can show something."""
    if report.status == NO_PICTURE:
        return report
    try:
        rest = Picture(path, salvage=True)
        shown = _thumbnail(rest)
    except (PictureError, OSError):
        return report
    return replace(report, status=DAMAGED, thumbnail=shown, width=rest.width, height=rest.height)


def _thumbnail(picture: Picture) -> str:
    return thumbnail(scale_down(np.asarray(picture.rgb())))


def _check_sums(path: Path, container: str) -> None:
    """Refuse a PNG whose check sums tell of damage; decoding looks at some of them alone."""
    if container != "PNG":
        return
    try:
        with Image.open(path) as image:
            image.verify()
    except Exception as error:  # Pillow raises many types
        raise PictureError(f"{path}: damaged ({error})") from None


def _complaint(path: Path) -> str:
    """What FFmpeg says of a JPEG that Pillow reads, as it does altered ones without a word."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"err_detect": "explode"}
    try:
        decoder.decode(av.Packet(path.read_bytes()))
    except av.error.InvalidDataError:
        return "probably altered: a strict decoder finds invalid data"
    except av.error.FFmpegError:  # a kind that FFmpeg does not know
        return ""
    return ""


def _describe(path: Path) -> dict[str, Any]:
    """Facts of the header; none where it cannot be read, which `Picture` explains."""
    try:
        facts = inspect_picture(path)
    except Exception:  # Pillow raises many types
        return {}
    has_16_bits = facts.is_16_bit and "16" not in facts.mode
    return {
        "container": facts.format,
        "codec": "picture",
        "pixel_format": f"{facts.mode};16" if has_16_bits else facts.mode,
        "width": facts.size[0],
        "height": facts.size[1],
        "rotation": facts.orientation.rotation,
        "mirrored": facts.orientation.is_mirrored,
        "num_frames": 1,
        "listed_frames": facts.num_frames,
        "key_frame_distance": 1,
    }
