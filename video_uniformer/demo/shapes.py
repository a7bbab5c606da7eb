"""Draw `shapes`: a small set for segmentation, detection and pose at once, on real photographs.

Squares, triangles and discs lie over photographs. Masks are laid out as ADE20K's, boxes, outlines
and joints as COCO's.
"""

import json
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from video_uniformer.demo.flat_shapes import (
    CLASS_NAMES,
    JOINT_NAMES,
    Drawing,
    draw_drawing,
    trace,
)
from video_uniformer.demo.motions import PHOTOS, load_named_photos
from video_uniformer.skeleton import SHAPES

# Names of the photographs' splits -> of the folders, which are ADE20K's.
SPLITS = {"train": "training", "val": "validation"}
_VAL_PHOTOS = (
    *("skimage/data/camera.png", "skimage/data/chelsea.png", "skimage/data/coins.png"),
    "sklearn/datasets/images/china.jpg",
)
_ALL_PHOTOS = [name for names in PHOTOS.values() for name in names]
# More of them for training than `motions` has: what lies in the picture is to be told from a shape.
SHAPE_PHOTOS = {
    "train": tuple(name for name in _ALL_PHOTOS if name not in _VAL_PHOTOS),
    "val": _VAL_PHOTOS,
}
EMPTY_EVERY = 10  # the tenth picture of a split, the twentieth, ... shows no shape
_LEAST_SIZE = 32


def write_shapes(
    root: Path | str, *, size: int = 128, num_train: int = 400, num_val: int = 80, seed: int = 0
) -> None:
    """Write the data set, unless it is there already.

    `root` receives, for `SPLIT` training and validation, whose photographs are different:

    - `images/SPLIT/NNNNN.jpg` and `annotations/SPLIT/NNNNN.png`, whose values index `classes.txt`:
      0 is the background, a class of its own;
    - `instances_SPLIT.json`: COCO boxes and polygons of what is seen of each square (category 1),
      triangle (2) and disc (3);
    - `keypoints_SPLIT.json`: the same shapes as persons with the four joints of `skeleton.yaml`,
      hidden ones with visibility 1. As COCO's, their coordinates are 0 at the centre of the first
      pixel; boxes and polygons are 0 at its corner;
    - `shapes.json`: the parameters.

    Image NNNNN, from 00001, has that number as its `id`. The folder appears complete or not at all.

    Args:
        root: Folder to make; an empty one is filled.
        size: Width and height of a picture, pixels.
        num_train: Training pictures.
        num_val: Validation pictures.
        seed: Another seed is another data set.

    Raises:
        ValueError: A number is out of range, `root` holds something else or the same data set with
            other parameters, or an installed package lacks a photograph.
        ModuleNotFoundError: scikit-image or scikit-learn is not installed.
    """
    parameters = {"size": size, "num_train": num_train, "num_val": num_val, "seed": seed}
    for name, least in (("size", _LEAST_SIZE), ("num_train", 1), ("num_val", 1), ("seed", 0)):
        number = parameters[name]
        if type(number) is not int or number < least:
            raise ValueError(f"{name} is {number!r}, expected a whole number >= {least}")
    root = Path(root).resolve()
    if _is_written(root, parameters):
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        # One level deeper, because the temporary folder itself is closed to other users.
        folder = Path(temporary, root.name)
        folder.mkdir()
        for split in SPLITS:
            _write_split(folder, split, parameters)
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASS_NAMES))
        (folder / "skeleton.yaml").write_text(_skeleton())
        (folder / "shapes.json").write_text(_parameter_text(parameters))
        folder.replace(root)


def draw_shapes(
    photos: list[npt.NDArray[np.uint8]], split: str, number: int, *, size: int, seed: int
) -> Drawing:
    """Draw one picture of a split.

    Args:
        photos: (H, W, 3) uint8 each, RGB.
        split: "train" or "val".
        number: Of the picture, from 1.
        size: Width and height of the picture, pixels.
        seed: Of the data set.
    """
    own = zlib.crc32(f"{seed}/{split}/{number}".encode())
    num_shapes = None if number % EMPTY_EVERY else 0
    photo = photos[own % len(photos)]
    return draw_drawing(photo, size=size, num_shapes=num_shapes, seed=own)


