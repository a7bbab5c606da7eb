"""Finders of joints made of checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_pictures import noise
from PIL import Image
from tiny_dense import PERSON, save_pose_network, save_segmenter

from video_uniformer import PersonSpec, create_pose_network, load_pose_finder
from video_uniformer.data.annotations.coco_keypoints import PersonSample
from video_uniformer.data.image.person_transforms import person_eval_transform
from video_uniformer.data.image.picture import Picture
from video_uniformer.inference.persons import PoseFinder, person_score
from video_uniformer.models.heads.pose_decoding import find_joints
from video_uniformer.skeleton import COCO_PERSON, SHAPES

BOX = (10.0, 5.0, 30.0, 20.0)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_pose_network(tmp_path / "p.safetensors")


@pytest.fixture
def finder(checkpoint: Path) -> PoseFinder:
    return load_pose_finder(checkpoint)


def test_checkpoint_says_everything(finder: PoseFinder) -> None:
    assert (finder.person, finder.skeleton) == (PERSON, SHAPES)
    assert finder.joint_names == SHAPES.joints


def test_answer_is_that_of_the_evaluation(
    checkpoint: Path, finder: PoseFinder, tmp_path: Path
) -> None:
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    person = PersonSample(tmp_path / "a.png", 0, BOX, None, 1.0, 0)
    view = person_eval_transform(PERSON, SHAPES)(Picture(person.path), person)
    image, center, scale = (view[name][None] for name in ("image", "center", "scale"))
    network = create_pose_network(weights=checkpoint).eval()
    with torch.inference_mode():
        points, scores = find_joints(network, image, center, scale, flip_pairs=SHAPES.flip_pairs)
    [found] = finder(noise(0), np.array([BOX]))
    assert np.allclose(found[:, :2], points[0].numpy(), atol=1e-3)
    assert np.allclose(found[:, 2], scores[0].numpy(), atol=1e-5)


def test_without_boxes_the_picture_is_one_person(finder: PoseFinder) -> None:
    whole = finder(noise(1), np.array([[0, 0, 64, 48]]))
    assert whole.shape == (1, 4, 3)
    assert (finder(noise(1)) == whole).all()


def test_many_persons_come_in_their_order(finder: PoseFinder) -> None:
    boxes = np.array([[x, 2.0, 20.0, 30.0] for x in range(20)])  # more than go together
    found = finder(noise(2), boxes)
    assert found.shape == (20, 4, 3)
    alone = np.concatenate([finder(noise(2), boxes[place : place + 1]) for place in (0, 17)])
    assert np.allclose(found[[0, 17]], alone, atol=1e-3)


def test_nobody_is_found_where_nobody_is(finder: PoseFinder) -> None:
    assert finder(noise(0), np.zeros((0, 4))).shape == (0, 4, 3)


@pytest.mark.parametrize(
    "box",
    [(-20, 0, 20, 10), (64, 0, 5, 5), (0, 48, 5, 5), (0, 0, 0, 5), (0, 0, 5, np.nan)],
    ids=str,
)
def test_box_without_part_in_the_picture_is_refused(
    box: tuple[float, ...], finder: PoseFinder
) -> None:
    with pytest.raises(ValueError, match=r"boxes\[1\] is .*, expected left, top, width and height"):
        finder(noise(0), np.array([BOX, box]))


def test_boxes_of_another_shape_are_refused(finder: PoseFinder) -> None:
    with pytest.raises(ValueError, match=r"boxes is \(4,\), expected \(persons, 4\)"):
        finder(noise(0), np.array(BOX))


def test_pixels_of_another_kind_are_refused(finder: PoseFinder) -> None:
    with pytest.raises(ValueError, match=r"pixels is float64 \(8, 8, 3\), expected uint8"):
        finder(np.zeros((8, 8, 3)))


def test_joints_that_are_not_said_have_to_be_given(tmp_path: Path) -> None:
    path = save_pose_network(tmp_path / "n.safetensors", knows_joints=False)
    with pytest.raises(ValueError, match="does not say what its joints are, expected a skeleton"):
        load_pose_finder(path)
    assert load_pose_finder(path, skeleton=SHAPES).joint_names == SHAPES.joints


def test_seventeen_joints_are_those_of_coco(tmp_path: Path) -> None:
    path = save_pose_network(tmp_path / "c.safetensors", num_joints=17, knows_joints=False)
    assert load_pose_finder(path).skeleton == COCO_PERSON


def test_fields_of_the_input_can_be_replaced(checkpoint: Path) -> None:
    assert load_pose_finder(checkpoint, person={"height": 96}).person == PersonSpec(96, 64)


def test_skeleton_of_other_joints_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="skeleton has 17 joints, expected 4"):
        load_pose_finder(checkpoint, skeleton=COCO_PERSON)


def test_segmenter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a network for segmentation, expected pose"):
        load_pose_finder(save_segmenter(tmp_path / "s.safetensors"))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.8, 0.4, 0.2, 0.1], 0.5 * 0.6), ([0.2, 0.1, 0.0, -1.0], 0.0)],
)
def test_score_counts_joints_that_are_seen(scores: list[float], expected: float) -> None:
    keypoints = np.array([[1.0, 2.0, score] for score in scores])
    assert person_score(keypoints, 0.5) == pytest.approx(expected)
