"""A look at the index of an mp4 or mov file, without a decoder and without reading its frames.

It tells in a fraction of a millisecond whether a file is of the plain kind that decord decodes
exactly. Asking FFmpeg would mean to open the file a second time, which takes as long as decoding
a tenth of a clip.

Boxes: ISO/IEC 14496-12, "ISO base media file format".
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from video_uniformer.data.decoding.codec_records import AVC_BASELINE, is_plain_avc, is_plain_hevc
from video_uniformer.data.decoding.colours import colours_from_codes

_TOP_LEVEL_KINDS = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"meta", b"udta")
)
_FRAGMENT_KINDS = frozenset((b"moof", b"styp", b"sidx"))
_ENCRYPTED_ENTRIES = (b"encv", b"drmi")
_MAX_TOP_LEVEL_BOXES = 1000  # a file of nothing but empty boxes would be walked for minutes
_MAX_FRAMES = 2**24  # six days of video; damage may claim so many that they fill the memory
_RIGHT_ANGLES = frozenset(((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)))
_ONE = 0x10000  # 1.0 as 16.16 fixed point
_SAMPLE_ENTRY_HEADER = 78  # bytes of a visual sample entry before its own boxes


class UnsuitableError(ValueError):
    """The file is not plain; the message names the kind of files it belongs to, in the plural."""


class PlainTrack(NamedTuple):
    """The video of a plain file.

    Attributes:
        num_frames: All are playable.
        fps: Frames per second, the same throughout.
    """

    num_frames: int
    fps: float


def read_plain_track(path: Path) -> PlainTrack:
    """Describe a file with one constant-rate video track, or say why it is not one.

    Plain is a complete, unfragmented mp4 or mov with one video track: progressive H.264 or HEVC,
    8 bit 4:2:0, of even size, upright or turned by right angles; its frames at equal distances,
    the first at time zero, none hidden by an edit list; each key frame shown after all frames that
    are decoded before it and before all that are decoded after it (closed groups of pictures).

    Raises:
        UnsuitableError: The file is of another kind, or cannot be read.
    """
    try:
        return _describe(_read_moov(path))
    except UnsuitableError:
        raise
    except OSError as error:
        raise UnsuitableError("files that cannot be read") from error
    except (struct.error, LookupError, ValueError) as error:
        raise UnsuitableError("mp4 files with a malformed index") from error


def has_edit_list(path: Path) -> bool:
    """Whether an edit list cuts or delays the video of an mp4 or mov file.

    One that only makes the first frame start at time zero, as most files have it, does not count.
    Fragmented files have none.
    """
    try:
        moov = _read_moov(path)
        return any(_is_edited(moov, track) for track in _video_tracks(moov))
    except (OSError, struct.error, LookupError, ValueError):
        return False


def has_encrypted_entry(path: Path) -> bool:
    """Whether the video of an mp4 or mov file is encrypted; also of a fragmented one."""
    try:
        moov = _read_moov(path, is_plain=False)
        entries = (
            _child(track, b"mdia", b"minf", b"stbl", b"stsd")[8:] for track in _video_tracks(moov)
        )
        return any(kind in _ENCRYPTED_ENTRIES for entry in entries for kind, _ in _boxes(entry))
    except (OSError, struct.error, LookupError, ValueError):
        return False


def _is_edited(moov: bytes, track: bytes) -> bool:
    box = _child(track, b"edts", b"elst")
    samples = _child(track, b"mdia", b"minf", b"stbl")
    num_frames = _count_samples(_child(samples, b"stsz"))
    counts, steps = _table(_child(samples, b"stts"), 2).T
    if not box or counts.min() < 0 or counts.sum() != num_frames:
        return False
    stored = np.repeat(steps, counts)
    times = stored.cumsum() - stored + _offsets(_child(samples, b"ctts"), num_frames)
    scale = _time_scale(_child(track, b"mdia", b"mdhd"))
    last = Fraction(int(times.max() - times.min()), scale) * _time_scale(_child(moov, b"mvhd"))
    try:
        _check_edits(box, int(times.min()), last)
    except UnsuitableError:
        return True
    return False


def _read_moov(path: Path, *, is_plain: bool = True) -> bytes:
    """Find the index among the top-level boxes, checking that plain ones fill the file."""
    moov = b""
    start = 0
    end = path.stat().st_size
    with path.open("rb") as file:
        for _ in range(_MAX_TOP_LEVEL_BOXES):
            if start == end:
                return _require(moov, "mp4 files without an index")
            if moov and not is_plain:
                return moov
            file.seek(start)
            kind, header, size = _parse_header(file.read(16), end - start)
            if is_plain and kind in _FRAGMENT_KINDS:
                raise UnsuitableError("fragmented mp4 files")
            if is_plain and kind not in _TOP_LEVEL_KINDS:
                raise UnsuitableError("containers other than mp4 and mov")
            if start + size > end:
                raise UnsuitableError("mp4 files cut short")
            if kind == b"moov" and not moov:
                file.seek(start + header)
                moov = file.read(size - header)
            start += size
    raise UnsuitableError("mp4 files of too many parts")


def _parse_header(data: bytes, available: int) -> tuple[bytes, int, int]:
    """Return kind, length of the header and length of the whole box."""
    size, kind = struct.unpack_from(">I4s", data)
    if size == 1:
        return kind, 16, max(16, struct.unpack_from(">Q", data, 8)[0])
    return kind, 8, available if size == 0 else max(8, size)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start + 8 <= len(data):
        kind, header, size = _parse_header(data[start : start + 16], len(data) - start)
        yield kind, data[start + header : start + size]
        start += size


def _child(data: bytes, *kinds: bytes) -> bytes:
    """Contents of the first box along a path of kinds; empty where there is none."""
    for kind in kinds:
        data = next((body for found, body in _boxes(data) if found == kind), b"")
    return data


def _require(data: bytes, otherwise: str) -> bytes:
    if not data:
        raise UnsuitableError(otherwise)
    return data


def _video_tracks(moov: bytes) -> list[bytes]:
    tracks = [body for kind, body in _boxes(moov) if kind == b"trak"]
    return [body for body in tracks if _child(body, b"mdia", b"hdlr")[8:12] == b"vide"]


def _describe(moov: bytes) -> PlainTrack:
    if _child(moov, b"mvex"):
        raise UnsuitableError("fragmented mp4 files")
    videos = _video_tracks(moov)
    if len(videos) != 1 or b"covr" in moov:  # FFmpeg takes a cover picture for a stream
        raise UnsuitableError("mp4 files with no or several video streams")
    (track,) = videos
    samples = _child(track, b"mdia", b"minf", b"stbl")
    _check_rotation(_child(moov, b"mvhd"), _child(track, b"tkhd"))
    may_reorder = _check_picture(_child(samples, b"stsd"))
    num_frames = _count_samples(_child(samples, b"stsz"))
    step = _constant_step(_child(samples, b"stts"), num_frames)
    key_frames = _key_frames(samples, num_frames)
    offsets = _child(samples, b"ctts")
    # Some writers leave out times of display although they differ from those of decoding.
    if may_reorder and not offsets and len(key_frames) < num_frames:
        raise UnsuitableError("mp4 files without times of display")
    times = step * np.arange(num_frames) + _offsets(offsets, num_frames)
    start = int(times.min())
    scale = _time_scale(_child(track, b"mdia", b"mdhd"))
    last = Fraction(step * (num_frames - 1), scale) * _time_scale(_child(moov, b"mvhd"))
    _check_edits(_child(track, b"edts", b"elst"), start, last)
    _check_order(times - start, step, key_frames)
    return PlainTrack(num_frames, float(Fraction(scale, step)))


def _time_scale(header: bytes) -> int:
    """Ticks per second, from a movie's or a medium's header of either version."""
    return struct.unpack_from(">I", header, 20 if header[0] else 12)[0] or 1


def _check_rotation(movie_header: bytes, track_header: bytes) -> None:
    movie = struct.unpack_from(">9i", movie_header, 48 if movie_header[0] else 36)
    track = struct.unpack_from(">9i", track_header, 52 if track_header[0] else 40)
    axes = tuple(Fraction(track[place], _ONE) for place in (0, 1, 3, 4))
    if movie[:5] != (_ONE, 0, 0, 0, _ONE) or axes not in _RIGHT_ANGLES:
        raise UnsuitableError("mp4 files that are mirrored, scaled or turned by odd angles")


def _check_picture(descriptions: bytes) -> bool:
    """Check codec, size and pixels; return whether frames may be shown out of decoding order."""
    entries = list(_boxes(descriptions[8:]))
    if len(entries) != 1 or entries[0][0] not in (b"avc1", b"hvc1", b"hev1"):
        raise UnsuitableError("mp4 files of other codecs than H.264 and HEVC")
    kind, entry = entries[0]
    width, height = struct.unpack_from(">HH", entry, 24)
    details = dict(_boxes(entry[_SAMPLE_ENTRY_HEADER:]))
    # Of these, decord and PyAV make RGB with differences that can be seen.
    if width % 2 or height % 2 or b"clap" in details:
        raise UnsuitableError("mp4 files of odd size or with a clean aperture")
    plain = is_plain_avc(details[b"avcC"]) if kind == b"avc1" else is_plain_hevc(details[b"hvcC"])
    if not plain or not _tells_plain_colours(details.get(b"colr", b"")):
        raise UnsuitableError("mp4 files that are interlaced, HDR, or not of 8 bit 4:2:0")
    return kind != b"avc1" or details[b"avcC"][1] != AVC_BASELINE


def _tells_plain_colours(box: bytes) -> bool:
    if box[:4] not in (b"nclx", b"nclc"):
        return True
    primaries, transfer = struct.unpack_from(">HH", box, 4)
    return colours_from_codes(transfer, primaries).are_plain


def _count_samples(sizes: bytes) -> int:
    common_size, count = struct.unpack_from(">II", sizes, 4)
    if count > _MAX_FRAMES:
        raise UnsuitableError("mp4 files with a malformed index")
    if count == 0 or (common_size == 0 and not _table(sizes[4:], 1).all()):
        raise UnsuitableError("mp4 files with empty frames")
    return count


def _constant_step(durations: bytes, num_frames: int) -> int:
    """Ticks from one frame to the next; the last frame may last as long as it likes."""
    counts, steps = _table(durations, 2).T
    step = int(steps[0])
    even = bool((steps[:-1] == step).all()) and (steps[-1] == step or counts[-1] == 1)
    if not even or step <= 0 or counts.sum() != num_frames:
        raise UnsuitableError("mp4 files of variable frame rate")
    return step


def _offsets(box: bytes, num_frames: int) -> npt.NDArray[np.int64]:
    """From a frame's decoding time to its display, in ticks; zeros where there is no such box."""
    if not box:
        return np.zeros(num_frames, dtype=np.int64)
    counts, offsets = _table(box, 2).T
    if counts.min() < 0 or counts.sum() != num_frames:
        raise UnsuitableError("mp4 files with a malformed index")
    return np.repeat(offsets, counts)


