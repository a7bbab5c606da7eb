"""What a network is: what it was built of, what it takes, what its outputs mean.

Plain data without torch. A checkpoint carries one `Description` beside its tensors, as plain values
under the key `description`: in the dict of a PyTorch file, as JSON in the metadata of a safetensors
file, and in a folder's `config.json`. Files written before call it `classifier`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypedDict, cast

from video_uniformer.clip import ClipSpec, ImageSpec, InputSpec, PersonSpec, SceneSpec
from video_uniformer.skeleton import Skeleton

KEY, OLD_KEY = "description", "classifier"
FUSIONS = ("logits", "probabilities")


class NetworkArguments(TypedDict, total=False):
    """The arguments that build a network; what is absent is the builder's default.

    Attributes:
        variant: A row of the family's table.
        ndim: 3 for videos (B, 3, T, H, W), 2 for images (B, 3, H, W).
        num_classes: K; 0 for pooled features; None for the published 400 (videos), 1000 (images).
        drop_path_rate: Rate of the last block; rises linearly from 0 at the first.
        head_dim: Channels per attention head; None for the variant's as published.
        layer_scale: Initial value of the factors on the branches of the blocks (of stages 3 and 4
            only in small, small_plus and base); None for none but for large, 1e-6.
        attention: What the blocks of stages 3 and 4 relate. "global": all tokens. For images also
            "window": in stage 3 those of a window; "hybrid": the same, but in every fourth block
            all. The same weights fit all three. For videos also "divided": along time, then within
            each frame.
        window_size: Cells along a side of a window.
        embed_frames: Frames that the patch embeds of stages 2 to 4 of a video network span: 1 or 3.
        token_labels: Whether a second classifier reads every token (images, token labeling).
        in_chans: Channels C of the input; 3 for RGB.
        drop_rate: Probability with which training drops a feature before a classifier.
        features_only: Whether the network gives the four stage maps, each through a layer norm of
            its own, in place of logits: the form for dense tasks (images).
        checkpoint_blocks: How many first blocks of each stage recompute their activations.
        head: What stands on the stage maps: "upernet" or "semantic_fpn", for K classes at every
            place of an image; "pose", for the heatmaps of K joints; None for a classifier.
        dim: Channels of that head; None for the published.
    """

    variant: str
    ndim: int
    num_classes: int | None
    drop_path_rate: float
    head_dim: int | None
    layer_scale: float | None
    attention: str
    window_size: int
    embed_frames: int
    token_labels: bool
    in_chans: int
    drop_rate: float
    features_only: bool
    checkpoint_blocks: Sequence[int]
    head: str | None
    dim: int | None


@dataclass(frozen=True)
class Description:
    """What is known of a network; what is not is None, or empty.

    Attributes:
        task: What its outputs answer: "video_classification", "image_classification",
            "video_features", "image_features", "segmentation" or "pose".
        network: What builds it; empty if that is not known.
        input: What it takes.
        class_names: K names in the order of its outputs: of classes, or of joints.
        fusion: How the views of a sample are averaged: "logits" or "probabilities".
        source: Where its weights come from: the name of a release, a file, an address.
        skeleton: What the joints of a pose network are, in the order of its heatmaps.

    Raises:
        ValueError: `fusion` is another word.
    """

    task: str | None = None
    network: NetworkArguments = field(default_factory=NetworkArguments)
    input: InputSpec | None = None
    class_names: tuple[str, ...] | None = None
    fusion: Literal["logits", "probabilities"] | None = None
    source: str | None = None
    skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        if self.fusion is not None:
            check_fusion(self.fusion)

    @property
    def clip(self) -> ClipSpec | None:
        """The input, if it is a clip."""
        return self.input if isinstance(self.input, ClipSpec) else None

    @property
    def image(self) -> ImageSpec | None:
        """The input, if it is an image."""
        return self.input if isinstance(self.input, ImageSpec) else None


def check_fusion(fusion: str) -> Literal["logits", "probabilities"]:
    """The fusion itself, if there is such a one.

    Raises:
        ValueError: there is not.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"fusion is {fusion!r}, expected one of {', '.join(FUSIONS)}")
    return cast(Literal["logits", "probabilities"], fusion)


