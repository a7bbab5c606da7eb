"""What a user can get wrong ends in one line that names the culprit, and never hangs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from video_uniformer import create_uniformer
from video_uniformer.cli import test as testing
from video_uniformer.cli import train as training

# Measuring coverage, a worker warns at its start; as an error that would end it.
pytestmark = pytest.mark.filterwarnings("ignore:Module video_uniformer was previously imported")

Run = Callable[..., Any]


def assert_refused(ran: Any, culprit: str | Path, reason: str) -> None:
    """One line on the standard error, which names the culprit and the reason; status 1."""
    assert ran.status == 1
    lines = ran.err.splitlines()
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("error: ")
    assert str(culprit) in lines[0]
    assert reason in lines[0]


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def fill_with_text(path: Path) -> None:
    path.write_text("this is no video\n" * 100)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:700])


# With a worker and without; what resembles a case of the fast run waits for the slow one.
BAD_VIDEOS = [
    (empty, 1, "the file is empty"),
    *(
        pytest.param(remove, num_workers, "No such file", marks=pytest.mark.slow)
        for num_workers in (0, 1)
    ),
    pytest.param(empty, 0, "the file is empty", marks=pytest.mark.slow),
    *(
        pytest.param(damage, num_workers, "", marks=pytest.mark.slow)
        for damage in (fill_with_text, cut)
        for num_workers in (0, 1)
    ),
]


@pytest.mark.parametrize(("damage", "num_workers", "reason"), BAD_VIDEOS)
def test_training_names_a_bad_sample(
    damage: Callable[[Path], None],
    num_workers: int,
    reason: str,
    run: Run,
    tiny: Sequence[str],
    videos: Path,
    tmp_path: Path,
) -> None:
    damage(videos / "train2.mp4")
    settings = (f"output_dir={tmp_path / 'out'}", f"data.num_workers={num_workers}")
    assert_refused(run(training.main, *tiny, *settings), videos / "train2.mp4", reason)


@pytest.mark.parametrize(("damage", "num_workers", "reason"), BAD_VIDEOS)
def test_testing_names_a_bad_sample(
    damage: Callable[[Path], None],
    num_workers: int,
    reason: str,
    run: Run,
    tiny: Sequence[str],
    videos: Path,
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    damage(videos / "val1.mp4")
    settings = (f"ckpt_path={checkpoint}", f"output_dir={tmp_path / 'out'}")
    ran = run(testing.main, *tiny, *settings, f"data.num_workers={num_workers}")
    assert_refused(ran, videos / "val1.mp4", reason)


def missing_list(videos: Path) -> None:
    (videos / "train.csv").unlink()


def empty_list(videos: Path) -> None:
    (videos / "train.csv").write_text("")


def label_outside(videos: Path) -> None:
    (videos / "train.csv").write_text("train0.mp4 0\ntrain1.mp4 7\n")


def missing_names(videos: Path) -> None:
    (videos / "classes.txt").unlink()


BAD_DATA = [
    pytest.param(empty_list, "train.csv", "no videos in the list", marks=pytest.mark.slow),
    (label_outside, "train.csv, line 2, 'train1.mp4 7'", "label 7 is outside the 2 classes"),
    pytest.param(missing_list, "train.csv", "no such annotation file", marks=pytest.mark.slow),
    pytest.param(missing_names, "classes.txt", "no such annotation file", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("damage", "culprit", "reason"), BAD_DATA)
def test_training_names_a_bad_list(
    damage: Callable[[Path], None],
    culprit: str,
    reason: str,
    run: Run,
    tiny: Sequence[str],
    videos: Path,
) -> None:
    damage(videos)
    assert_refused(run(training.main, *tiny, "output_dir=out"), culprit, reason)


BAD_SETTINGS = [
    ("data.root=absent", "data.root is 'absent'", "expected an existing folder"),
    ("ckpt_path=absent.ckpt", "absent.ckpt", "No such file or directory"),
    ("+trainer.max_epoch=2", "max_epoch", "unexpected keyword"),
]
MORE_BAD_SETTINGS = [
    ("data.batch_size=99", "data.batch_size is 99", "expected at most 4"),
    (
        "task.init=absent.pth",
        "weights 'absent.pth'",
        "is neither a file, nor a released checkpoint",
    ),
    ("data.num_classes=5", "data.num_classes is 5", "there are 2 class names"),
    ("data.decoder=decrod", "decoder is 'decrod'", "did you mean 'decord'?"),
    ("model.variant=smal", "variant is 'smal'", "did you mean 'small'?"),
    ("clip.size=16", "input has shape", "H and W of at least 32"),
    ("clip.num_frames=0", "num_frames is 0", "expected a whole number >= 1"),
    ("task.fusion=mean", "fusion is 'mean'", "expected one of logits, probabilities"),
    ("trainer.accelerator=toaster", "toaster", ""),
]


@pytest.mark.parametrize(
    ("setting", "culprit", "reason"),
    [*BAD_SETTINGS, *(pytest.param(*row, marks=pytest.mark.slow) for row in MORE_BAD_SETTINGS)],
)
def test_training_names_a_bad_setting(
    setting: str, culprit: str, reason: str, run: Run, tiny: Sequence[str]
) -> None:
    assert_refused(run(training.main, *tiny, "output_dir=out", setting), culprit, reason)


@pytest.mark.slow
def test_data_without_a_root_is_one_line(run: Run) -> None:
    assert_refused(run(training.main, "output_dir=out"), "data.root", "Missing mandatory value")


def of_another_network(path: Path) -> None:
    network = create_uniformer("tiny", num_classes=2)
    facts = {"network": network.config, "clip": {}, "class_names": ["a", "b"]}
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    content = {"state_dict": state, "classifier": facts, "pytorch-lightning_version": "2.6.6"}
    progress = {"epoch_progress": {"current": {"processed": 0}}}
    training = {"optimizer_states": [{}], "loops": {"fit_loop": progress}, "global_step": 0}
    torch.save({**content, **training, "epoch": 0}, path)


def of_another_project(path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (of_another_network, "whose network has variant 'tiny', expected 'test'"),
        pytest.param(
            of_another_project, "expected a checkpoint of a training", marks=pytest.mark.slow
        ),
        pytest.param(fill_with_text, "", marks=pytest.mark.slow),
        pytest.param(empty, "", marks=pytest.mark.slow),
        pytest.param(cut, "", marks=pytest.mark.slow),
    ],
)
def test_training_names_a_checkpoint_that_it_cannot_resume(
    make: Callable[[Path], None],
    reason: str,
    run: Run,
    tiny: Sequence[str],
    checkpoint: Path,
) -> None:
    path = checkpoint.rename("bad.ckpt").absolute()
    make(path)
    assert_refused(run(training.main, *tiny, "output_dir=out", f"ckpt_path={path}"), path, reason)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (of_another_project, "does not fit UniFormer test"),
        pytest.param(cut, "", marks=pytest.mark.slow),
        pytest.param(remove, "is neither a file", marks=pytest.mark.slow),
        pytest.param(empty, "", marks=pytest.mark.slow),
        pytest.param(fill_with_text, "", marks=pytest.mark.slow),
    ],
)
def test_testing_names_a_checkpoint_that_it_cannot_read(
    make: Callable[[Path], None],
    reason: str,
    run: Run,
    tiny: Sequence[str],
    checkpoint: Path,
) -> None:
    path = checkpoint.rename("bad.ckpt").absolute()
    make(path)
    assert_refused(run(testing.main, *tiny, "output_dir=out", f"ckpt_path={path}"), path, reason)


@pytest.mark.slow
def test_testing_names_a_label_that_the_checkpoint_does_not_know(
    run: Run, tiny: Sequence[str], videos: Path, checkpoint: Path
) -> None:
    (videos / "val.csv").write_text("val0.mp4 2\n")
    settings = [text for text in tiny if "class_names" not in text]
    ran = run(testing.main, *settings, "output_dir=out", f"ckpt_path={checkpoint}")
    assert_refused(ran, "val.csv, line 1", "label 2 is outside the 2 classes")


@pytest.mark.parametrize("main", [training.main, testing.main])
def test_misspelt_override_touches_nothing(
    main: Callable[[], None], run: Run, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    ran = run(main, "data.rot=absent", "output_dir=out")
    assert_refused(ran, "data.rot", "did you mean 'data.root'?")
    assert set(tmp_path.iterdir()) == before
