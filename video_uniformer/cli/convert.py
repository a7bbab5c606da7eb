"""`video-uniformer-convert`: one self-describing file of any checkpoint, and back."""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from video_uniformer.cli.errors import one_line_errors
from video_uniformer.clip import ClipSpec
from video_uniformer.data.annotations import read_class_names
from video_uniformer.labels.names import match_key
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.keys import WRAPPERS, to_our_names, to_published_names
from video_uniformer.weights.reading import identify, read_weights
from video_uniformer.weights.releases import Release
from video_uniformer.weights.sources import DEFAULT_FILE, SCHEME, find_weights
from video_uniformer.weights.writing import (
    FOLDER_FILES,
    save_folder,
    save_published,
    save_weights,
)
from video_uniformer.weights.zoo import LABELS, RELEASES, class_names, find_release, nearest_release

EXAMPLES = """examples:
  video-uniformer-convert k400_s_16x4 small.safetensors
  video-uniformer-convert renamed.pth small.safetensors --release k400_s_16x4
  video-uniformer-convert outputs/best.ckpt folder --hub     a repository for the hub
  video-uniformer-convert small.safetensors uniformer.pth --to published
  video-uniformer-convert a.pth a.safetensors --classes names.txt --frames 8 --stride 8 --size 224

No tensor is changed, not by a bit. What a file does not say, and neither its published name nor an
option says, is left out of the result and told on the standard error."""
IMAGENET = "imagenet1k"
CLIP_OPTIONS = {
    "num_frames": "frames",
    "stride": "stride",
    "size": "size",
    "num_clips": "clips",
    "num_crops": "crops",
    "channel_order": "bgr",
}
OURS_ONLY = ("hub", "head_dim", "classes", *CLIP_OPTIONS.values())
ENDINGS = {"ours": (".safetensors",), "published": (".pth", ".pyth", ".pt", ".safetensors")}


class Conversion(NamedTuple):
    """What is to be written.

    Attributes:
        state: Tensors in our naming.
        facts: What is known of them.
        wrapper: Key of the state dict in the published file, or None.
        notes: What a person should know.
    """

    state: dict[str, Tensor]
    facts: dict[str, Any]
    wrapper: str | None
    notes: tuple[str, ...]


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="video-uniformer-convert",
        description="Turn a checkpoint into one file that says what it is, or back.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", help="a file, a release (video-uniformer-zoo lists them) or hf://owner/repo")
    add("target", type=Path, help=".safetensors; to published also .pth; with --hub a folder")
    add("--to", choices=tuple(ENDINGS), default="ours", help="whose key names (default: ours)")
    add("--hub", action="store_true", help="write a folder as a Hugging Face repository has it")
    add("--release", metavar="NAME", help="which release a published file under another name is")
    add("--head-dim", type=int, help="channels per attention head, which no published file says")
    add("--classes", help=f"file with one name a line, {IMAGENET}, {', '.join(LABELS)}")
    add("--frames", type=int, help="frames per clip")
    add("--stride", help="frames from one to the next, or 'segments'")
    add("--size", type=int, help="input height and width, pixels")
    add("--clips", type=int, help="clips per video in testing")
    add("--crops", type=int, choices=(1, 3), help="crops per clip in testing")
    add("--bgr", action="store_true", help="the network expects BGR")
    add("--force", action="store_true", help="replace what is there")
    return parser


def check_target(options: argparse.Namespace) -> None:
    """Refuse a target that does not go with the other options, or that is there already.

    Raises:
        ValueError: so it is.
    """
    target, endings = options.target, ENDINGS[options.to]
    for name in OURS_ONLY if options.to == "published" else ():
        if getattr(options, name) not in (None, False):
            raise ValueError(
                f"--{name.replace('_', '-')} is given with --to published, whose files have no "
                "place for it"
            )
    if not options.hub and target.suffix not in endings:
        raise ValueError(
            f"target is {str(target)!r}, expected a name ending in {' or '.join(endings)}, or "
            "--hub for a folder"
        )
    files = [target / name for name in FOLDER_FILES] if options.hub else [target]
    there = [path for path in files if path.exists()]
    if there and not options.force:
        raise ValueError(f"{there[0]} exists; --force replaces it")


