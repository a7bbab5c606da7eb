"""What kind of file a name stands for: the one table of suffixes, and content where that is silent.

The suffixes of videos are those of the containers that FFmpeg reads and people have.
"""

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

VIDEO, PICTURE, AUDIO, TEXT, OTHER = "video", "picture", "audio", "text", "other"

_VIDEO_SUFFIXES = (
    *("mp4", "m4v", "mov", "qt", "mkv", "mk3d", "webm", "avi", "divx", "3gp", "3gpp", "3g2"),
    *("3gp2", "mj2", "f4v", "flv", "swf", "wmv", "asf", "dvr-ms", "wtv", "rm", "rmvb", "ogv"),
    *("ogm", "ogx", "mpg", "mpeg", "mpe", "mpv", "m1v", "m2v", "mp2v", "vob", "evo", "vro"),
    *("tod", "mts", "m2ts", "m2t", "m2p", "trp", "tp", "mxf", "gxf", "dv", "dif"),
    *("y4m", "ivf", "nut", "nsv", "amv", "apng", "mjpg", "mjpeg", "h261", "h263", "h264", "264"),
    *("avc", "h265", "265", "hevc", "h266", "266", "vvc", "obu", "av1", "vc1", "drc", "cavs"),
    *("bik", "bk2", "smk", "roq", "flc", "fli", "pva", "ismv", "insv", "lrv", "cine"),
    *("dav", "kux", "ivr", "viv", "ty", "psp", "nuv", "h26l", "avs2", "avs3", "evc", "xmv"),
)
_PICTURE_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "jpeg"),
    **dict.fromkeys((".png",), "png"),
    **dict.fromkeys((".webp",), "webp"),
    **dict.fromkeys((".bmp", ".dib"), "bmp"),
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "netpbm"),
}
_AUDIO_SUFFIXES = (
    *("mp3", "wav", "flac", "m4a", "m4b", "aac", "oga", "opus", "wma", "mka", "ac3", "amr"),
    *("aif", "aiff", "mp2", "spx", "mid"),
)
_TEXT_SUFFIXES = (
    *("txt", "csv", "tsv", "lst", "list", "json", "jsonl", "xml", "yaml", "yml", "md", "html"),
    *("htm", "srt", "vtt", "ass", "log", "ini", "cfg", "toml", "py", "sh"),
)
# A suffix of several kinds: the first is what a file is whose content does not tell.
_AMBIGUOUS = {
    **{".ogg": (VIDEO, AUDIO), ".gif": (VIDEO, PICTURE)},
    **dict.fromkeys((".ts", ".mod"), (VIDEO, TEXT)),  # TypeScript, Go
    **dict.fromkeys((".webp", ".png"), (PICTURE, VIDEO)),
    **dict.fromkeys((".dat", ".bin", ""), (OTHER, VIDEO, PICTURE, AUDIO, TEXT)),
}

VIDEO_SUFFIXES: tuple[str, ...] = (
    *(f".{suffix}" for suffix in _VIDEO_SUFFIXES),
    *(suffix for suffix, kinds in _AMBIGUOUS.items() if kinds[0] == VIDEO),
)
"""Suffixes, in lower case, of files that are videos or may well be."""

PICTURE_SUFFIXES: tuple[str, ...] = tuple(_PICTURE_FORMATS)
"""Suffixes, in lower case, of the pictures that a folder of frames may hold."""

LISTED_SUFFIXES: tuple[str, ...] = (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES, ".dat", ".bin")
"""Suffixes, in lower case, that a path in a list may end with."""

