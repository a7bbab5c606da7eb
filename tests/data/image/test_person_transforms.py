"""Persons to inputs and targets: what training varies, and that joints go with the pixels."""

import dataclasses
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_persons import FIVE
from PIL import Image
from torch import Tensor

from video_uniformer.clip import PersonSpec
from video_uniformer.data.annotations.coco_keypoints import PersonSample
from video_uniformer.data.image.person_transforms import (
    PersonTransform,
    person_eval_transform,
    person_train_transform,
)
from video_uniformer.data.image.picture import BlackPicture, Picture
from video_uniformer.data.image.seeding import generators_kept, reseed
from video_uniformer.skeleton import COCO_PERSON, Skeleton

SPEC = PersonSpec(64, 64, sigma=1, mean=(0, 0, 0), std=(1, 1, 1))
PLAIN = {
    "flip_prob": 0,
    "half_body_prob": 0,
    "scale_factor": 0,
    "rotation_prob": 0,
    "jitter_prob": 0,
}
BOX = (40.0, 30.0, 80.0, 80.0)
# Each of another colour, and far from each other.
POINTS = ((80, 70), (50, 50), (110, 50), (55, 95), (105, 95))
COLOURS = ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0))
# Ten joints, so that halves are shown; five of them are up and to the left.
TEN = Skeleton(
    joints=tuple("abcdefghij"),
    limbs=(),
    flip_pairs=(),
    upper_body=(0, 1, 2, 3, 4),
    sigmas=(0.05,) * 10,
)
UPPER = ((10, 10), (20, 10), (10, 30), (20, 30), (15, 20))
LOWER = ((60, 60), (100, 60), (60, 80), (100, 80), (60, 70))


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with generators_kept():
        reseed(0)
        yield


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    pixels = np.zeros((140, 160, 3), np.uint8)
    for (x, y), colour in zip(POINTS, COLOURS, strict=True):
        pixels[y - 1 : y + 2, x - 1 : x + 2] = 255 * np.array(colour)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return Picture(tmp_path / "a.png")


def person(
    points: tuple[tuple[float, float], ...] = POINTS, number: int = 1, visible: int = 2
) -> PersonSample:
    keypoints = tuple((x, y, visible) for x, y in points)
    return PersonSample(Path("a.png"), 1, BOX, keypoints, 1.0, number)


def colour_at(entries: dict[str, Tensor], joint: int) -> list[float]:
    """The mean colour around a joint's target, 0 to 1."""
    row, column = divmod(int(entries["heatmaps"][joint].argmax()), 16)
    x, y = 4 * column, 4 * row
    window = entries["image"][:, max(0, y - 3) : y + 4, max(0, x - 3) : x + 4]
    return [float(value) for value in window.amax((1, 2))]


def test_the_eval_crop_is_the_padded_box(picture: Picture) -> None:
    entries = person_eval_transform(SPEC, FIVE)(picture, person())
    assert entries["center"].tolist() == [80, 70]
    assert entries["scale"].tolist() == [100, 100]
    assert entries["image"].shape == (3, 64, 64)
    assert entries["heatmaps"].shape == (5, 16, 16)
    # (50, 50) is 30 left of the centre and 20 above: 32 - 0.64 x 30 = 12.8 and 19.2, over 4.
    assert divmod(int(entries["heatmaps"][1].argmax()), 16) == (5, 3)
    assert {value.dtype for value in entries.values()} == {torch.float32}


def test_a_found_person_has_no_targets(picture: Picture) -> None:
    entries = person_eval_transform(SPEC, FIVE)(picture, person()._replace(keypoints=None))
    assert not entries["weights"].any()
    assert not entries["heatmaps"].any()
    assert entries["image"].any()


def test_pixels_are_normalised_in_the_networks_order(picture: Picture) -> None:
    plain = person_eval_transform(SPEC, FIVE)(picture, person())["image"]
    spec = dataclasses.replace(SPEC, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2), channel_order="bgr")
    image = person_eval_transform(spec, FIVE)(picture, person())["image"]
    mean, std = (torch.tensor(v)[:, None, None] for v in (spec.mean, spec.std))
    torch.testing.assert_close(image, (plain.flip(0) - mean) / std)


def test_training_without_draws_shows_what_a_test_shows(picture: Picture) -> None:
    trained = person_train_transform(SPEC, FIVE, **PLAIN)(picture, person())
    tested = person_eval_transform(SPEC, FIVE)(picture, person())
    assert trained.keys() == tested.keys()
    assert all(torch.equal(trained[key], tested[key]) for key in tested)


