"""ImageNet-1K: synset folders, and the flat validation folder."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from list_files import pairs, write

from video_uniformer.data.annotations import read_class_names, read_imagenet

NAMES = read_class_names("imagenet1k")
SYNSETS = read_class_names("imagenet1k_synsets")
KIT = "ILSVRC2012_devkit_t12/data"


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Three validation pictures in one folder."""
    for number in (1, 2, 3):
        write(tmp_path, f"val/{val_name(number)}.JPEG", "")
    return tmp_path


def write_kit(folder: Path) -> None:
    """A development kit whose class numbers run against the order of the synsets."""
    from scipy.io import savemat

    kinds = [("ILSVRC2012_ID", "i4"), ("WNID", "U9"), ("num_children", "i4")]
    rows = [(1000 - k, synset, 0) for k, synset in enumerate(SYNSETS)]
    table = np.array([*rows, (1001, "n00001740", 2)], dtype=kinds)
    folder.mkdir(parents=True, exist_ok=True)
    savemat(str(folder / "meta.mat"), {"synsets": table})


def test_some_synset_folders_have_the_labels_of_the_1000(tmp_path: Path) -> None:
    for label in (999, 7, 0):
        write(tmp_path, f"train/{SYNSETS[label]}/a.JPEG", "")
    result = read_imagenet("train", root=tmp_path, class_names=NAMES)
    assert [sample.label for sample in result.samples] == [0, 7, 999]
    assert result.class_names == NAMES
    assert read_imagenet("train", root=tmp_path) == result


def test_folders_may_be_named_by_classes(tmp_path: Path) -> None:
    write(tmp_path, "train/great_white_shark/a.JPEG", "")
    write(tmp_path, f"train/{SYNSETS[0]}/a.JPEG", "")
    labels = [sample.label for sample in read_imagenet("train", root=tmp_path).samples]
    assert labels == [NAMES.index("great white shark"), 0]


@pytest.mark.parametrize("names", [[NAMES[7], NAMES[0]], [SYNSETS[7], SYNSETS[0]]])
def test_list_of_some_classes_decides_their_order(tmp_path: Path, names: list[str]) -> None:
    for label in (0, 7):
        write(tmp_path, f"train/{SYNSETS[label]}/a.JPEG", "")
    result = read_imagenet("train", root=tmp_path, class_names=names)
    assert [sample.label for sample in result.samples] == [1, 0]


def test_folder_of_no_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/n00000001/a.JPEG", "")
    with pytest.raises(
        ValueError, match="unknown class name 'n00000001', expected one of the 1000"
    ):
        read_imagenet("train", root=tmp_path)


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="train: no class folders, expected one folder a class"):
        read_imagenet("train", root=tmp_path)


def flat_labels(root: Path, path: str = "val") -> list[tuple[str, int]]:
    return pairs(read_imagenet(path, root=root, class_names=NAMES), root)


EXPECTED = [
    (f"val/{val_name(number)}.JPEG", label) for number, label in ((1, 65), (2, 970), (3, 230))
]


@pytest.mark.parametrize("place", ["val.txt", "val/val.txt"])
@pytest.mark.parametrize("prefix", ["", "val/"])
def test_flat_folder_is_labelled_by_caffes_file(flat: Path, place: str, prefix: str) -> None:
    labels = {3: 230, 1: 65, 2: 970}
    text = "".join(f"{prefix}{val_name(n)}.JPEG {label}\n" for n, label in labels.items())
    write(flat, place, text)
    assert flat_labels(flat) == EXPECTED


def kaggle(labels: dict[int, int]) -> str:
    rows = [f"{val_name(n)},{SYNSETS[k]} 1 2 3 4 {SYNSETS[k]} 5 6 7 8" for n, k in labels.items()]
    return "\n".join(["ImageId,PredictionString", *rows, ""])


def test_flat_folder_is_labelled_by_kaggles_file_above_the_root(tmp_path: Path) -> None:
    root = tmp_path / "ILSVRC/Data/CLS-LOC"
    for number in (1, 2, 3):
        write(root, f"val/{val_name(number)}.JPEG", "")
    write(tmp_path, "LOC_val_solution.csv", kaggle({2: 970, 1: 65, 3: 230}))
    assert flat_labels(root) == EXPECTED


