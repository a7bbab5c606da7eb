"""What helps against a file that is not intact."""

import re
from typing import NamedTuple

from video_uniformer.collection.scan.inspection import (
    CRASHED,
    DAMAGED,
    HUNG,
    MISSING,
    NO_PICTURE,
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
        "fetch them again; or train with data.bad_samples.on_bad_sample=salvage, which uses the "
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
        "train with data.bad_samples.on_bad_sample=skip, which gives them up at a deadline too",
    ),
    CRASHED: Remedy(
        "crashed",
        "{videos} that crash the decoder",
        "leave them out, or train with data.bad_samples.on_bad_sample=skip: each costs one video, "
        "as training too decodes in processes that may die",
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

_SKIP = "leave them out, or train with data.bad_samples.on_bad_sample=skip, which counts them"
# Of pictures, where what helps differs from videos.
_OF_PICTURES = {
    DAMAGED: Remedy(
        "damaged_picture",
        "{videos} damaged or cut short",
        "fetch them again; or train with data.bad_samples.on_bad_sample=salvage, which shows what "
        "there is; or leave them out",
    ),
    UNREADABLE: Remedy(
        "unreadable_picture",
        "{videos} unreadable: nothing of them can be shown",
        f"fetch them again, or {_SKIP}",
    ),
    NO_PICTURE: Remedy(
        "not_a_picture",
        "{files} without any picture",
        "fetch them again: pages that say why a download failed are often saved under its name",
    ),
    HUNG: Remedy(
        "hung_picture",
        "{videos} not decoded in time",
        f"scan again with a larger --deadline; else {_SKIP}",
    ),
    CRASHED: Remedy(
        "crashed_picture",
        "{videos} that crash the decoder",
        "leave them out: pictures are decoded in the training's own processes",
    ),
}
_OF_PICTURES_BY_REASON = {
    re.compile(r"expected at most \d+"): Remedy(
        "giant_picture",
        "{videos} of more pixels than are read",
        "scale them down once, as ImageMagick does: magick a.png -resize 1024x1024 b.png",
    ),
    re.compile(r"its values are"): Remedy(
        "values_without_range",
        "{videos} whose values have no range from black to white",
        "convert them to 8 or 16 bits",
    ),
}

REMEDIES: tuple[Remedy, ...] = (
    *_BY_STATUS.values(),
    *_BY_REASON.values(),
    *_OF_PICTURES.values(),
    *_OF_PICTURES_BY_REASON.values(),
)
"""In the order in which findings are told."""


def choose_remedy(report: FileReport, noun: str = "video") -> Remedy:
    """What helps, by the reason where that tells more than the status.

    Args:
        report: Of a file that is not intact.
        noun: "video" or "picture".
    """
    by_reason, by_status = _BY_REASON, _BY_STATUS
    if noun == "picture":
        by_reason, by_status = _BY_REASON | _OF_PICTURES_BY_REASON, _BY_STATUS | _OF_PICTURES
    if report.status in (DAMAGED, UNREADABLE, NO_VIDEO):
        for reason, remedy in by_reason.items():
            if reason.search(report.reason):
                return remedy
    return by_status[report.status]
