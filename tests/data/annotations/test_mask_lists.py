"""Lists of pictures and masks: ADE20K's folders, and one's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from list_files import write

from video_uniformer.data.annotations import (
    MaskAnnotations,
    MaskSample,
    read_ade20k,
    read_class_names,
    read_image_masks,
)

TABLE = (
    "Idx\tRatio\tTrain\tVal\tName\n1\t0.15\t11\t1\twall\n2\t0.10\t6\t6\tbuilding, edifice \n"
    "3\t0.08\t8\t9\tsky; heaven\n"
)


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        write(folder, name, "")
    return folder


@pytest.fixture
def ade(tmp_path: Path) -> Path:
    """Two pictures for training, one for validation, and their masks."""
    names = ("training/ADE_train_1", "training/ADE_train_2", "validation/ADE_val_1")
    return fill(
        tmp_path / "ADEChallengeData2016",
        *(f"images/{name}.jpg" for name in names),
        *(f"annotations/{name}.png" for name in names),
    )


def read_pair(root: Path, **settings: object) -> MaskAnnotations:
    return read_image_masks("images", "masks", root=root, class_names=["a"], **settings)


def test_ade20k_pairs_pictures_and_masks_of_a_split(ade: Path) -> None:
    samples, _ = read_ade20k("training", root=ade)
    pictures, masks = ade / "images/training", ade / "annotations/training"
    assert samples == [
        MaskSample(pictures / "ADE_train_1.jpg", masks / "ADE_train_1.png"),
        MaskSample(pictures / "ADE_train_2.jpg", masks / "ADE_train_2.png"),
    ]
    assert [sample.path.stem for sample in read_ade20k("validation", root=ade).samples] == [
        "ADE_val_1"
    ]


def test_ade20k_is_found_from_the_folder_above(ade: Path) -> None:
    assert read_ade20k("training", root=ade.parent) == read_ade20k("training", root=ade)


def test_ade20k_without_a_table_has_the_shipped_names(ade: Path) -> None:
    assert read_ade20k("training", root=ade).class_names == read_class_names("ade20k")


def test_ade20k_takes_the_first_name_of_each_class_in_its_table(ade: Path) -> None:
    write(ade, "objectInfo150.txt", TABLE)
    names = read_ade20k("training", root=ade.parent).class_names
    assert names == ["wall", "building", "sky"]


def test_names_that_are_given_go_before_the_table(ade: Path) -> None:
    write(ade, "objectInfo150.txt", "nonsense")
    assert read_ade20k("training", root=ade, class_names=["x", "y"]).class_names == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"objectInfo150\.txt: no columns Idx and Name, expected a header"),
        ("1\t0.1\t1\t1\twall\n", r"no columns Idx and Name"),
        ("Idx\tName\n2\twall\n", r"line 2, '2\\twall': expected class 1 and its name"),
        ("Idx\tName\n1\n", r"line 2, '1': expected class 1 and its name"),
        ("Idx\tName\n1\twall\n2\twall\n", r"classes 0 and 1 have the same name"),
        ("Idx\tName\n", r"no class names, expected at least one"),
    ],
)
def test_table_of_ade20k_is_refused(ade: Path, text: str, message: str) -> None:
    write(ade, "objectInfo150.txt", text)
    with pytest.raises(ValueError, match=message):
        read_ade20k("training", root=ade)


def test_unknown_split_of_ade20k_is_refused(ade: Path) -> None:
    with pytest.raises(ValueError, match="split is 'train', expected 'training' or 'validation'"):
        read_ade20k("train", root=ade)


def test_folder_without_ade20k_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="images/training: no such folder, expected one"):
        read_ade20k("training", root=tmp_path)


def test_own_masks_are_matched_by_their_paths_without_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "images/b.JPG", "images/x/b.jpeg", "images/a.png", "images/.c.jpg")
    fill(tmp_path, "masks/a.tif", "masks/b.png", "masks/x/b.png")
    samples, names = read_pair(tmp_path)
    assert [tuple(str(p.relative_to(tmp_path)) for p in sample) for sample in samples] == [
        ("images/a.png", "masks/a.tif"),
        ("images/b.JPG", "masks/b.png"),
        ("images/x/b.jpeg", "masks/x/b.png"),
    ]
    assert names == ["a"]


def test_dots_within_a_name_are_not_its_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "images/a.1.jpg", "images/a.2.jpg", "masks/a.1.png", "masks/a.2.png")
    assert [sample.mask.name for sample in read_pair(tmp_path).samples] == ["a.1.png", "a.2.png"]


def test_own_classes_stand_in_the_root(tmp_path: Path) -> None:
    fill(tmp_path, "images/a.jpg", "masks/a.png")
    write(tmp_path, "classes.txt", "road\nsky\n")
    assert read_image_masks("images", "masks", root=tmp_path).class_names == ["road", "sky"]


def test_own_masks_without_classes_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "images/a.jpg", "masks/a.png")
    with pytest.raises(ValueError, match=r"classes\.txt: no such file, expected one with a class"):
        read_image_masks("images", "masks", root=tmp_path)


def test_other_files_are_left_out_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path, "images/a.jpg", "images/list.txt", "masks/a.png")
    assert len(read_pair(tmp_path).samples) == 1
    assert caplog.messages == [f"{tmp_path}/images: left out 1 file: 1 .txt (text)"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [*(f"images/{n}.jpg" for n in "abcdef"), "masks/b.png"],
            r"masks: 5 of the 6 pictures of .*images have no mask here "
            r"\('a\.jpg', 'c\.jpg', 'd\.jpg', \.\.\.\), expected one of each",
        ),
        (
            ["images/a.jpg", "masks/a.png", "masks/b.png", "masks/c.png"],
            r"images: 2 of the 3 masks of .*masks have no picture here \('b\.png', 'c\.png'\)",
        ),
        (
            ["images/a.jpg", "images/a.png", "masks/a.png"],
            r"images: 'a\.jpg' and 'a\.png' differ in their suffix alone, expected one",
        ),
        (["images/a.txt", "masks/a.png"], r"images: no pictures, expected files such as \.jpg"),
    ],
)
def test_what_does_not_pair_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    fill(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        read_pair(tmp_path)


@pytest.mark.parametrize("masks", ["images", "images/masks", "."])
def test_masks_among_the_pictures_are_refused(tmp_path: Path, masks: str) -> None:
    fill(tmp_path, "images/a.jpg", "images/masks/a.png")
    with pytest.raises(ValueError, match=f"masks is '{masks}', expected a folder apart from"):
        read_image_masks("images", masks, root=tmp_path, class_names=["a"])


@pytest.mark.parametrize(
    "read",
    [
        lambda root, names: read_ade20k("training", root=root, class_names=names),
        lambda root, names: read_image_masks(
            "images/training", "annotations/training", root=root, class_names=names
        ),
    ],
)
def test_class_names_are_checked(ade: Path, read: Callable) -> None:
    with pytest.raises(ValueError, match="classes 0 and 1 have the same name"):
        read(ade, ["a", "a"])
