"""What a config's parts are for, videos, images or a dense task, and whether they agree."""

from omegaconf import DictConfig, OmegaConf

from video_uniformer.description import NetworkArguments

VIDEOS, IMAGES, SCENES, PERSONS = "videos", "images", "segmentation", "pose"
NODES = {VIDEOS: "clip", IMAGES: "image", SCENES: "scene", PERSONS: "person"}
"""Kind -> the node of a config that says how a file becomes the network's input."""

_KINDS = {"ClipSpec": VIDEOS, "ImageSpec": IMAGES, "SceneSpec": SCENES, "PersonSpec": PERSONS}
_BUILDERS = {"create_segmenter": SCENES, "create_pose_network": PERSONS}
_REMEDIES = {
    VIDEOS: "task=classification data=videos model=uniformer",
    IMAGES: "task=image_classification data=image_folder model=uniformer_image",
    SCENES: "task=segmentation data=image_masks model=segmenter",
    PERSONS: "task=pose data=coco_keypoints model=pose_network",
}
# Part -> where it says what it takes.
_INPUTS = {"task": "task.input", "data": "data.datasets.val.transform.spec"}


def kind_of_network(network: NetworkArguments) -> str | None:
    """What a network of these arguments is for; None where they do not say.

    Example:
        >>> kind_of_network({"ndim": 2})
        'images'
    """
    if network.get("head"):
        return PERSONS if network["head"] == "pose" else SCENES
    return {2: IMAGES, 3: VIDEOS}.get(network.get("ndim", 0))


def kind_of_model(config: DictConfig) -> str | None:
    """What the network of a config is for; None where it does not say."""
    target = str(OmegaConf.select(config, "model._target_") or "").rpartition(".")[2]
    if target in _BUILDERS:
        return _BUILDERS[target]
    return kind_of_network(NetworkArguments(ndim=OmegaConf.select(config, "model.ndim") or 0))


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
        other = kind_of_part(config, odd[0])
        verb = "is" if len(odd) == 1 else "are"
        raise ValueError(
            f"{origin} is a network for {kind}, but {' and '.join(odd)} {verb} for {other}, "
            f"expected {_REMEDIES[kind]}, or others for {kind}"
        )