def _key_frames(samples: bytes, num_frames: int) -> npt.NDArray[np.int64]:
    """Their places in decoding order; without a list, every frame is one."""
    if _child(samples, b"stps"):
        raise UnsuitableError("mp4 files with open groups of pictures")
    box = _child(samples, b"stss")
    return _table(box, 1)[:, 0] - 1 if box else np.arange(num_frames)


def _check_edits(box: bytes, start: int, last: Fraction) -> None:
    """Let pass only an edit that shows all frames, the first at time zero.

    Args:
        box: The edit list; may be empty.
        start: When the first frame is shown by the frames' own clock, in ticks of the track.
        last: From the first frame to the last, in ticks of the movie.
    """
    if not box:
        if start:
            raise UnsuitableError("mp4 files that do not start at time zero")
        return
    version, count = box[0], struct.unpack_from(">I", box, 4)[0]
    duration, media_time, rate = struct.unpack_from(">Qqi" if version else ">Iii", box, 8)
    if count != 1 or media_time != start or rate != _ONE or duration <= last:
        raise UnsuitableError("mp4 files with an edit list that cuts or delays")


def _check_order(
    times: npt.NDArray[np.int64], step: int, key_frames: npt.NDArray[np.int64]
) -> None:
    """Check that display times are evenly spread and that no frame crosses a key frame.

    A key frame's place in display must be its place in decoding, and all that is decoded before it
    must be shown before it. Decoding order from left to right, the place in display below:

        closed:  I  P  B  B | I  P  B  B        open:  I  P  B  B | I  B  B  P
                 0  3  1  2 | 4  7  5  6               0  3  1  2 | 6  4  5  7
        latest   0  3  3  3 | 4  7  7  7               0  3  3  3 | 6  6  6  7

    In the open file the second key frame stands at 4 and is shown at 6: frames 4 and 5 build on the
    group before it, and a decoder that starts at the key frame shows them wrong.
    """
    places, rest = np.divmod(times, step)
    if rest.any() or not np.array_equal(np.sort(places), np.arange(len(places))):
        raise UnsuitableError("mp4 files of variable frame rate")
    latest = np.maximum.accumulate(places)
    later_keys = key_frames[1:]
    closed = (places[key_frames] == key_frames).all() and (
        latest[later_keys - 1] == later_keys - 1
    ).all()
    if not closed or key_frames[0] != 0:
        raise UnsuitableError("mp4 files with open groups of pictures")


def _table(box: bytes, columns: int) -> npt.NDArray[np.int64]:
    """Rows of 32-bit integers behind a version and a count; signed, as FFmpeg reads them."""
    (count,) = struct.unpack_from(">I", box, 4)
    values = np.frombuffer(box, ">i4", count=count * columns, offset=8)
    return values.reshape(-1, columns).astype(np.int64)
