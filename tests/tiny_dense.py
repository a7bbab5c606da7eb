"""Files of tiny untrained networks for dense tasks."""

from pathlib import Path

import torch

from video_uniformer import PersonSpec, SceneSpec, create_pose_network, create_segmenter
from video_uniformer.description import Description
from video_uniformer.skeleton import SHAPES
from video_uniformer.weights.writing import save_weights

SCENE, PERSON = SceneSpec(64, 128), PersonSpec(64, 64)
CLASSES = ("sky", "sea", "sand")


def save_segmenter(path: Path, *, class_names: tuple[str, ...] | None = CLASSES) -> Path:
    """A segmentation network with three classes."""
    torch.manual_seed(0)
    network = create_segmenter("test", num_classes=3, dim=16)
    said = Description("segmentation", network.config, SCENE, class_names)
    save_weights(path, network.state_dict(), said)
    return path


def save_pose_network(path: Path, *, num_joints: int = 4, knows_joints: bool = True) -> Path:
    """A pose network that finds the joints of shapes, with scores that count."""
    torch.manual_seed(0)
    network = create_pose_network("test", num_joints=num_joints, dim=16)
    state = network.state_dict()
    [bias] = [key for key, value in state.items() if value.shape == (num_joints,)]
    # Untrained, its scores are nearly 0.
    state[bias] = torch.full((num_joints,), 0.5)
    state[bias.replace("bias", "weight")] *= 1e8
    skeleton = SHAPES if knows_joints else None
    said = Description("pose", network.config, PERSON, skeleton=skeleton)
    save_weights(path, state, said)
    return path
