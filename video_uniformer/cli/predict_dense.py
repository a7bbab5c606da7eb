"""`predict` with a segmentation or pose checkpoint: what it finds, drawn and as lines of JSON."""

import argparse
import json
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from video_uniformer.cli.answer_printing import FILES, progress_bar
from video_uniformer.cli.dense_answers import Find, Found, Shown, load_finder
from video_uniformer.cli.errors import one_line_errors
from video_uniformer.cli.prediction_tally import Tally
from video_uniformer.cli.task_options import ANSWERS
from video_uniformer.data.annotations.search import expand_paths
from video_uniformer.data.decoding import Video, open_video
from video_uniformer.data.image.picture import Picture, PictureError
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.policy_reading import PolicyReading
from video_uniformer.inference.frame_blocks import frames_in_order
from video_uniformer.inference.video_writer import writing_video
from video_uniformer.reports.overlays import mask_png, picture_png
from video_uniformer.system.file_kinds import PICTURE, VIDEO, kind_of
from video_uniformer.system.printable import show_name
from video_uniformer.weights.reading import Checkpoint

_MOST_COLOURS = 256
_SHORTEST_FRAME = 1 / 45000  # seconds; two units of the times in an MP4 file


class Drawings:
    """Answers files one after the other, and draws each.

    Args:
        find: Answers a picture.
        folder: For the drawings.
        decoder: Of videos.
        salvage: Use the intact part of damaged files.
    """

    def __init__(self, find: Find, folder: Path, *, decoder: str, salvage: bool) -> None:
        self._find, self._folder = find, folder
        self._decoder, self._salvage = decoder, salvage
        self._reading = PolicyReading(BadSamplePolicy("salvage" if salvage else "raise"))
        self._taken: set[str] = set()

    def answers(self, path: Path) -> Generator[dict[str, Any], None, None]:
        """The lines for a file: one of a picture, one a frame of a video, or why there is none.

        Raises:
            OSError: A drawing cannot be written.
        """
        is_video = kind_of(path, prefer=PICTURE) == VIDEO
        try:
            yield from self._of_video(path) if is_video else self._of_picture(path)
        except ValueError as error:
            lines = str(error).splitlines() or [type(error).__name__]
            problem = lines[0] if lines[0].startswith(f"{path}") else f"{path}: {lines[0]}"
            yield {"path": str(path), "error": problem}

    def _of_picture(self, path: Path) -> Iterator[dict[str, Any]]:
        pixels, problem = self._read(path)
        found = self._find(Shown(pixels, path))
        name = self._name(path)
        said = {"path": str(path), **found.said, "overlay": f"{name}.overlay.png"}
        if problem:
            said["salvaged"] = problem
        with _writing(self._folder / f"{name}.overlay.png") as path_of_drawing:
            picture_png(found.drawn, path_of_drawing)
        # A PNG has no more colours; RLE tells the classes all the same.
        if found.labels is not None and len(found.palette) <= _MOST_COLOURS:
            with _writing(self._folder / f"{name}.mask.png") as path_of_mask:
                mask_png(found.labels, found.palette, path_of_mask)
            said["mask"] = f"{name}.mask.png"
        yield said

    def _of_video(self, path: Path) -> Iterator[dict[str, Any]]:
        with open_video(path, self._decoder, salvage=self._salvage) as video:
            name = f"{self._name(path)}.overlay.mp4"
            times = video.times.tolist()
            has_times = bool(np.all(np.diff(times) >= _SHORTEST_FRAME))
            target = self._folder / name
            with _writing(target), writing_video(target, rate=video.fps) as writer:
                for number, found in enumerate(self._of_frames(path, video)):
                    writer.write(found.drawn, seconds=times[number] if has_times else None)
                    place = {"path": str(path), "frame": number, "seconds": times[number]}
                    said = {**place, **found.said, "overlay": name}
                    yield {**said, "salvaged": video.salvaged} if video.salvaged else said

    def _of_frames(self, path: Path, video: Video) -> Iterator[Found]:
        for number, pixels in enumerate(frames_in_order(video)):
            yield self._find(Shown(pixels, path, number))

    def _read(self, path: Path) -> tuple[npt.NDArray[np.uint8], str]:
        """The pixels of a picture, and what is wrong with one that was salvaged."""

        def attempt(*, salvage: bool) -> tuple[npt.NDArray[np.uint8], str]:
            try:
                picture = Picture(path, salvage=salvage)
            except OSError as error:
                reason = error.strerror or str(error)
                raise PictureError(f"{path}: {reason}, expected a picture or video") from error
            return np.array(picture.rgb()), picture.lost

        pixels, _, problem = self._reading(path, attempt)
        if pixels is None:
            raise PictureError(f"{path}: {problem}")
        return pixels, problem

    def _name(self, path: Path) -> str:
        """What the drawings of a file are called: as it, with a number where that is taken."""
        name, number = path.stem, 1
        while name in self._taken:
            number += 1
            name = f"{path.stem}-{number}"
        self._taken.add(name)
        return name


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Name the file that cannot be written."""
    try:
        yield path
    except OSError as error:
        raise OSError(f"{path} cannot be written ({error.strerror or error})") from error


def run(
    options: argparse.Namespace, checkpoint: Checkpoint, listed: Sequence[Path], tally: Tally
) -> None:
    """Answer the files of the command line, then those of its list, and keep count."""
    with one_line_errors():
        find = load_finder(options, checkpoint)
        paths = [*expand_paths(options.files, PICTURE), *listed]
        options.drawings.mkdir(parents=True, exist_ok=True)
        drawings = Drawings(
            find, options.drawings, decoder=options.decoder or "auto", salvage=options.salvage
        )
        tally.total, tally.words = len(paths), FILES
        with (
            (options.drawings / ANSWERS).open("wb", buffering=0) as file,
            progress_bar(len(paths), 0, FILES) as step,
        ):
            for path in paths:
                with closing(drawings.answers(path)) as answers:
                    tally.failed += _write(answers, file)
                tally.done += 1
                step()


def _write(answers: Iterator[dict[str, Any]], file: FileIO) -> bool:
    """Write the lines of a file, tell what is wrong with it, and whether it has no answer."""
    is_failure, num_left_out, path = False, 0, ""
    for said in answers:
        with _writing(Path(str(file.name))):
            _append(file, f"{json.dumps(said)}\n".encode())
        path = said["path"]
        num_left_out += said.get("left_out", 0)
        if "error" in said:
            is_failure = True
            print(f"error: {said['error']}", file=sys.stderr)
    if num_left_out:
        boxes = "1 box" if num_left_out == 1 else f"{num_left_out} boxes"
        print(f"{show_name(path)}: left out {boxes} outside the picture", file=sys.stderr)
    return is_failure


def _append(file: FileIO, line: bytes) -> None:
    """Write a line whole, or nothing of it."""
    end, rest = file.tell(), memoryview(line)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        with suppress(OSError):
            os.truncate(file.fileno(), end)
        raise