def convert(options: argparse.Namespace) -> Conversion:
    """Read the source, and find out what it is.

    Raises:
        ValueError: it cannot be read or is no network of ours, the options contradict it, or they
            leave open what must be known.
    """
    path = find_weights(options.source)
    content = read_weights(path)
    described = isinstance(content.get("classifier"), dict)
    release = _release(options, described) or find_release(options.source)
    checkpoint = identify(content, options.source, release or find_release(path.stem))
    facts, state = dict(checkpoint.facts), checkpoint.state
    if "network" not in facts:
        raise ValueError(f"{options.source} holds no UniFormer that this package knows")
    facts["network"] = build(facts).config  # with what was left to the builder's defaults
    known = find_release(str(facts.get("source")))
    if known is None and options.release is not None:
        variant = facts["network"]["variant"]
        raise ValueError(f"--release is {options.release!r}, but {options.source} is a {variant}")
    notes = _left_out(content)
    if options.to == "ours":
        notes += _describe(facts, options, described or known is not None)
    elif described:
        notes += ["left out, as published files say nothing of themselves: class names and clip"]
    _check_fit(options.source, state, facts)
    return Conversion(state, facts, known.wrapper if known else None, tuple(notes))


def _release(options: argparse.Namespace, described: bool) -> Release | None:
    if options.release is None:
        return None
    if described:
        raise ValueError(f"--release is given, but {options.source} says itself what it is")
    release = find_release(options.release)
    if release is None:
        near = nearest_release(options.release)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(
            f"--release is {options.release!r}, expected a name that `video-uniformer-zoo` "
            f"lists{hint}"
        )
    return release


def _left_out(content: Mapping[str, object]) -> list[str]:
    wrapper = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
    left = [str(name) for name in content if wrapper and name not in (wrapper, "classifier")]
    return [f"left out, as it is of a training's state: {', '.join(left)}"] if left else []


def _describe(facts: dict[str, Any], options: argparse.Namespace, known: bool) -> list[str]:
    """Add what the options say to the facts; what nothing says is told in the answer."""
    notes: list[str] = []
    if not known:
        online = options.source.startswith(SCHEME)
        facts["source"] = options.source if online else Path(options.source).name
        notes = _assume_head_dim(facts, options)
    elif options.head_dim is not None:
        raise ValueError(f"--head-dim is given, but that of {options.source} is known")
    return notes + _set_clip(facts, options) + _set_class_names(facts, options)


def _assume_head_dim(facts: dict[str, Any], options: argparse.Namespace) -> list[str]:
    network = facts["network"]
    kind = ("variant", "ndim", "token_labels")
    published = {
        release.head_dim
        for release in RELEASES.values()
        if all(release.builder_arguments()[name] == network[name] for name in kind)
    }
    if options.head_dim is None and len(published) > 1:
        raise ValueError(
            f"{options.source} does not say its head_dim, and networks like it were published with "
            f"{' and '.join(map(str, sorted(published)))}: give --head-dim, or --release with the "
            "name under which the file was published"
        )
    facts["network"] = {**network, "head_dim": options.head_dim or next(iter(published), None)}
    if options.head_dim is not None:
        return []
    return [f"head_dim is not known: assumed to be that of the published {network['variant']}"]


def _set_clip(facts: dict[str, Any], options: argparse.Namespace) -> list[str]:
    given = _given_clip(options)
    if facts["network"]["ndim"] == 2:
        if given:
            name = CLIP_OPTIONS[next(iter(given))]
            raise ValueError(f"--{name} is given, but {options.source} is a network for images")
        return []
    clip = {**facts.get("clip", {}), **given}
    if not clip:
        return ["the clip is not known: --frames, --stride and --size say it"]
    missing = [name for name in ("num_frames", "stride", "size") if name not in clip]
    if missing:
        raise ValueError(f"--{CLIP_OPTIONS[missing[0]]} is not given, and the file does not say it")
    facts["clip"] = asdict(ClipSpec(**clip))
    facts.setdefault("fusion", "logits")
    return []


