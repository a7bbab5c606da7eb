from pathlib import Path

import huggingface_hub.constants
import pytest

from video_uniformer.models.pretrained import FOLDER_VARIABLE, PUBLISHED, find_weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights fetched by hand, empty; the hub is out of reach."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_path_is_returned_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.touch()
    assert find_weights(str(path)) == path


def test_published_name_is_found_in_the_folder(folder: Path) -> None:
    path = folder / "uniformer_small_k400_16x4.pth"
    path.touch()
    assert find_weights("uniformer_small_k400_16x4") == path


def test_folder_defaults_to_weights_in_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.chdir(folder)
    path = Path("weights/uniformer_base_in1k.pth")
    path.parent.mkdir()
    path.touch()
    assert find_weights("uniformer_base_in1k") == path


def test_misspelt_name_gets_the_nearest_and_all_names(folder: Path) -> None:
    message = (
        r"weights 'uniformer_small_k400' is neither a file nor one of uniformer_small_in1k, .*"
        r"; did you mean 'uniformer_small_k400_16x4'\?"
    )
    with pytest.raises(ValueError, match=message):
        find_weights("uniformer_small_k400")


def test_missing_path_gets_no_far_fetched_suggestion(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"weights '/none/x.pyth' is neither a file nor") as caught:
        find_weights("/none/x.pyth")
    assert "did you mean" not in str(caught.value)


def test_file_on_google_drive_only_is_explained(folder: Path) -> None:
    name = "uniformer_small_k400_16x4"
    message = (
        rf"weights '{name}' are not here: the authors host it on Google Drive only. Fetch "
        rf"https://drive.google.com/file/d/{PUBLISHED[name].drive_id} and save it as "
        rf"{folder}/{name}.pth"
    )
    with pytest.raises(ValueError, match=message):
        find_weights(name)


def test_hub_out_of_reach_is_explained_in_one_line(folder: Path) -> None:
    message = (
        r"weights 'uniformer_base_k400_16x4' are not here: downloading it from "
        r"huggingface.co/Andy1621/uniformer failed: .+ Fetch https://drive.google.com/.* and save"
    )
    with pytest.raises(ValueError, match=message) as caught:
        find_weights("uniformer_base_k400_16x4")
    assert "\n" not in str(caught.value)
