"""Which joints a pose has, and how they belong together.

Plain data without torch, so that checkpoints and drawings can speak of it at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from video_uniformer.system.suggestions import did_you_mean

DEFAULT_SIGMA = 0.05
_REQUIRED = ("joints", "limbs", "flip_pairs")
_KEYS = (*_REQUIRED, "upper_body", "sigmas")


@dataclass(frozen=True)
class Skeleton:
    """The joints of a pose, in the order of the network's heatmaps.

    Files hold it as plain types: `Skeleton(**dataclasses.asdict(skeleton))` equals `skeleton`, also
    when JSON or YAML have made lists of the tuples.

    Attributes:
        joints: Names, all different.
        limbs: Pairs of joints, from 0, between which a line is drawn.
        flip_pairs: Pairs of joints, from 0, that change places in a mirrored picture.
        upper_body: Joints, from 0, of the upper half, which training shows alone at times; empty
            where there is no such half.
        sigmas: Per joint, how far annotators differ, as a share of the square root of a person's
            area; the k of COCO's object keypoint similarity is twice that.

    Raises:
        ValueError: A field is outside what is said above.
    """

    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]
    sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", _names(self.joints))
        for name in ("limbs", "flip_pairs"):
            object.__setattr__(self, name, _pairs(name, getattr(self, name), self.joints))
        _check_distinct("flip_pairs", list(chain(*self.flip_pairs)))
        object.__setattr__(self, "upper_body", _indices(self.upper_body, self.joints))
        object.__setattr__(self, "sigmas", _positive(self.sigmas, len(self.joints)))


def _names(joints: object) -> tuple[str, ...]:
    if not isinstance(joints, Sequence) or isinstance(joints, str) or not joints:
        raise ValueError(f"joints is {joints!r}, expected a list of names")
    for joint in joints:
        if not isinstance(joint, str) or not joint.strip():
            raise ValueError(f"joints holds {joint!r}, expected names")
    _check_distinct("joints", joints)
    return tuple(joints)


def _pairs(name: str, pairs: object, joints: Sequence[str]) -> tuple[tuple[int, int], ...]:
    if not isinstance(pairs, Sequence) or isinstance(pairs, str):
        raise ValueError(f"{name} is {pairs!r}, expected a list of pairs of joints")
    found = []
    for pair in pairs:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"{name} holds {pair!r}, expected pairs of joints")
        first, second = (_index(name, joint, joints) for joint in pair)
        if first == second:
            raise ValueError(f"{name} holds {pair!r}, expected two different joints")
        found.append((first, second))
    return tuple(found)


def _indices(upper_body: object, joints: Sequence[str]) -> tuple[int, ...]:
    if not isinstance(upper_body, Sequence) or isinstance(upper_body, str):
        raise ValueError(f"upper_body is {upper_body!r}, expected a list of joints")
    indices = tuple(_index("upper_body", joint, joints) for joint in upper_body)
    _check_distinct("upper_body", indices)
    return indices


def _index(name: str, joint: object, joints: Sequence[str]) -> int:
    if type(joint) is not int or not 0 <= joint < len(joints):
        raise ValueError(f"{name} holds {joint!r}, expected joints, 0 to {len(joints) - 1}")
    return joint


def _check_distinct(name: str, members: Sequence[object]) -> None:
    for place, member in enumerate(members):
        if member in members[:place]:
            raise ValueError(f"{name} holds {member!r} twice, expected each joint once")


def _positive(sigmas: object, num_joints: int) -> tuple[float, ...]:
    if not isinstance(sigmas, Sequence) or len(sigmas) != num_joints:
        raise ValueError(f"sigmas is {sigmas!r}, expected {num_joints} numbers, one per joint")
    for sigma in sigmas:
        if type(sigma) not in (int, float) or not 0 < sigma < float("inf"):
            raise ValueError(f"sigmas holds {sigma!r}, expected numbers above 0")
    return tuple(float(sigma) for sigma in sigmas)


COCO_PERSON = Skeleton(
    joints=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
        *("left_wrist", "right_wrist", "left_hip", "right_hip"),
        *("left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    limbs=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6)),
        *((5, 7), (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    upper_body=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    sigmas=(
        *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
        *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
    ),
)
"""COCO's 17 joints. Source: the categories of COCO's person_keypoints files, pycocotools'
`Params.setKpParams` (sigmas) and mmpose 0.16 `topdown_coco_dataset.py` (pairs, upper body)."""


SHAPES = Skeleton(
    joints=("top", "right", "bottom", "left"),
    limbs=((0, 1), (1, 2), (2, 3), (3, 0)),
    flip_pairs=((1, 3),),
    upper_body=(),
    sigmas=(0.05,) * 4,
)
"""The joints of the squares, triangles and discs that `demo.shapes` draws."""

SKELETONS = {"coco_person": COCO_PERSON, "shapes": SHAPES}


def read_skeleton(path: str | Path) -> Skeleton:
    """Read a skeleton from a YAML file with the keys of `Skeleton`.

    A joint is its name or its number, from 0. `upper_body` may be absent, and so may `sigmas`,
    which are then `DEFAULT_SIGMA` each.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no YAML, a key is unknown or absent, or a value is no such thing.
    """
    path = Path(path)
    content = _read_mapping(path)
    for key in content:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            raise ValueError(f"{path}: key {key!r}, expected one of {', '.join(_KEYS)}{hint}")
    for key in _REQUIRED:
        if key not in content:
            raise ValueError(f"{path}: no key {key!r}, expected {', '.join(_REQUIRED)}")
    try:
        joints = _names(content["joints"])
        return Skeleton(
            joints=joints,
            limbs=_numbered("limbs", content["limbs"], joints),
            flip_pairs=_numbered("flip_pairs", content["flip_pairs"], joints),
            upper_body=_numbered("upper_body", content.get("upper_body", ()), joints),
            sigmas=_positive(content.get("sigmas", (DEFAULT_SIGMA,) * len(joints)), len(joints)),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_mapping(path: Path) -> dict[object, object]:
    import yaml  # most that speak of skeletons read none

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not YAML ({reason})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds {type(content).__name__}, expected keys {_REQUIRED}")
    return content


def _numbered(name: str, value: object, joints: tuple[str, ...]) -> tuple:
    """The same lists, or lists of lists, with names replaced by numbers."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name} is {value!r}, expected a list")
    return tuple(
        _numbered(name, item, joints) if isinstance(item, list) else _number(name, item, joints)
        for item in value
    )


def _number(name: str, joint: object, joints: tuple[str, ...]) -> object:
    if not isinstance(joint, str):
        return joint
    if joint not in joints:
        hint = did_you_mean(joint, joints)
        raise ValueError(f"{name} holds {joint!r}, expected a name of joints{hint}")
    return joints.index(joint)


def find_skeleton(source: str | Path) -> Skeleton:
    """The skeleton of a name, one of `SKELETONS`, or of a YAML file.

    Args:
        source: The name or the file.

    Raises:
        OSError: The file cannot be read.
        ValueError: As of `read_skeleton`.
    """
    return SKELETONS[str(source)] if str(source) in SKELETONS else read_skeleton(source)


def read_joint_names(source: str | Path, *, root: str | Path) -> list[str]:
    """The joints of `find_skeleton`, for data modules.

    Args:
        source: As there.
        root: Folder of the data; the name of a file does not start there.

    Raises:
        OSError: As there.
        ValueError: As there.
    """
    return list(find_skeleton(source).joints)
