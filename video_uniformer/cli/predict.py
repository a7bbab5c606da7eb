"""`video-uniformer predict`: name what happens in video files."""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from video_uniformer.cli import answer_printing
from video_uniformer.cli.errors import checked_output, one_line_errors
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.data.annotations.search import expand_paths
from video_uniformer.inference.answer_file import AnswerFile, check_path
from video_uniformer.system.printable import show_name

# What needs torch is imported late: help and errors of usage need none.
if TYPE_CHECKING:
    from video_uniformer.inference.classifier import VideoClassifier
    from video_uniformer.inference.prediction import Prediction

EXAMPLES = """examples:
  video-uniformer predict clip.mp4 --checkpoint outputs/best.ckpt
  video-uniformer predict videos/ 'more/*.webm' --checkpoint best.ckpt --json > answers.json
  video-uniformer predict --from list.txt --checkpoint best.ckpt --output answers.csv --resume
  video-uniformer predict clip.mp4 --checkpoint uniformer_small_k400_16x4.pth --classes kinetics400

Answers come as soon as they are there. Ctrl-C keeps those in --output, and the same command with
--resume goes on with the other videos; one that is there with an error is not tried again.

The exit status is 0 when every file was answered, 1 when one was not, and 130 after Ctrl-C. The
reason for a file goes to the standard error, and the other files are answered all the same."""

