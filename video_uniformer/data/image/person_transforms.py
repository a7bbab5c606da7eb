"""Persons of pictures to a pose network's input and targets.

In the published order: flip, half body, scale and rotation, warp, normalise. Source: mmpose 0.16,
`top_down_transform.py`, with the settings of the official `pose_estimation/exp`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from video_uniformer.clip import PersonSpec
from video_uniformer.data.annotations.coco_keypoints import PersonSample
from video_uniformer.data.image.heatmaps import STRIDE, heatmap_targets
from video_uniformer.data.image.person_crops import (
    Pixels,
    Region,
    crop_matrix,
    map_points,
    padded,
    person_input,
    person_region,
)
from video_uniformer.data.image.picture import Picture
from video_uniformer.data.image.quick_crop import decode_jpeg
from video_uniformer.data.policy_reading import spread_seed
from video_uniformer.skeleton import Skeleton

PersonTransform = Callable[[Picture, PersonSample], Mapping[str, Tensor]]
"""From one person of a picture to the entries of its sample."""

_HALF_BODY_JOINTS = 8  # a half is shown of persons with more visible joints than that
_HALF_BODY_PADDING = 1.5
_JITTER_SHARE = 0.4  # of the box's width and height, for both directions together


class _Joints(NamedTuple):
    """Joints of one person: x and y (J, 2) in pixels, and which are labelled (J,)."""

    points: Tensor
    visible: Tensor


class _Draws(NamedTuple):
    """How much training varies what it shows; see `person_train_transform`."""

    flip_prob: float
    half_body_prob: float
    scale_factor: float
    rotation: float
    rotation_prob: float
    jitter_prob: float


def person_train_transform(
    spec: PersonSpec,
    skeleton: Skeleton,
    *,
    flip_prob: float = 0.5,
    half_body_prob: float = 0.3,
    scale_factor: float = 0.5,
    rotation: float = 40.0,
    rotation_prob: float = 0.6,
    jitter_prob: float = 0.3,
) -> PersonTransform:
    """Augment as published.

    Args:
        spec: Size, padding, sigma of the targets, normalisation and channel order.
        skeleton: Number of joints, those that change places in a mirror, and the upper half.
        flip_prob: Probability of the horizontal flip.
        half_body_prob: Probability with which one half is shown of persons with more than 8
            labelled joints.
        scale_factor: Standard deviation of the region's scale, and the most that it is off from 1.
        rotation: Standard deviation of the rotation, degrees; twice that is the largest.
        rotation_prob: Probability of a rotation.
        jitter_prob: Probability with which a person's box is shifted, by a fifth of its width and
            height at most. By its annotation: a person is shifted always or never, and always
            alike.

    Returns:
        A picklable callable, (picture, person) -> `image`, float32 (3, height, width), `heatmaps`
        (J, height / 4, width / 4), `weights` (J,), and `center` (2,) and `scale` (2,), the middle
        and the sides of what is shown, pixels of the picture; it raises `PictureError`.

    Raises:
        ValueError: An argument is out of range.
    """
    draws = _Draws(flip_prob, half_body_prob, scale_factor, rotation, rotation_prob, jitter_prob)
    _check(draws)
    return partial(_train_view, spec=spec, skeleton=skeleton, draws=draws)


def _check(draws: _Draws) -> None:
    for name in ("flip_prob", "half_body_prob", "rotation_prob", "jitter_prob"):
        prob = getattr(draws, name)
        if not 0 <= prob <= 1:
            raise ValueError(f"{name} is {prob!r}, expected 0 to 1")
    if not 0 <= draws.scale_factor < 1:
        raise ValueError(f"scale_factor is {draws.scale_factor!r}, expected 0 up to below 1")
    if not draws.rotation >= 0:
        raise ValueError(f"rotation is {draws.rotation!r}, expected degrees >= 0")


def person_eval_transform(spec: PersonSpec, skeleton: Skeleton) -> PersonTransform:
    """Cut out the person's box, widened and padded, and scale it to the network's input.

    Args:
        spec: As in `person_train_transform`.
        skeleton: Number of joints.

    Returns:
        As of `person_train_transform`; all weights are 0 of a person that a detector has found.
    """
    return partial(_eval_view, spec=spec, num_joints=len(skeleton.joints))


def _eval_view(
    picture: Picture, person: PersonSample, *, spec: PersonSpec, num_joints: int
) -> dict[str, Tensor]:
    region = person_region(person.box, spec)
    matrix = crop_matrix(region, 0, height=spec.height, width=spec.width)
    pixels = np.asarray(picture.rgb())
    return _entries(_joints(person, num_joints), region, matrix, spec, pixels, matrix)


def _train_view(
    picture: Picture,
    person: PersonSample,
    *,
    spec: PersonSpec,
    skeleton: Skeleton,
    draws: _Draws,
) -> dict[str, Tensor]:
    pixels = picture.pixels(decode_jpeg, least_height=picture.height, least_width=picture.width)
    joints = _joints(person, len(skeleton.joints))
    region = person_region(_jittered_box(person, draws.jitter_prob), spec)
    is_flipped = bool(torch.rand(()) < draws.flip_prob)
    if is_flipped:
        joints = _mirrored(joints, skeleton, picture.width)
        region = region._replace(x=picture.width - 1 - region.x)
    region = _drawn_half(joints, skeleton, spec, draws.half_body_prob) or region
    region = _scaled(region, draws.scale_factor)
    degrees = _drawn_rotation(draws.rotation, draws.rotation_prob)
    matrix = crop_matrix(region, degrees, height=spec.height, width=spec.width)
    from_picture = _after_mirror(matrix, picture.width) if is_flipped else matrix
    return _entries(joints, region, matrix, spec, pixels, from_picture)


def _joints(person: PersonSample, num_joints: int) -> _Joints:
    if person.keypoints is None:
        return _Joints(torch.zeros(num_joints, 2), torch.zeros(num_joints, dtype=torch.bool))
    keypoints = torch.tensor(person.keypoints, dtype=torch.float64)
    return _Joints(keypoints[:, :2], keypoints[:, 2] > 0)


def _jittered_box(person: PersonSample, prob: float) -> tuple[float, float, float, float]:
    """The box, shifted for some persons.

    Official: mmpose draws this when it reads the list, so that it never changes in a run; here it
    is the annotation's number that tells.
    """
    generator = torch.Generator().manual_seed(spread_seed(abs(person.annotation_id)))
    draw, across, down = torch.rand(3, generator=generator).tolist()
    if draw >= prob:
        return person.box
    x, y, width, height = person.box
    x += _JITTER_SHARE * (across - 0.5) * width
    y += _JITTER_SHARE * (down - 0.5) * height
    return x, y, width, height


def _mirrored(joints: _Joints, skeleton: Skeleton, width: int) -> _Joints:
    order = list(range(len(skeleton.joints)))
    for left, right in skeleton.flip_pairs:
        order[left], order[right] = right, left
    points = joints.points[order]
    points[:, 0] = width - 1 - points[:, 0]
    return _Joints(points, joints.visible[order])


def _after_mirror(matrix: Tensor, width: int) -> Tensor:
    """The map (2, 3) of a picture whose mirror image `matrix` maps."""
    return torch.stack([-matrix[:, 0], matrix[:, 1], matrix[:, 2] + (width - 1) * matrix[:, 0]], 1)


def _drawn_half(
    joints: _Joints, skeleton: Skeleton, spec: PersonSpec, prob: float
) -> Region | None:
    """Around the visible joints of one half of the person; mostly, None."""
    if not skeleton.upper_body or int(joints.visible.sum()) <= _HALF_BODY_JOINTS:
        return None
    if torch.rand(()) >= prob:
        return None
    is_upper = torch.zeros_like(joints.visible)
    is_upper[list(skeleton.upper_body)] = True
    upper, lower = (joints.points[joints.visible & part] for part in (is_upper, ~is_upper))
    # Official: a normal draw, below 0.5 with probability 0.69; a uniform one would be natural.
    prefers_upper = bool(torch.randn(()) < 0.5)
    chosen = upper if (prefers_upper and len(upper) > 2) or len(lower) <= 2 else lower
    if len(chosen) < 2:
        return None
    # Official: the mean of the joints; the middle of their box would be natural.
    x, y = chosen.mean(0).tolist()
    width, height = (chosen.amax(0) - chosen.amin(0)).tolist()
    if max(width, height) == 0:  # all in one place
        return None
    return padded(Region(x, y, width, height), spec, _HALF_BODY_PADDING)


def _scaled(region: Region, scale_factor: float) -> Region:
    factor = float((1 + scale_factor * torch.randn(())).clamp(1 - scale_factor, 1 + scale_factor))
    return region._replace(width=region.width * factor, height=region.height * factor)


def _drawn_rotation(rotation: float, prob: float) -> float:
    degrees = float((rotation * torch.randn(())).clamp(-2 * rotation, 2 * rotation))
    return degrees if torch.rand(()) < prob else 0.0


def _entries(
    joints: _Joints,
    region: Region,
    matrix: Tensor,
    spec: PersonSpec,
    pixels: Pixels,
    from_picture: Tensor,
) -> dict[str, Tensor]:
    """Warp picture and joints; `matrix` maps the joints, `from_picture` the picture's pixels."""
    heatmaps, weights = heatmap_targets(
        map_points(joints.points, matrix),
        joints.visible,
        height=spec.height // STRIDE,
        width=spec.width // STRIDE,
        sigma=spec.sigma,
    )
    return {
        "image": person_input(pixels, from_picture, spec),
        "heatmaps": heatmaps,
        "weights": weights,
        "center": torch.tensor([region.x, region.y]),
        "scale": torch.tensor([region.width, region.height]),
    }
