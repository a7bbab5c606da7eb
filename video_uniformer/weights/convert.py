"""Any checkpoint to one file that says what it is, and back to the authors' form."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from video_uniformer.clip import ClipSpec, ImageSpec
from video_uniformer.description import (
    KEY,
    OLD_KEY,
    Description,
    NetworkArguments,
    plain_values,
    said_in,
)
from video_uniformer.labels.names import (
    SHIPPED,
    match_key,
    read_class_names,
    shipped_class_names,
)
from video_uniformer.models.uniformer.building import Network, build_network
from video_uniformer.weights.hub import DEFAULT_FILE, SCHEME
from video_uniformer.weights.keys import WRAPPERS, to_our_names, to_published_names
from video_uniformer.weights.reading import choose_average, identify, read_weights
from video_uniformer.weights.releases import Release
from video_uniformer.weights.sources import find_weights, names_average
from video_uniformer.weights.writing import FOLDER_FILES, save_folder, save_published, save_weights
from video_uniformer.weights.zoo import RELEASES, find_release, nearest_release

# Field of `ClipSpec`, or of `ImageSpec`, -> the option that says it.
CLIP_OPTIONS = {
    "num_frames": "frames",
    "stride": "stride",
    "size": "size",
    "num_clips": "clips",
    "num_crops": "crops",
    "channel_order": "bgr",
}
ENDINGS = {"ours": (".safetensors",), "published": (".pth", ".pyth", ".pt", ".safetensors")}


@dataclass(frozen=True)
class Request:
    """What to convert, to what, and what a person knows of it.

    Attributes:
        source: As for `find_weights`.
        target: The file, or with `hub` the folder.
        to: Whose key names: "ours" or "published".
        hub: Whether to write a folder as a Hugging Face repository has it.
        release: Which release a published file under another name is.
        head_dim: Channels per attention head, which no published file says.
        classes: A shipped list, or a file of names.
        clip: Fields of `ClipSpec`, or of `ImageSpec`; a stride of "segments" is none.
        force: Whether to replace what is there.
    """

    source: str
    target: Path
    to: str = "ours"
    hub: bool = False
    release: str | None = None
    head_dim: int | None = None
    classes: str | None = None
    clip: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False


class Conversion(NamedTuple):
    """What is to be written.

    Attributes:
        state: Tensors in our naming.
        description: What is known of them.
        wrapper: Key of the state dict in the published file, or None.
        notes: What a person should know.
    """

    state: dict[str, Tensor]
    description: Description
    wrapper: str | None
    notes: tuple[str, ...]


def check_target(asked: Request) -> None:
    """Refuse a target that does not go with the other options, or that is there already.

    Raises:
        ValueError: so it is.
    """
    if asked.to == "published":
        _refuse_ours_only(asked)
    endings = ENDINGS[asked.to]
    if not asked.hub and asked.target.suffix not in endings:
        raise ValueError(
            f"target is {str(asked.target)!r}, expected a name ending in {' or '.join(endings)}, "
            "or --hub for a folder"
        )
    files = [asked.target / name for name in FOLDER_FILES] if asked.hub else [asked.target]
    there = [path for path in files if path.exists()]
    if there and not asked.force:
        raise ValueError(f"{there[0]} exists; --force replaces it")


def _refuse_ours_only(asked: Request) -> None:
    given = {"hub": asked.hub, "head-dim": asked.head_dim is not None, "classes": asked.classes}
    given |= {option: name in asked.clip for name, option in CLIP_OPTIONS.items()}
    for option, is_given in given.items():
        if is_given:
            raise ValueError(
                f"--{option} is given with --to published, whose files have no place for it"
            )


def convert(asked: Request) -> Conversion:
    """Read the source, and find out what it is.

    Raises:
        ValueError: it cannot be read or is no network of ours, the request contradicts it, or
            leaves open what must be known.
    """
    path = find_weights(asked.source)
    content = read_weights(path)
    if names_average(asked.source):
        content = choose_average(content, str(path))
    described = said_in(content) is not None
    release = _release(asked, described) or find_release(asked.source) or find_release(path.stem)
    _, state, description = identify(content, asked.source, release)
    if not description.network:
        raise ValueError(f"{asked.source} holds no UniFormer that this package knows")
    # With what was left to the builder's defaults.
    description = replace(description, network=_without_storage(description.network).config)
    known = find_release(str(description.source))
    if known is None and asked.release is not None:
        variant = description.network["variant"]
        raise ValueError(f"--release is {asked.release!r}, but {asked.source} is a {variant}")
    notes = _left_out(content)
    if asked.to == "ours":
        description, more = _describe(description, asked, described or known is not None)
        notes += more
    elif described:
        notes += ["left out, as published files say nothing of themselves: class names and input"]
    _check_fit(asked.source, state, description)
    return Conversion(state, description, known.wrapper if known else None, tuple(notes))


def _release(asked: Request, described: bool) -> Release | None:
    if asked.release is None:
        return None
    if described:
        raise ValueError(f"--release is given, but {asked.source} says itself what it is")
    release = find_release(asked.release)
    if release is None:
        near = nearest_release(asked.release)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(
            f"--release is {asked.release!r}, expected a name that `video-uniformer zoo` "
            f"lists{hint}"
        )
    return release


def _left_out(content: Mapping[str, object]) -> list[str]:
    wrapper = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
    left = [str(name) for name in content if wrapper and name not in (wrapper, KEY, OLD_KEY)]
    return [f"left out, as it is of a training's state: {', '.join(left)}"] if left else []


def _describe(
    description: Description, asked: Request, known: bool
) -> tuple[Description, list[str]]:
    """The description with what the request says; what nothing says is told in notes."""
    notes: list[str] = []
    if not known:
        online = asked.source.startswith(SCHEME)
        source = asked.source if online else Path(asked.source).name
        network, notes = _assume_head_dim(description.network, asked)
        description = replace(description, network=network, source=source)
    elif asked.head_dim is not None:
        raise ValueError(f"--head-dim is given, but that of {asked.source} is known")
    description, of_clip = _with_clip(description, asked)
    description, of_names = _with_class_names(description, asked)
    return description, notes + of_clip + of_names


def _assume_head_dim(
    network: NetworkArguments, asked: Request
) -> tuple[NetworkArguments, list[str]]:
    published = {
        release.head_dim
        for release in RELEASES.values()
        if release.variant == network["variant"]
        and release.ndim == network["ndim"]
        and release.token_labels == network["token_labels"]
    }
    if asked.head_dim is None and len(published) > 1:
        raise ValueError(
            f"{asked.source} does not say its head_dim, and networks like it were published with "
            f"{' and '.join(map(str, sorted(published)))}: give --head-dim, or --release with the "
            "name under which the file was published"
        )
    network = network.copy()
    network["head_dim"] = asked.head_dim or next(iter(published), None)
    if asked.head_dim is not None:
        return network, []
    return network, [
        f"head_dim is not known: assumed to be that of the published {network['variant']}"
    ]


def _with_clip(description: Description, asked: Request) -> tuple[Description, list[str]]:
    given: dict[str, Any] = {k: None if v == "segments" else v for k, v in asked.clip.items()}
    if description.network["ndim"] == 2:
        return _with_image(description, asked.source, given)
    if description.clip is not None:
        clip = replace(description.clip, **given)
    elif not given:
        return description, ["the clip is not known: --frames, --stride and --size say it"]
    else:
        missing = [name for name in ("num_frames", "stride", "size") if name not in given]
        if missing:
            option = CLIP_OPTIONS[missing[0]]
            raise ValueError(f"--{option} is not given, and the file does not say it")
        clip = ClipSpec(**given)
    return replace(description, input=clip, fusion=description.fusion or "logits"), []


def _with_image(
    description: Description, source: str, given: Mapping[str, Any]
) -> tuple[Description, list[str]]:
    for name, option in CLIP_OPTIONS.items():
        if name in given and name not in ("size", "channel_order"):
            raise ValueError(f"--{option} is given, but {source} is a network for images")
    if description.network.get("head"):
        if given:
            option = CLIP_OPTIONS[next(iter(given))]
            raise ValueError(f"--{option} is given, but {source} is for {description.task}")
        return description, [] if description.input else ["its input is not known"]
    if description.image is not None:
        return replace(description, input=replace(description.image, **given)), []
    if "size" not in given:
        return description, ["the size of its input is not known: --size says it"]
    return replace(description, input=ImageSpec(**given)), []


def _with_class_names(description: Description, asked: Request) -> tuple[Description, list[str]]:
    count, known = description.network["num_classes"] or 0, description.class_names
    known = known if known and len(known) == count else None
    description = replace(description, class_names=known)
    if asked.classes is None:
        unknown = count and known is None
        note = "the class names are not known: --classes says them"
        return description, [note] if unknown else []
    given = read_class_names(asked.classes)
    if len(given) != count:
        raise ValueError(
            f"--classes is {asked.classes} with {len(given)} names, expected {count}, the number "
            f"of outputs of {asked.source}"
        )
    if _other_order(given, known or ()):
        raise ValueError(
            f"--classes is {asked.classes}, which has the classes of {asked.source} in another "
            "order than it says itself: leave --classes out"
        )
    notes = [
        f"{asked.classes} has the names of {labels} in another order than the published networks"
        for labels in SHIPPED
        if _other_order(given, shipped_class_names(labels))
    ]
    return replace(description, class_names=tuple(given)), notes


def _other_order(one: Sequence[str], other: Sequence[str]) -> bool:
    keys = [[match_key(name) for name in names] for names in (one, other)]
    return keys[0] != keys[1] and sorted(keys[0]) == sorted(keys[1])


def _without_storage(arguments: NetworkArguments) -> Network:
    with torch.device("meta"):
        return build_network(arguments)


def count_network_parameters(description: Description) -> int:
    """Trainable parameters of the network that is described."""
    return sum(p.numel() for p in _without_storage(description.network).parameters())


def _check_fit(name: str, state: Mapping[str, Tensor], description: Description) -> None:
    own = _without_storage(description.network).state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # old files lack them
    odd = [
        key
        for key in (*own, *state)
        if key not in counters - state.keys()
        and (key not in own or key not in state or own[key].shape != state[key].shape)
    ]
    if odd:
        raise ValueError(
            f"{name} does not fit UniFormer {description.network['variant']}: {odd[0]!r} is "
            "missing, unexpected or of another shape"
        )


def write(asked: Request, conversion: Conversion) -> Path:
    """Write the target, read it back and compare.

    Returns:
        The file with the weights.

    Raises:
        OSError: the file does not hold what was written into it.
    """
    state, description = conversion.state, conversion.description
    path = asked.target / DEFAULT_FILE if asked.hub else asked.target
    if asked.hub:
        save_folder(asked.target, state, description)
    elif asked.to == "ours":
        save_weights(path, state, description)
    else:
        save_published(path, to_published_names(state), wrapper=conversion.wrapper)
    content = read_weights(path)
    said = json.dumps(said_in(content) or {}, sort_keys=True)
    wanted = json.dumps(plain_values(description), sort_keys=True)
    same = asked.to == "published" or said == wanted
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
