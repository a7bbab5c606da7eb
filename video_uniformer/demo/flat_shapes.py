"""Draw one picture of the `shapes` data set: squares, triangles and discs over a photograph."""

import colorsys
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from video_uniformer.skeleton import SHAPES

# Also the values of masks; 0 is the photograph.
CLASS_NAMES = ("background", "square", "triangle", "disc")
JOINT_NAMES = SHAPES.joints
SQUARE, TRIANGLE, DISC = 1, 2, 3
LEAST_SEEN = 0.4  # of a shape's area; what is hidden more than that is not drawn
_MOST_SHAPES, _TRIES = 4, 20
_TURN = 20.0  # degrees, to either side
_DISC_SIDES = 48  # more cannot be told from a circle at this size
_TOLERANCE = 1.5  # pixels; where a triangle's tip is narrower than a pixel, it has none

# Clockwise from the top, y downwards, for a size of 1; the joints in the order of their names.
_CORNERS = {
    SQUARE: ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
    TRIANGLE: ((0.0, -1.0), (0.9, 0.8), (-0.9, 0.8)),
    DISC: tuple(
        (0.9 * math.sin(2 * math.pi * part), -0.9 * math.cos(2 * math.pi * part))
        for part in np.arange(_DISC_SIDES) / _DISC_SIDES
    ),
}
_JOINTS = {
    SQUARE: ((0.0, -0.8), (0.8, 0.0), (0.0, 0.8), (-0.8, 0.0)),
    TRIANGLE: ((0.0, -1.0), (0.9, 0.8), (0.0, 0.8), (-0.9, 0.8)),
    DISC: ((0.0, -0.9), (0.9, 0.0), (0.0, 0.9), (-0.9, 0.0)),
}

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Shape(NamedTuple):
    """A square, a triangle or a disc; lengths in pixels, the picture's corner is (0, 0).

    Attributes:
        label: Index into `CLASS_NAMES`.
        x: Of the centre.
        y: Of the centre, downwards.
        size: About half its width and height.
        angle: Radians, clockwise.
        colour: Red, green, blue, 0 to 255.
    """

    label: int
    x: float
    y: float
    size: float
    angle: float
    colour: tuple[int, int, int]

    def outline(self) -> Points:
        """Corners (P, 2), x and y, clockwise."""
        return self._placed(_CORNERS[self.label])

    def joints(self) -> Points:
        """Where `JOINT_NAMES` are: (4, 2), x and y.

        They are the ends of the upright shape, turned with it: of a triangle the apex, the right
        corner, the middle of the base and the left corner, of a square the middles of its sides.
        """
        return self._placed(_JOINTS[self.label])

    def area(self) -> float:
        """Of the whole shape, pixels."""
        x, y = self.outline().T
        return float(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2

    def depth(self, size: int) -> Points:
        """How far each pixel's centre is inside, below 0 outside: (size, size) pixels."""
        corners = self.outline()
        sides = np.roll(corners, -1, axis=0) - corners
        inwards = np.stack([-sides[:, 1], sides[:, 0]], axis=1)
        inwards /= np.linalg.norm(sides, axis=1, keepdims=True)
        centres = np.arange(size) + 0.5
        across = centres[None, :] * inwards[:, :1] - (corners * inwards).sum(axis=1, keepdims=True)
        down = centres[None, :] * inwards[:, 1:]
        return (across[:, None, :] + down[:, :, None]).min(axis=0)

    def _placed(self, points: tuple[tuple[float, float], ...]) -> Points:
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turned = np.array(points) @ np.array([[cos, sin], [-sin, cos]])
        return turned * self.size + np.array([self.x, self.y])


class Drawing(NamedTuple):
    """A picture and what was drawn, the later over the earlier.

    Attributes:
        picture: (size, size, 3) uint8, RGB.
        shapes: In the order of painting.
        owners: (size, size) uint8: which shape is seen, from 1 in their order; 0: the photograph.
    """

    picture: npt.NDArray[np.uint8]
    shapes: tuple[Shape, ...]
    owners: npt.NDArray[np.uint8]

    def classes(self) -> npt.NDArray[np.uint8]:
        """Index into `CLASS_NAMES` of each pixel: (size, size) uint8."""
        return np.array([0, *(shape.label for shape in self.shapes)], np.uint8)[self.owners]

    def visibility(self, number: int) -> tuple[int, ...]:
        """COCO's flag of each joint of a shape: 0 outside the picture, 1 hidden, 2 seen.

        A joint is seen where a pixel of its shape is seen, or is at most one and a half away.
        """
        size = len(self.owners)
        rows, columns = np.nonzero(self.owners == number + 1)
        flags = []
        for x, y in self.shapes[number].joints():
            away = np.maximum(np.abs([columns + 0.5 - x, rows + 0.5 - y]) - 0.5, 0)
            is_seen = bool((np.hypot(*away) <= _TOLERANCE).any())
            is_inside = 0 <= x < size and 0 <= y < size
            flags.append((2 if is_seen else 1) if is_inside else 0)
        return tuple(flags)


def draw_drawing(
    photo: npt.NDArray[np.uint8], *, size: int, num_shapes: int | None = None, seed: int = 0
) -> Drawing:
    """Paint random shapes over a random part of a photograph.

    The shapes may hide each other and leave the picture, but of each at least `LEAST_SEEN` is
    seen, in one piece without holes.

    Args:
        photo: (H, W, 3) uint8, RGB.
        size: Width and height of the picture, pixels.
        num_shapes: As many as find room; None draws 1 to 4.
        seed: Of this one picture: another seed, another picture.
    """
    random = np.random.default_rng(seed)
    background = _cut(photo, size, random)
    wanted = int(random.integers(1, _MOST_SHAPES + 1)) if num_shapes is None else num_shapes
    drawing = paint(background, ())
    for _ in range(wanted):
        for _ in range(_TRIES):
            tried = paint(background, (*drawing.shapes, _random_shape(size, random)))
            if _is_clear(tried):
                drawing = tried
                break
    return drawing


def paint(background: npt.NDArray[np.uint8], shapes: tuple[Shape, ...]) -> Drawing:
    """Paint shapes over a square picture, each over the ones before.

    Args:
        background: (size, size, 3) uint8, RGB; it is left as it is.
        shapes: In the order of painting.
    """
    size = len(background)
    canvas, owners = background.astype(np.float64), np.zeros((size, size), np.uint8)
    for number, shape in enumerate(shapes, start=1):
        depth = shape.depth(size)
        # A soft edge of a pixel, as a camera gives.
        alpha = np.clip(depth + 0.5, 0, 1)[:, :, None]
        canvas += (np.array(shape.colour) - canvas) * alpha
        owners[depth > 0] = number
    return Drawing(np.rint(canvas).astype(np.uint8), shapes, owners)


def trace(mask: Mask) -> list[tuple[int, int]] | None:
    """The polygon around a mask's pixels, along their edges: corners x, y, clockwise.

    Args:
        mask: (H, W).

    Returns:
        None where one polygon cannot say it: the mask is empty, or in parts, has a hole, or is
        held together by a corner alone.
    """
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    # Where an edge lies from a pixel, the edge's start and end from the pixel's corner.
    edges = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    ends: dict[tuple[int, int], tuple[int, int]] = {}
    num_edges = 0
    for beyond, (x0, y0), (x1, y1) in edges:
        rows, columns = np.nonzero(inner & ~beyond)
        num_edges += len(rows)
        for x, y in zip(columns.tolist(), rows.tolist(), strict=True):
            ends[x + x0, y + y0] = (x + x1, y + y1)
    if not ends or len(ends) < num_edges:
        return None
    loop = [next(iter(ends))]
    while (following := ends[loop[-1]]) != loop[0]:
        loop.append(following)
    if len(loop) < num_edges:
        return None
    around = zip(loop[-1:] + loop[:-1], loop, loop[1:] + loop[:1], strict=True)
    return [
        here
        for before, here, after in around
        if (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1])
    ]


