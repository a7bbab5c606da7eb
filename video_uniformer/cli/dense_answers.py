"""What segmentation and pose networks say of a picture or frame, and how that is drawn."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from video_uniformer.clip import SceneSpec
from video_uniformer.data.annotations.person_boxes import (
    PersonBox,
    PersonBoxes,
    read_person_boxes,
)
from video_uniformer.inference.persons import (
    PoseFinder,
    load_pose_finder,
    overlaps_picture,
    person_score,
)
from video_uniformer.inference.rle import encode_mask
from video_uniformer.inference.scenes import SceneSegmenter, load_segmenter
from video_uniformer.inference.segmentation import Segments, check_passes
from video_uniformer.labels.names import read_class_names
from video_uniformer.labels.palettes import Colour
from video_uniformer.reports.overlays import draw_keypoints, overlay
from video_uniformer.weights.reading import Checkpoint

_PERSON = 1  # COCO's category

Pixels = npt.NDArray[np.uint8]


class Shown(NamedTuple):
    """A picture, or a frame of a video.

    Attributes:
        pixels: uint8 RGB (H, W, 3), upright.
        path: The file.
        frame: Number of the frame; None of a picture.
    """

    pixels: Pixels
    path: Path
    frame: int | None = None


class Found(NamedTuple):
    """An answer.

    Attributes:
        said: As plain values, for a line of JSON.
        drawn: A copy of the picture with what was found.
        labels: The class of each pixel (H, W); None of joints.
        palette: The colours of the classes.
    """

    said: dict[str, object]
    drawn: Pixels
    labels: npt.NDArray[np.integer] | None = None
    palette: Sequence[Colour] = ()


Find = Callable[[Shown], Found]


def load_finder(options: argparse.Namespace, checkpoint: Checkpoint) -> Find:
    """What answers pictures, as the options say.

    Raises:
        OSError: A file that the options name cannot be read.
        ValueError: The checkpoint or a file is not as it should be.
    """
    if checkpoint.description.task == "pose":
        finder = load_pose_finder(checkpoint, device=options.device)
        boxes = None if options.boxes is None else read_person_boxes(options.boxes)
        return partial(_find_persons, finder=finder, boxes=boxes)
    segmenter = load_segmenter(
        checkpoint,
        class_names=None if options.classes is None else read_class_names(options.classes),
        scene=_scene(options, checkpoint),
        device=options.device,
    )
    scales, window = options.scales or (1.0,), options.window
    stride = None if options.stride is None else int(options.stride)
    check_passes(segmenter.scene, scales=scales, window=window, stride=stride)
    segment = partial(segmenter, scales=scales, flip=options.flip, window=window, stride=stride)
    return partial(_find_segments, segmenter=segmenter, segment=segment)


def _scene(options: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, int] | None:
    """The fields of `SceneSpec` that the options say."""
    if options.size is None:
        return None
    said = checkpoint.description.input
    long_side = (said if isinstance(said, SceneSpec) else SceneSpec()).long_side
    return {"short_side": options.size, "long_side": max(long_side, options.size)}


def _find_segments(
    shown: Shown, *, segmenter: SceneSegmenter, segment: Callable[[Pixels], Segments]
) -> Found:
    labels, shares = segment(shown.pixels)
    height, width = labels.shape
    segments = [
        {
            "class": segmenter.class_names[label],
            "share": float(shares[label]),
            "rle": {"size": [height, width], "counts": encode_mask(labels == label)},
        }
        for label in np.argsort(-shares, kind="stable").tolist()
        if shares[label] > 0
    ]
    drawn = overlay(shown.pixels, labels, segmenter.palette)
    said = {"height": height, "width": width, "segments": segments}
    return Found(said, drawn, labels, segmenter.palette)


def _find_persons(shown: Shown, *, finder: PoseFinder, boxes: PersonBoxes | None) -> Found:
    height, width = shown.pixels.shape[:2]
    if boxes is None:
        listed = [PersonBox((0.0, 0.0, float(width), float(height)), 1.0, None, None)]
    else:
        listed = boxes.of(shown.path, shown.frame)
    inside = [one for one in listed if overlaps_picture(one.box, height=height, width=width)]
    places = np.array([one.box for one in inside], np.float64).reshape(-1, 4)
    keypoints = finder(shown.pixels, places)
    persons = [_person(one, joints) for one, joints in zip(inside, keypoints, strict=True)]
    said: dict[str, object] = {"height": height, "width": width, "persons": persons}
    if len(inside) < len(listed):
        said["left_out"] = len(listed) - len(inside)
    return Found(said, draw_keypoints(shown.pixels, keypoints, finder.skeleton.limbs))


def _person(found: PersonBox, keypoints: npt.NDArray[np.float32]) -> dict[str, object]:
    """A person as an entry of COCO's results, and the box."""
    image = {} if found.image_id is None else {"image_id": found.image_id}
    return {
        **image,
        "category_id": _PERSON,
        "box": list(found.box),
        "keypoints": [float(value) for value in keypoints.flatten()],
        "score": person_score(keypoints, found.score),
    }
