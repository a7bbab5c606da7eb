"""Weights into networks: fit, inflate, reorder classes, and account for every key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from video_uniformer.description import Description, NetworkArguments
from video_uniformer.labels.names import match_key
from video_uniformer.models.uniformer.building import Kinds, Network, build_network
from video_uniformer.models.uniformer.dense import PoseNetwork, Segmenter
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.dense_keys import BACKBONE
from video_uniformer.weights.reading import Checkpoint, open_checkpoint

_HEADS = ("head.", "auxiliary.")
_CLASSIFIERS = ("proj", "cls_proj", "aux_proj")


@dataclass(frozen=True)
class WeightsReport:
    """What `load_weights` did with every key, in our naming.

    Attributes:
        loaded: Copied; the inflated ones are among them.
        inflated: Copied from a 2D kernel into a 3D one.
        reinitialised: Keys that were left at, or set to, a fresh initialisation: a reset head, and
            norms of stage maps or layer scales where the file has none at all.
        missing: Keys of the network that the file lacks and that carry no weights (counters).
        unexpected: Keys of the file that the network has no use for: a head, and for stage maps the
            final norm.
        reordered: Whether the rows of the head were put into another order of the same classes.
    """

    loaded: tuple[str, ...]
    inflated: tuple[str, ...]
    reinitialised: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reordered: bool = False

    def __str__(self) -> str:
        counts = {name: len(keys) for name, keys in vars(self).items() if name != "reordered"}
        text = ", ".join(f"{count} {name}" for name, count in counts.items())
        if self.reordered:
            text += "; same classes in another order: the head was reordered to the data's"
        return text


def inflate(kernel: Tensor, length: int, rule: str = "mean") -> Tensor:
    """Give a 2D kernel a time axis.

    Official: uniformer.py, `inflate_weight`; every released recipe uses the mean.

    Args:
        kernel: (out, in, H, W).
        length: T of the result.
        rule: "mean" repeats the kernel and divides by `length`; "center" puts it into the middle
            slice, zeros elsewhere, so that a still clip gives the image network's features.

    Shape:
        (out, in, H, W) -> (out, in, T, H, W).

    Raises:
        ValueError: an unknown rule.
    """
    if rule == "mean":
        return kernel.unsqueeze(2).repeat_interleave(length, dim=2) / length
    if rule == "center":
        inflated = kernel.new_zeros((*kernel.shape[:2], length, *kernel.shape[2:]))
        inflated[:, :, length // 2] = kernel
        return inflated
    raise ValueError(f"inflation is {rule!r}, expected 'mean' or 'center'")


def class_order(theirs: Sequence[str], ours: Sequence[str], origin: str) -> list[int]:
    """Where each of our classes stands among theirs.

    An underscore counts as a space, as folders of class names have them.

    Args:
        theirs: The names of a checkpoint, in its order.
        ours: The names of the data, in its order.
        origin: The checkpoint, for messages.

    Raises:
        ValueError: the two are not the same set of names.
    """
    places = {match_key(name): place for place, name in enumerate(theirs)}
    unknown = [name for name in ours if match_key(name) not in places]
    distinct = {match_key(name) for name in ours}
    if unknown or not len(distinct) == len(ours) == len(places) == len(theirs):
        which = f", {len(unknown)} of them unknown to it (first {unknown[0]!r})" if unknown else ""
        raise ValueError(
            f"{origin} was trained on {len(theirs)} classes and the data has {len(ours)}{which}; "
            "expected the same names: other classes need a new head (reset_head=True, or "
            "task.load_weights.reset_head=true on the command line)"
        )
    return [places[match_key(name)] for name in ours]


def load_weights(
    network: Network,
    source: str | Path | Mapping[str, object] | Checkpoint,
    *,
    inflation: str = "mean",
    reset_head: bool = False,
    class_names: Sequence[str] | None = None,
) -> WeightsReport:
    """Copy published, or our own, weights into a network; nothing is dropped in silence.

    Args:
        network: A network of this package; its `description` becomes what the weights say.
        source: As in `open_checkpoint`, or what it gave.
        inflation: How 2D kernels enter 3D ones: "mean" (published) or "center".
        reset_head: Initialise the head anew, whatever the file has; other classes need it.
        class_names: The data's. Where the weights' own are known, the head is put into this order;
            another set of names is refused.

    Raises:
        ValueError: a file that cannot be read safely, or a key, a shape or a set of classes that
            the network cannot explain; the network is then unchanged.

    Example:
        >>> from video_uniformer import create_uniformer
        >>> images, videos = create_uniformer("test", ndim=2), create_uniformer("test")
        >>> print(load_weights(videos, images.state_dict(), reset_head=True))
        93 loaded, 18 inflated, 2 reinitialised, 0 missing, 2 unexpected
    """
    checkpoint = source if isinstance(source, Checkpoint) else open_checkpoint(source)
    name, own = checkpoint.name, network.state_dict()
    given = _aligned(checkpoint.state, own)
    useless = _useless_parts(own) | (set(_HEADS) if reset_head else set())
    dropped = tuple(key for key in given if key.startswith(tuple(useless)))
    fresh = {key for key in own if reset_head and key.startswith(_HEADS)}
    fresh |= _new_parts(own, given)
    order = None if reset_head else _order(checkpoint, own, class_names)
    used = own.keys() & given.keys() - set(dropped)
    placed = {key: _reorder(key, given[key], order) for key in used}
    fitted = {key: _fit(key, placed[key], own[key], inflation, name) for key in used}
    missing = tuple(key for key in own if key not in fitted and key not in fresh)
    unexpected = [key for key in given if key not in own and key not in dropped]
    _refuse_unexplained(name, network, [k for k in missing if not _is_counter(k)], unexpected)
    _apply(network, fitted, checkpoint.description, reset_head, class_names)
    return WeightsReport(
        loaded=tuple(key for key in own if key in fitted),
        inflated=tuple(key for key in own if key in fitted and given[key].ndim < own[key].ndim),
        reinitialised=tuple(key for key in own if key in fresh),
        missing=missing,
        unexpected=dropped,
        reordered=order is not None,
    )


def load_network(
    source: str | Path | Mapping[str, object] | Checkpoint,
    given: NetworkArguments | None = None,
    *,
    kinds: Kinds | None = None,
    class_names: Sequence[str] | None = None,
    tasks: Sequence[str] = (),
    exactly: bool = False,
) -> Network:
    """Open weights, build the network that they are of, and load them into it.

    Args:
        source: As in `load_weights`.
        given: Arguments that win over what the weights say. Another variant than theirs is built
            of the defaults: what is left is to see whether the weights fit it.
        kinds: As in `build_network`.
        class_names: As in `load_weights`.
        tasks: The tasks of which the network has to be for one; none for any.
        exactly: Refuse what does not hold just this network, and keep its type of numbers.

    Returns:
        The network in training mode; its `description` says what is known of it.

    Raises:
        ValueError: as the three functions beneath, or the weights are of no network we know.
    """
    checkpoint = source if isinstance(source, Checkpoint) else open_checkpoint(source)
    said, given = checkpoint.description.network, given or NetworkArguments()
    if tasks and checkpoint.description.task not in tasks:
        found = checkpoint.description.task or "nothing that this package knows"
        expected = " or ".join(tasks)
        raise ValueError(f"{checkpoint.name} is a network for {found}, expected {expected}")
    if not said and not given:
        raise ValueError(f"{checkpoint.name} holds no UniFormer that this package knows")
    if given.get("variant", said.get("variant")) != said.get("variant"):
        said = NetworkArguments()
    if given.get("features_only"):  # the backbone alone, without a head that the weights may have
        said = NetworkArguments(**{**said, "head": None, "dim": None})
    network = build_network(NetworkArguments(**{**said, **given}), kinds)
    dtypes = {value.dtype for value in checkpoint.state.values() if value.is_floating_point()}
    if exactly and len(dtypes) == 1:
        network.to(dtypes.pop())
    report = load_weights(network, checkpoint, class_names=class_names)
    odd = (*report.inflated, *report.reinitialised, *report.unexpected)
    if exactly and odd:
        name = checkpoint.name
        raise ValueError(f"{name} does not hold the network that it names: look at {odd[0]!r}")
    return network


def _aligned(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights with a dense network's prefix of the backbone if ours have it, else without."""
    inside, outside = (any(key.startswith(BACKBONE) for key in keys) for keys in (given, own))
    if outside and not inside:
        return {BACKBONE + key: value for key, value in given.items()}
    if inside and not outside:
        return {key.removeprefix(BACKBONE): value for key, value in given.items()}
    return given


