"""The motions data set: classes that only the order of frames tells, written as real videos."""

import math
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import av
import decord
import pytest
import torch
from torch import Tensor

from video_uniformer.demo.motions import (
    CLASS_NAMES,
    PHOTOS,
    draw_motion,
    find_photos,
    load_photos,
    write_motions,
)

FLAT_PHOTOS = [torch.full((3, 320, 400), 90.0), torch.full((3, 320, 320), 160.0)]


@pytest.fixture(scope="module")
def val_photos() -> list[Tensor]:
    return load_photos("val")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set: 20 videos for training, 10 for validation."""
    root = tmp_path_factory.mktemp("motions") / "small"
    write_motions(root, num_train=20, num_val=10)
    return root


def rows(root: Path, split: str) -> list[tuple[Path, int]]:
    lines = (root / f"{split}.csv").read_text().splitlines()
    return [(root / path, int(label)) for path, label in (line.split(",") for line in lines)]


def decode(path: Path) -> Tensor:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.stack([torch.from_numpy(frame) for frame in frames])


def install(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a package of this name be installed in `folder`."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None, is_package=True)
    module.__spec__.submodule_search_locations = [str(folder)]
    monkeypatch.setitem(sys.modules, name, module)


def visible(frames: Tensor) -> Tensor:
    """How much each pixel of flat scenes differs from the background: (T, H, W)."""
    grey = frames.float().mean(dim=-1)
    return (grey - grey.median()).abs()


def centre(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass of what is visible, in pixels: two times (T,)."""
    mass = visible(frames)
    steps = torch.arange(frames.shape[1], dtype=torch.float32)
    total = mass.sum(dim=(1, 2))
    return (mass.sum(1) * steps).sum(1) / total, (mass.sum(2) * steps).sum(1) / total


def turned_degrees(frames: Tensor) -> float:
    """Clockwise turn of the long axis of what is visible near the middle of the object."""
    mass = visible(frames)
    steps = torch.arange(frames.shape[1], dtype=torch.float32)
    still = mass.mean(0)
    x, y = ((still.sum(axis) * steps).sum() / still.sum() for axis in (0, 1))
    for radius in (24, 20, 20):
        near = (steps - x) ** 2 + (steps[:, None] - y) ** 2 < radius**2
        weight = (still * near) / (still * near).sum()
        x, y = (weight.sum(0) * steps).sum(), (weight.sum(1) * steps).sum()
    weight = mass * near
    dx, dy = steps - x, steps[:, None] - y
    moments = [(weight * product).sum((1, 2)) for product in (dx * dx, dy * dy, dx * dy)]
    angle = torch.atan2(2 * moments[2], moments[0] - moments[1]) / 2
    difference = angle.diff()
    wrapped = torch.remainder(difference + math.pi / 2, math.pi) - math.pi / 2
    return math.degrees(wrapped.sum().item())


@pytest.mark.parametrize("pair", range(5))
def test_second_class_of_a_pair_is_the_first_played_backwards(
    pair: int, val_photos: list[Tensor]
) -> None:
    for seed in range(3):
        forwards = draw_motion(2 * pair, val_photos, seed=seed)
        backwards = draw_motion(2 * pair + 1, val_photos, seed=seed)
        assert torch.equal(forwards, backwards.flip(0))
        assert not torch.equal(forwards, backwards)


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [
        ("moving left", 0, -1),
        ("moving right", 0, 1),
        ("moving up", 1, -1),
        ("moving down", 1, 1),
    ],
)
def test_moving_object_crosses_a_good_part_of_the_frame(name: str, axis: int, sign: int) -> None:
    for seed in range(5):
        place = centre(draw_motion(CLASS_NAMES.index(name), FLAT_PHOTOS, num_frames=8, seed=seed))[
            axis
        ]
        assert sign * (place[-1] - place[0]) > 0.25 * 64


@pytest.mark.parametrize(("name", "sign"), [("coming closer", 1), ("going away", -1)])
def test_size_of_the_object_changes(name: str, sign: int) -> None:
    for seed in range(5):
        frames = draw_motion(CLASS_NAMES.index(name), FLAT_PHOTOS, num_frames=8, seed=seed)
        area = (visible(frames) > 30).sum((1, 2)).float()
        assert sign * (area[-1] / area[0]).log() > math.log(1.6)


@pytest.mark.parametrize(
    ("name", "sign"), [("turning clockwise", 1), ("turning counter-clockwise", -1)]
)
def test_object_turns_by_a_good_angle(name: str, sign: int) -> None:
    for seed in range(5):
        frames = draw_motion(CLASS_NAMES.index(name), FLAT_PHOTOS, num_frames=8, seed=seed)
        assert sign * turned_degrees(frames) > 60


@pytest.mark.parametrize(("name", "gone"), [("appearing", 0), ("disappearing", -1)])
def test_object_is_gone_at_one_end(name: str, gone: int) -> None:
    for seed in range(5):
        mass = visible(
            draw_motion(CLASS_NAMES.index(name), FLAT_PHOTOS, num_frames=8, seed=seed)
        ).sum((1, 2))
        assert mass[gone] < 0.4 * mass[-1 - gone]


def test_frames_are_those_asked_for(val_photos: list[Tensor]) -> None:
    frames = draw_motion(3, val_photos, num_frames=5, size=96)
    assert (frames.shape, frames.dtype) == ((5, 96, 96, 3), torch.uint8)


