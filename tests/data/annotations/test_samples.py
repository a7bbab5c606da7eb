"""What the labels of a list mean."""

from pathlib import Path

import pytest
from list_files import pairs, write

from video_uniformer.data.annotations import Annotations, read_list


def read(root: Path, text: str, names: list[str] | None = None) -> Annotations:
    return read_list(write(root, "l.csv", text), root=root, class_names=names)


@pytest.mark.parametrize("text", ["a.mp4,0.0\nb.mp4,1.0\n", "vid,y\na.mp4,0.0\nb.mp4,1\n"])
def test_whole_numbers_with_a_point_are_indices(tmp_path: Path, text: str) -> None:
    result = read(tmp_path, text)
    assert result.class_names == ["0", "1"]
    assert pairs(result, tmp_path) == [("a.mp4", 0), ("b.mp4", 1)]


def test_whole_numbers_index_the_given_classes(tmp_path: Path) -> None:
    assert pairs(read(tmp_path, "a.mp4 1.0\n", ["run", "walk"]), tmp_path) == [("a.mp4", 1)]
    assert pairs(read(tmp_path, "a.mp4 1.0\n", ["1.0", "2.0"]), tmp_path) == [("a.mp4", 0)]


def test_fractions_are_names(tmp_path: Path) -> None:
    assert read(tmp_path, "a.mp4,1.0\nb.mp4,1.5\n").class_names == ["1.0", "1.5"]


def test_hole_among_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 2, .*label 'nan': expected an integer"):
        read(tmp_path, "a.mp4,0.0\nb.mp4,nan\nc.mp4,1.0\n")


def test_classes_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    text = "a.mp4,Riding bike\nb.mp4,riding_bike\n"
    with pytest.raises(ValueError, match=r"'Riding bike' and 'riding_bike' differ in case alone"):
        read(tmp_path, text)
    assert [
        label for _, label in pairs(read(tmp_path, text, ["Riding bike", "riding bike"]), tmp_path)
    ] == [0, 1]
