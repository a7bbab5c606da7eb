"""Segments and keypoints upon their picture."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from video_uniformer.reports.overlays import (
    draw_keypoints,
    mask_png,
    overlay,
    picture_png,
)

COLOURS = [(200, 0, 0), (0, 100, 0)]
GREY = np.full((40, 60, 3), 100, np.uint8)


def halves(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Class 0 on the left, 1 on the right."""
    labels = np.zeros((height, width), np.uint8)
    labels[:, width // 2 :] = 1
    return labels


def test_segments_are_tinted_between_dark_borders() -> None:
    found = overlay(GREY, halves(40, 60), COLOURS)
    assert found[10, 5].tolist() == [150, 50, 50]
    assert found[10, 40].tolist() == [50, 100, 50]
    assert found[10, 29].tolist() == [45, 15, 15]  # the last column of class 0
    assert found[10, 28].tolist() == [150, 50, 50]


@pytest.mark.parametrize(("opacity", "expected"), [(0.0, 100), (0.25, 125), (1.0, 200)])
def test_opacity_is_the_colours_share(opacity: float, expected: int) -> None:
    assert overlay(GREY, np.zeros((40, 60), int), COLOURS, opacity=opacity)[0, 0, 0] == expected


def test_picture_is_left_alone() -> None:
    pixels = GREY.copy()
    overlay(pixels, halves(40, 60), COLOURS)
    draw_keypoints(pixels, np.ones((1, 2, 3)), [(0, 1)])
    assert np.array_equal(pixels, GREY)


def test_rows_beyond_the_first_strip_are_tinted_too() -> None:
    pixels = np.full((700, 3, 3), 100, np.uint8)
    assert (overlay(pixels, np.ones((700, 3), int), COLOURS) == [50, 100, 50]).all()


@pytest.mark.parametrize(("side", "width"), [(40, 1), (1000, 2), (2000, 4)])
def test_borders_are_wider_in_larger_pictures(side: int, width: int) -> None:
    labels = halves(side, side)
    found = overlay(np.full((side, side, 3), 100, np.uint8), labels, COLOURS)
    dark = found[side // 2].max(1) < 50
    assert dark.sum() == width
    assert abs(np.flatnonzero(dark).mean() - (side / 2 - 0.5)) <= 0.5


def test_one_segment_has_no_border() -> None:
    assert (overlay(GREY, np.zeros((40, 60), int), COLOURS) == [150, 50, 50]).all()


def test_unlabelled_pixels_stay_as_they_are() -> None:
    labels = np.full((40, 60), 255)
    labels[:, :10] = 0
    assert (overlay(GREY, labels, COLOURS)[:, 10:] == 100).all()


def test_palette_of_all_bytes_colours_the_last_too() -> None:
    colours = [(0, 0, 0)] * 255 + [(200, 0, 0)]
    assert (overlay(GREY, np.full((40, 60), 255), colours) == [150, 50, 50]).all()


@pytest.mark.parametrize("label", [-1, 2, 254, 300])
def test_label_without_colour_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match=r"labels has .*, expected 0 to 1, for which the palette"):
        overlay(GREY, np.full((40, 60), label), COLOURS)


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels is \(60, 40\), expected \(40, 60\)"):
        overlay(GREY, np.zeros((60, 40), int), COLOURS)


def test_impossible_opacity_is_refused() -> None:
    with pytest.raises(ValueError, match=r"opacity is 1\.5, expected 0 to 1"):
        overlay(GREY, halves(40, 60), COLOURS, opacity=1.5)


def test_other_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pixels is float64 \(4, 4, 3\), expected uint8"):
        overlay(np.zeros((4, 4, 3)), halves(4, 4), COLOURS)


@pytest.mark.parametrize("num_colours", [1, 2, 16, 150, 256])
def test_mask_file_holds_the_labels(num_colours: int, tmp_path: Path) -> None:
    labels = np.arange(256).reshape(16, 16)
    mask_png(labels, [(number, 7, 9) for number in range(num_colours)], tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), labels)
        shown = np.asarray(image.convert("RGB"))
    assert shown[0, 0].tolist() == [0, 7, 9]
    last = (num_colours - 1) // 16, (num_colours - 1) % 16
    assert shown[last].tolist() == [num_colours - 1, 7, 9]


