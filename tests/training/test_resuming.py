"""Which checkpoint of a folder is gone on from, and which are refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damage import DAMAGES

from video_uniformer import create_uniformer
from video_uniformer.description import Description
from video_uniformer.training.resuming import check_resumable, find_checkpoint, read_saved


def save(path: Path, step: int = 4, epochs: int = 1, **others: Any) -> Path:
    """A file with the parts of a Lightning checkpoint that matter here."""
    progress = {"current": {"processed": epochs}}
    parts = {
        "state_dict": {"network.weight": torch.full((50_000,), float(step))},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": []}],
        "loops": {"fit_loop": {"epoch_progress": progress}},
        "global_step": step,
    }
    content = {key: value for key, value in {**parts, **others}.items() if value is not None}
    path.parent.mkdir(exist_ok=True)
    torch.save(content, path)
    return path


def flip_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def fill_with_text(path: Path) -> None:
    path.write_text("not of a training\n" * 100)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = (flip_in_the_middle, cut, empty, fill_with_text, replace_by_folder)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir])
def test_folder_without_checkpoints_holds_none(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "checkpoints")
    found = find_checkpoint(tmp_path / "checkpoints")
    assert (found.saved, found.damaged) == (None, {})


def test_checkpoint_that_has_come_furthest_is_found(tmp_path: Path) -> None:
    for name, step in (("last", 8), ("best", 4), ("epoch=2", 12), ("a", 2)):
        save(tmp_path / f"{name}.ckpt", step)
    saved = find_checkpoint(tmp_path).saved
    assert saved is not None
    assert (saved.path.name, saved.step) == ("epoch=2.ckpt", 12)


def test_last_comes_before_others_of_its_step(tmp_path: Path) -> None:
    for name in ("best", "last", "zoo"):
        save(tmp_path / f"{name}.ckpt", 4)
    saved = find_checkpoint(tmp_path).saved
    assert saved is not None
    assert saved.path.name == "last.ckpt"


def test_epoch_that_is_complete_comes_before_its_last_step(tmp_path: Path) -> None:
    save(tmp_path / "last.ckpt", 4, epochs=0)
    save(tmp_path / "best.ckpt", 4, epochs=1)
    saved = find_checkpoint(tmp_path).saved
    assert saved is not None
    assert saved.path.name == "best.ckpt"


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_checkpoint_is_left_aside_for_the_next(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    last = save(tmp_path / "last.ckpt", 8)
    save(tmp_path / "best.ckpt", 4)
    damage(last)
    found = find_checkpoint(tmp_path)
    assert found.saved is not None
    assert found.saved.path.name == "best.ckpt"
    assert list(found.damaged) == [last]
    assert found.damaged[last].startswith(("damaged (at", "unreadable (", "empty"))
    assert "\n" not in found.damaged[last]


def test_no_bit_that_is_flipped_is_taken_for_what_was_saved(tmp_path: Path) -> None:
    """Every flip is either found, or in bytes that stand for nothing."""
    path = save(tmp_path / "last.ckpt", state_dict={"network.weight": torch.arange(9.0)})
    content = path.read_bytes()
    chance = np.random.default_rng(0)
    num_found = 0
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(chance.integers(8))
        path.write_bytes(damaged)
        found = find_checkpoint(tmp_path)
        num_found += found.saved is None
        if found.saved is not None:
            assert (found.saved.step, found.saved.epochs_done) == (4, 1)
            weight = torch.load(path, weights_only=True)["state_dict"]["network.weight"]
            assert torch.equal(weight, torch.arange(9.0))
    assert num_found > 100


def test_whatever_happens_to_the_bytes_is_said_in_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "last.ckpt")
    content = path.read_bytes()
    chance = np.random.default_rng(0)
    for _, damage in DAMAGES.values():
        for share in np.linspace(0, 1, 5):
            path.write_bytes(damage(content, float(share), chance)[0])
            found = find_checkpoint(tmp_path)
            if found.saved is None:
                assert "\n" not in found.damaged[path]
                with pytest.raises(ValueError, match=r"^[^\n]*, expected a checkpoint[^\n]*$"):
                    read_saved(path)


@pytest.mark.parametrize(
    "others", [{"optimizer_states": None}, {"optimizer_states": []}, {"loops": None}]
)
def test_weights_alone_are_no_training(others: dict[str, Any], tmp_path: Path) -> None:
    path = save(tmp_path / "weights.ckpt", 100, **others)
    last = save(tmp_path / "last.ckpt", 4)
    found = find_checkpoint(tmp_path)
    assert found.saved is not None
    assert (found.saved.path, found.damaged) == (last, {})
    with pytest.raises(ValueError, match=r"expected a checkpoint of a training; task.init=FILE"):
        read_saved(path)


@pytest.mark.parametrize("content", [[1], 5, torch.ones(3), "text", {}])
def test_other_content_is_no_training(content: object, tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    torch.save(content, path)
    found = find_checkpoint(tmp_path)
    assert (found.saved, found.damaged) == (None, {})
    with pytest.raises(ValueError, match="is without an optimiser's state, expected a checkpoint"):
        read_saved(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"optimizer_states": [tmp_path]}, path)
    assert find_checkpoint(tmp_path).saved is None
    with pytest.raises(ValueError, match=r"last.ckpt is unreadable \("):
        read_saved(path)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent.ckpt is unreadable \(No such file or directory"):
        read_saved(tmp_path / "absent.ckpt")


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_checkpoint_that_is_asked_for_is_refused(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    path = save(tmp_path / "last.ckpt")
    damage(path)
    with pytest.raises(
        ValueError, match=r"^\S+last.ckpt is (empty|(damaged|unreadable) \(.*\)), expected"
    ):
        read_saved(path)


def test_checkpoint_tells_where_its_training_stands(tmp_path: Path) -> None:
    callbacks = {
        "ModelCheckpoint{'monitor': None}": {"monitor": None},
        "ModelCheckpoint{'monitor': 'val/top1'}": {
            "monitor": "val/top1",
            "best_model_score": torch.tensor(0.75),
        },
    }
    path = save(tmp_path / "a.ckpt", 7, 3, callbacks=callbacks, logged_rows=12)
    assert read_saved(path) == (path, 7, 3, None, False, 0.75, 12)


def test_checkpoint_of_before_these_things_were_saved_can_be_read(tmp_path: Path) -> None:
    assert read_saved(save(tmp_path / "a.ckpt"))[3:] == (None, False, None, None)


def test_checkpoint_can_be_replaced_on_the_disk_once_it_is_read(tmp_path: Path) -> None:
    """Its room is free again although the training that has read it goes on."""
    saved = find_checkpoint(save(tmp_path / "last.ckpt").parent).saved
    assert saved is not None
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no list of mapped files")
    assert str(saved.path) not in maps.read_text()


def described(names: Sequence[str] | None = ("dark", "bright"), **network: Any) -> Description:
    built = create_uniformer("test", num_classes=2).config
    class_names = None if names is None else tuple(names)
    return Description(network={**built, **network}, class_names=class_names)


@pytest.mark.parametrize(
    ("argument", "other"),
    [
        ("variant", "tiny"),
        ("ndim", 2),
        ("num_classes", 3),
        ("head_dim", 4),
        ("layer_scale", 1e-6),
        ("attention", "divided"),
        ("window_size", 7),
        ("embed_frames", 3),
        ("token_labels", True),
        ("in_chans", 1),
        ("features_only", True),
    ],
)
def test_network_with_another_argument_is_refused(argument: str, other: object) -> None:
    ours = described().network[argument]  # type: ignore[literal-required]
    with pytest.raises(ValueError, match="whose network has") as caught:
        check_resumable(described(**{argument: other}), described(), "last.ckpt")
    assert str(caught.value) == (
        f"ckpt_path is last.ckpt, whose network has {argument} {other!r}, expected {ours!r} as in "
        "this training; task.init=FILE starts a new training from the weights of another"
    )


@pytest.mark.parametrize(
    "change",
    [{"drop_path_rate": 0.3}, {"drop_rate": 0.5}, {"checkpoint_blocks": [1, 1, 1, 1]}, {}],
)
def test_what_has_no_weights_may_change(change: dict[str, Any]) -> None:
    check_resumable(described(), described(**change), "last.ckpt")


def test_every_argument_of_the_network_is_either_held_or_may_change() -> None:
    """A new one has to be thought of."""
    held = {"variant", "ndim", "num_classes", "head_dim", "layer_scale", "attention"}
    held |= {"window_size", "embed_frames", "token_labels", "in_chans", "features_only"}
    assert set(described().network) == held | {"drop_path_rate", "drop_rate", "checkpoint_blocks"}


def test_checkpoint_that_says_nothing_of_its_network_is_refused() -> None:
    with pytest.raises(ValueError, match="whose network has variant None, expected 'test'"):
        check_resumable(Description(), described(), "last.ckpt")


def test_classes_in_another_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"whose class 0 is 'bright', expected 'dark' as in this"):
        check_resumable(described(("bright", "dark")), described(), "last.ckpt")


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        (("dark", "bright", "red"), ("dark", "bright"), "whose class 2 is 'red', expected None"),
        (("dark",), ("dark", "bright"), "whose class 1 is None, expected 'bright'"),
    ],
)
def test_other_number_of_classes_is_refused(
    before: Sequence[str], now: Sequence[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_resumable(described(before), described(now), "last.ckpt")


@pytest.mark.parametrize(("before", "now"), [(None, ("a", "b")), (("a", "b"), None)])
def test_classes_that_are_not_known_are_not_compared(
    before: Sequence[str] | None, now: Sequence[str] | None
) -> None:
    check_resumable(described(before), described(now), "last.ckpt")
