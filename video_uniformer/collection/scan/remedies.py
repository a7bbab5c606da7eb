"""What helps against a file that is not intact."""

import re
from typing import NamedTuple

from video_uniformer.collection.scan.inspection import (
    CRASHED,
    DAMAGED,
    HUNG,
    MISSING,
    NO_VIDEO,
    UNREADABLE,
    FileReport,
)


class Remedy(NamedTuple):
    """What files that share a fault have in common.

    Attributes:
        kind: A short name for programs.
        title: What is the case, with a place for their number: `{videos}` or `{files}`.
        advice: What to do.
    """

    kind: str
    title: str
    advice: str


_BY_STATUS = {
    MISSING: Remedy(
        "missing",
        "{videos} missing: listed, and not there",
        "fetch them, or correct the paths (--root)",
    ),
    DAMAGED: Remedy(
        "damaged",
        "{videos} damaged: frames are lost or altered",
        "fetch them again; or train with data.bad_videos.on_bad_video=salvage, which uses the "
        "intact frames; or leave them out",
    ),
    UNREADABLE: Remedy(
        "unreadable",
        "{videos} unreadable: no frame of them is intact",
        "fetch them again, or leave them out",
    ),
    NO_VIDEO: Remedy(
        "not_a_video",
        "{files} without any video",
        "fetch them again: pages that say why a download failed are often saved under its name",
    ),
    HUNG: Remedy(
        "hung",
        "{videos} not decoded in time",
        "scan again with a larger --deadline if they are merely long; else leave them out, or "
        "train with data.bad_videos.on_bad_video=skip, which gives them up at a deadline too",
    ),
    CRASHED: Remedy(
        "crashed",
        "{videos} that crash the decoder",
        "leave them out, or train with data.bad_videos.on_bad_video=skip: each costs one video, as "
        "training too decodes in processes that may die",
    ),
}
# Files that fetching again does not mend, by the reason that the readers give.
_BY_REASON = {
    re.compile(r"encrypted, expected"): Remedy(
        "encrypted",
        "{videos} encrypted: only a key shows them",
        "get copies without protection, or leave them out",
    ),
    re.compile(r"no decoder for the codec"): Remedy(
        "no_decoder",
        "{videos} in a codec that this FFmpeg cannot decode",
        "convert them with a program that plays them; those that a shop protects, get without "
        "protection; or leave them out",
    ),
    re.compile(r"an animated WebP"): Remedy(
        "animated_webp",
        "{videos} in animated WebP, which FFmpeg does not decode",
        "convert them, as ImageMagick does: magick a.webp a.mp4",
    ),
    re.compile(r"the picture is \d+x\d+, expected \d+x\d+"): Remedy(
        "mixed_frames",
        "{videos} of pictures that differ in size or orientation",
        "extract the frames again, all of one size and orientation; a picture that its Exif "
        "orientation turns counts as turned",
    ),
    re.compile(r"no video stream"): Remedy(
        "no_video_stream",
        "{files} with sound or data alone",
        "fetch them with their video, or leave them out",
    ),
    re.compile(r"a (?:play )?list (?:that names|of) other files"): Remedy(
        "play_list",
        "{files} that only name other files",
        "scan what they name; parts of one video become a file by ffmpeg -i LIST -c copy a.mp4",
    ),
    re.compile(r"Permission denied"): Remedy(
        "no_permission",
        "{videos} that may not be read",
        "mend their permissions, and those of the folders they are in",
    ),
}

REMEDIES: tuple[Remedy, ...] = (*_BY_STATUS.values(), *_BY_REASON.values())
"""In the order in which findings are told."""


def choose_remedy(report: FileReport) -> Remedy:
    """What helps, by the reason where that tells more than the status.

    Args:
        report: Of a file that is not intact.
    """
    if report.status in (DAMAGED, UNREADABLE, NO_VIDEO):
        for reason, remedy in _BY_REASON.items():
            if reason.search(report.reason):
                return remedy
    return _BY_STATUS[report.status]
