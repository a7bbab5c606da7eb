"""What a scan has found, in words: what is wrong, and what to do about it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from video_uniformer.collection.scan.duplicates import group_alike, group_equal
from video_uniformer.collection.scan.inspection import (
    NO_VIDEO,
    OK,
    UNREADABLE,
    FileReport,
)
from video_uniformer.collection.scan.listing import Item, Listing
from video_uniformer.collection.scan.remedies import REMEDIES, Remedy, choose_remedy

_LONG_KEY_FRAME_DISTANCE = 60
_IMBALANCE = 10


class Finding(NamedTuple):
    """One thing that was found.

    Attributes:
        kind: A short name for programs.
        is_problem: Whether it has to be mended; otherwise it is to be known.
        num_cases: How many videos, groups or classes it is about.
        title: What is the case, in one sentence.
        advice: What to do, in one sentence.
        groups: The videos that it is about; those of one group belong together.
    """

    kind: str
    is_problem: bool
    num_cases: int
    title: str
    advice: str
    groups: list[list[Item]]


class Scan(NamedTuple):
    """All that is known after a scan.

    Attributes:
        listing: What was to be scanned.
        reports: What each file is.
    """

    listing: Listing
    reports: Mapping[Path, FileReport]

    @property
    def items(self) -> list[Item]:
        """The listed videos."""
        return self.listing.items

    def report(self, item: Item) -> FileReport:
        """What the file of a listed video is."""
        return self.reports[item.path]

    def class_counts(self) -> dict[str, Counter[str]]:
        """Number of videos by split and label; those without a label are left out."""
        counts: dict[str, Counter[str]] = {item.split: Counter() for item in self.items}
        for item in self.items:
            if item.label:
                counts[item.split][item.label] += 1
        return counts


def find_all(scan: Scan) -> list[Finding]:
    """All findings of a scan, problems first."""
    found = [
        *_bad_files(scan),
        *_copies(scan),
        *_look_alikes(scan),
        *_leaks(scan),
        *_labels(scan),
        *_left_out(scan),
        *_classes(scan),
        *_habits(scan),
    ]
    return sorted(found, key=lambda finding: not finding.is_problem)


def _bad_files(scan: Scan) -> Iterator[Finding]:
    """Files that are not intact, by what helps against it."""
    found: dict[Remedy, list[list[Item]]] = {}
    for item in scan.items:
        report = scan.report(item)
        if report.status != OK:
            found.setdefault(choose_remedy(report), []).append([item])
    for remedy in sorted(found, key=REMEDIES.index):
        bad = found[remedy]
        count = len(bad)
        title = remedy.title.format(videos=_number(count, "video"), files=_number(count, "file"))
        yield Finding(remedy.kind, True, count, title, remedy.advice, bad)


def _copies(scan: Scan) -> Iterator[Finding]:
    """Videos that are there more than once, byte for byte."""
    items = [item for item in scan.items if _holds_frames(scan.report(item))]
    groups = _groups(items, group_equal([scan.report(item).content_hash for item in items]))
    contradictory = [
        _one_of_each(group, [item.label for item in group])
        for group in groups
        if len({item.label for item in group}) > 1
    ]
    if contradictory:
        yield Finding(
            "contradictory_labels",
            True,
            len(contradictory),
            f"{_number(len(contradictory), 'video')} under several labels",
            "decide which label is right, and delete the others",
            contradictory,
        )
    across, inside = _by_splits(groups)
    if across:
        yield Finding(
            "copies_across_splits",
            True,
            len(across),
            f"{_number(len(across), 'video')} in several splits, byte for byte",
            "leave them out of training: what is measured on them is memory",
            across,
        )
    if inside:
        yield Finding(
            "copies_inside_split",
            True,
            len(inside),
            f"{_number(len(inside), 'video')} more than once in one split, byte for byte",
            "keep one of each: the others weigh it more than the rest",
            inside,
        )


def _look_alikes(scan: Scan) -> Iterator[Finding]:
    """Videos that look the same and are not the same bytes."""
    by_content: dict[str, list[Item]] = {}
    for item in scan.items:
        report = scan.report(item)
        if report.picture_hash:
            by_content.setdefault(report.content_hash, []).append(item)
    contents = list(by_content.values())
    places = group_alike([scan.report(items[0]).picture_hash for items in contents])
    groups = [[item for place in group for item in contents[place]] for group in places]
    across, inside = _by_splits(groups)
    if across:
        yield Finding(
            "alike_across_splits",
            True,
            len(across),
            f"{_number(len(across), 'group')} of videos that look the same across splits",
            "look at them, and leave those that are the same out of training",
            across,
        )
    if inside:
        yield Finding(
            "alike_inside_split",
            False,
            len(inside),
            f"{_number(len(inside), 'group')} of videos that look the same inside a split",
            "look at them; copies can go",
            inside,
        )


def _leaks(scan: Scan) -> Iterator[Finding]:
    groups = _groups(scan.items, group_equal([item.source for item in scan.items]))
    across, _ = _by_splits(groups)
    if across:
        yield Finding(
            "source_across_splits",
            True,
            len(across),
            f"{_number(len(across), 'source video')} with clips in several splits, as names say",
            "move all clips of a source into one split: training has seen what is tested",
            across,
        )


def _labels(scan: Scan) -> Iterator[Finding]:
    bare = [[item] for item in scan.items if not item.label]
    if 0 < len(bare) < len(scan.items):
        title = f"{_number(len(bare), 'listed video')} without a label"
        yield Finding("no_label", True, len(bare), title, "label them, or leave them out", bare)
    unlisted = [[Item(path, "", "")] for path in scan.listing.unlisted]
    if unlisted:
        yield Finding(
            "unlisted",
            False,
            len(unlisted),
            f"{_number(len(unlisted), 'video')} below the root in no list",
            "label them if they should be used",
            unlisted,
        )


def _left_out(scan: Scan) -> Iterator[Finding]:
    listing = scan.listing
    if listing.num_left_out:
        yield Finding(
            "left_out",
            False,
            listing.num_left_out,
            listing.left_out,
            "give those that are videos all the same a video's suffix and no dot in front, or name "
            "them in a list; report.html counts all kinds",
            [],
        )


def _classes(scan: Scan) -> Iterator[Finding]:
    counts = {split: count for split, count in scan.class_counts().items() if count}
    names = sorted(set().union(*counts.values()))
    for split, count in counts.items():
        absent = [name for name in names if not count[name]]
        if absent:
            yield Finding(
                "class_without_videos",
                True,
                len(absent),
                f"{len(absent)} of {len(names)} classes have no video in {split}: "
                f"{', '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}",
                "add videos, or take these classes out of the other splits",
                [],
            )
        if max(count.values()) > _IMBALANCE * min(count.values()):
            most, fewest = count.most_common()[0], count.most_common()[-1]
            yield Finding(
                "imbalance",
                False,
                len(count),
                f"{split} is unbalanced: {most[1]} videos of {most[0]}, {fewest[1]} of {fewest[0]}",
                "watch the accuracy of each class, not only the mean",
                [],
            )


def _habits(scan: Scan) -> Iterator[Finding]:
    """What intact files are like that costs speed, or that sampling should know."""
    good = [item for item in scan.items if scan.report(item).status == OK]
    slow = [i for i in good if scan.report(i).key_frame_distance > _LONG_KEY_FRAME_DISTANCE]
    if slow:
        yield Finding(
            "long_key_frame_distance",
            False,
            len(slow),
            f"{_number(len(slow), 'video')} with more than {_LONG_KEY_FRAME_DISTANCE} frames from "
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
            f"{_number(len(joined), 'video')} whose clock goes back (joined recordings)",
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
            f"{_number(len(hdr), 'video')} in HDR or wide colours (HLG, PQ, BT.2020)",
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
            f"{_number(len(variable), 'video')} with a variable frame rate",
            "sampling.by=time samples by time in place of frames",
            [[item] for item in variable],
        )


def _holds_frames(report: FileReport) -> bool:
    """Whether a file is a video at all: all empty files are equal, and so are saved error pages."""
    return report.status != NO_VIDEO and (report.status != UNREADABLE or report.num_frames > 0)


def _groups(items: Sequence[Item], places: list[list[int]]) -> list[list[Item]]:
    return [[items[place] for place in group] for group in places]


def _by_splits(groups: list[list[Item]]) -> tuple[list[list[Item]], list[list[Item]]]:
    """Groups that reach across splits, and those that stay inside one."""
    across = [
        _one_of_each(group, [item.split for item in group])
        for group in groups
        if len({item.split for item in group}) > 1
    ]
    inside = [group for group in groups if len({item.split for item in group}) == 1]
    return across, inside


def _one_of_each(group: list[Item], values: Sequence[str]) -> list[Item]:
    """The items, one of each value first: of a long group only the first are shown."""
    firsts = [values.index(value) for value in dict.fromkeys(values)]
    others = [place for place in range(len(group)) if place not in set(firsts)]
    return [group[place] for place in (*firsts, *others)]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
