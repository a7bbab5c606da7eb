"""`video-uniformer token-labels`: make label maps of pictures, to train networks on."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from video_uniformer.cli import answer_printing
from video_uniformer.cli.errors import checked_output, one_line_errors
from video_uniformer.cli.parsing import CommandParser
from video_uniformer.system.atomic import replacing_file
from video_uniformer.system.printable import show_name

# What needs torch is imported late: help and errors of usage need none.
if TYPE_CHECKING:
    from video_uniformer.inference.token_labels import TokenLabeller

EXAMPLES = """examples:
  video-uniformer token-labels imagenet/train --checkpoint in1k_b_tl_224 \\
      --output imagenet/token_labels/train
  video-uniformer token-labels digits/train --checkpoint outputs/best.ckpt --output labels/train

A picture's map is written under its own name with suffix .pt: a tensor (2, k, n, n), scores and
numbers of the k best classes at each of n x n places. `task=token_labeling` trains on such maps.

The same command again makes the maps that are not there yet. The exit status is 0 when every
picture has its map, 1 when one has not, and 130 after Ctrl-C."""
SETTINGS = "token_labels.json"  # beside the maps: what they were made with


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = CommandParser(
        "token-labels",
        description="Write what an image network sees at each place of all pictures of a folder.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("folder", type=Path, help="searched for pictures, with all folders in it")
    add("--checkpoint", required=True, help="an image classifier: ours, or a release's name")
    add("--output", type=Path, required=True, metavar="FOLDER", help="where the maps go")
    add("--size", type=int, help="input height and width, pixels (default: the checkpoint's)")
    add("--top", type=int, default=5, metavar="K", help="classes kept at each place (default 5)")
    add("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    add("--batch", type=int, default=8, metavar="N", help="pictures at a time (default 8)")
    return parser


def check(options: argparse.Namespace) -> None:
    """Refuse what can be refused before anything is loaded.

    Raises:
        ValueError: An option is out of range.
    """
    if options.size is not None and options.size < 32:
        raise ValueError(f"--size is {options.size}, expected at least 32")
    for name in ("top", "batch"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}, expected at least 1")
    if not options.folder.is_dir():
        raise ValueError(f"folder is {str(options.folder)!r}, expected an existing folder")


def plan(options: argparse.Namespace) -> dict[Path, Path]:
    """Where the map of each picture goes.

    Raises:
        ValueError: There are no pictures, or two would have the same map.
    """
    from video_uniformer.data.annotations.search import LeftOut, find_pictures
    from video_uniformer.data.image.label_maps import label_map_path

    targets: dict[Path, Path] = {}
    left_out = LeftOut()
    for name in sorted(find_pictures(options.folder, left_out)):
        picture = options.folder / name
        target = label_map_path(picture, options.folder, options.output)
        if target in targets:
            raise ValueError(
                f"{targets[target]} and {picture} would have the same label map, expected names "
                "that differ in more than their suffix"
            )
        targets[target] = picture
    left_out.log(options.folder)
    if not targets:
        raise ValueError(f"folder is {str(options.folder)!r}, expected one with pictures")
    return {picture: target for target, picture in targets.items()}


def settle(options: argparse.Namespace, labeller: "TokenLabeller") -> None:
    """Note beside the maps what they are made with, or see that it is the same as before.

    Raises:
        ValueError: The maps that are there were made with something else.
    """
    from video_uniformer.weights.sources import weights_digest

    weights = weights_digest(options.checkpoint).hexdigest()[:12]
    settings = {"weights": weights, "size": labeller.spec.size, "top": labeller.num_best}
    path = options.output / SETTINGS
    if not path.exists():
        with replacing_file(path) as written:
            written.write(json.dumps(settings).encode())
        return
    before = json.loads(path.read_text())
    if before != settings:
        raise ValueError(f"{path} tells of maps made with {before}, expected {settings}")


def run(options: argparse.Namespace, targets: Mapping[Path, Path]) -> int:
    """Make the maps that are not there; how many pictures have none."""
    from video_uniformer.inference.prediction import Failure
    from video_uniformer.inference.token_labels import load_labeller

    with one_line_errors():
        labeller = load_labeller(
            options.checkpoint, size=options.size, num_best=options.top, device=options.device
        )
        settle(options, labeller)
    left = [picture for picture, target in targets.items() if not target.exists()]
    failed = 0
    with (
        answer_printing.progress_bar(
            len(targets), len(targets) - len(left), answer_printing.PICTURES
        ) as step,
        one_line_errors(),
        closing(labeller.label_many(left, batch_size=options.batch)) as labelled,
    ):
        for answer in labelled:
            if isinstance(answer, Failure):
                failed += 1
                print(f"error: {show_name(answer.problem)}", file=sys.stderr)
            else:
                _write(targets[answer.path], answer.scores)
            step()
    return failed


def _write(target: Path, scores: object) -> None:
    import torch

    with replacing_file(target) as file:
        torch.save(scores, file)


@checked_output
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = parser().parse_args(arguments)
    with one_line_errors():
        check(options)
        targets = plan(options)
    try:
        failed = run(options, targets)
    except KeyboardInterrupt:
        done = sum(target.exists() for target in targets.values())
        told = f"labelled {done} of {len(targets)} pictures. The same command goes on."
        print(f"interrupted: {told}", file=sys.stderr)
        raise SystemExit(130) from None
    told = f"labelled {len(targets) - failed} of {len(targets)} pictures"
    print(f"{told}, maps in {show_name(str(options.output))}")
    raise SystemExit(1 if failed else 0)