def _useless_parts(own: Mapping[str, Tensor]) -> set[str]:
    """Parts of a file that a network without such a head, or of stage maps, ignores."""
    parts = (*_HEADS, "norm.", f"{BACKBONE}head.", f"{BACKBONE}norm.")
    return {part for part in parts if not any(key.startswith(part) for key in own)}


def _new_parts(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> set[str]:
    """Keys that weights of another form never hold: norms of stage maps, and layer scales.

    Official: the recipes with layer scale start from image weights without.
    """
    return {
        key
        for part in ("norms.", ".gamma_")
        if not any(part in f".{name}" for name in given)
        for key in own
        if part in f".{key}"
    }


def _order(
    checkpoint: Checkpoint, own: Mapping[str, Tensor], class_names: Sequence[str] | None
) -> list[int] | None:
    """Rows of the head in the data's order; None if that is theirs, or either is not known."""
    theirs = checkpoint.description.class_names
    known = all(names and not _is_unnamed(names) for names in (theirs, class_names))
    has_classes = any(key in own for key in ("head.proj.weight", "head.classifier.proj.weight"))
    if not known or theirs is None or class_names is None or not has_classes:
        return None
    order = class_order(theirs, class_names, checkpoint.name)
    return None if order == sorted(order) else order


def _is_unnamed(names: Sequence[str]) -> bool:
    """Whether they are the numbers that stand for classes of a list without names."""
    return list(names) == [str(number) for number in range(len(names))]


def _reorder(key: str, value: Tensor, order: list[int] | None) -> Tensor:
    if order is None:
        return value
    per_class = key.startswith(_HEADS) and key.split(".")[-2] in _CLASSIFIERS
    return value[order] if per_class and len(value) == len(order) else value


def _apply(
    network: Network,
    fitted: Mapping[str, Tensor],
    said: Description,
    reset_head: bool,
    class_names: Sequence[str] | None,
) -> None:
    names: tuple[str, ...] | None = None
    if isinstance(network, UniFormer | Segmenter | PoseNetwork):
        if reset_head and isinstance(network, UniFormer):
            network.reset_classifier(network.num_classes)
        known = class_names or (None if reset_head else said.class_names)
        names = tuple(known) if known and len(known) == network.num_classes else None
    network.load_state_dict(fitted, strict=False)
    own = network.description
    network.description = replace(said, task=own.task, network=own.network, class_names=names)


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _fit(key: str, value: Tensor, target: Tensor, inflation: str, name: str) -> Tensor:
    """The tensor in the target's shape; only a missing time axis may be added."""
    if value.shape == target.shape:
        return value
    if target.ndim == 5 and value.shape == target.shape[:2] + target.shape[3:]:
        return inflate(value, target.shape[2], inflation)
    hint = ""
    if key.startswith(_HEADS):
        hint = "; another set of classes needs a new head: pass reset_head=True"
    raise ValueError(
        f"{key} is {tuple(value.shape)} in {name}, expected {tuple(target.shape)}{hint}"
    )


def _refuse_unexplained(
    name: str, network: Network, missing: list[str], unexpected: list[str]
) -> None:
    if not missing and not unexpected:
        return
    lists = [
        f"{len(keys)} keys are {what} (first {keys[0]!r})"
        for what, keys in (("missing", missing), ("unexpected", unexpected))
        if keys
    ]
    variant = " ".join(filter(None, (network.config.get("variant"), network.config.get("head"))))
    raise ValueError(f"{name} does not fit UniFormer {variant}: {' and '.join(lists)}")
