"""The size at which a segmentation network sees a picture."""

import pytest
import torch

from video_uniformer.clip import SceneSpec
from video_uniformer.data.image.scene_scaling import rescaled_size, scaled


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (512, 683, (512, 683)),  # as it is
        (768, 1024, (512, 683)),  # 682.67 up
        (1024, 768, (683, 512)),
        (256, 341, (512, 682)),  # small pictures grow
        (375, 500, (512, 683)),
        (300, 3000, (205, 2048)),  # 204.8: the longer side decides
        (3, 2, (768, 512)),
        (1, 9000, (1, 2048)),  # 0.23 would be no row at all
    ],
)
def test_size_exceeds_neither_side(height: int, width: int, expected: tuple[int, int]) -> None:
    assert rescaled_size(height, width, 2048, 512) == expected


@pytest.mark.parametrize("name", ["height", "width", "long_side", "short_side"])
def test_size_of_nothing_is_refused(name: str) -> None:
    sizes = {"height": 4, "width": 4, "long_side": 4, "short_side": 4, name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0, expected at least 1 pixel"):
        rescaled_size(**sizes)


def test_picture_is_interpolated_without_smoothing() -> None:
    picture = torch.tensor([0, 10, 200, 100], dtype=torch.uint8).expand(3, 4, 4)
    spec = SceneSpec(short_side=2, long_side=2)
    # Of four columns two are left, each halfway between two neighbours: 5 and 150.
    assert torch.equal(scaled(picture, spec), torch.tensor([5, 150]).byte().expand(3, 2, 2))


def test_values_are_rounded_once() -> None:
    picture = torch.tensor([[0, 1], [0, 2]], dtype=torch.uint8).expand(3, 2, 2)
    # (0 + 1 + 0 + 2) / 4 = 0.75; if the rows' means, 0.5 and 1, were rounded it would be 0.5 -> 0.
    assert scaled(picture, SceneSpec(short_side=1, long_side=1)).flatten().tolist() == [1, 1, 1]


def test_picture_of_the_right_size_is_left_as_it_is() -> None:
    picture = torch.randint(0, 256, (3, 8, 12)).byte()
    assert torch.equal(scaled(picture, SceneSpec(short_side=8, long_side=12)), picture)


@pytest.mark.parametrize(
    ("ratio", "multiple", "expected"),
    [
        (1.0, 1, (512, 683)),
        (1.0, 32, (512, 704)),
        (0.5, 1, (256, 341)),
        (1.75, 1, (896, 1195)),  # 1194.67
        (1.75, 32, (896, 1216)),
    ],
)
def test_ratio_comes_before_the_multiple(
    ratio: float, multiple: int, expected: tuple[int, int]
) -> None:
    picture = torch.zeros(3, 768, 1024, dtype=torch.uint8)
    assert scaled(picture, SceneSpec(multiple=multiple), ratio=ratio).shape == (3, *expected)


def test_ratio_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio is 0\.001, expected sides of at least 1 pixel"):
        scaled(torch.zeros(3, 8, 8, dtype=torch.uint8), SceneSpec(), ratio=0.001)
