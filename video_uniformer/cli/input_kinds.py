"""Whether a config's parts are for videos or for images, and whether they agree."""

from omegaconf import DictConfig, OmegaConf

VIDEOS, IMAGES = "videos", "images"
_KINDS = {"ClipSpec": VIDEOS, "ImageSpec": IMAGES}
_REMEDIES = {
    VIDEOS: "task=classification data=videos model=uniformer",
    IMAGES: "task=image_classification data=image_folder model=uniformer_image",
}
# Part -> where it says what it takes.
_INPUTS = {"task": "task.input", "data": "data.datasets.val.transform.spec"}


def kind_of_network(num_axes: int | None) -> str | None:
    """What a network with this `ndim` is for; None where it is not known.

    Example:
        >>> kind_of_network(2)
        'images'
    """
    return {2: IMAGES, 3: VIDEOS}.get(num_axes or 0)


def kind_of_part(config: DictConfig, part: str) -> str | None:
    """What the "task" or the "data" of a config is for; None where it does not say."""
    node = OmegaConf.select(config, _INPUTS[part])
    target = node.get("_target_", "") if isinstance(node, DictConfig) else ""
    return _KINDS.get(str(target).rpartition(".")[2])


def check_kinds(config: DictConfig, kind: str | None, origin: str) -> None:
    """Refuse a task or data for another kind of input than the network's.

    Args:
        config: The composed config.
        kind: What the network is for, or None.
        origin: Where that is known from, for messages.

    Raises:
        ValueError: A part is for the other kind.
    """
    odd = [part for part in _INPUTS if kind_of_part(config, part) not in (kind, None)]
    if kind is not None and odd:
        other = IMAGES if kind == VIDEOS else VIDEOS
        verb = "is" if len(odd) == 1 else "are"
        raise ValueError(
            f"{origin} is a network for {kind}, but {' and '.join(odd)} {verb} for {other}, "
            f"expected {_REMEDIES[kind]}, or others for {kind}"
        )
