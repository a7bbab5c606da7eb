"""One file, looked at from end to end: what it is, and whether all of it can be played."""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from video_uniformer.collection.depths import DECODE
from video_uniformer.collection.scan.pictures import (
    Picture,
    hash_pictures,
    picture_places,
    thumbnail,
)
from video_uniformer.collection.scan.truncation import missing_seconds
from video_uniformer.collection.scan.walk import PICTURE_HEIGHT, walk_frames
from video_uniformer.data.decoding.frame_folder import FrameFolder
from video_uniformer.data.decoding.interface import Video, VideoError
from video_uniformer.data.decoding.probe import probe_video
from video_uniformer.data.decoding.pyav_reader import PyAVVideo
from video_uniformer.data.decoding.salvage import Survey, survey_frames
from video_uniformer.data.decoding.streams import describe_error, open_container, prepare_stream

OK, DAMAGED, UNREADABLE, NO_VIDEO = "ok", "damaged", "unreadable", "not a video"
HUNG, CRASHED, MISSING = "hung", "crashed", "missing"
NO_PICTURE = "not a picture"
STATUSES = (OK, DAMAGED, UNREADABLE, NO_VIDEO, HUNG, CRASHED, MISSING)
PICTURE_STATUSES = tuple(NO_PICTURE if status == NO_VIDEO else status for status in STATUSES)

_SCRIPTS = ("concat", "hls", "dash", "sdp")  # texts that name other files
_HEAD_BYTES = 16
_CHUNK_BYTES = 1 << 20
# Their decoders conceal damage even when told not to; that a strict one complains has to do.
_UNCONCEALING = ("mjpeg",)
# What containers begin with; a file that begins so was a video once.
_SIGNATURES: tuple[tuple[int, bytes], ...] = (
    *((4, kind) for kind in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"moof", b"styp")),
    (0, b"\x1a\x45\xdf\xa3"),
    (8, b"AVI "),
    *((0, mark) for mark in (b"FLV", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3", b"\x30\x26\xb2\x75")),
)


@dataclass(frozen=True)
class FileReport:
    """What is known of a file; all plain values.

    Attributes:
        status: One of `STATUSES`, or of `PICTURE_STATUSES`.
        reason: What is wrong, in words; empty where nothing is.
        container: FFmpeg's name of the format; Pillow's for a picture.
        codec: FFmpeg's name of the codec; "pictures" for a folder of them.
        pixel_format: FFmpeg's name; for a picture Pillow's mode, followed by ;16 where that hides
            that the file has 16 bits a value.
        width: Pixels of the upright picture.
        height: Pixels of the upright picture.
        fps: Frames per second; the mean where the rate varies.
        rate: "constant" or "variable".
        num_frames: Playable frames, as reading the file in training counts them; of a damaged file
            those that are intact.
        listed_frames: What the container says, 0 where it says nothing; of a picture, frames or
            pages.
        key_frame_distance: Largest number of frames from a key frame to the next.
        has_edit_list: Whether an edit list cuts or delays the video.
        transfer: "hlg" or "pq" of HDR; empty for others.
        primaries: "bt2020" of wide colours; empty for others.
        rotation: Degrees counter-clockwise by which frames are turned to stand upright.
        num_parts: Recordings joined in the file: one more than its clock goes back.
        mirrored: Whether left and right of frames change places before they are turned.
        seconds: Duration of the video.
        first_bad_frame: The first that is lost or altered; -1 where none is known.
        size_bytes: Length of the file.
        content_hash: SHA-256 of its bytes, hexadecimal.
        picture_hash: As `hash_pictures` makes it.
        thumbnail: JPEG of a frame near the middle, base 64.
    """

    status: str
    reason: str = ""
    container: str = ""
    codec: str = ""
    pixel_format: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    rate: str = ""
    num_frames: int = 0
    listed_frames: int = 0
    key_frame_distance: int = 0
    has_edit_list: bool = False
    transfer: str = ""
    primaries: str = ""
    rotation: int = 0
    num_parts: int = 1
    mirrored: bool = False
    seconds: float = 0.0
    first_bad_frame: int = -1
    size_bytes: int = 0
    content_hash: str = ""
    picture_hash: str = ""
    thumbnail: str = ""


def inspect_file(path: Path, decode: str = "every") -> FileReport:
    """Tell what a file is and whether all of it can be played.

    A file is damaged if a frame is lost or altered and anything tells. Damage that leaves all
    frames as they are is none.

    Args:
        path: A video file, or a folder of pictures.
        decode: Which frames to decode: "every" one; "ends", which is the first, the last and a few
            in between; or "none" but the first.

    Raises:
        ValueError: `decode` is something else.
    """
    if decode not in DECODE:
        raise ValueError(f"decode is {decode!r}, expected {', '.join(DECODE)}")
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return FileReport(NO_VIDEO, "neither a file nor a folder")
        if stat.S_ISDIR(status.st_mode):
            return _inspect_pictures(path, decode)
        report = FileReport(OK, size_bytes=status.st_size, content_hash=hash_files([path]))
        head = _read_head(path)
    except (OSError, ValueError) as error:
        return unreachable(error)
    if not head:
        return replace(report, status=NO_VIDEO, reason="the file is empty")
    return _inspect_video(path, decode, report, head)


def unreachable(error: OSError | ValueError) -> FileReport:
    """The report on a file that cannot be asked or read."""
    if not isinstance(error, OSError):  # a zero byte in the name
        return FileReport(MISSING, str(error))
    is_absent = error.errno in (errno.ENOENT, errno.ENOTDIR)
    return FileReport(MISSING if is_absent else UNREADABLE, error.strerror or str(error))


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def hash_files(paths: list[Path]) -> str:
    """SHA-256 of the bytes of files, one behind the other, hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def bare_reason(path: Path, error: Exception) -> str:
    """The reason alone, and a frame's name; tables name the path elsewhere."""
    reason = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}{os.sep}")
    return reason or type(error).__name__


