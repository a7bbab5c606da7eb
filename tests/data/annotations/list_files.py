"""Annotation files, and what is read from them."""

from pathlib import Path

from video_uniformer.data.annotations import Annotations

KINETICS = "label,youtube_id,time_start,time_end,split,is_cc\n"


def write(folder: Path, name: str, text: str) -> Path:
    """Write a text file and return its path."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file


def pairs(result: Annotations, root: Path) -> list[tuple[str, int]]:
    """Return (path relative to the root, label) of every sample."""
    return [(sample.path.relative_to(root).as_posix(), sample.label) for sample in result.samples]
