"""What the tests of the conversion convert: state dicts in the authors' naming."""

from typing import Any

import torch
from torch import Tensor

from video_uniformer import create_uniformer
from video_uniformer.weights.keys import to_published_names

OURS = "mine.safetensors"


def published(**arguments: Any) -> dict[str, Tensor]:
    """A state dict in the authors' naming, with awkward numbers and counters that have counted."""
    torch.manual_seed(0)
    state = to_published_names(create_uniformer(**arguments).state_dict())
    state["norm.running_mean"][:4] = torch.tensor([float("nan"), -0.0, float("inf"), 1e-42])
    return {k: v + 12345678901 if v.dtype == torch.int64 else v for k, v in state.items()}


def sparse(**arguments: Any) -> dict[str, Tensor]:
    """The authors' naming and shapes, of one number: a large network in a small file."""
    with torch.device("meta"):
        shapes = to_published_names(create_uniformer(**arguments).state_dict())
    return {key: torch.zeros((), dtype=v.dtype).expand(v.shape) for key, v in shapes.items()}
