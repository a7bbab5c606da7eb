"""Colours for classes that are drawn beside each other."""

import numpy as np
import pytest

from video_uniformer.labels.palettes import palette


def nearest_distance(num_classes: int) -> float:
    """Between any two colours in CIELAB, where 2.3 is just noticeable."""
    color = pytest.importorskip("skimage.color")
    places = color.rgb2lab(np.array(palette(num_classes))[None] / 255)[0]
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    return float(distances[~np.eye(num_classes, dtype=bool)].min())


def test_first_colours_are_these() -> None:
    assert palette(4) == [(230, 0, 180), (120, 255, 0), (0, 120, 60), (255, 205, 255)]


@pytest.mark.parametrize(("num_classes", "distance"), [(21, 20), (150, 7), (256, 5)])
def test_colours_differ(num_classes: int, distance: float) -> None:
    assert len(palette(num_classes)) == num_classes
    assert nearest_distance(num_classes) >= distance


def test_shorter_palette_begins_a_longer_one() -> None:
    assert palette(256)[:150] == palette(150)


@pytest.mark.parametrize("num_classes", [0, -1, 5000])
def test_impossible_number_of_colours_is_refused(num_classes: int) -> None:
    with pytest.raises(ValueError, match=f"num_classes is {num_classes}, expected 1 to 690"):
        palette(num_classes)
