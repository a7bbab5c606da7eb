"""What a test of pose leaves behind: COCO's numbers, its results file, a row per person."""

import json
from collections.abc import Sequence
from pathlib import Path

from video_uniformer.outcomes import STATUSES
from video_uniformer.reports.csv_files import write_csv
from video_uniformer.training.metrics.keypoints import KeypointTable


def write_pose_report(folder: Path, table: KeypointTable, *, paths: Sequence[Path]) -> list[Path]:
    """Write `metrics.json`, `keypoints.json` in COCO's results format, and `persons.csv`.

    All rest on the persons that could be evaluated; `metrics.json` says how many of how many these
    are, and `persons.csv` has a row for every listed person, with its status and what is wrong.

    Args:
        folder: Made when absent.
        table: Of all persons.
        paths: Picture of each listed person, by its place.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in ("metrics.json", "keypoints.json", "persons.csv")]
    metrics = {name: round(float(value), 6) for name, value in table.summary().items()}
    numbers = {"evaluated": table.num_evaluated, "listed": len(paths)}
    files[0].write_text(f"{json.dumps({**numbers, **metrics}, indent=2)}\n", encoding="utf-8")
    files[1].write_text(f"{json.dumps(table.entries)}\n", encoding="utf-8")
    persons = table.persons
    columns = (persons.sample_index, persons.status, persons.score)
    found = {
        index: [STATUSES[status], problem, round(score, 6)]
        for (index, status, score), problem in zip(
            zip(*(column.tolist() for column in columns), strict=True),
            persons.problem,
            strict=True,
        )
    }
    rows = [[path, *found.get(index, ["", "", ""])] for index, path in enumerate(paths)]
    write_csv(files[2], [["path", "status", "problem", "score"], *rows])
    return files
