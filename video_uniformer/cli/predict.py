"""`video-uniformer predict`: name what happens in video files, or what pictures show."""

import argparse
import sys
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from video_uniformer.cli import answer_printing
from video_uniformer.cli.answer_printing import Words
from video_uniformer.cli.chosen_classifier import DEADLINE_SECONDS, DECODER, fingerprint, load
from video_uniformer.cli.errors import checked_output, one_line_errors
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.cli.prediction_tally import Tally
from video_uniformer.cli.task_options import DENSE, check_drawings, check_task, sizes
from video_uniformer.data.annotations.search import exists, expand_paths
from video_uniformer.inference.answer_file import AnswerFile, check_path
from video_uniformer.system.printable import show_name

# What needs torch is imported late: help and errors of usage need none.
if TYPE_CHECKING:
    from video_uniformer.cli.chosen_classifier import Classifier
    from video_uniformer.inference.prediction import Prediction
    from video_uniformer.weights.reading import Checkpoint

TOP, BATCH_SIZE = 5, 1  # where they are not given

EXAMPLES = """examples:
  video-uniformer predict clip.mp4 --checkpoint outputs/best.ckpt
  video-uniformer predict videos/ 'more/*.webm' --checkpoint best.ckpt --json > answers.json
  video-uniformer predict --from list.txt --checkpoint best.ckpt --output answers.csv --resume
  video-uniformer predict clip.mp4 --checkpoint uniformer_small_k400_16x4.pth --classes kinetics400
  video-uniformer predict photo.jpg folder/ 'more/*.png' --checkpoint in1k_s
  video-uniformer predict street.jpg drive.mp4 --checkpoint segments.ckpt --drawings drawn/
  video-uniformer predict photos/ --checkpoint pose.ckpt --boxes people.json --drawings drawn/

The checkpoint decides whether videos or pictures are answered, and searched for in folders; or
whether segments or joints are drawn, of pictures and of all frames of videos. FOLDER/NAME.overlay
shows them, NAME.mask.png holds the classes of pixels, predictions.jsonl a line a picture or frame.
Answers come as soon as they are there. Ctrl-C keeps those in --output, and the same command with
--resume goes on with the other files; one that is there with an error is not tried again.

The exit status is 0 when every file was answered, 1 when one was not, and 130 after Ctrl-C. The
reason for a file goes to the standard error, and the other files are answered all the same."""