def test_joints_go_with_the_pixels(picture: Picture) -> None:
    transform = person_train_transform(SPEC, FIVE, flip_prob=0, scale_factor=0.3)
    num_seen = 0
    for _ in range(60):
        entries = transform(picture, person())
        for joint, colour in enumerate(COLOURS):
            heatmap = entries["heatmaps"][joint]
            is_inside = heatmap.max() == 1 and heatmap[1:-1, 1:-1].max() == 1
            if is_inside:
                num_seen += 1
                shown = colour_at(entries, joint)
                assert all(
                    (value > 0.3) == bool(part) for value, part in zip(shown, colour, strict=True)
                )
    assert num_seen > 200


def test_a_mirrored_joint_goes_with_the_other_sides_pixels(picture: Picture) -> None:
    transform = person_train_transform(SPEC, FIVE, **{**PLAIN, "flip_prob": 1})
    entries = transform(picture, person())
    for joint, other in enumerate((0, 2, 1, 4, 3)):
        shown = colour_at(entries, joint)
        assert [value > 0.5 for value in shown] == [bool(part) for part in COLOURS[other]]


def test_a_joint_that_is_not_labelled_is_the_other_ones_in_the_mirror() -> None:
    sample = person()
    assert sample.keypoints is not None
    keypoints = tuple((x, y, 0 if n == 1 else 2) for n, (x, y, _) in enumerate(sample.keypoints))
    transform = person_train_transform(SPEC, FIVE, **{**PLAIN, "flip_prob": 1})
    entries = transform(BlackPicture(), sample._replace(keypoints=keypoints))
    assert entries["weights"].tolist() == [1, 1, 0, 1, 1]


def test_a_mirrored_input_is_the_mirror_image(picture: Picture) -> None:
    # 160 wide: the person's centre, 80, comes to 79; the crop's is at 32 of columns 0 to 63.
    plain = person_train_transform(SPEC, FIVE, **PLAIN)(picture, person())
    flip = person_train_transform(SPEC, FIVE, **{**PLAIN, "flip_prob": 1})(picture, person())
    assert flip["center"].tolist() == [79, 70]
    assert torch.equal(flip["image"][..., 1:], plain["image"].flip(2)[..., :-1])


def test_half_of_the_persons_are_mirrored(picture: Picture) -> None:
    transform = person_train_transform(SPEC, FIVE, **{**PLAIN, "flip_prob": 0.5})
    centers = [float(transform(picture, person())["center"][0]) for _ in range(200)]
    assert 70 < centers.count(79) < 130
    assert centers.count(79) + centers.count(80) == 200


def test_scales_are_normal_and_clipped(picture: Picture) -> None:
    transform = person_train_transform(SPEC, FIVE, **{**PLAIN, "scale_factor": 0.5})
    scales = torch.stack([transform(picture, person())["scale"] for _ in range(400)]) / 100
    assert torch.equal(scales[:, 0], scales[:, 1])
    assert scales.amin() == 0.5
    assert scales.amax() == 1.5
    # A normal draw is beyond one deviation in 16 % of the cases, on either side.
    assert 0.1 < (scales[:, 0] == 0.5).float().mean() < 0.22
    assert 0.9 < scales[:, 0].median() < 1.1


def test_rotations_are_as_frequent_as_told(picture: Picture) -> None:
    transform = person_train_transform(SPEC, FIVE, **{**PLAIN, "rotation_prob": 0.6})
    plain = person_train_transform(SPEC, FIVE, **PLAIN)(picture, person())["image"]
    views = [transform(picture, person())["image"] for _ in range(200)]
    assert 90 < sum(not torch.equal(view, plain) for view in views) < 150


def test_a_rotation_is_at_most_twice_its_deviation() -> None:
    # A joint 30 to the right of the centre, of 100 pixels seen as 64: its cell tells the angle.
    points = ((110, 70), *POINTS[1:])
    transform = person_train_transform(SPEC, FIVE, **{**PLAIN, "rotation_prob": 1}, rotation=45)
    rows = []
    for _ in range(300):
        heatmap = transform(BlackPicture(), person(points))["heatmaps"][0]
        rows.append(divmod(int(heatmap.argmax()), 16))
    # At 90 degrees it is 19.2 pixels, 4.8 cells, above or below the middle, 8, and not beyond.
    assert min(rows)[0] == 3
    assert max(rows)[0] == 13
    assert min(column for _, column in rows) == 8


def half(
    points: tuple[tuple[float, float], ...], prob: float = 1, seeds: int = 200
) -> list[Tensor]:
    """The regions of several draws, (center x, y, width, height) each."""
    transform = person_train_transform(SPEC, TEN, **{**PLAIN, "half_body_prob": prob})
    views = []
    for _ in range(seeds):
        entries = transform(BlackPicture(), person(points))
        views.append(torch.cat([entries["center"], entries["scale"]]))
    return views