def _is_clear(drawing: Drawing) -> bool:
    """Whether of every shape enough is seen, in one piece."""
    masks = [drawing.owners == number + 1 for number in range(len(drawing.shapes))]
    return all(
        mask.sum() >= LEAST_SEEN * shape.area() and trace(mask) is not None
        for mask, shape in zip(masks, drawing.shapes, strict=True)
    )


def _random_shape(size: int, random: np.random.Generator) -> Shape:
    label = int(random.integers(SQUARE, DISC + 1))
    x, y = (float(place) for place in random.uniform(0.08, 0.92, 2) * size)
    turn = math.radians(float(random.uniform(-_TURN, _TURN)))
    hue, saturation, value = random.uniform((0, 0.7, 0.55), (1, 1, 1))
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return Shape(
        label,
        x,
        y,
        size=float(random.uniform(0.17, 0.3)) * size,
        angle=0.0 if label == DISC else turn,  # of a disc no turn can be seen
        colour=(red, green, blue),
    )


def _cut(
    photo: npt.NDArray[np.uint8], size: int, random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """A random square part of a photograph, at least half as wide as it can be."""
    height, width = photo.shape[:2]
    side = round(float(random.uniform(0.5, 1)) * min(height, width))
    top, left = int(random.integers(height - side + 1)), int(random.integers(width - side + 1))
    part = Image.fromarray(photo[top : top + side, left : left + side])
    return np.asarray(part.resize((size, size), Image.Resampling.BICUBIC))
