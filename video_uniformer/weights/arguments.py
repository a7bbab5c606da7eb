"""The builder's arguments: as given, else as the weights say, else the default."""

from collections.abc import Mapping
from typing import Any

from video_uniformer.weights.reading import Checkpoint

DEFAULTS: dict[str, Any] = {
    "variant": "small",
    "ndim": 3,
    "num_classes": None,
    "head_dim": None,
    "layer_scale": None,
    "attention": "global",
    "window_size": 14,
    "embed_frames": 1,
    "token_labels": False,
    "in_chans": 3,
}


def resolve_arguments(
    given: Mapping[str, Any], checkpoint: Checkpoint | None, *, features_only: bool
) -> dict[str, Any]:
    """Settle the arguments of `create_uniformer` that its weights may know.

    Args:
        given: A value, or None, for each of `DEFAULTS`.
        checkpoint: The weights, if there are any.
        features_only: As for `create_uniformer`: such a network has no classifier.

    Returns:
        A value for each name in `given`.
    """
    said = checkpoint.facts.get("network", {}) if checkpoint else {}
    if given["variant"] not in (None, said.get("variant")):
        said = {}  # another network: what is left is to see whether the weights fit it
    config = {
        name: value if value is not None else said.get(name, DEFAULTS[name])
        for name, value in given.items()
    }
    if features_only:
        config["token_labels"], config["num_classes"] = False, 0
    if config["num_classes"] is None:
        config["num_classes"] = 1000 if config["ndim"] == 2 else 400
    return config
