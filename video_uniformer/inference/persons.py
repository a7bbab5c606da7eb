"""A checkpoint as a finder of persons' joints; needs neither config nor Lightning."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from video_uniformer.clip import PersonSpec
from video_uniformer.data.image.person_crops import (
    Region,
    crop_matrix,
    person_input,
    person_region,
)
from video_uniformer.inference.ready_network import chosen_attention, ready_network
from video_uniformer.models.heads.pose_decoding import find_joints
from video_uniformer.models.uniformer.dense import PoseNetwork
from video_uniformer.skeleton import COCO_PERSON, Skeleton
from video_uniformer.weights.loading import load_network
from video_uniformer.weights.reading import Checkpoint

_TASK = "pose"
_TOGETHER = 16  # persons that go through the network at a time
_SHOWN_SCORE = 0.2  # of joints that count for a person's score

Pixels = npt.NDArray[np.uint8]


class PoseFinder:
    """A network with everything that is needed to find the joints of persons in a picture.

    Args:
        network: (B, 3, H, W) -> heatmaps (B, J, H/4, W/4); copied, and left as it is.
        person: How a person becomes the network's input.
        skeleton: What the joints are.
        device: Where the network runs.

    Attributes:
        network: The copy, rewritten for inference.
        joint_names: J names.

    Raises:
        ValueError: The skeleton has not as many joints as the network, or there is no such device.

    Example:
        >>> from video_uniformer import PersonSpec, create_pose_network
        >>> from video_uniformer.skeleton import SHAPES
        >>> network = create_pose_network("test", num_joints=4, dim=16)
        >>> finder = PoseFinder(network, person=PersonSpec(64, 64), skeleton=SHAPES)
        >>> finder(np.zeros((40, 60, 3), np.uint8)).shape
        (1, 4, 3)
    """

    def __init__(
        self,
        network: PoseNetwork,
        *,
        person: PersonSpec,
        skeleton: Skeleton,
        device: str | torch.device = "cpu",
    ) -> None:
        if len(skeleton.joints) != network.num_classes:
            raise ValueError(
                f"skeleton has {len(skeleton.joints)} joints, expected {network.num_classes}, "
                "as many as the checkpoint finds"
            )
        self.network = ready_network(network, device)
        self.person = person
        self.skeleton = skeleton
        self.joint_names = skeleton.joints
        self.device = torch.device(device)

    @torch.inference_mode()
    def __call__(
        self, pixels: Pixels, boxes: npt.NDArray[np.floating] | None = None
    ) -> npt.NDArray[np.float32]:
        """Find the joints of each person, who is seen mirrored too.

        Args:
            pixels: uint8 RGB (H, W, 3), upright.
            boxes: (N, 4) left, top, width and height of N persons, pixels; None takes the whole
                picture for one person.

        Returns:
            (N, J, 3): x and y in pixels of the picture, and score.

        Raises:
            ValueError: An argument is of another shape, or a box has no part in the picture.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise ValueError(
                f"pixels is {pixels.dtype} {pixels.shape}, expected uint8 (height, width, 3)"
            )
        height, width = pixels.shape[:2]
        whole = np.array([[0, 0, width, height]])
        boxes = checked_boxes(whole if boxes is None else boxes, height=height, width=width)
        found = [
            self._joints(pixels, boxes[first : first + _TOGETHER])
            for first in range(0, len(boxes), _TOGETHER)
        ]
        return np.concatenate([np.zeros((0, len(self.joint_names), 3), np.float32), *found])

    def _joints(self, pixels: Pixels, boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        regions = [person_region((x, y, w, h), self.person) for x, y, w, h in boxes.tolist()]
        images = torch.stack([self._input(pixels, region) for region in regions])
        places = torch.tensor(regions, device=self.device)  # (B, 4) centre and sides
        points, scores = find_joints(
            self.network,
            images.to(self.device),
            places[:, :2],
            places[:, 2:],
            flip_pairs=self.skeleton.flip_pairs,
        )
        return torch.cat([points, scores.unsqueeze(2)], dim=2).float().cpu().numpy()

    def _input(self, pixels: Pixels, region: Region) -> Tensor:
        matrix = crop_matrix(region, 0, height=self.person.height, width=self.person.width)
        return person_input(pixels, matrix, self.person)


def checked_boxes(
    boxes: npt.NDArray[np.floating], *, height: int, width: int
) -> npt.NDArray[np.floating]:
    """The boxes themselves, if each has a part in the picture.

    Args:
        boxes: (N, 4) left, top, width and height, pixels.
        height: Of the picture, pixels.
        width: Likewise.

    Raises:
        ValueError: They are of another shape, or one has not.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes is {boxes.shape}, expected (persons, 4)")
    for number, box in enumerate(boxes.tolist()):
        if not overlaps_picture(box, height=height, width=width):
            raise ValueError(
                f"boxes[{number}] is {box}, expected left, top, width and height of a part of the "
                f"picture, {width} x {height}"
            )
    return boxes


def overlaps_picture(box: Sequence[float], *, height: int, width: int) -> bool:
    """Whether a box of left, top, width and height has a part in a picture, pixels."""
    left, top, box_width, box_height = box
    is_box = 0 < box_width < math.inf and 0 < box_height < math.inf
    return is_box and -box_width < left < width and -box_height < top < height


def person_score(keypoints: npt.NDArray[np.floating], box_score: float = 1.0) -> float:
    """The score of a person: of the box, times the mean over the joints that score above 0.2.

    Source: mmpose 0.16, `topdown_coco_dataset.py`.

    Args:
        keypoints: (J, 3) x, y and score.
        box_score: Of the detector.

    Returns:
        0 where there is no such joint.
    """
    scores = keypoints[:, 2]
    shown = scores[scores > _SHOWN_SCORE]
    return box_score * float(shown.mean()) if len(shown) else 0.0


def load_pose_finder(
    source: str | Path | Checkpoint,
    *,
    skeleton: Skeleton | None = None,
    person: Mapping[str, Any] | None = None,
    attention: str | None = None,
    window_size: int | None = None,
    device: str | torch.device = "cpu",
) -> PoseFinder:
    """Make a finder of persons' joints of a checkpoint: one of ours, or published.

    Ours say everything themselves. A published file of 17 joints finds those of COCO.

    Args:
        source: A file, "hf://owner/repo[/file]", or what `open_checkpoint` gave.
        skeleton: What the joints are, where the checkpoint does not say it.
        person: Fields of `PersonSpec` that replace the checkpoint's, such as {"height": 384}.
        attention: "global", "window" or "hybrid"; None for the checkpoint's.
        window_size: Cells along a side of a window; None for the checkpoint's.
        device: Where the network runs.

    Raises:
        ValueError: The file is unreadable or no pose network, or an argument is out of range.
    """
    network = load_network(source, chosen_attention(attention, window_size), tasks=(_TASK,))
    assert isinstance(network, PoseNetwork)
    said = network.description
    joints = skeleton or said.skeleton or _usual_skeleton(network.num_classes)
    if joints is None:
        name = source.name if isinstance(source, Checkpoint) else str(source)
        raise ValueError(f"{name} does not say what its joints are, expected a skeleton")
    spec = said.input if isinstance(said.input, PersonSpec) else PersonSpec()
    spec = replace(spec, **(person or {}))
    return PoseFinder(network, person=spec, skeleton=joints, device=device)


def _usual_skeleton(num_joints: int) -> Skeleton | None:
    return COCO_PERSON if num_joints == len(COCO_PERSON.joints) else None