def test_a_half_is_the_mean_of_its_joints_and_one_and_a_half_times_their_box() -> None:
    views = {tuple(view.tolist()) for view in half(UPPER + LOWER)}
    # Upper: 10 x 20, made square; lower: 40 x 20, whose mean is left of its middle.
    assert views == {(15, 20, 30, 30), (76, 70, 60, 60)}


def test_the_upper_half_is_shown_at_seven_of_ten() -> None:
    views = half(UPPER + LOWER, seeds=400)
    assert 0.62 < sum(float(view[0]) == 15 for view in views) / 400 < 0.76


def test_halves_are_as_frequent_as_told() -> None:
    views = half(UPPER + LOWER, prob=0.3, seeds=400)
    assert 0.22 < sum(float(view[2]) != 100 for view in views) / 400 < 0.38


def labelled(num_upper: int, num_lower: int) -> PersonSample:
    flags = [n < num_upper for n in range(5)] + [n < num_lower for n in range(5)]
    points = zip(UPPER + LOWER, flags, strict=True)
    keypoints = tuple((x, y, 2 * flag) for (x, y), flag in points)
    return person()._replace(keypoints=keypoints)


def shown_widths(sample: PersonSample, skeleton: Skeleton = TEN) -> set[float]:
    transform = person_train_transform(SPEC, skeleton, **{**PLAIN, "half_body_prob": 1})
    return {float(transform(BlackPicture(), sample)["scale"][0]) for _ in range(40)}


@pytest.mark.parametrize(
    ("num_upper", "num_lower", "widths"),
    [(4, 4, {100}), (5, 3, {100}), (5, 4, {30, 60}), (4, 5, {30, 60})],
)
def test_halves_are_shown_of_more_than_eight_joints(
    num_upper: int, num_lower: int, widths: set[float]
) -> None:
    assert shown_widths(labelled(num_upper, num_lower)) == widths


@pytest.mark.parametrize(
    ("upper_body", "widths"),
    [
        ((), {100}),  # no such half
        ((0,), {135}),  # too few above: the others, 90 x 70
        ((0, 1, 2, 3, 4, 5, 6, 7), {135}),  # too few below: the upper ones, 90 x 70
    ],
)
def test_a_half_of_few_joints_gives_way_to_the_other(
    upper_body: tuple[int, ...], widths: set[float]
) -> None:
    skeleton = dataclasses.replace(TEN, upper_body=upper_body)
    assert shown_widths(labelled(5, 5), skeleton) == widths


def test_a_half_whose_joints_are_in_one_place_is_not_shown() -> None:
    assert half(((5, 5),) * 10, seeds=20)[0].tolist() == [80, 70, 100, 100]


def test_centres_are_jittered_by_annotation_and_never_otherwise() -> None:
    transform = person_train_transform(SPEC, FIVE, **{**PLAIN, "jitter_prob": 0.3})

    def center(number: int) -> tuple[float, ...]:
        return tuple(transform(BlackPicture(), person(number=number))["center"].tolist())

    centers = [center(number) for number in range(400)]
    assert centers == [center(number) for number in range(400)]
    shifts = torch.tensor(centers) - torch.tensor([80.0, 70.0])
    assert 0.22 < shifts.any(1).float().mean() < 0.38
    # A fifth of a box of 80 at most, in both directions.
    assert 13 < shifts.amax() <= 16
    assert -16 <= shifts.amin() < -13


def test_one_seed_gives_one_view_also_after_pickling(picture: Picture) -> None:
    transform: PersonTransform = pickle.loads(pickle.dumps(person_train_transform(SPEC, FIVE)))
    views = []
    for seed in (1, 1, 2):
        reseed(seed)
        views.append(transform(picture, person()))
    assert all(torch.equal(views[0][key], views[1][key]) for key in views[0])
    assert not torch.equal(views[0]["image"], views[2]["image"])


def test_cocos_person_has_seventeen_heatmaps(picture: Picture) -> None:
    sample = person(tuple((n, n) for n in range(60, 77)))
    entries = person_train_transform(PersonSpec(), COCO_PERSON)(picture, sample)
    assert entries["heatmaps"].shape == (17, 64, 48)
    assert entries["image"].shape == (3, 256, 192)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip_prob": 1.5}, "flip_prob is 1.5, expected 0 to 1"),
        ({"half_body_prob": -1}, "half_body_prob is -1, expected 0 to 1"),
        ({"rotation_prob": 2}, "rotation_prob is 2, expected 0 to 1"),
        ({"jitter_prob": 2}, "jitter_prob is 2, expected 0 to 1"),
        ({"scale_factor": 1}, "scale_factor is 1, expected 0 up to below 1"),
        ({"rotation": -1}, "rotation is -1, expected degrees >= 0"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        person_train_transform(SPEC, FIVE, **options)