@pytest.mark.parametrize(
    ("truth", "meta"), [(KIT, KIT), ("", ""), ("", "data"), ("ILSVRC2012_devkit_t12", KIT)]
)
def test_flat_folder_is_labelled_by_the_development_kit(flat: Path, truth: str, meta: str) -> None:
    pytest.importorskip("scipy")
    write_kit(flat / meta)
    name = "ILSVRC2012_validation_ground_truth.txt"
    write(flat / truth, name, f"{1000 - 65}\n{1000 - 970}\n{1000 - 230}\n")
    assert flat_labels(flat) == EXPECTED


def test_some_pictures_of_a_long_list_suffice_and_the_others_are_told(
    flat: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(flat, "LOC_val_solution.csv", kaggle({1: 65, 2: 970, 3: 230, 4: 1, 5: 2}))
    assert flat_labels(flat) == EXPECTED
    assert "2 of its 5 pictures are not in the folder val, and are left out" in caplog.text


def test_flat_folder_without_labels_names_what_was_looked_for(flat: Path) -> None:
    message = (
        "ILSVRC2012_val_00000001.JPEG in one folder .* expected synset folders, or one of val.txt, "
        "LOC_val_solution.csv, ILSVRC2012_validation_ground_truth.txt"
    )
    with pytest.raises(FileNotFoundError, match=message):
        read_imagenet("val", root=flat)


def test_val_txt_above_the_root_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "set/val/a.JPEG", "")
    write(tmp_path, "val.txt", "a.JPEG 3\n")
    with pytest.raises(FileNotFoundError, match="no file with their classes"):
        read_imagenet("val", root=tmp_path / "set")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "val.txt",
            "a.JPEG 1000\n",
            "line 1, .*: expected 'name label' with a label from 0 to 999",
        ),
        ("val.txt", "", "val.txt: no pictures in the list"),
        ("val.txt", f"{val_name(1)}.JPEG 3\n", f"no label of '{val_name(2)}.JPEG', expected one"),
        ("LOC_val_solution.csv", "a,b\n", "expected the columns ImageId,PredictionString"),
        ("LOC_val_solution.csv", "ImageId,PredictionString\na,\n", "line 2, .* a synset such as"),
    ],
)
def test_file_of_labels_is_refused(flat: Path, name: str, text: str, message: str) -> None:
    write(flat, name, text)
    with pytest.raises(ValueError, match=message):
        read_imagenet("val", root=flat)


def test_class_number_outside_the_kit_is_refused(flat: Path) -> None:
    pytest.importorskip("scipy")
    write_kit(flat)
    write(flat, "ILSVRC2012_validation_ground_truth.txt", "1\n1001\n2\n")
    with pytest.raises(ValueError, match="line 2, '1001': expected a class number from 1 to 1000"):
        read_imagenet("val", root=flat)


def test_kit_without_its_table_is_refused(flat: Path) -> None:
    write(flat, "ILSVRC2012_validation_ground_truth.txt", "1\n2\n3\n")
    with pytest.raises(FileNotFoundError, match=r"explained in meta\.mat of the development kit"):
        read_imagenet("val", root=flat)


def test_broken_table_is_refused(flat: Path) -> None:
    pytest.importorskip("scipy")
    write(flat, "ILSVRC2012_validation_ground_truth.txt", "1\n2\n3\n")
    write(flat, "meta.mat", "no table\n" * 30)
    with pytest.raises(ValueError, match=r"meta\.mat: not readable"):
        read_imagenet("val", root=flat)


def test_kit_without_scipy_says_what_to_install(
    flat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_scipy(name: str, *rest: Any) -> Any:
        if name.startswith("scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    write(flat, "ILSVRC2012_validation_ground_truth.txt", "1\n2\n3\n")
    write(flat, "meta.mat", "")
    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(ModuleNotFoundError, match="SciPy reads it and is not installed"):
        read_imagenet("val", root=flat)
