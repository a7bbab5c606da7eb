"""What a scan leads to: reports of files, and findings about them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from video_uniformer.collection.scan.inspection import FileReport
from video_uniformer.collection.scan.listing import Item, Listing


class Finding(NamedTuple):
    """One thing that was found.

    Attributes:
        kind: A short name for programs.
        is_problem: Whether it has to be mended; otherwise it is to be known.
        num_cases: How many samples, groups or classes it is about.
        title: What is the case, in one sentence.
        advice: What to do, in one sentence.
        groups: The videos or pictures that it is about; those of one group belong together.
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
        """What is listed."""
        return self.listing.items

    @property
    def noun(self) -> str:
        """What was scanned, in a word: "video" or "picture"."""
        return self.listing.media.noun

    def report(self, item: Item) -> FileReport:
        """What the file of a listed sample is."""
        return self.reports[item.path]

    def class_counts(self) -> dict[str, Counter[str]]:
        """Number of samples by split and label; those without a label are left out."""
        counts: dict[str, Counter[str]] = {item.split: Counter() for item in self.items}
        for item in self.items:
            if item.label:
                counts[item.split][item.label] += 1
        return counts


def number(count: int, noun: str) -> str:
    """Such as "1 video" and "2 videos"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
