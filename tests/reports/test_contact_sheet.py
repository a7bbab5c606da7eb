"""The picture of the frames that a network looked at."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from video_uniformer.reports.contact_sheet import save_contact_sheet

RED, BLUE = (220, 20, 20), (20, 20, 220)


def coloured(clips: int, frames: int, color: tuple[int, int, int] = RED) -> torch.Tensor:
    return torch.tensor(color, dtype=torch.uint8).expand(clips, frames, 48, 64, 3).contiguous()


def numbered(clips: int, frames: int) -> torch.Tensor:
    return torch.arange(clips * frames).view(clips, frames)


def share(path: Path, color: tuple[int, int, int]) -> float:
    """Share of the picture's pixels that have a colour."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return float((np.abs(pixels - np.array(color)).max(-1) < 12).mean())


@pytest.mark.parametrize(("clips", "frames"), [(1, 1), (2, 3), (1, 16)])
def test_all_frames_are_drawn_in_their_colours(clips: int, frames: int, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    save_contact_sheet(path, coloured(clips, frames), indices=numbered(clips, frames), title="a")
    with Image.open(path) as image:
        assert image.format == "PNG"
    assert share(path, RED) > 0.3


def test_red_stays_red_and_blue_blue(tmp_path: Path) -> None:
    frames = torch.cat([coloured(1, 4, RED), coloured(1, 4, BLUE)])
    save_contact_sheet(tmp_path / "a.png", frames, indices=numbered(2, 4), title="a")
    shares = share(tmp_path / "a.png", RED), share(tmp_path / "a.png", BLUE)
    assert shares[0] == pytest.approx(shares[1], abs=0.03)
    assert min(shares) > 0.2


def test_answers_are_drawn_as_bars(tmp_path: Path) -> None:
    bar = (31, 119, 180)
    sure, unsure = tmp_path / "sure.png", tmp_path / "unsure.png"
    for path, probability in ((sure, 0.9), (unsure, 0.1)):
        save_contact_sheet(
            path,
            coloured(1, 4),
            indices=numbered(1, 4),
            title="a",
            answers=[("walking", probability)],
        )
    assert share(sure, bar) > 3 * share(unsure, bar) > 0


def test_sheet_of_many_clips_grows_downwards(tmp_path: Path) -> None:
    sizes = []
    for clips in (1, 4):
        path = tmp_path / f"{clips}.png"
        save_contact_sheet(path, coloured(clips, 8), indices=numbered(clips, 8), title="a")
        with Image.open(path) as image:
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] > 2.5 * sizes[0][1]


def test_signs_of_formulas_are_plain_text(tmp_path: Path) -> None:
    save_contact_sheet(
        tmp_path / "a.png",
        coloured(1, 2),
        indices=numbered(1, 2),
        title=r"costs $\5 or $_{6.mp4",
        answers=[(r"paying $\a$", 0.5)],
    )
    assert (tmp_path / "a.png").is_file()


def test_frames_without_indices_are_refused(tmp_path: Path) -> None:
    message = r"frames is \(1, 4, 48, 64, 3\) and indices \(1, 3\), expected the same"
    with pytest.raises(ValueError, match=message):
        save_contact_sheet(tmp_path / "a.png", coloured(1, 4), indices=numbered(1, 3), title="a")


@pytest.mark.parametrize("shape", [(48, 64), (30, 900), (900, 3)])
def test_picture_is_one_frame_without_a_number(shape: tuple[int, int], tmp_path: Path) -> None:
    picture = torch.tensor(RED, dtype=torch.uint8).expand(1, 1, *shape, 3).contiguous()
    save_contact_sheet(tmp_path / "a.png", picture, indices=None, title="a", answers=[("b", 0.5)])
    with Image.open(tmp_path / "a.png") as image:
        assert max(image.size) < 2500
    assert share(tmp_path / "a.png", RED) > 0.002
