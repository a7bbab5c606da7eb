"""Persons with joints, drawn from nothing: pictures, and COCO's files that tell of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from video_uniformer.skeleton import Skeleton

# A nose, two hands and two feet.
FIVE = Skeleton(
    joints=("nose", "left_hand", "right_hand", "left_foot", "right_foot"),
    limbs=((0, 1), (0, 2), (0, 3), (0, 4)),
    flip_pairs=((1, 2), (3, 4)),
    upper_body=(0, 1, 2),
    sigmas=(0.03, 0.06, 0.06, 0.09, 0.09),
)
SHARES = np.array([(0.5, 0.1), (0.9, 0.4), (0.1, 0.4), (0.7, 0.9), (0.3, 0.9)])  # of the box
WIDTH, HEIGHT = 120, 90


def coco(
    persons: Sequence[dict[str, Any]],
    images: Sequence[dict[str, Any]] | int = 1,
    skeleton: Skeleton = FIVE,
) -> dict[str, Any]:
    """The content of an annotation file."""
    if isinstance(images, int):
        images = [picture(number) for number in range(1, images + 1)]
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.joints)}
    return {"images": list(images), "annotations": list(persons), "categories": [category]}


def picture(image_id: int, **other: Any) -> dict[str, Any]:
    """A picture as an annotation file states it."""
    stated = {"id": image_id, "file_name": f"{image_id}.png", "width": WIDTH, "height": HEIGHT}
    return {**stated, **other}


def person(number: int = 1, image_id: int = 1, **other: Any) -> dict[str, Any]:
    """An annotated person whose joints are spread over its box, without what is None."""
    box = other.get("bbox") or [10 + 5 * number, 12, 40, 60]
    points = np.round(np.array(box[:2]) + SHARES * box[2:4]).astype(int).tolist()
    stated = {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "bbox": box,
        "area": box[2] * box[3] / 2,
        "iscrowd": 0,
        "keypoints": [value for x, y in points for value in (x, y, 2)],
        "num_keypoints": 5,
    }
    return {key: value for key, value in {**stated, **other}.items() if value is not None}


def write(file: Path, content: object) -> Path:
    """Write JSON."""
    file.write_text(json.dumps(content))
    return file


def draw(folder: Path, image_ids: Sequence[int]) -> None:
    """Pictures of noise, other for other numbers."""
    for image_id in image_ids:
        noise = np.random.default_rng(image_id).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{image_id}.png")