def _is_written(root: Path, parameters: dict[str, int]) -> bool:
    """Tell a finished data set from nothing; anything else is refused."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    made = root / "shapes.json"
    if not made.is_file():
        raise ValueError(f"root is {root}, which holds something else; expected an empty folder")
    if made.read_text() != _parameter_text(parameters):
        raise ValueError(
            f"root is {root}, which holds other shapes than the expected {parameters}: "
            f"remove it, or choose another folder; {made} tells what it holds"
        )
    return True


def _parameter_text(parameters: dict[str, int]) -> str:
    return json.dumps(parameters, indent=2) + "\n"


def _skeleton() -> str:
    """The joints as YAML, which JSON's lists are."""

    def pairs(joints: tuple[tuple[int, int], ...]) -> str:
        named = [f"[{JOINT_NAMES[first]}, {JOINT_NAMES[second]}]" for first, second in joints]
        return f"[{', '.join(named)}]"

    return (
        f"joints: [{', '.join(JOINT_NAMES)}]\n"
        f"limbs: {pairs(SHAPES.limbs)}\n"
        f"flip_pairs: {pairs(SHAPES.flip_pairs)}\n"
        f"sigmas: [{', '.join(map(str, SHAPES.sigmas))}]\n"
    )


def _write_split(root: Path, split: str, parameters: dict[str, int]) -> None:
    """Write a split's pictures and masks, then its two COCO files."""
    photos = [
        photo.permute(1, 2, 0).round().byte().contiguous().numpy()
        for photo in load_named_photos(SHAPE_PHOTOS[split])
    ]
    folder, size = SPLITS[split], parameters["size"]
    images, masks = root / "images" / folder, root / "annotations" / folder
    for path in (images, masks):
        path.mkdir(parents=True)
    drawings = []
    for number in range(1, parameters[f"num_{split}"] + 1):
        drawing = draw_shapes(photos, split, number, size=size, seed=parameters["seed"])
        # Without subsampling the shapes keep their colours.
        picture = Image.fromarray(drawing.picture)
        picture.save(images / _file_name(number), quality=95, subsampling=0)
        Image.fromarray(drawing.classes()).save((masks / _file_name(number)).with_suffix(".png"))
        drawings.append(drawing)
    categories = [{"id": n, "name": name} for n, name in enumerate(CLASS_NAMES) if n]
    instances = _instances(drawings)
    _write_coco(root / f"instances_{folder}.json", size, len(drawings), categories, instances)
    places = [joint + 1 for limb in SHAPES.limbs for joint in limb]
    person: dict[str, Any] = {
        "id": 1,
        "name": "person",
        "keypoints": list(JOINT_NAMES),
        "skeleton": [list(pair) for pair in zip(places[::2], places[1::2], strict=True)],
    }
    joints = [shape for drawing in drawings for shape in _joints(drawing)]
    persons = [
        {**instance, "category_id": 1, **own}
        for instance, own in zip(instances, joints, strict=True)
    ]
    _write_coco(root / f"keypoints_{folder}.json", size, len(drawings), [person], persons)


def _file_name(number: int) -> str:
    return f"{number:05d}.jpg"


def _write_coco(
    path: Path,
    size: int,
    num_pictures: int,
    categories: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
) -> None:
    images = [
        {"id": number, "file_name": _file_name(number), "width": size, "height": size}
        for number in range(1, num_pictures + 1)
    ]
    content = {
        "info": {"description": "Squares, triangles and discs on photographs"},
        "licenses": [],
        "images": images,
        "categories": categories,
        "annotations": annotations,
    }
    path.write_text(json.dumps(content) + "\n")


def _instances(drawings: list[Drawing]) -> list[dict[str, Any]]:
    """COCO's annotations of what is seen of each shape of all pictures."""
    found: list[dict[str, Any]] = []
    for image_id, drawing in enumerate(drawings, start=1):
        for place, shape in enumerate(drawing.shapes, start=1):
            mask = drawing.owners == place
            polygon = trace(mask)
            assert polygon is not None, "a drawing keeps its shapes in one piece"
            left, top = np.min(polygon, axis=0).tolist()
            right, bottom = np.max(polygon, axis=0).tolist()
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": image_id,
                    "category_id": shape.label,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": int(mask.sum()),
                    "segmentation": [[value for corner in polygon for value in corner]],
                    "iscrowd": 0,
                }
            )
    return found


def _joints(drawing: Drawing) -> list[dict[str, Any]]:
    """COCO's joints of each shape of a picture, in the order of `_instances`."""
    found = []
    for number, shape in enumerate(drawing.shapes):
        flags = drawing.visibility(number)
        keypoints: list[float] = []
        for (x, y), flag in zip(shape.joints().tolist(), flags, strict=True):
            # COCO counts pixels' centres here, and says nothing of what has no flag.
            keypoints += [round(x - 0.5, 2), round(y - 0.5, 2), flag] if flag else [0, 0, 0]
        found.append({"keypoints": keypoints, "num_keypoints": sum(map(bool, flags))})
    return found
