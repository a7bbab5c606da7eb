"""Skeletons: COCO's own, those of YAML files, and what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest
from pycocotools.cocoeval import Params

from video_uniformer.skeleton import COCO_PERSON, DEFAULT_SIGMA, Skeleton, read_skeleton

THREE = Skeleton(
    joints=("nose", "left_ear", "right_ear"),
    limbs=((0, 1), (0, 2)),
    flip_pairs=((1, 2),),
    upper_body=(0,),
    sigmas=(0.03, 0.04, 0.04),
)
BY_NAME = """\
joints: [nose, left_ear, right_ear]
limbs: [[nose, left_ear], [nose, right_ear]]
flip_pairs: [[left_ear, right_ear]]
upper_body: [nose]
sigmas: [0.03, 0.04, 0.04]
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "skeleton.yaml"


def test_coco_has_seventeen_joints_and_nineteen_limbs() -> None:
    assert len(COCO_PERSON.joints) == len(COCO_PERSON.sigmas) == 17
    assert len(COCO_PERSON.limbs) == 19


def test_cocos_sigmas_are_those_of_pycocotools() -> None:
    assert COCO_PERSON.sigmas == pytest.approx(Params("keypoints").kpt_oks_sigmas.tolist())


def test_cocos_limbs_join_neighbouring_joints() -> None:
    names = COCO_PERSON.joints
    limbs = {frozenset((names[a], names[b])) for a, b in COCO_PERSON.limbs}
    assert {"left_ankle", "left_knee"} in limbs
    assert {"left_shoulder", "right_shoulder"} in limbs
    assert {"nose", "right_eye"} in limbs
    assert {"left_wrist", "right_wrist"} not in limbs


def test_cocos_flip_pairs_are_left_and_right_of_one_kind() -> None:
    names = COCO_PERSON.joints
    for left, right in COCO_PERSON.flip_pairs:
        assert names[left].removeprefix("left_") == names[right].removeprefix("right_")
    assert len(COCO_PERSON.flip_pairs) == 8


def test_cocos_upper_body_ends_at_the_wrists() -> None:
    lower = [n for i, n in enumerate(COCO_PERSON.joints) if i not in COCO_PERSON.upper_body]
    assert {name.split("_")[1] for name in lower} == {"hip", "knee", "ankle"}


def test_a_skeleton_survives_json() -> None:
    assert Skeleton(**json.loads(json.dumps(dataclasses.asdict(COCO_PERSON)))) == COCO_PERSON


def test_a_file_may_name_joints(written: Path) -> None:
    written.write_text(BY_NAME)
    assert read_skeleton(written) == THREE


def test_a_file_may_number_joints(written: Path) -> None:
    numbered = {**dataclasses.asdict(THREE), "limbs": [[0, 1], ["nose", 2]]}
    written.write_text(json.dumps(numbered))
    assert read_skeleton(written) == THREE


def test_a_file_may_leave_out_the_upper_body_and_the_sigmas(written: Path) -> None:
    written.write_text("".join(BY_NAME.splitlines(keepends=True)[:3]))
    skeleton = read_skeleton(written)
    assert skeleton.upper_body == ()
    assert skeleton.sigmas == (DEFAULT_SIGMA,) * 3


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("joints", (), r"joints is \(\), expected a list of names"),
        ("joints", "nose", "joints is 'nose', expected a list of names"),
        ("joints", ("nose", " ", "ear"), "joints holds ' ', expected names"),
        ("joints", ("nose", "ear", "nose"), "joints holds 'nose' twice, expected each joint once"),
        ("limbs", 3, "limbs is 3, expected a list of pairs of joints"),
        ("limbs", ((0, 1, 2),), r"limbs holds \(0, 1, 2\), expected pairs of joints"),
        ("limbs", ((0, 3),), "limbs holds 3, expected joints, 0 to 2"),
        ("limbs", ((0, True),), "limbs holds True, expected joints, 0 to 2"),
        ("limbs", ((1, 1),), r"limbs holds \(1, 1\), expected two different joints"),
        ("flip_pairs", ((0, 1), (1, 2)), "flip_pairs holds 1 twice, expected each joint once"),
        ("upper_body", 0, "upper_body is 0, expected a list of joints"),
        ("upper_body", (-1,), "upper_body holds -1, expected joints, 0 to 2"),
        ("upper_body", (1, 1), "upper_body holds 1 twice, expected each joint once"),
        ("sigmas", (0.1,), r"sigmas is \(0.1,\), expected 3 numbers, one per joint"),
        ("sigmas", (0.1, 0, 0.1), "sigmas holds 0, expected numbers above 0"),
        ("sigmas", (0.1, float("nan"), 0.1), "sigmas holds nan, expected numbers above 0"),
    ],
)
def test_a_field_that_makes_no_skeleton_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        dataclasses.replace(THREE, **{field: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r": holds NoneType, expected keys \('joints', 'limbs', 'flip_pairs'\)"),
        ("joints: [", r": not YAML \(while parsing .*\)"),
        ("joints: [a]\nlimbs: []\n", ": no key 'flip_pairs', expected joints, limbs, flip_pairs"),
        ("limb: []", ": key 'limb', expected one of .*; did you mean 'limbs'?"),
        (
            BY_NAME.replace("[nose, right_ear]", "[nose, rigth_ear]"),
            ": limbs holds 'rigth_ear', expected a name of joints; did you mean 'right_ear'?",
        ),
        (BY_NAME.replace("[nose]", "nose"), ": upper_body is 'nose', expected a list"),
        (BY_NAME.replace("0.03", "-1"), ": sigmas holds -1, expected numbers above 0"),
    ],
)
def test_a_file_that_holds_no_skeleton_is_refused_in_one_line(
    written: Path, text: str, message: str
) -> None:
    written.write_text(text)
    with pytest.raises(ValueError, match=message.replace("?", r"\?")) as refusal:
        read_skeleton(written)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(str(written))


def test_a_file_that_is_not_text_is_refused(written: Path) -> None:
    written.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not YAML"):
        read_skeleton(written)
