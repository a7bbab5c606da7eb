"""Answers on the screen or for another program, each as soon as it is there."""

import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from video_uniformer.system.printable import show_name

Print = Callable[[Mapping[str, Any]], None]

_MOST_LETTERS = 40  # of a column


class Words(NamedTuple):
    """What files are called.

    Attributes:
        one: One of them; of videos and pictures also their kind in `file_kinds`.
        many: Several.
        intact: What a damaged one is answered by.
    """

    one: str
    many: str
    intact: str


VIDEOS = Words("video", "videos", "intact frames")
PICTURES = Words("picture", "pictures", "the intact part")
FILES = Words("file", "files", "the intact part")


@contextmanager
def json_array() -> Iterator[Print]:
    """Print one JSON array, item by item; it is whole however the block ends."""
    separator = "\n"
    print("[", end="")

    def add(answer: Mapping[str, Any]) -> None:
        nonlocal separator
        item = textwrap.indent(json.dumps(answer, indent=2), "  ")
        print(f"{separator}{item}", end="", flush=True)
        separator = ",\n"

    try:
        yield add
    finally:
        print("\n]")


@contextmanager
def json_lines() -> Iterator[Print]:
    """Print one JSON object a line."""
    yield lambda answer: print(json.dumps(answer), flush=True)


@contextmanager
def nothing() -> Iterator[Print]:
    """Print nothing: the answers go to a file."""
    yield lambda _: None


@contextmanager
def table(paths: Sequence[Path], class_names: Sequence[str], words: Words) -> Iterator[Print]:
    """Print a table for people, whose columns are as wide as what may come."""
    widest = (max(len(show_name(str(text))) for text in texts) for texts in (paths, class_names))
    path_letters, class_letters = (min(width, _MOST_LETTERS) for width in widest)

    def row(path: str, name: str, value: str) -> None:
        if len(path) > path_letters:
            print(path)
            path = ""
        print(f"{path:{path_letters}}  {show_name(name):{class_letters}}  {value:>11}".rstrip())

    def add(answer: Mapping[str, Any]) -> None:
        path = show_name(answer["path"])
        if "error" in answer:
            row(path, "(not evaluated)", "")
        for number, best in enumerate(answer.get("top", [])):
            row("" if number else path, best["class"], f"{100 * best['probability']:.1f} %")
        if "salvaged" in answer:
            print(f"only {words.intact} of {path}: {answer['salvaged']}")
        if "sheet" in answer:
            print(f"wrote {show_name(answer['sheet'])}")
        sys.stdout.flush()

    row(words.one, "class", "probability")
    yield add


@contextmanager
def progress_bar(total: int, done: int, words: Words) -> Iterator[Callable[[], None]]:
    """Show on a terminal how many of the files are done; call what it gives after each.

    Args:
        total: Number of files.
        done: Of which so many were done before.
        words: What they are called.
    """
    if total < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    # Late: it takes a tenth of a second, and few runs have a terminal.
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    # What is printed to the same terminal is put above the bar.
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task(words.many, total=total, completed=done)
        yield lambda: progress.advance(task)
