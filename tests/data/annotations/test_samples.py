"""What the labels of a list mean."""

from pathlib import Path

import pytest
from list_files import pairs, write

from video_uniformer.data.annotations import Annotations, read_list


def read(root: Path, text: str, names: list[str] | None = None) -> Annotations:
    return read_list(write(root, "l.csv", text), root=root, class_names=names)


def test_classes_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    text = "a.mp4,Riding bike\nb.mp4,riding_bike\n"
    with pytest.raises(ValueError, match=r"'Riding bike' and 'riding_bike' differ in case alone"):
        read(tmp_path, text)
    assert [
        label for _, label in pairs(read(tmp_path, text, ["Riding bike", "riding bike"]), tmp_path)
    ] == [0, 1]
