"""Edits of mp4 files at the level of boxes (ISO/IEC 14496-12), for files no encoder writes."""

import struct
from collections.abc import Callable

ONE = 0x10000  # 1.0 as 16.16 fixed point
Edit = Callable[[bytes], bytes]
_CONTAINERS = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"udta", b"meta")


def put(content: bytes, box: bytes, place: int, value: bytes) -> bytes:
    """Overwrite what stands at a place behind the name of the first box of a kind."""
    start = content.index(box) + 4 + place
    return content[:start] + value + content[start + len(value) :]


def replace_box(content: bytes, kind: bytes, body: bytes) -> bytes:
    """Give the first box of a kind another body, adjusting the boxes around it.

    The index has to stand behind the media data, whose offsets are not adjusted.
    """
    start = content.index(kind) - 4
    (size,) = struct.unpack_from(">I", content, start)
    growth = 8 + len(body) - size
    edited = bytearray(content)
    edited[start : start + size] = struct.pack(">I4s", 8 + len(body), kind) + body
    for place in _places_around(content, start):
        (outer,) = struct.unpack_from(">I", content, place)
        struct.pack_into(">I", edited, place, outer + growth)
    return bytes(edited)


def _places_around(content: bytes, target: int) -> list[int]:
    """Where the boxes start that the box at `target` is in."""
    found, start, end = [], 0, len(content)
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, start)
        if start < target < start + size and kind in _CONTAINERS:
            found.append(start)
            start, end = start + 8, start + size
        else:
            start += max(size, 8)
    return found


def edit_list(content: bytes, *edits: tuple[int, int, int]) -> bytes:
    """Replace the edit list.

    Args:
        content: An mp4 file with an edit list and its index behind the media data.
        edits: Duration in ticks of the movie, first tick of the track (-1: nothing is shown), and
            rate as 16.16 fixed point.
    """
    entries = b"".join(struct.pack(">Iii", *edit) for edit in edits)
    return replace_box(content, b"elst", bytes(4) + struct.pack(">I", len(edits)) + entries)


def turn(content: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """Set the track's display matrix, whose unit is `ONE`."""
    return put(content, b"tkhd", 40, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30))


def first_field(content: bytes, box: bytes, place: int) -> int:
    """The 32-bit number at a place behind the name of the first box of a kind."""
    return struct.unpack_from(">I", content, content.index(box) + 4 + place)[0]


# Right files of a kind that no encoder writes. The track's first frame is shown at tick 1024.
EDITS: dict[str, Edit] = {
    "skip 5 frames": lambda c: edit_list(c, (1000, 1024 + 5 * 512, ONE)),
    "skip to a key frame": lambda c: edit_list(c, (720, 1024 + 12 * 512, ONE)),
    "skip all but the last": lambda c: edit_list(c, (40, 1024 + 29 * 512, ONE)),
    "start within a frame": lambda c: edit_list(c, (1000, 1024 + 2 * 512 + 100, ONE)),
    "start late": lambda c: edit_list(c, (2000, -1, ONE), (1200, 1024, ONE)),
    "start late and skip": lambda c: edit_list(c, (80, -1, ONE), (1000, 1024 + 5 * 512, ONE)),
    "end early": lambda c: edit_list(c, (600, 1024, ONE)),
    "last too long": lambda c: edit_list(c, (9000, 1024, ONE)),
    "no length": lambda c: edit_list(c, (0, 1024, ONE)),
    "leave out the middle": lambda c: edit_list(c, (400, 1024, ONE), (400, 1024 + 20 * 512, ONE)),
    "play the middle first": lambda c: edit_list(c, (400, 1024 + 12 * 512, ONE), (400, 1024, ONE)),
    "play twice": lambda c: edit_list(c, (480, 1024, ONE), (480, 1024, ONE)),
    "twice as fast": lambda c: edit_list(c, (600, 1024, 2 * ONE)),
    "stand still": lambda c: edit_list(c, (1200, 1024, 0)),
    "pause in the middle": lambda c: edit_list(
        c, (480, 1024, ONE), (1000, -1, ONE), (720, 1024 + 12 * 512, ONE)
    ),
    "no edits": edit_list,
    "skip everything": lambda c: edit_list(c, (1000, 1024 + 90 * 512, ONE)),
    "before the start": lambda c: edit_list(c, (1200, 0, ONE)),
    "turned by 90 degrees": lambda c: turn(c, 0, ONE, -ONE, 0),
    "turned by 180 degrees": lambda c: turn(c, -ONE, 0, 0, -ONE),
    "turned by 270 degrees": lambda c: turn(c, 0, -ONE, ONE, 0),
    "mirrored": lambda c: turn(c, -ONE, 0, 0, ONE),
    "turned by 45 degrees": lambda c: turn(c, 46341, 46341, -46341, 46341),
    "many empty boxes": lambda c: c + 900 * b"\0\0\0\x08free",
    "all marked as key frames": lambda c: c.replace(b"stss", b"free"),
    "shown as decoded": lambda c: c.replace(b"ctts", b"free"),
    "time stands still": lambda c: put(c, b"stts", 12, bytes(4)),
    "one tick per second": lambda c: put(c, b"mdhd", 12, struct.pack(">I", 1)),
    "movie clock at zero": lambda c: put(c, b"mvhd", 12, bytes(4)),
    "track clock at zero": lambda c: put(c, b"mdhd", 12, bytes(4)),
    "another size in the header": lambda c: put(c, b"tkhd", 76, struct.pack(">2I", 1 << 20, 9)),
    "track disabled": lambda c: put(c, b"tkhd", 0, bytes(4)),
}

# Harm to the index.
HARMS: dict[str, Edit] = {
    "offsets beyond the end": lambda c: put(c, b"stco", 8, struct.pack(">I", 1 << 30)),
    "offsets a little off": lambda c: put(c, b"stco", 8, struct.pack(">I", 60)),
    "sizes beyond the end": lambda c: put(c, b"stsz", 12, b"\x7f\xff\xff\xff"),
    "sizes of zero": lambda c: put(c, b"stsz", 12 + 4 * 12, bytes(40)),
    "count of sizes too large": lambda c: put(c, b"stsz", 8, b"\x10\0\0\0"),
    "count of durations too large": lambda c: put(c, b"stts", 4, b"\x7f\xff\xff\xff"),
    "too few durations": lambda c: put(c, b"stts", 8, struct.pack(">I", 7)),
    "huge display offsets": lambda c: put(c, b"ctts", 12, b"\x7f\xff\xff\xf0"),
    "unknown codec": lambda c: c.replace(b"avc1", b"nono").replace(b"avcC", b"free"),
    "no decoder record": lambda c: c.replace(b"avcC", b"free"),
    "no sample table": lambda c: c.replace(b"stbl", b"free"),
    "no handler": lambda c: c.replace(b"hdlr", b"free"),
    "index cut by its size": lambda c: put(c, b"moov", -8, struct.pack(">I", 300)),
    "index twice": lambda c: c + c[c.index(b"moov") - 4 :],
    "first group of pictures zeroed": lambda c: put(c, b"mdat", 0, bytes(700)),
    "size larger than the picture": lambda c: put(c, b"avc1", 24, struct.pack(">HH", 4096, 4096)),
}
