"""Files of label maps."""

from pathlib import Path

import pytest
import torch

from video_uniformer.data.image.label_maps import LabelMaps, label_map_path
from video_uniformer.data.image.picture import PictureError


@pytest.fixture
def labels(tmp_path: Path) -> LabelMaps:
    (tmp_path / "maps" / "x").mkdir(parents=True)
    return LabelMaps(tmp_path, tmp_path / "maps", [3, 4, 4])


def test_map_stands_where_its_picture_does(tmp_path: Path) -> None:
    path = label_map_path(tmp_path / "train" / "n01" / "a.b.JPEG", tmp_path, Path("maps"))
    assert path == Path("maps/train/n01/a.b.pt")


def test_picture_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"picture is elsewhere\.png, expected one below"):
        label_map_path(Path("elsewhere.png"), tmp_path, tmp_path)


def test_halves_are_read_as_floats(tmp_path: Path, labels: LabelMaps) -> None:
    stored = torch.rand(2, 3, 4, 4).half()
    torch.save(stored, tmp_path / "maps/x/a.pt")
    found = labels.read(tmp_path / "x" / "a.png")
    assert found is not None
    assert found.dtype == torch.float32
    assert torch.equal(found, stored.float())


def test_absent_file_is_none(tmp_path: Path, labels: LabelMaps) -> None:
    assert labels.read(tmp_path / "x" / "a.png") is None


def test_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"label_root is .*nowhere, expected an existing folder"):
        LabelMaps(tmp_path, tmp_path / "nowhere", [1, 2, 2]).read(tmp_path / "a.png")


@pytest.mark.parametrize("content", [torch.zeros(2, 2, 4, 4), {"a": 1}])
def test_file_of_another_shape_is_a_bad_sample(
    tmp_path: Path, labels: LabelMaps, content: object
) -> None:
    torch.save(content, tmp_path / "maps/a.pt")
    with pytest.raises(PictureError, match=r"a.pt: holds .*, expected a tensor \(2, 3, 4, 4\)"):
        labels.read(tmp_path / "a.png")


def test_damaged_file_is_a_bad_sample(tmp_path: Path, labels: LabelMaps) -> None:
    (tmp_path / "maps/a.pt").write_bytes(b"nothing")
    with pytest.raises(PictureError, match=r"a.pt: no label map"):
        labels.read(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [[5, 18], [5, 18, 17], [0, 2, 2]])
def test_shape_that_no_map_has_is_refused(tmp_path: Path, shape: list[int]) -> None:
    with pytest.raises(ValueError, match=r"shape is .*, expected three counts"):
        LabelMaps(tmp_path, tmp_path, shape)