def test_seed_tells_the_scene(val_photos: list[Tensor]) -> None:
    first, again, other = (draw_motion(0, val_photos, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_photographs_of_train_and_val_are_different_files() -> None:
    assert not {path.name for path in find_photos("train")} & {
        path.name for path in find_photos("val")
    }
    assert {split: len(find_photos(split)) for split in PHOTOS} == {"train": 10, "val": 6}


def test_lists_are_balanced_and_relative(written: Path) -> None:
    for split, count in (("train", 2), ("val", 1)):
        samples = rows(written, split)
        assert sorted(label for _, label in samples) == sorted(list(range(10)) * count)
        assert all(path.is_file() for path, _ in samples)
    assert (written / "val.csv").read_text().startswith("videos/val/moving_left/00000.mp4,0\n")


def test_class_names_stand_in_the_order_of_labels(written: Path) -> None:
    assert tuple((written / "classes.txt").read_text().splitlines()) == CLASS_NAMES


def test_folder_is_named_like_the_class(written: Path) -> None:
    assert all(
        path.parent.name.replace("_", " ") == CLASS_NAMES[label]
        for path, label in rows(written, "train")
    )


def test_every_video_is_h264_and_opened_by_decord(written: Path) -> None:
    for path, _ in rows(written, "val"):
        reader = decord.VideoReader(str(path), num_threads=1)
        assert (len(reader), reader.get_avg_fps()) == (24, 12)
        assert reader.get_batch([0, 23]).shape == (2, 64, 64, 3)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_written_pair_is_each_other_backwards(written: Path) -> None:
    videos = [decode(path).float() for path, _ in rows(written, "val")]
    for forwards, backwards in zip(videos[::2], videos[1::2], strict=True):
        assert (forwards - backwards.flip(0)).abs().mean() < 4


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_two_processes_write_the_bytes_that_one_writes(written: Path, tmp_path: Path) -> None:
    write_motions(tmp_path / "two", num_train=20, num_val=10, num_workers=2)
    for split in PHOTOS:
        assert (tmp_path / "two" / f"{split}.csv").read_text() == (
            written / f"{split}.csv"
        ).read_text()
        for path, _ in rows(written, split):
            assert (tmp_path / "two" / path.relative_to(written)).read_bytes() == path.read_bytes()


def test_seed_tells_the_data_set(written: Path, tmp_path: Path) -> None:
    write_motions(tmp_path / "other", num_train=10, num_val=10, num_frames=2, seed=1)
    path = rows(written, "val")[0][0]
    assert (tmp_path / "other" / path.relative_to(written)).read_bytes() != path.read_bytes()


def test_finished_data_set_is_left_alone(tmp_path: Path) -> None:
    write_motions(tmp_path / "motions", num_train=10, num_val=10, num_frames=2)
    (tmp_path / "motions/val.csv").unlink()
    write_motions(tmp_path / "motions", num_train=10, num_val=10, num_frames=2)
    assert not (tmp_path / "motions/val.csv").exists()


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "deep/motions").mkdir(parents=True)
    write_motions(tmp_path / "deep/motions", num_train=10, num_val=10, num_frames=2)
    assert (tmp_path / "deep/motions/motions.json").is_file()


def test_other_parameters_are_refused(written: Path) -> None:
    with pytest.raises(ValueError, match=r"holds other motions than the expected .*'seed': 5"):
        write_motions(written, num_train=20, num_val=10, seed=5)


@pytest.mark.parametrize("name", ["folder", "folder/thesis.txt"])
def test_something_else_in_root_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="which holds something else; expected an empty folder"):
        write_motions(tmp_path / name)
    assert (tmp_path / "folder/thesis.txt").read_text() == "precious"


def test_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PHOTOS["train"]:
        broken = tmp_path / "packages" / name
        broken.parent.mkdir(parents=True, exist_ok=True)
        broken.write_text("no photograph")
    install("skimage", tmp_path / "packages/skimage", monkeypatch)
    monkeypatch.setitem(PHOTOS, "val", PHOTOS["train"])
    (tmp_path / "data").mkdir()
    with pytest.raises(OSError, match=r"cannot identify image file .*astronaut\.png"):
        write_motions(tmp_path / "data/motions", num_train=10, num_val=10)
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_train": 15}, "num_train is 15; expected a positive multiple of 10"),
        ({"num_val": 0}, "num_val is 0; expected a positive multiple of 10"),
        ({"num_frames": 1}, "num_frames is 1; expected at least 2"),
        ({"size": 72}, "size is 72; expected a positive multiple of 32 pixels"),
        ({"num_workers": 0}, "num_workers is 0; expected at least 1"),
    ],
)
def test_number_out_of_range_is_refused(
    changed: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_motions(tmp_path / "motions", **changed)


@pytest.mark.parametrize("package", ["skimage", "sklearn"])
def test_missing_package_names_the_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"needs {package}; .*pip install 'video-uniformer\[demo\]'"
    with pytest.raises(ModuleNotFoundError, match=message):
        write_motions(tmp_path / "motions")


def test_package_without_a_photograph_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("skimage", tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=r"installed skimage carries no data/astronaut\.png"):
        find_photos("train")


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split is 'test'; expected one of train, val"):
        load_photos("test")


@pytest.mark.parametrize("label", [-1, 10])
def test_unknown_label_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match=f"label is {label}; expected 0 to 9"):
        draw_motion(label, FLAT_PHOTOS)


def test_one_photograph_is_not_enough() -> None:
    with pytest.raises(ValueError, match="photos holds 1; expected at least 2"):
        draw_motion(0, FLAT_PHOTOS[:1])
