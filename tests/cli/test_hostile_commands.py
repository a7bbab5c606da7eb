"""The hostile corpus through scan, training, test and prediction: every file is accounted for."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hostile import HostileFile, make_corpus

from video_uniformer.cli import predict as predicting
from video_uniformer.cli import scan as scanning
from video_uniformer.cli import test as testing
from video_uniformer.cli import train as training
from video_uniformer.data.annotations.manifest import KEY_COLUMNS, encode_name, read_manifest_rows

# Measuring coverage, a worker warns at its start; as an error that would end it.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Module video_uniformer was previously imported"),
]

Run = Callable[..., Any]
DEADLINE = 10
SPLITS = ("train", "val")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[HostileFile]:
    return make_corpus(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def scan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the scan of all tests, so that its journal spares all but the first."""
    return tmp_path_factory.mktemp("scan")


@pytest.fixture
def manifest(corpus: list[HostileFile], scan_folder: Path, run: Run) -> Path:
    """What the scan writes of a list that has the whole corpus in both splits."""
    listed = scan_folder / "list.csv"
    with listed.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(KEY_COLUMNS)
        for split in SPLITS:
            for number, odd in enumerate(corpus):
                rows.writerow([encode_name(str(odd.path)), f"class {number % 2}", split, "ok", 0])
    ran = run(scanning.main, str(listed), "--output", str(scan_folder), "--deadline", str(DEADLINE))
    assert ran.status == 1, ran.err
    return scan_folder / "manifest.csv"


def over_all(manifest: Path, tiny: Sequence[str], on_bad_sample: str) -> list[str]:
    return [
        *(option for option in tiny if not option.startswith("data")),
        "data=manifest",
        f"data.root={manifest.parent}",
        "data.batch_size=8",
        "data.num_workers=2",
        f"data.bad_samples.on_bad_sample={on_bad_sample}",
        "data.bad_samples.budget=1",
        f"data.bad_samples.deadline_seconds={DEADLINE}",
    ]


def shown(path: str) -> str:
    """A path as tables have it: bytes that are not UTF-8 are written out."""
    return path.encode(errors="backslashreplace").decode()


def complaints(corpus: Sequence[HostileFile], statuses: dict[str, str]) -> Iterator[str]:
    """Files that are not listed, good ones that were not used, and videos made of nothing."""
    for file in corpus:
        status = statuses.get(shown(str(file.path)))
        if status is None:
            yield f"{file.path!r} is not accounted for"
        elif not file.is_bad and status != "ok":
            yield f"{file.path!r} is good, and {status}"
        elif file.playable == 0 and status != "skipped":
            yield f"{file.path!r} has no frame, and is {status}"


def test_scan_has_a_row_for_every_file(manifest: Path, corpus: list[HostileFile]) -> None:
    rows = read_manifest_rows(manifest, root="/")
    assert [(row.path, row.split) for row in rows] == [
        (str(file.path), split) for split in SPLITS for file in corpus
    ]
    found = {row.path for row in rows if row.status != "ok"}
    assert found >= {str(file.path) for file in corpus if file.is_bad}


@pytest.mark.parametrize("on_bad_sample", ["skip", "salvage"])
def test_training_and_test_account_for_every_file(
    on_bad_sample: str,
    manifest: Path,
    corpus: list[HostileFile],
    run: Run,
    tiny: Sequence[str],
    tmp_path: Path,
) -> None:
    options, out = over_all(manifest, tiny, on_bad_sample), tmp_path / "out"
    ran = run(training.main, *options, f"output_dir={out}")
    assert ran.status == 0, ran.err
    checkpoint = out / "checkpoints" / "last.ckpt"
    ran = run(testing.main, *options, f"output_dir={tmp_path}/test", f"ckpt_path={checkpoint}")
    assert ran.status == 0, ran.err

    with (tmp_path / "test" / "scores.csv").open(newline="") as file:
        statuses = {row["path"]: row["status"] for row in csv.DictReader(file)}
    assert not list(complaints(corpus, statuses))
    metrics = json.loads((tmp_path / "test" / "metrics.json").read_text())
    num_used = sum(status != "skipped" for status in statuses.values())
    assert (metrics["evaluated"], metrics["listed"]) == (num_used, len(corpus))


def test_prediction_answers_or_names_every_file(
    corpus: list[HostileFile], checkpoint: Path, run: Run
) -> None:
    files = [file for file in corpus if file.kind != "folder"]  # a folder stands for its files
    paths = [str(file.path) for file in files]
    options = ("--checkpoint", str(checkpoint), "--deadline", str(DEADLINE), "--json")
    ran = run(predicting.main, *paths, *options)
    answers = json.loads(ran.out)
    statuses = {shown(item["path"]): "ok" if "top" in item else "skipped" for item in answers}
    assert not list(complaints(files, statuses))
    assert all(item["path"] in item["error"] for item in answers if "error" in item)