def _inspect_video(path: Path, decode: str, report: FileReport, head: bytes) -> FileReport:
    problem = ""
    try:
        report = replace(report, **_probe(path))
    except VideoError as error:
        problem = bare_reason(path, error)
        try:
            report = replace(report, **_describe(path))
        except VideoError as error:
            known = any(head[place:].startswith(mark) for place, mark in _SIGNATURES)
            reason = bare_reason(path, error)
            is_remnant = known and "no video stream" not in reason
            status = UNREADABLE if is_remnant or reason.startswith("encrypted") else NO_VIDEO
            return replace(report, status=status, reason=reason)
    if report.container in _SCRIPTS:
        return replace(report, status=NO_VIDEO, reason="a list of other files", num_frames=0)
    if decode == "every":
        return _decode_every(path, report, problem)
    if problem:
        return replace(report, status=DAMAGED, reason=problem)
    return _decode_few(PyAVVideo(path), report) if decode == "ends" else report


def _probe(path: Path) -> dict[str, Any]:
    facts = probe_video(path)
    return {
        "container": facts.container,
        "codec": facts.codec,
        "pixel_format": facts.pixel_format,
        "width": facts.width,
        "height": facts.height,
        "fps": round(facts.fps, 3),
        "rate": facts.rate,
        "num_frames": facts.num_frames,
        "listed_frames": facts.listed_frames or 0,
        "key_frame_distance": facts.key_frame_distance,
        "has_edit_list": facts.has_edit_list,
        "transfer": facts.transfer,
        "primaries": facts.primaries,
        "rotation": facts.rotation,
        "num_parts": facts.num_parts,
        "mirrored": facts.mirrored,
        "seconds": round(facts.duration_seconds, 3),
    }


def _describe(path: Path) -> dict[str, Any]:
    """The little that a damaged file tells without decoding it."""
    with open_container(path) as container:
        try:
            stream = prepare_stream(container, path)
            decoder = stream.codec_context
            return {
                "container": container.format.name,
                "codec": decoder.codec.canonical_name,
                "pixel_format": decoder.pix_fmt or "",
                "width": decoder.width,
                "height": decoder.height,
                "fps": round(float(stream.average_rate or stream.guessed_rate or 0), 3),
                "listed_frames": stream.frames,
            }
        except VideoError:
            raise
        except Exception as error:
            raise VideoError(f"{path}: {describe_error(error)}") from error


