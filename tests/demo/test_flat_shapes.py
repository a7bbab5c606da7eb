"""One picture of squares, triangles and discs: geometry by hand, what is seen, and outlines."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from video_uniformer.demo.flat_shapes import (
    DISC,
    JOINT_NAMES,
    LEAST_SEEN,
    SQUARE,
    TRIANGLE,
    Drawing,
    Shape,
    draw_drawing,
    paint,
    trace,
)

RED, BLUE = (250, 10, 20), (10, 20, 250)
GREY = np.full((32, 32, 3), 100, np.uint8)
PHOTO = np.random.default_rng(0).integers(0, 256, (80, 60, 3)).astype(np.uint8)


def shape(label: int, x: float = 16, y: float = 16, **changed: float) -> Shape:
    return Shape(label, x, y, **{"size": 10, "angle": 0.0, **changed}, colour=RED)


def drawings(number: int = 40) -> list[Drawing]:
    return [draw_drawing(PHOTO, size=64, seed=seed) for seed in range(number)]


def test_joints_of_an_upright_shape_are_its_ends() -> None:
    assert JOINT_NAMES == ("top", "right", "bottom", "left")
    assert shape(SQUARE).joints().tolist() == [[16, 8], [24, 16], [16, 24], [8, 16]]
    assert shape(TRIANGLE).joints().tolist() == [[16, 6], [25, 24], [16, 24], [7, 24]]
    assert shape(DISC).joints().tolist() == [[16, 7], [25, 16], [16, 25], [7, 16]]


def test_joints_turn_clockwise_with_the_shape() -> None:
    quarter = shape(SQUARE, angle=math.pi / 2).joints()
    assert quarter == pytest.approx(np.array([[24, 16], [16, 24], [8, 16], [16, 8]]))


def test_pixels_of_an_upright_square_are_owned_and_coloured() -> None:
    drawing = paint(GREY, (shape(SQUARE),))
    expected = np.zeros((32, 32), int)
    expected[8:24, 8:24] = 1
    assert drawing.owners.tolist() == expected.tolist()
    assert (drawing.picture[9:23, 9:23] == RED).all()
    assert (drawing.picture[drawing.owners == 0] == 100).all()
    assert (GREY == 100).all()


@pytest.mark.parametrize(
    ("label", "area"), [(SQUARE, 16 * 16), (TRIANGLE, 18 * 18 / 2), (DISC, math.pi * 81)]
)
@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_area_is_that_of_the_figure_and_of_its_pixels(
    label: int, area: float, angle: float
) -> None:
    turned = shape(label, angle=angle)
    assert turned.area() == pytest.approx(area, rel=0.01)
    assert (paint(GREY, (turned,)).owners == 1).sum() == pytest.approx(area, rel=0.03)


def test_values_of_the_mask_are_classes() -> None:
    shapes = (shape(DISC, 8, 8, size=5), shape(SQUARE, 24, 24, size=5))
    classes = paint(GREY, shapes).classes()
    assert (classes[8, 8], classes[24, 24], classes[0, 31]) == (DISC, SQUARE, 0)


def test_joint_under_a_later_shape_is_hidden() -> None:
    later = shape(SQUARE, 26, 16, size=8)._replace(colour=BLUE)
    drawing = paint(GREY, (shape(SQUARE), later))
    assert drawing.visibility(0) == (2, 1, 2, 2)  # its right side lies in the later one
    assert drawing.visibility(1) == (2, 0, 2, 2)  # 26 + 6.4 is outside
    assert tuple(drawing.picture[16, 22]) == BLUE


def test_joint_outside_the_picture_has_no_flag() -> None:
    drawing = paint(GREY, (shape(TRIANGLE, 16, 3),))
    assert drawing.visibility(0) == (0, 2, 2, 2)


def test_joints_of_a_shape_alone_are_seen() -> None:
    alone = [
        draw_drawing(PHOTO, size=size, num_shapes=1, seed=s) for s in range(60) for size in (32, 96)
    ]
    flags = [flag for drawing in alone for flag in drawing.visibility(0)]
    assert set(flags) == {0, 2}


def test_shapes_hide_each_other_and_leave_the_picture_but_enough_is_seen() -> None:
    flags = []
    for drawing in drawings():
        assert 1 <= len(drawing.shapes) <= 4
        for number, drawn in enumerate(drawing.shapes):
            assert (drawing.owners == number + 1).sum() >= LEAST_SEEN * drawn.area()
            flags += drawing.visibility(number)
    assert set(flags) == {0, 1, 2}
    assert flags.count(2) > 0.7 * len(flags)


def test_all_classes_and_turns_but_of_discs_are_drawn() -> None:
    shapes = [drawn for drawing in drawings() for drawn in drawing.shapes]
    assert {drawn.label for drawn in shapes} == {SQUARE, TRIANGLE, DISC}
    for drawn in shapes:
        assert abs(drawn.angle) <= math.radians(20)
        assert (drawn.angle == 0) == (drawn.label == DISC)


def test_seed_tells_the_picture() -> None:
    first, again, other = (draw_drawing(PHOTO, size=64, seed=seed) for seed in (1, 1, 2))
    assert (first.picture == again.picture).all()
    assert first.shapes == again.shapes
    assert first.shapes != other.shapes


def test_picture_without_shapes_is_a_part_of_the_photograph() -> None:
    drawing = draw_drawing(np.full((50, 70, 3), 9, np.uint8), size=64, num_shapes=0)
    assert drawing.shapes == ()
    assert drawing.picture.shape == (64, 64, 3)
    assert (drawing.picture == 9).all()
    assert (drawing.owners == 0).all()


def mask_of(*rows: str) -> npt.NDArray[np.bool_]:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_outline_follows_the_edges_of_pixels_clockwise() -> None:
    polygon = trace(mask_of("#..", "###"))
    assert polygon is not None
    start = polygon.index((0, 0))
    assert polygon[start:] + polygon[:start] == [(0, 0), (1, 0), (1, 1), (3, 1), (3, 2), (0, 2)]


@pytest.mark.parametrize(
    "rows",
    [("...", "..."), ("#.#", "#.#"), ("###", "#.#", "###"), ("#..", ".##")],
    ids=["nothing", "parts", "hole", "corner"],
)
def test_mask_that_is_no_single_polygon_has_no_outline(rows: tuple[str, ...]) -> None:
    assert trace(mask_of(*rows)) is None
