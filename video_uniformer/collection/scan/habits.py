"""What intact files are like that costs speed, or that training should know."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from video_uniformer.collection.scan.inspection import OK, FileReport
from video_uniformer.collection.scan.results import Finding, Scan, number
from video_uniformer.system.file_kinds import picture_format

_LONG_KEY_FRAME_DISTANCE = 60
_NEEDED_PIXELS = 1024  # shorter side: more than twice what any recipe's crop is scaled from


class _Habit(NamedTuple):
    kind: str
    holds: Callable[[FileReport], bool]
    title: str
    advice: str


_READ_AS = "nothing need be done: they are read as"
_PICTURE_HABITS = (
    _Habit(
        "suspect",
        lambda report: bool(report.reason),
        "that are probably altered, and are read all the same",
        "look at them, and fetch again those that are torn or discoloured",
    ),
    _Habit(
        "cmyk",
        lambda report: report.pixel_format == "CMYK",
        "in CMYK, colours for print",
        "convert them with a colour profile if their colours matter: they are read without one",
    ),
    _Habit(
        "bits_16",
        lambda report: "16" in report.pixel_format or report.pixel_format.startswith(("I", "F")),
        "with more than 8 bits a value",
        f"{_READ_AS} 8 bits",
    ),
    _Habit(
        "palette",
        lambda report: report.pixel_format in ("P", "PA"),
        "with a palette",
        f"{_READ_AS} RGB",
    ),
    _Habit(
        "transparent",
        lambda report: report.pixel_format in ("RGBA", "LA", "PA", "RGBa", "La"),
        "with transparency",
        "put them on a background if what is stored under it is odd: they are read without it",
    ),
    _Habit(
        "turned",
        lambda report: bool(report.rotation or report.mirrored),
        "that their Exif orientation turns",
        f"{_READ_AS} they are shown; other readers may leave them lying",
    ),
    _Habit(
        "animated",
        lambda report: report.listed_frames > 1,
        "with several frames or pages",
        "leave them out if the first alone does not show their class: no other is read",
    ),
    _Habit(
        "large",
        lambda report: min(report.width, report.height) > _NEEDED_PIXELS,
        f"whose shorter side is above {_NEEDED_PIXELS} pixels",
        "scale them down once, to a shorter side of 512, say: reading them takes most of the time",
    ),
)


def find_picture_habits(scan: Scan) -> Iterator[Finding]:
    """Notes about intact pictures that differ from plain ones."""
    good = [item for item in scan.items if scan.report(item).status == OK]
    for habit in _PICTURE_HABITS:
        found = [[item] for item in good if habit.holds(scan.report(item))]
        if found:
            title = f"{number(len(found), 'picture')} {habit.title}"
            yield Finding(habit.kind, False, len(found), title, habit.advice, found)
    named = [
        [item]
        for item in good
        if picture_format(item.path.name) not in ("", scan.report(item).container.lower())
        if (picture_format(item.path.name), scan.report(item).container)
        not in (("netpbm", "PPM"), ("jpeg", "MPO"), ("bmp", "DIB"))
    ]
    if named:
        title = f"{number(len(named), 'picture')} of another format than the suffix says"
        advice = "nothing need be done: their content counts; other readers may go by the suffix"
        yield Finding("other_format", False, len(named), title, advice, named)


def find_video_habits(scan: Scan) -> Iterator[Finding]:
    """What intact files are like that costs speed, or that sampling should know."""
    good = [item for item in scan.items if scan.report(item).status == OK]
    slow = [i for i in good if scan.report(i).key_frame_distance > _LONG_KEY_FRAME_DISTANCE]
    if slow:
        yield Finding(
            "long_key_frame_distance",
            False,
            len(slow),
            f"{number(len(slow), 'video')} with more than {_LONG_KEY_FRAME_DISTANCE} frames from "
            "key frame to key frame",
            "video-uniformer prepare re-encodes them once, and training reads them faster",
            [[item] for item in slow],
        )
    joined = [item for item in good if scan.report(item).num_parts > 1]
    if joined:
        yield Finding(
            "clock_goes_back",
            False,
            len(joined),
            f"{number(len(joined), 'video')} whose clock goes back (joined recordings)",
            "frames are counted in file order, which decodes from the start and is slow; "
            "video-uniformer prepare writes them anew with one clock",
            [[item] for item in joined],
        )
    hdr = [i for i in good if scan.report(i).transfer or scan.report(i).primaries]
    if hdr:
        yield Finding(
            "hdr",
            False,
            len(hdr),
            f"{number(len(hdr), 'video')} in HDR or wide colours (HLG, PQ, BT.2020)",
            "they are mapped to BT.709 while they are read, which takes time; "
            "video-uniformer prepare does it once",
            [[item] for item in hdr],
        )
    variable = [item for item in good if scan.report(item).rate == "variable"]
    if variable:
        yield Finding(
            "variable_rate",
            False,
            len(variable),
            f"{number(len(variable), 'video')} with a variable frame rate",
            "sampling.by=time samples by time in place of frames",
            [[item] for item in variable],
        )
