"""How long each way in takes until it answers, beside `import torch` on the same machine."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.decoding import write_moving_video
from video_uniformer import ClipSpec, create_uniformer
from video_uniformer.cli.main import COMMANDS
from video_uniformer.description import Description
from video_uniformer.weights.writing import save_weights

REFERENCE = ("-c", "import torch")
COMMAND = ("-m", "video_uniformer")
WITH_CONFIG = ("train", "test")  # whose help composes a config by Hydra
NUM_CLASSES = 400


class Start(NamedTuple):
    """A way in.

    Attributes:
        name: What a reader knows it by.
        arguments: Python's.
        most: The largest share of the time of `import torch` that we promise.
    """

    name: str
    arguments: tuple[str, ...]
    most: float


class StartRow(NamedTuple):
    """What was measured of a way in.

    Attributes:
        name: What a reader knows it by.
        seconds: The least of its runs.
        ratio: Its share of the least time of `import torch`.
        most: The largest share that we promise.
    """

    name: str
    seconds: float
    ratio: float
    most: float


def starts(folder: Path) -> Iterator[Start]:
    """Every way in; a short clip and a tiny network are written into the folder."""
    yield Start("import video_uniformer", ("-c", "import video_uniformer"), 0.05)
    yield Start("video-uniformer --help", (*COMMAND, "--help"), 0.1)
    for name in COMMANDS:
        most = 0.5 if name in WITH_CONFIG else 0.1
        yield Start(f"video-uniformer {name} --help", (*COMMAND, name, "--help"), most)
    yield Start("video-uniformer zoo", (*COMMAND, "zoo"), 0.1)
    video, weights = folder / "clip.mp4", folder / "tiny.safetensors"
    write_moving_video(video, gop=12)
    network = create_uniformer("tiny", num_classes=NUM_CLASSES)
    clip = ClipSpec(num_frames=16, stride=4, size=224)
    names = tuple(f"class {number}" for number in range(NUM_CLASSES))
    said = Description(network=network.config, input=clip, class_names=names, fusion="logits")
    save_weights(weights, network.state_dict(), said)
    words = ("predict", str(video), "--checkpoint", str(weights))
    yield Start("video-uniformer predict, one clip", (*COMMAND, *words), 1.4)


def measure_starts(
    entries: Sequence[Start], *, repeats: int, console: Console
) -> tuple[float, list[StartRow]]:
    """Run every way in and the reference in turn, and take the least time of each.

    What else the machine does can only lengthen a run, so the least is the nearest to the truth.

    Args:
        entries: Ways in.
        repeats: Rounds over all of them, after one that is not counted.
        console: Shows how far it is.

    Returns:
        Seconds of `import torch`, and a row for every way in.
    """
    least = dict.fromkeys([REFERENCE, *(entry.arguments for entry in entries)], float("inf"))
    for number in range(repeats + 1):
        with console.status(f"start: round {number} of {repeats}"):
            for arguments in least:
                seconds = _seconds(arguments)
                if number:
                    least[arguments] = min(least[arguments], seconds)
    torch_seconds = least[REFERENCE]
    times = [(entry, least[entry.arguments]) for entry in entries]
    rows = [StartRow(e.name, seconds, seconds / torch_seconds, e.most) for e, seconds in times]
    return torch_seconds, rows


def _seconds(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def start_table(torch_seconds: float, rows: Sequence[StartRow]) -> Table:
    """The rows for a person."""
    title = f"start (wall time; import torch {torch.__version__}: {torch_seconds:.2f} s)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("entry", no_wrap=True)
    for column in ("seconds", "ratio", "promised"):
        table.add_column(column, no_wrap=True, justify="right")
    for row in rows:
        verdict = "[green]met" if is_met(row) else "[red]missed"
        promised = f"{verdict}, at most {row.most:g}"
        table.add_row(row.name, f"{row.seconds:.3f}", f"[bold]{row.ratio:.3f}", promised)
    return table


def is_met(row: StartRow) -> bool:
    """Whether a way in is as fast as we promise."""
    return row.ratio <= row.most
