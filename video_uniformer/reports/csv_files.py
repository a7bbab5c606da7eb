"""Rows as CSV files, for people and their spreadsheets."""

import csv
from collections.abc import Sequence
from pathlib import Path


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write rows; names that are not UTF-8 have their odd bytes escaped."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file).writerows(rows)
