"""Segmentation and pose networks against the authors' backbone under heads of their configs."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from official import fixed_input, manifest_hash
from official_dense import dense_shapes, dense_state_dict

from video_uniformer import create_pose_network, create_segmenter
from video_uniformer.models.cost import measure
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.uniformer.dense import PoseNetwork, Segmenter
from video_uniformer.weights.keys import to_our_names, to_published_names
from video_uniformer.weights.loading import load_weights

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "dense.json").read_text()
)
TOLERANCE = 1e-4  # of the largest absolute value


def build(row: dict[str, Any]) -> Segmenter | PoseNetwork:
    options = {name: row[name] for name in ("attention", "window_size") if name in row}
    if row["head"] == "pose":
        return create_pose_network(row["variant"], num_joints=row["classes"], **options)
    return create_segmenter(row["variant"], head=row["head"], num_classes=row["classes"], **options)


def on_meta(row: dict[str, Any]) -> Segmenter | PoseNetwork:
    with torch.device("meta"):
        return build(row)


@pytest.mark.parametrize("name", GOLDEN["manifests"])
def test_keys_and_parameters_are_the_published(name: str) -> None:
    row = GOLDEN["manifests"][name]
    shapes = dense_shapes(row["variant"], row["head"], row["classes"])
    assert len(shapes) == row["keys"]
    assert manifest_hash(shapes, ordered=False) == row["sorted"]
    network = on_meta(row)
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    theirs = to_our_names({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
    assert own == {key: tuple(value.shape) for key, value in theirs.items()}
    assert sum(p.numel() for p in network.parameters()) == row["parameters"]
    assert to_published_names(network.state_dict()).keys() == shapes.keys()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) for n in GOLDEN["forward"]]
)
def test_output_equals_the_reference(name: str) -> None:
    row = GOLDEN["forward"][name]
    network = on_meta(row).to_empty(device="cpu").eval()
    load_weights(network, dense_state_dict(row["variant"], row["head"], row["classes"]))
    x, expected = fixed_input(*row["input"]), row["out"]
    fused = fuse_for_inference(network)
    with torch.inference_mode():
        for output in (network(x), fused(x)):
            assert list(output.shape) == expected["shape"]
            flat = output.flatten().double()
            ours = torch.cat([flat[:5], flat[-3:], flat.mean()[None], flat.std(correction=0)[None]])
            theirs = [*expected["first5"], *expected["last3"], expected["mean"], expected["std"]]
            difference = (ours - torch.tensor(theirs, dtype=torch.float64)).abs().max()
            assert difference <= TOLERANCE * expected["absmax"]
            assert int(flat.argmax()) == expected["argmax"]


@pytest.mark.parametrize("name", GOLDEN["costs"])
def test_multiply_adds_are_the_measured(name: str) -> None:
    row = GOLDEN["costs"][name]
    assert measure(on_meta(row), row["input"]).multiply_adds / 1e9 == pytest.approx(
        row["gmacs"], rel=2e-3
    )
