"""Which files and rooms a call goes through, seen by Python's own profiler.

Run as a program it is given a checkpoint and a video; it prints the rooms that `load_classifier`
calls into, in order, and the files that stand on the way from `predict` to the pixels.
"""

import json
import os
import sys
import threading
from pathlib import Path
from types import FrameType

import video_uniformer

PACKAGE = f"{Path(video_uniformer.__file__).parent}{os.sep}"
# Rooms call down into the ground floor everywhere: its small functions are no way of their own.
GROUND = {"clip.py", "description.py", "outcomes.py", "labels", "system", "__init__.py"}


def place(frame: FrameType) -> str:
    """The file of a function of the package, relative to it; "" for others."""
    name = frame.f_code.co_filename
    is_ours = name.startswith(PACKAGE) and not frame.f_code.co_name.startswith("<")
    return name.removeprefix(PACKAGE) if is_ours else ""


def room_of(name: str) -> str:
    """The room of a file; "" for none."""
    return Path(name).parts[0] if name else ""


def rooms_of_load_classifier(source: str) -> list[str]:
    """The rooms that it calls into, each time another than before."""
    from video_uniformer.inference.classifier import load_classifier

    rooms: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        room = room_of(place(frame)) if event == "call" else ""
        if room and room not in GROUND and rooms[-1:] != [room]:
            rooms.append(room)

    sys.setprofile(note)
    load_classifier(source)
    sys.setprofile(None)
    return rooms


def files_from_predict_to_pixels(checkpoint: str, video: str, log: Path) -> list[str]:
    """The files with a function at work when a video is opened, or a frame becomes pixels.

    Args:
        checkpoint: A classifier.
        video: What it is asked.
        log: Where the process that decodes writes to; it inherits the profiler.
    """
    from video_uniformer.cli import predict

    def note(frame: FrameType, event: str, _: object) -> None:
        names = ("read_pixels", "__init__", "send", "predict_many")
        if event != "call" or not place(frame) or frame.f_code.co_name not in names:
            return
        files, at = [], frame
        while at is not None:
            files.append(place(at))
            at = at.f_back  # type: ignore[assignment]
        if frame.f_code.co_name != "__init__" or place(frame).endswith("pyav_reader.py"):
            with log.open("a") as file:
                file.write(json.dumps(files[::-1]) + "\n")

    threading.setprofile(note)  # the next videos are read on a thread of their own
    sys.setprofile(note)
    sys.argv = ["predict", video, "--checkpoint", checkpoint, "--jsonl"]
    try:
        predict.main()
    except SystemExit:
        sys.setprofile(None)
    stacks = [json.loads(line) for line in log.read_text().splitlines()]
    files = dict.fromkeys(name for stack in stacks for name in stack if name)
    # `errors.py` is wrapped around every command, and the forking is the ground floor's.
    return [n for n in files if room_of(n) not in GROUND and n != "cli/errors.py"]


if __name__ == "__main__":
    given, film, notes = sys.argv[1:]
    found = rooms_of_load_classifier(given), files_from_predict_to_pixels(given, film, Path(notes))
    sys.stdout.write(f"{json.dumps(found)}\n")