@pytest.mark.parametrize("label", [-1, 256])
def test_label_that_is_no_byte_is_refused(label: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"labels has {label} to {label}, expected 0 to 255"):
        mask_png(np.full((2, 2), label), COLOURS, tmp_path / "mask.png")
    assert not list(tmp_path.iterdir())


def test_mask_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"labels is \(0, 4\), expected \(height, width\)"):
        mask_png(np.zeros((0, 4), int), COLOURS, tmp_path / "mask.png")


def test_too_many_colours_for_a_mask_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="palette has 257 colours, expected at most 256"):
        mask_png(halves(2, 2), [(0, 0, 0)] * 257, tmp_path / "mask.png")


def line(score: float = 1.0) -> npt.NDArray[np.float64]:
    """A person of two joints, level, in the middle of `GREY`."""
    return np.array([[[10, 20, 1.0], [50, 20, score]]])


def test_limb_is_drawn_between_its_joints() -> None:
    found = draw_keypoints(GREY, line(), [(0, 1)])
    assert found[20, 30].tolist() == [255, 38, 38]  # the first hue: red
    assert found[20, 10].tolist() == [255, 255, 255]
    assert found[20, 50].tolist() == [255, 255, 255]
    assert (found[30:] == 100).all()
    assert (found[:10] == 100).all()


def test_limbs_have_their_own_colours() -> None:
    keypoints = np.array([[[10, 20, 1], [30, 20, 1], [50, 20, 1.0]]])
    found = draw_keypoints(GREY, keypoints, [(0, 1), (1, 2)])
    assert found[20, 20].tolist() != found[20, 40].tolist()


@pytest.mark.parametrize("score", [0.19, float("nan"), -1.0])
def test_unsure_joint_is_left_out_with_its_limb(score: float) -> None:
    found = draw_keypoints(GREY, line(score), [(0, 1)])
    assert (found[20, 20:] == 100).all()
    assert found[20, 10].tolist() == [255, 255, 255]


def test_threshold_decides_what_is_unsure() -> None:
    assert (draw_keypoints(GREY, line(0.1), [(0, 1)], threshold=0.05)[20, 30] != 100).any()


def test_joints_outside_are_cut_off() -> None:
    keypoints = np.array([[[-50, 20, 1], [1e7, 20, 1], [30, -1e6, 1.0]]])
    found = draw_keypoints(GREY, keypoints, [(0, 1)])
    assert (found[20] != 100).any(1).all()
    assert (found[0] == 100).all()


def line_width(side: int) -> int:
    """Pixels of a limb's colour across a limb that crosses the picture."""
    keypoints = np.array([[[0.1 * side, side // 2, 1], [0.9 * side, side // 2, 1.0]]])
    found = draw_keypoints(np.full((side, side, 3), 100, np.uint8), keypoints, [(0, 1)])
    return int((found[:, side // 2] == [255, 38, 38]).all(1).sum())


def test_lines_are_wider_in_larger_pictures() -> None:
    assert line_width(100) <= 2
    assert 5 <= line_width(1000) <= 7
    assert 17 <= line_width(3000) <= 19


def test_lines_of_small_people_are_thinner() -> None:
    pixels = np.full((1000, 1000, 3), 100, np.uint8)
    keypoints = np.array([[[500, 480, 1], [500, 520, 1.0]]])
    found = draw_keypoints(pixels, keypoints, [(0, 1)])
    assert (found[500] != 100).any(1).sum() <= 4


def test_nobody_changes_nothing() -> None:
    assert np.array_equal(draw_keypoints(GREY, np.zeros((0, 17, 3)), [(0, 1)]), GREY)


def test_keypoints_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"keypoints is \(17, 3\), expected \(people, joints, 3\)"):
        draw_keypoints(GREY, np.zeros((17, 3)), [])


def test_limb_of_no_joint_is_refused() -> None:
    with pytest.raises(ValueError, match=r"limbs has \(0, 2\), expected joints 0 to 1"):
        draw_keypoints(GREY, line(), [(0, 2)])


def test_drawing_needs_no_torch() -> None:
    check = (
        "import sys, video_uniformer.reports.overlays, video_uniformer.labels.palettes;"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_picture_is_written_as_it_is(tmp_path: Path) -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    picture_png(pixels, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert (np.asarray(picture) == pixels).all()


def test_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pixels is uint8 \(4, 5\), expected uint8"):
        picture_png(np.zeros((4, 5), np.uint8), tmp_path / "a.png")
