"""Measure our network, our decoding and our start against the plain way of doing the same.

    python scripts/benchmark.py                            everything, some minutes on two cores
    python scripts/benchmark.py network --json out.json    forward passes and training steps
    python scripts/benchmark.py network --device cuda      the same on a GPU
    python scripts/benchmark.py training                   what guards a training, and its cost
    python scripts/benchmark.py pictures                   training pictures, against timm's loader
    python scripts/benchmark.py decode --repeats 9         clips from H.264 files
    python scripts/benchmark.py start                      commands until they answer

A contender runs right after its reference, again and again (A B A B ...), and a ratio is the median
of what these pairs gave; above 1 is faster than the reference. The network is judged in wall time.
Decoding is judged in CPU time: a data loader runs one worker a core, so what counts is what a core
gets done, in all its processes. Outputs are compared before anything is timed. A start is judged by
the least time of several runs, as a share of that of `import torch`. The exit status is 1 when a
promise is not kept.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import torch
from benchmarks.decoding import decode_pairs
from benchmarks.guard import guard_pairs
from benchmarks.network import has_bfloat16_arithmetic, network_pairs
from benchmarks.pictures import picture_pairs
from benchmarks.start import StartRow, is_met, measure_starts, start_table, starts
from benchmarks.timing import CLOCKS, Row, measure
from benchmarks.training import training_pairs
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

CHOICES = ("network", "training", "decode", "pictures", "start", "all")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=CHOICES, default="all")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of runs (default 7)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of the network")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parsed = parser.parse_args(arguments)
    if parsed.repeats < 1:
        parser.error(f"--repeats is {parsed.repeats}, expected 1 or more")
    if parsed.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device is cuda, but PyTorch sees no CUDA device")
    return parsed


def machine(device: str) -> dict[str, object]:
    """What the figures were taken on."""
    cpu = torch.cpu.get_capabilities()
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else cpu.get("cpu_name", ""),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bfloat16": "in hardware" if has_bfloat16_arithmetic(device) else "emulated",
        "torch": torch.__version__,
    }


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    """One table a task, for a person."""
    for (task, clock), group in groupby(rows, key=lambda row: (row.task, row.clock)):
        result = Table(
            title=f"{task} ({clock} time)",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        other = CLOCKS[1 - CLOCKS.index(clock)]
        for column in ("contender", "reference"):
            result.add_column(column, no_wrap=True)
        for column in ("clips/s", "ratio", "range", other, "promised"):
            result.add_column(column, no_wrap=True, justify="right")
        for row in group:
            result.add_row(
                row.contender,
                row.reference,
                f"{row.clips_per_second:.2f}",
                f"[bold]{row.ratio:.2f}",
                f"{row.low:.2f}-{row.high:.2f}",
                f"{row.other_ratio:.2f}",
                "" if row.accept is None else _verdict(row.ratio, row.accept),
            )
        yield result


def _verdict(ratio: float, accept: float) -> str:
    colour = "green" if ratio >= accept else "red"
    return f"[{colour}]{accept:g} {'met' if ratio >= accept else 'missed'}"


def main() -> int:
    """Run what the command line asks for; 1 when a promise is missed."""
    arguments = parse_arguments()
    console = Console()
    facts = machine(arguments.device)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    rows: list[Row] = []
    start_rows: list[StartRow] = []
    if arguments.what in ("network", "all"):
        rows += measure(
            network_pairs(arguments.device),
            repeats=arguments.repeats,
            device=arguments.device,
            console=console,
        )
        console.print(*tables(rows))
        if facts["bfloat16"] == "emulated":
            console.print("bfloat16 is emulated here, so nothing is promised of it.")
    if arguments.what in ("training", "all"):
        with tempfile.TemporaryDirectory() as folder:
            pairs = training_pairs(Path(folder))
            rows += measure(pairs, repeats=arguments.repeats, console=console)
        console.print(*tables(rows[-1:]))
    if arguments.what in ("decode", "all"):
        with tempfile.TemporaryDirectory() as folder:
            pairs = decode_pairs(Path(folder)) + guard_pairs(Path(folder))
            decode_rows = measure(pairs, repeats=arguments.repeats, console=console, clock="CPU")
        console.print(*tables(decode_rows))
        rows += decode_rows
    if arguments.what in ("pictures", "all"):
        with tempfile.TemporaryDirectory() as folder:
            pairs = picture_pairs(Path(folder))
            picture_rows = measure(pairs, repeats=arguments.repeats, console=console, clock="CPU")
        console.print(*tables(picture_rows))
        rows += picture_rows
    if arguments.what in ("start", "all"):
        with tempfile.TemporaryDirectory() as folder:
            entries = list(starts(Path(folder)))
            torch_seconds, start_rows = measure_starts(
                entries, repeats=arguments.repeats, console=console
            )
        console.print(start_table(torch_seconds, start_rows))
    if arguments.json:
        content = {
            "machine": facts,
            "rows": [asdict(row) for row in rows],
            "start": [row._asdict() for row in start_rows],
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    is_slow = any(row.accept is not None and row.ratio < row.accept for row in rows)
    return int(is_slow or not all(map(is_met, start_rows)))


if __name__ == "__main__":
    sys.exit(main())