def task_of(network: NetworkArguments) -> str | None:
    """The task of a network that these arguments build; None if there are none.

    Example:
        >>> task_of({"variant": "small", "ndim": 3, "num_classes": 400})
        'video_classification'
    """
    if not network:
        return None
    if head := network.get("head"):
        return "pose" if head == "pose" else "segmentation"
    kind = "image" if network.get("ndim", 3) == 2 else "video"
    has_classes = network.get("num_classes") != 0 and not network.get("features_only")
    return f"{kind}_{'classification' if has_classes else 'features'}"


def said_in(content: Mapping[str, object]) -> Mapping[str, object] | None:
    """The plain values of the description that a file's content holds, or None.

    Args:
        content: What was read: a dict of a training, or the metadata of a file, JSON decoded.
    """
    for key in (KEY, OLD_KEY):
        said = content.get(key)
        if isinstance(said, Mapping):
            return said
    return None


def read_description(said: Mapping[str, object], origin: str) -> Description:
    """Read a description from plain values; keys that it does not know are left aside.

    Args:
        said: What `plain_values` gave, now or in an earlier release, in which `input` was `clip`
            and there was no `task`. JSON may have made lists of tuples.
        origin: The file, for messages.

    Raises:
        ValueError: a value is of another type than it has to be, or out of range.
    """
    network = _expect(said, "network", dict, "dict", origin)
    names = _expect(said, "class_names", (list, tuple), "list", origin)
    if names and not all(isinstance(name, str) for name in names):
        raise ValueError(_odd(origin, "class_names", names, "list of names"))
    arguments = cast(NetworkArguments, dict(network or {}))
    try:
        fusion = _expect(said, "fusion", str, "word", origin)
        return Description(
            task=_expect(said, "task", str, "word", origin) or task_of(arguments),
            network=arguments,
            input=_read_input(said, origin),
            class_names=tuple(names) if names else None,
            fusion=None if fusion is None else check_fusion(fusion),
            source=_expect(said, "source", str, "word", origin),
            skeleton=_read_skeleton(said, origin),
        )
    except TypeError as error:  # a field that the input does not have, or lacks
        raise ValueError(f"{origin} says of itself what its input cannot be: {error}") from None


def _read_input(said: Mapping[str, object], origin: str) -> InputSpec | None:
    key = "input" if "input" in said else "clip"
    values = _expect(said, key, dict, "dict", origin)
    if not values:
        return None
    # Lists in a plain dict become what the types hold: they mend them themselves.
    kinds = {"num_frames": ClipSpec, "short_side": SceneSpec, "sigma": PersonSpec}
    kind = next((kind for mark, kind in kinds.items() if mark in values), ImageSpec)
    return cast(InputSpec, kind(**values))


def _read_skeleton(said: Mapping[str, object], origin: str) -> Skeleton | None:
    values = _expect(said, "skeleton", dict, "dict", origin)
    return Skeleton(**values) if values else None


def _expect(
    said: Mapping[str, object],
    key: str,
    kind: type | tuple[type, ...],
    expected: str,
    origin: str,
) -> Any:
    value = said.get(key)
    if value is not None and not isinstance(value, kind):
        raise ValueError(_odd(origin, key, value, expected))
    return value


def _odd(origin: str, key: str, value: object, expected: str) -> str:
    return f"{origin} says of itself that its {key} is {value!r}, expected a {expected}"


def plain_values(description: Description) -> dict[str, object]:
    """The description as values that JSON and `torch.load(weights_only=True)` hold.

    What is not known is absent. `read_description` gives the same description again.
    """
    values: dict[str, object] = {
        "task": description.task,
        "network": _plain(description.network),
        "input": None if description.input is None else _plain(asdict(description.input)),
        "class_names": _plain(description.class_names),
        "fusion": description.fusion,
        "source": description.source,
        "skeleton": None if description.skeleton is None else _plain(asdict(description.skeleton)),
    }
    return {name: value for name, value in values.items() if value not in (None, {})}


def _plain(value: object) -> Any:
    """Lists in place of tuples and of a config's own kinds of list, at any depth."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
