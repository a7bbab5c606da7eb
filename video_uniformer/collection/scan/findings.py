"""What a scan has found, in words: what is wrong, and what to do about it."""

from collections.abc import Iterator, Sequence

from video_uniformer.collection.scan.duplicates import group_alike, group_equal
from video_uniformer.collection.scan.habits import find_picture_habits, find_video_habits
from video_uniformer.collection.scan.inspection import (
    NO_PICTURE,
    NO_VIDEO,
    OK,
    UNREADABLE,
    FileReport,
)
from video_uniformer.collection.scan.listing import Item
from video_uniformer.collection.scan.remedies import REMEDIES, Remedy, choose_remedy
from video_uniformer.collection.scan.results import Finding, Scan, number

_IMBALANCE = 10


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
        *(find_picture_habits if scan.noun == "picture" else find_video_habits)(scan),
    ]
    return sorted(found, key=lambda finding: not finding.is_problem)


def _bad_files(scan: Scan) -> Iterator[Finding]:
    """Files that are not intact, by what helps against it."""
    found: dict[Remedy, list[list[Item]]] = {}
    for item in scan.items:
        report = scan.report(item)
        if report.status != OK:
            found.setdefault(choose_remedy(report, scan.noun), []).append([item])
    for remedy in sorted(found, key=REMEDIES.index):
        bad = found[remedy]
        count = len(bad)
        title = remedy.title.format(videos=number(count, scan.noun), files=number(count, "file"))
        yield Finding(remedy.kind, True, count, title, remedy.advice, bad)


def _copies(scan: Scan) -> Iterator[Finding]:
    """Samples that are there more than once, byte for byte."""
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
            f"{number(len(contradictory), scan.noun)} under several labels",
            "decide which label is right, and delete the others",
            contradictory,
        )
    across, inside = _by_splits(groups)
    if across:
        yield Finding(
            "copies_across_splits",
            True,
            len(across),
            f"{number(len(across), scan.noun)} in several splits, byte for byte",
            "leave them out of training: what is measured on them is memory",
            across,
        )
    if inside:
        yield Finding(
            "copies_inside_split",
            True,
            len(inside),
            f"{number(len(inside), scan.noun)} more than once in one split, byte for byte",
            "keep one of each: the others weigh it more than the rest",
            inside,
        )


def _look_alikes(scan: Scan) -> Iterator[Finding]:
    """Samples that look the same and are not the same bytes."""
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
            f"{number(len(across), 'group')} of {scan.noun}s that look the same across splits",
            "look at them, and leave those that are the same out of training",
            across,
        )
    if inside:
        yield Finding(
            "alike_inside_split",
            False,
            len(inside),
            f"{number(len(inside), 'group')} of {scan.noun}s that look the same inside a split",
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
            f"{number(len(across), 'source video')} with clips in several splits, as names say",
            "move all clips of a source into one split: training has seen what is tested",
            across,
        )


def _labels(scan: Scan) -> Iterator[Finding]:
    bare = [[item] for item in scan.items if not item.label]
    if 0 < len(bare) < len(scan.items):
        title = f"{number(len(bare), f'listed {scan.noun}')} without a label"
        yield Finding("no_label", True, len(bare), title, "label them, or leave them out", bare)
    unlisted = [[Item(path, "", "")] for path in scan.listing.unlisted]
    if unlisted:
        yield Finding(
            "unlisted",
            False,
            len(unlisted),
            f"{number(len(unlisted), scan.noun)} below the root in no list",
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
            f"give those that are {scan.noun}s all the same a {scan.noun}'s suffix and no dot in "
            "front, or name them in a list; report.html counts all kinds",
            [],
        )


def _classes(scan: Scan) -> Iterator[Finding]:
    counts = {split: count for split, count in scan.class_counts().items() if count}
    names = sorted(set().union(*counts.values()))
    for split, count in counts.items():
        absent = [name for name in names if not count[name]]
        if absent:
            yield Finding(
                f"class_without_{scan.noun}s",
                True,
                len(absent),
                f"{len(absent)} of {len(names)} classes have no {scan.noun} in {split}: "
                f"{', '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}",
                f"add {scan.noun}s, or take these classes out of the other splits",
                [],
            )
        if max(count.values()) > _IMBALANCE * min(count.values()):
            most, fewest = count.most_common()[0], count.most_common()[-1]
            yield Finding(
                "imbalance",
                False,
                len(count),
                f"{split} is unbalanced: {most[1]} {scan.noun}s of {most[0]}, "
                f"{fewest[1]} of {fewest[0]}",
                "watch the accuracy of each class, not only the mean",
                [],
            )


def _holds_frames(report: FileReport) -> bool:
    """Whether a file is a sample: all empty files are equal, and so are saved error pages."""
    return report.status not in (NO_VIDEO, NO_PICTURE) and (
        report.status != UNREADABLE or report.num_frames > 0
    )


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