_KINDS = {
    **dict.fromkeys((f".{suffix}" for suffix in _TEXT_SUFFIXES), TEXT),
    **dict.fromkeys((f".{suffix}" for suffix in _AUDIO_SUFFIXES), AUDIO),
    **dict.fromkeys((".heic", ".heif", ".avif", ".jxl", ".jp2", ".exr", ".svg"), PICTURE),
    **dict.fromkeys(PICTURE_SUFFIXES, PICTURE),
    **dict.fromkeys(VIDEO_SUFFIXES, VIDEO),
}
# Of formats that Pillow does not read without a plug-in, or not at all.
_UNREAD_PICTURE_SUFFIXES = (".heic", ".heif", ".jxl", ".exr", ".svg")
_HEAD_BYTES = 4096
_PACKET_BYTES = (188, 192, 204)  # of MPEG transport streams: plain, with a time, with a checksum
_OGG_VIDEO = re.compile(rb"\x80theora|OVP80|BBCD\0|\x01video\0\0\0")
# Frames are many, and opening each of them to see whether it moves would take long.
_MOST_LOOKS = 4


def suffix_of(name: str) -> str:
    """The suffix of a file's name in lower case, with its dot; empty where there is none."""
    # Not `Path`, which would take most of the time of listing millions of pictures.
    suffix = os.path.splitext(name)[1]  # noqa: PTH122
    return suffix.lower() if suffix != "." else ""


def ends_as_listed(path: str) -> bool:
    """Whether a path has the suffix of a file that lists may name."""
    return suffix_of(path) in LISTED_SUFFIXES


def is_video_name(name: str) -> bool:
    """Tell by its suffix whether a file is a video or may well be one."""
    return suffix_of(name) in VIDEO_SUFFIXES


def is_unread_picture(name: str) -> bool:
    """Tell by its suffix whether a file is a picture of a format that is not read."""
    return suffix_of(name) in _UNREAD_PICTURE_SUFFIXES


def kind_of(path: Path, *, prefer: str = VIDEO) -> str:
    """The kind of a file: by its suffix, and by its content where the suffix has several kinds.

    Args:
        path: A file; one that cannot be read, or whose content is unknown, is what its suffix says
            first.
        prefer: What such a `.gif` is: VIDEO or PICTURE, whichever is looked for.
    """
    suffix = suffix_of(path.name)
    kinds = _AMBIGUOUS.get(suffix)
    if kinds is None:
        return _KINDS.get(suffix, OTHER)
    found = _kind_of_content(path)
    return found if found in kinds else prefer if suffix == ".gif" else kinds[0]


def kinds_of(folder: Path, names: Sequence[str], *, prefer: str = VIDEO) -> list[str]:
    """The kind of each file of a folder, as `kind_of`.

    Of the PNG and of the WebP files, which are stills as a rule, the first 4 are opened; where
    none of these is a video, the others count as pictures unseen.
    """
    suffixes = [suffix_of(name) for name in names]
    seen: dict[str, str] = {}
    unseen: set[str] = set()
    for suffix in {".png", ".webp"}.intersection(suffixes):
        alike = (name for name, its in zip(names, suffixes, strict=True) if its == suffix)
        first = {name: kind_of(folder / name) for name in itertools.islice(alike, _MOST_LOOKS)}
        seen |= first
        if VIDEO not in first.values():
            unseen.add(suffix)
    return [
        _KINDS.get(suffix, OTHER)  # of .png and .webp, a picture
        if suffix in unseen or suffix not in _AMBIGUOUS
        else seen.get(name) or kind_of(folder / name, prefer=prefer)
        for name, suffix in zip(names, suffixes, strict=True)
    ]


def picture_format(name: str) -> str:
    """The format that the suffix of a picture says, such as "jpeg"; empty for other files."""
    return _PICTURE_FORMATS.get(suffix_of(name), "")


def choose_pictures(names: Sequence[str]) -> list[str]:
    """The pictures among a folder's files that make its video: those of the most frequent format.

    Others are masks, depth or previews of them. Of formats that are equally frequent JPEG counts,
    then PNG, WebP, BMP, TIFF and Netpbm.

    Example:
        >>> choose_pictures(["1.jpg", "1.png", "2.JPEG", "2.png", "list.txt"])
        ['1.jpg', '2.JPEG']
    """
    formats = [_PICTURE_FORMATS.get(suffix_of(name)) for name in names]
    best = max(dict.fromkeys(_PICTURE_FORMATS.values()), key=formats.count)
    return [name for name, its in zip(names, formats, strict=True) if its == best]


