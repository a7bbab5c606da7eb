"""Which options of `predict` go with a checkpoint of which task."""

import argparse
from pathlib import Path

DENSE = ("segmentation", "pose")
"""Tasks whose answers are drawn, not named."""
ANSWERS = "predictions.jsonl"
"""The file of their answers, beside the drawings."""

# Option -> the networks that take it, for messages.
_CLASSIFIERS = dict.fromkeys(
    (
        *("frames", "bgr", "clips", "crops", "top", "json", "jsonl", "output", "resume"),
        *("sheet", "deadline", "batch"),
    ),
    "a classifier",
)
_SCENES = dict.fromkeys(("scales", "flip", "window"), "one for segmentation")
_PERSONS = {"boxes": "one for pose"}
_DRAWN = {"drawings": "one for segmentation or pose"}
_NAMED = dict.fromkeys(("classes", "size", "stride"), "a classifier or one for segmentation")
_REFUSED = {
    "segmentation": {**_CLASSIFIERS, **_PERSONS},
    "pose": {**_CLASSIFIERS, **_SCENES, **_NAMED},
}


def check_task(options: argparse.Namespace, task: str | None) -> None:
    """Refuse options that a checkpoint of a task does not take, and miss those that it needs.

    Args:
        options: Of the command; None or False where they are not given.
        task: The checkpoint's.

    Raises:
        ValueError: An option is given in vain, or lacking.
    """
    refused = _REFUSED.get(task or "", {**_SCENES, **_PERSONS, **_DRAWN})
    for name, takers in refused.items():
        if getattr(options, name) not in (None, False):
            raise ValueError(
                f"--{name} is given, but {options.checkpoint} is a network for "
                f"{task or 'nothing known'}, expected it with {takers} alone"
            )
    if task not in DENSE:
        return
    if options.drawings is None:
        raise ValueError(
            f"--drawings is absent, but {options.checkpoint} is a network for {task}, expected a "
            "folder for what is found"
        )
    if options.stride == "segments":
        raise ValueError("--stride is 'segments', expected a number of pixels")
    if options.stride is not None and options.window is None:
        raise ValueError("--stride is given without --window, expected both")


def check_drawings(folder: Path, *, replaces: bool) -> None:
    """Refuse a folder that holds answers already.

    Args:
        folder: For drawings; it may not exist.
        replaces: Whether what is there is replaced.

    Raises:
        ValueError: It holds some, or is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"drawings is {folder}, which is a file, expected a folder")
    if not replaces and (folder / ANSWERS).exists():
        raise ValueError(
            f"drawings is {folder}, which holds {ANSWERS}, expected a new folder, or --force to "
            "replace what is there"
        )


def sizes(text: str) -> tuple[float, ...]:
    """The numbers of an option such as `0.5,1,1.5`.

    Raises:
        ValueError: They are none, or not above 0.
    """
    numbers = tuple(float(part) for part in text.split(","))
    if not all(0 < number < float("inf") for number in numbers):
        raise ValueError(f"scales is {text}, expected numbers above 0")
    return numbers