DEADLINE = "longest wait for opening a video, and for reading its frames (default 60; 0: none)"
BATCH = "videos that go through the network together (default 1); 8 are faster where views are few"


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "predict",
        description="Print the most probable classes of videos, with probabilities.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("videos", nargs="*", help="files, folders (searched for videos) or quoted globs")
    add("--from", dest="list", metavar="FILE", help="also the paths in FILE, one a line; -: stdin")
    add("--checkpoint", required=True, help="ours, or a published file (then give --classes)")
    add("--classes", help="file with one name a line, or a shipped list such as kinetics400")
    add("--frames", type=int, help="frames per clip (default: the checkpoint's; published: 16)")
    add("--stride", help="frames from one to the next, or 'segments' (published: 4)")
    add("--size", type=int, help="input height and width, pixels (published: 224)")
    add("--bgr", action="store_true", help="the network expects BGR (published frame-folder ones)")
    add("--clips", type=int, help="clips per video")
    add("--crops", type=int, choices=(1, 3), help="crops per clip")
    add("--top", type=int, default=5, metavar="K", help="classes to print (default 5)")
    screen = parser.add_mutually_exclusive_group()
    screen.add_argument("--json", action="store_true", help="print one JSON array, not a table")
    screen.add_argument("--jsonl", action="store_true", help="print a JSON object for each video")
    add("--output", type=Path, metavar="FILE", help="write the answers to a .csv or .jsonl file")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with an --output cut off")
    existing.add_argument("--force", action="store_true", help="replace an --output that exists")
    add("--sheet", type=Path, metavar="FOLDER", help="write a picture of the frames looked at")
    add("--decoder", default="auto", help="auto (default), decord, pyav or torchcodec")
    add("--deadline", type=float, default=60, metavar="SECONDS", help=DEADLINE)
    add("--salvage", action="store_true", help="use the intact frames of damaged videos")
    add("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    add("--batch", type=int, default=1, metavar="N", help=BATCH)
    return parser


def check(options: argparse.Namespace) -> None:
    """Refuse what can be refused before anything is loaded.

    Raises:
        ValueError: An option is out of range or contradicts another.
    """
    if not options.videos and options.list is None:
        raise ValueError("videos is empty, expected files, folders, globs or --from")
    for name in ("top", "batch"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}, expected at least 1")
    if not options.deadline >= 0:
        raise ValueError(f"--deadline is {options.deadline:g}, expected seconds, or 0 for none")
    if options.stride not in (None, "segments") and not options.stride.isdigit():
        raise ValueError(
            f"--stride is {options.stride!r}, expected a number of frames, or 'segments'"
        )
    if options.output is not None:
        check_path(options.output, _existing(options))
    elif options.resume or options.force:
        name = "resume" if options.resume else "force"
        raise ValueError(f"--{name} is given without --output, expected both")


def _existing(options: argparse.Namespace) -> str:
    return "resume" if options.resume else "replace" if options.force else "refuse"


def find_files(options: argparse.Namespace) -> list[Path]:
    """The videos of the command line, then those of its list.

    Raises:
        ValueError: The list is empty, or cannot be read.
    """
    listed: list[str] = []
    if options.list is not None:
        name = "/dev/stdin" if options.list == "-" else options.list
        lines = Path(name).read_text("utf-8", "surrogateescape").split("\n")
        listed = [line.rstrip("\r") for line in lines if line.strip()]
        if not listed:
            raise ValueError(f"--from is {options.list}, which names no videos, expected some")
    return [*expand_paths(options.videos), *map(Path, listed)]


def load(options: argparse.Namespace) -> "VideoClassifier":
    """The classifier that the options describe."""
    from video_uniformer.inference.classifier import load_classifier
    from video_uniformer.labels.names import read_class_names

    clip: dict[str, Any] = {
        "num_frames": options.frames,
        "stride": None if options.stride in (None, "segments") else int(options.stride),
        "size": options.size,
        "num_clips": options.clips,
        "num_crops": options.crops,
        "channel_order": "bgr" if options.bgr else None,
    }
    return load_classifier(
        options.checkpoint,
        class_names=None if options.classes is None else read_class_names(options.classes),
        clip={
            name: value
            for name, value in clip.items()
            if value is not None or (name == "stride" and options.stride == "segments")
        },
        decoder=options.decoder,
        device=options.device,
        deadline_seconds=options.deadline or None,
        salvage=options.salvage,
    )


def fingerprint(options: argparse.Namespace, classifier: "VideoClassifier") -> str:
    """A short text that changes with the weights, and with whatever else answers depend on."""
    from video_uniformer.weights.sources import find_weights

    digest = hashlib.sha256()
    with find_weights(options.checkpoint).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    told = (asdict(classifier.clip), classifier.class_names, classifier.fusion)
    digest.update(json.dumps([*told, options.decoder, options.salvage, options.top]).encode())
    return digest.hexdigest()[:12]


def open_output(
    options: argparse.Namespace, classifier: "VideoClassifier"
) -> AbstractContextManager[AnswerFile | None]:
    """The file that answers go to, if there is to be one."""
    if options.output is None:
        return nullcontext()
    settings = fingerprint(options, classifier)
    num_ranks = min(options.top, len(classifier.class_names))
    return AnswerFile(
        options.output, settings=settings, num_ranks=num_ranks, existing=_existing(options)
    )


class Tally:
    """How many videos there are, and what became of them so far.

    Args:
        total: Videos of the command line.
        done: Of which so many were done by the runs before.
        failed: Of which again so many had no answer.
    """

    def __init__(self, total: int, done: int = 0, failed: int = 0) -> None:
        self.total, self.done, self.failed = total, done, failed

    def __str__(self) -> str:
        return f"evaluated {self.done - self.failed} of {self.total} videos"


def answers(
    classifier: "VideoClassifier",
    paths: Sequence[tuple[int, Path]],
    options: argparse.Namespace,
    file: AnswerFile | None,
) -> Generator[dict[str, Any], None, None]:
    """The answers for numbered videos as plain values, each in the file before it is given."""
    from video_uniformer.inference.prediction import Failure

    keep_frames = options.sheet is not None
    many = classifier.predict_many(
        (path for _, path in paths), batch_size=options.batch, keep_frames=keep_frames
    )
    with one_line_errors(), closing(many):
        for (number, path), answer in zip(paths, many, strict=True):
            given: dict[str, Any] = {"path": str(path)}
            if isinstance(answer, Failure):
                given["error"] = answer.problem
            else:
                given |= _describe(answer, number, options)
            if file is not None:
                file.add(given)
            yield given


def _describe(prediction: "Prediction", number: int, options: argparse.Namespace) -> dict[str, Any]:
    top = [{"class": name, "probability": p} for name, p in prediction.top(options.top)]
    given: dict[str, Any] = {"top": top}
    if prediction.problem:
        given["salvaged"] = prediction.problem
    if options.sheet is not None:
        given["sheet"] = str(_draw(prediction, number, options))
    return given


def _draw(prediction: "Prediction", number: int, options: argparse.Namespace) -> Path:
    # Late, as it brings matplotlib.
    from video_uniformer.reports.contact_sheet import save_contact_sheet

    assert prediction.frames is not None
    options.sheet.mkdir(parents=True, exist_ok=True)
    sheet: Path = options.sheet / f"{number:04d}_{prediction.path.name}.png"
    save_contact_sheet(
        sheet,
        prediction.frames,
        indices=prediction.indices,
        title="/".join(prediction.path.parts[-2:]),
        answers=prediction.top(options.top),
    )
    return sheet


def left_over(paths: Sequence[Path], done: Mapping[str, int]) -> list[tuple[int, Path]]:
    """The videos, numbered, without as many of each as are done."""
    left: Counter[str] = Counter(done)
    kept = []
    for number, path in enumerate(paths):
        left[str(path)] -= 1
        if left[str(path)] < 0:
            kept.append((number, path))
    return kept


def choose_printing(
    options: argparse.Namespace, paths: Sequence[Path], class_names: Sequence[str]
) -> AbstractContextManager[answer_printing.Print]:
    """How answers are shown: as the options say, and in a file alone where there is one."""
    if options.json:
        return answer_printing.json_array()
    if options.jsonl:
        return answer_printing.json_lines()
    if options.output is not None:
        return answer_printing.nothing()
    return answer_printing.table(paths, class_names)


def run(options: argparse.Namespace, paths: Sequence[Path], tally: Tally) -> None:
    """Answer the videos, and keep count."""
    with one_line_errors():
        classifier = load(options)
        output = open_output(options, classifier)
    with output as file:
        left = list(enumerate(paths)) if file is None else left_over(paths, file.done)
        tally.done = len(paths) - len(left)
        if file is not None:
            tally.failed = (Counter(map(str, paths)) & file.failed).total()
        with (
            answer_printing.progress_bar(tally.total, tally.done) as step,
            choose_printing(options, paths, classifier.class_names) as show,
            closing(answers(classifier, left, options, file)) as given,
        ):
            for answer in given:
                show(answer)
                tally.done += 1
                tally.failed += "error" in answer
                if "error" in answer:
                    print(f"error: {answer['error']}", file=sys.stderr)
                step()


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    with one_line_errors():
        check(options)
        paths = find_files(options)
    tally = Tally(len(paths))
    try:
        run(options, paths, tally)
    except KeyboardInterrupt:
        advice = "" if options.output is None else " The same command with --resume goes on."
        print(f"interrupted: {tally}.{advice}", file=sys.stderr)
        raise SystemExit(130) from None
    if options.json or options.jsonl:
        if tally.failed:
            print(tally, file=sys.stderr)
    elif options.output is not None:
        print(f"{tally}, answers in {show_name(str(options.output))}")
    else:
        print(tally)
    raise SystemExit(1 if tally.failed else 0)
