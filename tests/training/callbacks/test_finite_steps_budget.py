"""Too many skipped steps: a run stops with advice, or goes back, and what is saved stays good."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from spoilt_training import NAN, Data, Ran, Task, equal, everything, is_finite, spoil_loss
from torch import Tensor

from video_uniformer.training.callbacks.finite_steps import FiniteSteps

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)


def test_stop_past_the_budget_gives_advice(tmp_path: Path) -> None:
    advice = (
        r"3 of the last 100 steps were skipped \(the loss is nan at step 6\), expected at most 2; "
        r"a lower learning rate, weaker augmentation or trainer.precision=32-true usually helps; "
        r".*skipped_steps.csv lists them$"
    )
    task = Task(spoil_loss(1, 3, 6))
    with pytest.raises(FloatingPointError, match=advice):
        Ran(tmp_path, task, Data(), budget=2)
    assert is_finite(task)


def test_budget_looks_back_on_its_window_alone(tmp_path: Path) -> None:
    ran = Ran(tmp_path, Task(spoil_loss(1, 4, 7)), Data(), budget=1, window=3)
    assert ran.guard.skipped == 3


class Reached(lightning.Callback):
    """Keep what there is when the first epoch ends."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 0:
            self.state = everything(trainer, pl_module)


@pytest.mark.parametrize("lag", [0, 1])
def test_past_the_budget_the_run_goes_back_and_halves_the_rate(
    lag: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = iter(range(100))

    def fault(number: int, loss: Tensor) -> Tensor:
        return loss * NAN if next(steps) in (11, 12) else loss

    reached = Reached()
    last = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
    ran = Ran(
        tmp_path,
        Task(fault, fused=lag == 1),
        Data(),
        trainer={"max_epochs": 3, "callbacks": [reached, last]},
        then="roll_back",
        budget=1,
        lag=lag,
    )
    assert equal(ran.watch.after[12 + lag], reached.state)
    assert ran.watch.rates == [0.01] * (12 + lag) + [0.005] * (12 - lag)
    assert (ran.guard.lr_scale, ran.guard.roll_backs, ran.guard.skipped) == (0.5, 1, 2)
    assert ran.trainer.lr_scheduler_configs[0].scheduler.base_lrs == [0.005]
    assert ran.trainer.global_step == 24
    line = (
        f"2 of the last 100 steps were skipped: back to {tmp_path / 'last.ckpt'}, "
        "at 0.5 times the configured learning rate"
    )
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("old", [False, True])
def test_before_its_first_checkpoint_a_run_goes_back_to_its_start(
    old: bool, tmp_path: Path
) -> None:
    if old:  # of another run in the same folder, which is none to go back to
        (tmp_path / "last.ckpt").write_bytes(b"not of this training")
    ran = Ran(tmp_path, Task(spoil_loss(3, 6)), Data(), then="roll_back", budget=0)
    start, after = ran.watch.before[0], ran.watch.after
    assert equal(after[3], start)
    assert equal(after[6], start)
    assert (ran.guard.roll_backs, ran.guard.lr_scale) == (2, 0.25)


def test_start_of_a_resumed_training_holds_its_optimiser_s_state(tmp_path: Path) -> None:
    Ran(tmp_path, Task(), Data()).trainer.save_checkpoint(tmp_path / "first.ckpt")
    ran = Ran(
        tmp_path,
        Task(spoil_loss(3, 6)),
        Data(),
        trainer={"max_epochs": 2},
        ckpt_path=tmp_path / "first.ckpt",
        then="roll_back",
        budget=0,
    )
    start, after = ran.watch.before[0], ran.watch.after
    assert len(start) > len(list(ran.task.state_dict()))
    assert equal(after[3], start)
    assert equal(after[6], start)


def test_last_roll_back_is_followed_by_a_stop(tmp_path: Path) -> None:
    message = r"1 of the last 100 steps were skipped after 2 roll-backs \(the loss is nan at step 5"
    with pytest.raises(FloatingPointError, match=message):
        Ran(
            tmp_path,
            Task(spoil_loss(1, 3, 5)),
            Data(),
            then="roll_back",
            budget=0,
            max_roll_backs=2,
        )


@pytest.mark.parametrize("number", [3, 7])
def test_checkpoint_of_a_step_on_which_the_verdict_is_late_is_finite(
    number: int, tmp_path: Path
) -> None:
    every = ModelCheckpoint(tmp_path / "all", every_n_train_steps=1, save_top_k=-1)
    Ran(
        tmp_path,
        Task(spoil_loss(number), fused=True),
        Data(),
        trainer={"callbacks": [every]},
        lag=1,
    )
    files = list((tmp_path / "all").iterdir())
    assert len(files) == 8
    for file in files:
        state = torch.load(file, weights_only=True)["state_dict"]
        assert all(torch.isfinite(value).all() for value in state.values())


class Ask(lightning.Callback):
    """Whether all was judged, at the end of each batch, of it when settled, and in validation."""

    def __init__(self) -> None:
        self.answers: list[bool] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        guard = next(one for one in trainer.callbacks if isinstance(one, FiniteSteps))
        self.answers.append(guard.is_clean)
        if trainer.global_step == 2:
            guard.settle(trainer, pl_module)
            self.answers.append(guard.is_clean)

    def on_validation_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        guard = next(one for one in trainer.callbacks if isinstance(one, FiniteSteps))
        self.answers.append(guard.is_clean)


def test_late_verdicts_are_in_before_validation_and_when_asked_for(tmp_path: Path) -> None:
    ask = Ask()
    trainer = {"limit_train_batches": 4, "callbacks": [ask], "val_check_interval": 3}
    Ran(tmp_path, Task(spoil_loss(1), fused=True), Data(), trainer=trainer, lag=1)
    assert ask.answers == [False, False, True, False, True, True]


def test_counts_go_on_in_a_resumed_training(tmp_path: Path) -> None:
    last = ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
    ran = Ran(
        tmp_path,
        Task(spoil_loss(3, 6)),
        Data(),
        trainer={"callbacks": [last]},
        then="roll_back",
        budget=1,
        spike_factor=1e9,
    )
    states = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]
    resumed = FiniteSteps(tmp_path / "b.csv", checkpoint=tmp_path / "last.ckpt")
    resumed.load_state_dict(states["FiniteSteps"])
    assert resumed.state_dict() == ran.guard.state_dict()
    assert (resumed.skipped, resumed.roll_backs, resumed.lr_scale) == (2, 1, 0.5)
    assert resumed.state_dict()["mean_norm"][1] == 6


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"then": "hope"}, "then is 'hope', expected one of roll_back, stop"),
        ({"spike_factor": 1}, "spike_factor is 1, expected more than 1, or null"),
        ({"lr_factor": 0}, "lr_factor is 0, expected more than 0 and at most 1"),
        ({"lr_factor": 2}, "lr_factor is 2, expected more than 0 and at most 1"),
        ({"budget": -1}, "budget is -1, expected 0 or more"),
        ({"max_roll_backs": -1}, "max_roll_backs is -1, expected 0 or more"),
        ({"window": 5}, "window is 5, expected more than the budget of 5 steps"),
    ],
)
def test_setting_out_of_range_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FiniteSteps("a.csv", checkpoint="last.ckpt", **setting)