def _given_clip(options: argparse.Namespace) -> dict[str, Any]:
    stride = options.stride
    if stride not in (None, "segments") and not stride.isdigit():
        raise ValueError(f"--stride is {stride!r}, expected a number of frames, or 'segments'")
    given = {name: getattr(options, option) for name, option in CLIP_OPTIONS.items()}
    given["channel_order"] = "bgr" if options.bgr else None
    given = {name: value for name, value in given.items() if value is not None}
    return {**given, "stride": None if stride == "segments" else int(stride)} if stride else given


def _set_class_names(facts: dict[str, Any], options: argparse.Namespace) -> list[str]:
    count, known = facts["network"]["num_classes"], facts.pop("class_names", None)
    if known and len(known) == count:
        facts["class_names"] = list(known)
    if options.classes is None:
        unknown = count and "class_names" not in facts
        return ["the class names are not known: --classes says them"] if unknown else []
    shipped = options.classes == IMAGENET
    given = class_names(IMAGENET) if shipped else read_class_names(options.classes)
    if len(given) != count:
        raise ValueError(
            f"--classes is {options.classes} with {len(given)} names, expected {count}, the number "
            f"of outputs of {options.source}"
        )
    if _other_order(given, facts.get("class_names", ())):
        raise ValueError(
            f"--classes is {options.classes}, which has the classes of {options.source} in another "
            "order than it says itself: leave --classes out"
        )
    facts["class_names"] = given
    return [
        f"{options.classes} has the names of {labels} in another order than the published networks"
        for labels in (IMAGENET, *LABELS)
        if _other_order(given, class_names(labels))
    ]


def _other_order(one: list[str], other: Any) -> bool:
    keys = [[match_key(name) for name in names] for names in (one, other)]
    return keys[0] != keys[1] and sorted(keys[0]) == sorted(keys[1])


def build(facts: Mapping[str, Any]) -> nn.Module:
    """The network that the facts describe, without storage."""
    with torch.device("meta"):
        return UniFormer.from_config(facts["network"])


def _check_fit(name: str, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    own = build(facts).state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # old files lack them
    odd = [
        key
        for key in (*own, *state)
        if key not in counters - state.keys()
        and (key not in own or key not in state or own[key].shape != state[key].shape)
    ]
    if odd:
        raise ValueError(
            f"{name} does not fit UniFormer {facts['network']['variant']}: {odd[0]!r} is missing, "
            "unexpected or of another shape"
        )


def write(options: argparse.Namespace, conversion: Conversion) -> Path:
    """Write the target, read it back and compare.

    Returns:
        The file with the weights.

    Raises:
        OSError: the file does not hold what was written into it.
    """
    state, facts = conversion.state, conversion.facts
    path = options.target / DEFAULT_FILE if options.hub else options.target
    if options.hub:
        save_folder(options.target, state, facts)
    elif options.to == "ours":
        save_weights(path, state, facts)
    else:
        save_published(path, to_published_names(state), wrapper=conversion.wrapper)
    content = read_weights(path)
    said = json.dumps(content.get("classifier", {}), sort_keys=True)
    same = options.to == "published" or said == json.dumps(facts, sort_keys=True)
    if not same or not _equal(to_our_names(content), state):
        path.unlink()
        raise OSError(f"{path} did not read back as it was written, and is deleted")
    return path


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two state dicts are the same bit by bit."""
    return one.keys() == other.keys() and all(
        value.dtype == other[key].dtype
        and value.shape == other[key].shape
        and torch.equal(_bits(value), _bits(other[key]))
        for key, value in one.items()
    )


def _bits(value: Tensor) -> Tensor:
    return value.contiguous().reshape(-1).view(torch.uint8)


def main() -> None:
    """Entry point of the command."""
    options = parser().parse_args()
    with one_line_errors():
        check_target(options)
        conversion = convert(options)
        path = write(options, conversion)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for note in conversion.notes:
        print(f"note: {note}", file=sys.stderr)
    parameters = sum(p.numel() for p in build(conversion.facts).parameters())
    classes = conversion.facts["network"]["num_classes"]
    print(
        f"wrote {path}: {len(conversion.state)} tensors, {parameters:,} parameters, "
        f"{classes} classes, sha256 {digest}"
    )


if __name__ == "__main__":
    main()