def _decode_every(path: Path, report: FileReport, problem: str) -> FileReport:
    """Decode all frames strictly; where that finds fault, see which frames are intact."""
    expected = report.num_frames
    walk = walk_frames(path, picture_places(expected or report.listed_frames))
    report = replace(report, thumbnail=_middle(walk.pictures))
    lost_seconds = missing_seconds(path, max(expected, walk.num_frames))
    if lost_seconds:
        problem = problem or f"{lost_seconds:.2f} s of what the file speaks of are missing"
    if walk.complaint:
        problem = problem or f"the container is damaged ({walk.complaint})"
    if walk.problem and report.codec in _UNCONCEALING:
        problem = problem or walk.problem
    if not problem and not walk.problem and walk.num_frames == expected:
        return replace(report, picture_hash=hash_pictures(walk.pictures, expected))
    if walk.has_marks and report.rate == "variable":
        # Packets that vanish whole leave a gap, which decoding alone cannot tell from a pause.
        problem = problem or "packets are damaged, and frames are missing between others"
    survey = survey_frames(path)
    intact = len(survey.places)
    if not problem and intact == expected:
        return replace(report, picture_hash=hash_pictures(walk.pictures, expected))
    problem = problem or survey.problem or walk.problem or "listed frames are never decoded"
    return replace(
        report,
        status=DAMAGED if intact else UNREADABLE,
        reason=problem,
        num_frames=intact,
        first_bad_frame=_first_bad(survey, report),
    )


def _first_bad(survey: Survey, report: FileReport) -> int:
    """The first frame that is not among the intact ones."""
    places = survey.places
    if survey.times is not None and report.rate != "variable" and places[:1] == [0]:
        # By time: what follows a loss may leave the decoder ahead of what came before it.
        places = (survey.times * report.fps).round().int().tolist()
    return next((number for number, place in enumerate(places) if number != place), len(places))


def _decode_few(video: Video, report: FileReport) -> FileReport:
    """Decode the first and the last frame, and those that pictures are made of."""
    num_frames = len(video)
    places = picture_places(num_frames)
    wanted = dict.fromkeys((0, *places, num_frames - 1))
    pictures: dict[int, Picture] = {}
    with video:
        for place in wanted:
            try:
                pictures[place] = scale_down(video.frames([place])[0].numpy())
            except VideoError as error:
                return replace(
                    report,
                    status=DAMAGED,
                    reason=bare_reason(video.path, error),
                    first_bad_frame=place,
                    thumbnail=_middle(pictures),
                )
    return replace(
        report,
        picture_hash=hash_pictures(pictures, num_frames),
        thumbnail=_middle({place: pictures[place] for place in places}),
    )


def _inspect_pictures(path: Path, decode: str) -> FileReport:
    try:
        folder = FrameFolder(path)
    except VideoError as error:
        is_locked = not os.access(path, os.R_OK | os.X_OK)
        return FileReport(UNREADABLE if is_locked else NO_VIDEO, bare_reason(path, error))
    num_frames = len(folder)
    files = sorted(file for file in path.iterdir() if file.is_file())
    report = FileReport(
        OK,
        codec="pictures",
        num_frames=num_frames,
        key_frame_distance=1,
        size_bytes=sum(file.stat().st_size for file in files),
        content_hash=hash_files(files),
    )
    try:
        first = folder.frames([0])[0]
        report = replace(report, width=first.shape[1], height=first.shape[0])
    except VideoError as error:
        return replace(report, status=DAMAGED, reason=bare_reason(path, error), first_bad_frame=0)
    if decode == "every":
        for place in range(num_frames):
            try:
                folder.frames([0, place] if place else [0])  # they must be of one size
            except VideoError as error:
                reason = bare_reason(path, error)
                return replace(report, status=DAMAGED, reason=reason, first_bad_frame=place)
    return report if decode == "none" else _decode_few(folder, report)


def _middle(pictures: dict[int, Picture]) -> str:
    """A thumbnail of the middle one of the pictures."""
    places = sorted(pictures)
    return thumbnail(pictures[places[len(places) // 2]]) if places else ""


def scale_down(image: Picture) -> Picture:
    """A picture (H, W, 3) at the height of thumbnails."""
    height, width = image.shape[:2]
    size = max(1, width * PICTURE_HEIGHT // height), PICTURE_HEIGHT
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
