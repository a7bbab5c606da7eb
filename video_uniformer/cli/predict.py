"""`video-uniformer-predict`: name what happens in video files."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from video_uniformer.cli.errors import checked_output, one_line_errors, reason
from video_uniformer.data.annotations import read_class_names
from video_uniformer.data.annotations.search import expand_paths
from video_uniformer.data.decoding.opening import DECODERS
from video_uniformer.inference.classifier import Prediction, VideoClassifier, load_classifier
from video_uniformer.reports.contact_sheet import save_contact_sheet
from video_uniformer.system.printable import show_name

EXAMPLES = """examples:
  video-uniformer-predict clip.mp4 --checkpoint outputs/best.ckpt
  video-uniformer-predict videos/ 'more/*.webm' --checkpoint best.ckpt --json > answers.json
  video-uniformer-predict clip.mp4 --checkpoint uniformer_small_k400_16x4.pth --classes kinetics400

The exit status is 0 when every file was answered and 1 when one was not; its reason goes to the
standard error, and the other files are answered all the same."""

DEADLINE = "longest wait for opening a video, and for reading its frames (default 60; 0: none)"


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="video-uniformer-predict",
        description="Print the most probable classes of videos, with probabilities.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("videos", nargs="+", help="files, folders (searched for videos) or quoted globs")
    add("--checkpoint", required=True, help="ours, or a published file (then give --classes)")
    add("--classes", help="file with one name a line, or a shipped list such as kinetics400")
    add("--frames", type=int, help="frames per clip (default: the checkpoint's; published: 16)")
    add("--stride", help="frames from one to the next, or 'segments' (published: 4)")
    add("--size", type=int, help="input height and width, pixels (published: 224)")
    add("--bgr", action="store_true", help="the network expects BGR (published frame-folder ones)")
    add("--clips", type=int, help="clips per video")
    add("--crops", type=int, choices=(1, 3), help="crops per clip")
    add("--top", type=int, default=5, metavar="K", help="classes to print (default 5)")
    add("--json", action="store_true", help="print one JSON array instead of a table")
    add("--sheet", type=Path, metavar="FOLDER", help="write a picture of the frames looked at")
    add("--decoder", default="auto", choices=DECODERS, help="default: auto")
    add("--deadline", type=float, default=60, metavar="SECONDS", help=DEADLINE)
    add("--salvage", action="store_true", help="use the intact frames of damaged videos")
    add("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    return parser


def load(options: argparse.Namespace) -> VideoClassifier:
    """The classifier that the options describe."""
    if options.top < 1:
        raise ValueError(f"--top is {options.top}, expected at least 1")
    if options.deadline < 0:
        raise ValueError(f"--deadline is {options.deadline:g}, expected seconds, or 0 for none")
    stride = options.stride
    if stride not in (None, "segments") and not stride.isdigit():
        raise ValueError(f"--stride is {stride!r}, expected a number of frames, or 'segments'")
    clip: dict[str, Any] = {
        "num_frames": options.frames,
        "stride": stride and int(stride) if stride != "segments" else None,
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
            if value is not None or (name == "stride" and stride == "segments")
        },
        decoder=options.decoder,
        device=options.device,
        deadline_seconds=options.deadline or None,
        salvage=options.salvage,
    )


def answer(
    classifier: VideoClassifier, path: Path, number: int, options: argparse.Namespace
) -> dict[str, Any]:
    """The answer for the video with this number, or its error, as plain values."""
    try:
        prediction = classifier(path)
        sheet = _draw(classifier, prediction, number, options) if options.sheet else None
    except (ValueError, OSError) as error:
        return {"path": str(path), "error": reason(error)}
    top = [{"class": name, "probability": p} for name, p in prediction.top(options.top)]
    given: dict[str, Any] = {"path": str(path), "top": top}
    if prediction.problem:
        given["salvaged"] = prediction.problem
    return {**given, "sheet": str(sheet)} if sheet else given


def _draw(
    classifier: VideoClassifier, prediction: Prediction, number: int, options: argparse.Namespace
) -> Path:
    options.sheet.mkdir(parents=True, exist_ok=True)
    sheet = options.sheet / f"{number:04d}_{prediction.path.name}.png"
    save_contact_sheet(
        sheet,
        classifier.pictures(prediction.path),
        numbers=prediction.frames,
        title="/".join(prediction.path.parts[-2:]),
        answers=prediction.top(options.top),
    )
    return sheet


def _print(answers: list[dict[str, Any]]) -> None:
    table = Table()
    table.add_column("video", overflow="fold")
    table.add_column("class")
    table.add_column("probability", justify="right")
    for item in answers:
        for number, row in enumerate(item.get("top", [])):
            name = show_name(item["path"]) if number == 0 else ""
            table.add_row(name, row["class"], f"{100 * row['probability']:.1f} %")
        if "error" in item:
            table.add_row(show_name(item["path"]), "(not evaluated)", "")
        table.add_section()
    # Brackets in class names and paths are theirs, no markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if table.row_count:
        console.print(table)
    for item in answers:
        if "salvaged" in item:
            console.print(
                f"only intact frames of {show_name(item['path'])}: {item['salvaged']}",
                soft_wrap=True,
            )
        if "sheet" in item:
            console.print(f"wrote {show_name(item['sheet'])}", soft_wrap=True)


@checked_output
def main() -> None:
    """Entry point of the command."""
    options = parser().parse_args()
    with one_line_errors():
        classifier = load(options)
        answers = [
            answer(classifier, path, number, options)
            for number, path in enumerate(expand_paths(options.videos))
        ]
    failed = [item for item in answers if "error" in item]
    count = f"evaluated {len(answers) - len(failed)} of {len(answers)} videos"
    if options.json:
        print(json.dumps(answers, indent=2))
    else:
        _print(answers)
        print(count)
    for item in failed:
        print(f"error: {item['error']}", file=sys.stderr)
    if failed and options.json:
        print(count, file=sys.stderr)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