DEADLINE = (
    "longest wait for opening a video, and for reading its frames "
    f"(default {DEADLINE_SECONDS:g}; 0: none)"
)
BATCH = "files that go through the network together (default 1); 8 are faster where views are few"
SIZE = "input height and width, pixels (published: 224); of scenes: the shorter side"
STRIDE = "frames from one to the next, or 'segments' (published: 4); of windows: pixels"
SCALES = "see a picture at these times its usual size (default 1)"
BOXES = 'where people are: a JSON list of {"file_name", "bbox": [x, y, width, height], "score"}'
SALVAGE = "use the intact frames of damaged videos, the intact part of pictures cut short"


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "predict",
        description="Print the most probable classes of videos or pictures, with probabilities.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("files", nargs="*", help="files, folders (which are searched) or quoted globs")
    add("--from", dest="list", metavar="FILE", help="also the paths in FILE, one a line; -: stdin")
    add("--checkpoint", required=True, help="ours, or a published file (then give --classes)")
    add("--classes", help="file with one name a line, or a shipped list such as kinetics400")
    add("--frames", type=int, help="frames per clip (default: the checkpoint's; published: 16)")
    add("--stride", help=STRIDE)
    add("--size", type=int, help=SIZE)
    add("--bgr", action="store_true", help="the network expects BGR (published frame-folder ones)")
    add("--clips", type=int, help="clips per video")
    add("--crops", type=int, choices=(1, 3), help="crops per clip")
    add("--top", type=int, metavar="K", help=f"classes to print (default {TOP})")
    screen = parser.add_mutually_exclusive_group()
    screen.add_argument("--json", action="store_true", help="print one JSON array, not a table")
    screen.add_argument("--jsonl", action="store_true", help="print a JSON object for each video")
    add("--output", type=Path, metavar="FILE", help="write the answers to a .csv or .jsonl file")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with an --output cut off")
    existing.add_argument("--force", action="store_true", help="replace what exists")
    add("--sheet", type=Path, metavar="FOLDER", help="write a picture of what was looked at")
    add("--decoder", help=f"{DECODER} (default), decord, pyav or torchcodec")
    add("--deadline", type=float, metavar="SECONDS", help=DEADLINE)
    add("--salvage", action="store_true", help=SALVAGE)
    add("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    add("--batch", type=int, metavar="N", help=BATCH)
    dense = parser.add_argument_group("segments and joints")
    add = dense.add_argument
    add("--drawings", type=Path, metavar="FOLDER", help="where they are drawn, and told")
    add("--boxes", type=Path, metavar="FILE", help=BOXES)
    add(
        "--scales",
        type=sizes,
        metavar="S,S,...",
        help=SCALES,
    )
    add("--flip", action="store_true", help="see each picture mirrored, too")
    add("--window", type=int, metavar="PIXELS", help="see a picture through windows of this size")
    return parser


def check(options: argparse.Namespace) -> None:
    """Refuse what can be refused before anything is loaded.

    Raises:
        ValueError: An option is out of range or contradicts another.
    """
    if not options.files and options.list is None:
        raise ValueError("files is empty, expected files, folders, globs or --from")
    for name in ("top", "batch", "window"):
        number = getattr(options, name)
        if number is not None and number < 1:
            raise ValueError(f"--{name} is {number}, expected at least 1")
    if options.deadline is not None and not options.deadline >= 0:
        raise ValueError(f"--deadline is {options.deadline:g}, expected seconds, or 0 for none")
    if options.stride not in (None, "segments") and not options.stride.isdigit():
        raise ValueError(
            f"--stride is {options.stride!r}, expected a number of frames, or 'segments'"
        )
    _check_places(options)


def _check_places(options: argparse.Namespace) -> None:
    """Refuse places where answers may not be put."""
    if options.drawings is not None:
        check_drawings(options.drawings, replaces=options.force)
    if options.output is not None:
        check_path(options.output, _existing(options))
    elif options.resume or (options.force and options.drawings is None):
        name = "resume" if options.resume else "force"
        raise ValueError(f"--{name} is given without --output, expected both")


def _existing(options: argparse.Namespace) -> str:
    return "resume" if options.resume else "replace" if options.force else "refuse"


def read_list(options: argparse.Namespace) -> list[Path]:
    """The paths of the list that the options name.

    Raises:
        ValueError: The list is empty, or cannot be read.
    """
    if options.list is None:
        return []
    name = "/dev/stdin" if options.list == "-" else options.list
    lines = Path(name).read_text("utf-8", "surrogateescape").split("\n")
    listed = [Path(line.rstrip("\r")) for line in lines if line.strip()]
    if not listed:
        raise ValueError(f"--from is {options.list}, which names no files, expected some")
    return listed


def check_existence(options: argparse.Namespace) -> None:
    """Refuse names of which none is there, before seconds go by with loading.

    Where answers go to a program, or into a file, that is the answer for each.

    Raises:
        ValueError: None is there.
    """
    if options.json or options.jsonl or options.output is not None or options.list is not None:
        return
    if not any(map(exists, options.files)):
        raise ValueError(
            f"{options.files[0]}: No such file or directory, expected files, folders or globs"
        )


def open_output(
    options: argparse.Namespace, classifier: "Classifier"
) -> AbstractContextManager[AnswerFile | None]:
    """The file that answers go to, if there is to be one."""
    if options.output is None:
        return nullcontext()
    settings = fingerprint(options, classifier)
    num_ranks = min(options.top, len(classifier.class_names))
    return AnswerFile(
        options.output, settings=settings, num_ranks=num_ranks, existing=_existing(options)
    )


def answers(
    classifier: "Classifier",
    paths: Sequence[tuple[int, Path]],
    options: argparse.Namespace,
    file: AnswerFile | None,
) -> Generator[dict[str, Any], None, None]:
    """The answers for numbered files as plain values, each in the file before it is given."""
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
    """The files, numbered, without as many of each as are done."""
    left: Counter[str] = Counter(done)
    kept = []
    for number, path in enumerate(paths):
        left[str(path)] -= 1
        if left[str(path)] < 0:
            kept.append((number, path))
    return kept


def choose_printing(
    options: argparse.Namespace, paths: Sequence[Path], class_names: Sequence[str], words: Words
) -> AbstractContextManager[answer_printing.Print]:
    """How answers are shown: as the options say, and in a file alone where there is one."""
    if options.json:
        return answer_printing.json_array()
    if options.jsonl:
        return answer_printing.json_lines()
    if options.output is not None:
        return answer_printing.nothing()
    return answer_printing.table(paths, class_names, words)


def run(options: argparse.Namespace, listed: Sequence[Path], tally: Tally) -> None:
    """Answer by the network of the checkpoint, whichever its task is."""
    with one_line_errors():
        from video_uniformer.weights.reading import open_checkpoint

        checkpoint = open_checkpoint(options.checkpoint)
        task = checkpoint.description.task
        check_task(options, task)
    if task in DENSE:
        # Late, as the rooms of classifiers need nothing of it.
        from video_uniformer.cli import predict_dense

        predict_dense.run(options, checkpoint, listed, tally)
        return
    options.top, options.batch = options.top or TOP, options.batch or BATCH_SIZE
    classify(options, checkpoint, listed, tally)


def classify(
    options: argparse.Namespace, checkpoint: "Checkpoint", listed: Sequence[Path], tally: Tally
) -> None:
    """Answer the files of the command line, then those of its list, and keep count."""
    with one_line_errors():
        classifier, words = load(options, checkpoint)
        # Not before: the checkpoint says what a folder is searched for.
        paths = [*expand_paths(options.files, words.one), *listed]
        output = open_output(options, classifier)
    with output as file:
        left = list(enumerate(paths)) if file is None else left_over(paths, file.done)
        tally.total, tally.words, tally.done = len(paths), words, len(paths) - len(left)
        if file is not None:
            tally.failed = (Counter(map(str, paths)) & file.failed).total()
        with (
            answer_printing.progress_bar(len(paths), tally.done, words) as step,
            choose_printing(options, paths, classifier.class_names, words) as show,
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
        listed = read_list(options)
        check_existence(options)
    tally = Tally()
    try:
        run(options, listed, tally)
    except KeyboardInterrupt:
        advice = "" if options.output is None else " The same command with --resume goes on."
        print(f"interrupted: {tally}.{advice}", file=sys.stderr)
        raise SystemExit(130) from None
    if options.json or options.jsonl:
        if tally.failed:
            print(tally, file=sys.stderr)
    elif options.output is not None:
        print(f"{tally}, answers in {show_name(str(options.output))}")
    elif options.drawings is not None:
        print(f"{tally}, drawings in {show_name(str(options.drawings))}")
    else:
        print(tally)
    raise SystemExit(1 if tally.failed else 0)
