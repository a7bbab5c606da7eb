"""pycocotools' comparison of found persons with annotated ones."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from video_uniformer.data.annotations.coco_persons import CocoPersons

if TYPE_CHECKING:
    from pycocotools.coco import COCO

STATISTICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")


def check_installed() -> None:
    """Find out at once, not after the first epochs.

    Raises:
        ModuleNotFoundError: pycocotools is not installed.
    """
    if find_spec("pycocotools") is None:
        raise ModuleNotFoundError(
            "pycocotools is not installed, expected it for the evaluation of key points: "
            "pip install 'video-uniformer[dense]'",
            name="pycocotools",
        )


def compare(
    content: CocoPersons,
    entries: Sequence[Mapping[str, object]],
    image_ids: Sequence[int],
    sigmas: Sequence[float],
) -> dict[str, float]:
    """What pycocotools says of found persons, without what it prints.

    Args:
        content: The annotations.
        entries: Who was found, in COCO's results format.
        image_ids: Pictures that count.
        sigmas: As `Skeleton.sigmas`.

    Returns:
        COCO's numbers by `STATISTICS`, 0 to 1; NaN where nobody of a size is annotated.

    Raises:
        ModuleNotFoundError: pycocotools is not installed.
    """
    check_installed()
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        annotated = _indexed(content)
        found = annotated.loadRes([dict(entry) for entry in entries])
        evaluation = COCOeval(annotated, found, "keypoints")
        evaluation.params.imgIds = sorted(image_ids)
        evaluation.params.kpt_oks_sigmas = torch.tensor(sigmas, dtype=torch.float64).numpy()
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = [float(value) for value in evaluation.stats]
    numbers = (value if value >= 0 else float("nan") for value in values)
    return dict(zip(STATISTICS, numbers, strict=True))


def _indexed(content: CocoPersons) -> "COCO":
    """The annotations as pycocotools has them, with the counts that a file may lack."""
    from pycocotools.coco import COCO

    annotated = COCO()
    annotated.dataset = {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, width, height) in content.pictures.items()
        ],
        "categories": [{"id": content.category_id, "name": "person"}],
        "annotations": [
            {
                "id": number,  # from 1: pycocotools takes a match with 0 for none
                "image_id": person.image_id,
                "category_id": content.category_id,
                "bbox": list(person.box),
                "area": person.area,
                "iscrowd": int(person.is_crowd),
                "keypoints": [value for joint in person.keypoints for value in joint],
                "num_keypoints": person.num_labelled,
            }
            for number, person in enumerate(content.persons, 1)
        ],
    }
    annotated.createIndex()
    return annotated