def is_animated_webp(head: bytes) -> bool:
    """Whether a WebP file that begins like this, with 21 bytes or more, moves."""
    is_extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X"
    return is_extended and bool(head[20:21]) and bool(head[20] & 2)


def _kind_of_content(path: Path) -> str:
    """The kind of a file by its first bytes; empty where they do not tell."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head[:4] == b"GIF8":
                return VIDEO if _is_animated_gif(head + file.read()) else PICTURE
    except (OSError, ValueError):
        return ""
    return _kind_of_head(head)


def _kind_of_head(head: bytes) -> str:
    for kind, place, mark in _MARKS:
        if head.startswith(mark, place):
            return kind
    if head.startswith(b"OggS"):
        return VIDEO if _OGG_VIDEO.search(head) else AUDIO
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return VIDEO if is_animated_webp(head) else PICTURE
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return VIDEO if b"acTL" in head.split(b"IDAT")[0] else PICTURE
    if _is_transport_stream(head):
        return VIDEO
    return TEXT if head and _is_text(head) else ""


# What files begin with, and where. Of two that fit, the first counts.
_MARKS: tuple[tuple[str, int, bytes], ...] = (
    *((AUDIO, 4, b"ftypM4" + letter) for letter in (b"A", b"B")),
    *((PICTURE, 4, b"ftyp" + brand) for brand in (b"heic", b"heix", b"mif1", b"avif")),
    *((VIDEO, 4, box) for box in (b"ftyp", b"moov", b"mdat", b"wide", b"moof", b"styp")),
    (VIDEO, 0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (VIDEO, 8, b"AVI "),
    (VIDEO, 8, b"CDXA"),  # a Video CD's sectors
    (VIDEO, 0, b"FLV\x01"),
    (VIDEO, 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF, WMV
    *((VIDEO, 0, b"\0\0\1" + code) for code in (b"\xba", b"\xb3", b"\xb0")),  # MPEG
    (VIDEO, 0, b".RMF"),
    (VIDEO, 0, b"YUV4MPEG2"),
    (VIDEO, 0, b"DKIF"),
    (VIDEO, 0, b"nut/multimedia container"),
    (VIDEO, 0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01"),  # MXF
    (VIDEO, 0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11"),  # WTV
    (VIDEO, 0, b"\x1f\x07\0"),  # DV
    (AUDIO, 8, b"WAVE"),
    *((AUDIO, 0, mark) for mark in (b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf1")),
    *((PICTURE, 0, mark) for mark in (b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")),
)


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > start + 2 * length and all(head[start + k * length] == 0x47 for k in range(3))
        for length in _PACKET_BYTES
        for start in (0, 4)
    )


def _is_text(head: bytes) -> bool:
    try:
        # The last character may be cut through.
        text = head.decode("utf-8-sig", errors="strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return False
    return not re.search(r"[\0-\x08\x0e-\x1a\x1c-\x1f]", text)


def _is_animated_gif(data: bytes) -> bool:
    """Whether a GIF holds a second picture: GIF89a Specification, sections 17 to 23."""
    try:
        place = 13 + _gif_colours(data[10])
        num_pictures = 0
        while num_pictures < 2 and data[place] in (0x21, 0x2C):
            if data[place] == 0x2C:  # a picture: its place and size, colours, code size
                num_pictures += 1
                place += 11 + _gif_colours(data[place + 9])
            else:  # an extension and its label
                place += 2
            while data[place]:  # blocks, each behind its length
                place += data[place] + 1
            place += 1
    except IndexError:  # cut short
        pass
    return num_pictures > 1


def _gif_colours(flags: int) -> int:
    """Bytes of the colour table that these flags speak of."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
