"""Steps that are not finite: what is skipped, what is left untouched, and what is told of it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from spoilt_training import (
    INF,
    NAN,
    Data,
    Ran,
    SpoilGradient,
    Task,
    equal,
    everything,
    faulty,
    is_finite,
    spoil_loss,
)
from torch import Tensor
from torch.utils.data import DataLoader

from video_uniformer.training.callbacks.finite_steps import FiniteSteps

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)

KINDS = ["loss", "gradient", "input"]
WITHOUT_THE_FOURTH = [index for index in range(16) if index not in (6, 7)]


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_skipped_step_changes_nothing_and_the_others_are_as_without_it(
    kind: str, lag: int, tmp_path: Path
) -> None:
    ran = Ran(tmp_path, *faulty(kind, fused=lag == 1), lag=lag)
    plain = Ran(tmp_path, Task(fused=lag == 1), Data(WITHOUT_THE_FOURTH))
    assert ran.skipped() == ["3"]
    assert equal(ran.watch.before[3], ran.watch.after[3])
    changed = [not equal(*pair) for pair in zip(ran.watch.before, ran.watch.after, strict=True)]
    assert changed == [number != 3 for number in range(8)]
    assert equal(everything(ran.trainer, ran.task), everything(plain.trainer, plain.task))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_buffers_and_validation_are_finite_after_a_skipped_step(
    kind: str, tmp_path: Path
) -> None:
    ran = Ran(tmp_path, *faulty(kind))
    assert is_finite(ran.task)
    assert ran.task.validated
    assert all(map(math.isfinite, ran.task.validated))


def test_without_the_callback_one_step_spoils_weights_and_buffers(tmp_path: Path) -> None:
    task, data = faulty("input")
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(task, data)
    assert not torch.isfinite(task.network[1].running_mean).all()
    assert not torch.isfinite(task.network[0].weight).all()


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize(
    ("kind", "reason", "samples", "said"),
    [
        ("loss", "the loss is nan", "6.mp4; 7.mp4", "the loss is nan, among 6.mp4, 7.mp4"),
        (
            "gradient",
            "the gradient norm is inf",
            "6.mp4; 7.mp4",
            "the gradient norm is inf, among 6.mp4, 7.mp4",
        ),
        (
            "input",
            "the loss is nan: the input is not finite",
            "7.mp4",
            "the loss is nan: the input is not finite, from 7.mp4",
        ),
    ],
)
def test_skipped_step_names_its_samples(
    kind: str,
    reason: str,
    samples: str,
    said: str,
    lag: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = Ran(tmp_path, *faulty(kind, fused=lag == 1), lag=lag)
    [row] = ran.rows
    assert row.pop("norm") in ("nan", "inf")
    assert row == {
        "step": "3",
        "epoch": "0",
        "batch": "3",
        "rank": "0",
        "reason": reason,
        "samples": samples,
    }
    assert [line for line in capsys.readouterr().out.splitlines() if "skipped" in line] == [
        f"skipped step 3: {said}"
    ]


def test_samples_without_a_list_are_told_by_their_place(tmp_path: Path) -> None:
    data = Data(key="image_index")
    data.dataset = None  # type: ignore[assignment]
    assert Ran(tmp_path, Task(spoil_loss(1)), data).skipped("samples") == ["2; 3"]


def test_inputs_of_different_sizes_are_looked_at_one_by_one(tmp_path: Path) -> None:
    class Sizes(Data):
        def train_dataloader(self) -> DataLoader[Any]:
            pictures = [torch.zeros(2, 4, 4), torch.full((2, 5, 4), NAN), torch.zeros(2, 6, 4)]
            batch = {"image": pictures, "image_index": torch.tensor([4, 5, 6])}
            return DataLoader([batch], batch_size=None)  # type: ignore[arg-type]

    class OneByOne(Task):
        def training_step(self, batch: dict[str, Any], batch_index: int) -> Tensor:
            return super().training_step({"video": batch["image"][1][None, :, :4]}, batch_index)

    ran = Ran(tmp_path, OneByOne(), Sizes())
    assert ran.skipped("samples") == ["5.mp4"]


def test_rows_of_an_earlier_run_are_kept(tmp_path: Path) -> None:
    Ran(tmp_path, Task(spoil_loss(2)), Data())
    assert Ran(tmp_path, Task(spoil_loss(5)), Data()).skipped() == ["2", "5"]


def test_number_of_skipped_steps_is_logged(tmp_path: Path) -> None:
    ran = Ran(tmp_path, Task(spoil_loss(2, 5)), Data(), trainer={"max_epochs": 2})
    assert ran.trainer.callback_metrics["train/skipped_steps"] == 4


def test_accumulated_batches_are_one_step_and_the_spoilt_one_is_named(tmp_path: Path) -> None:
    accumulating = {"accumulate_grad_batches": 2}
    ran = Ran(tmp_path, Task(spoil_loss(3)), Data(), trainer=accumulating)
    kept = [index for index in range(16) if index not in (4, 5, 6, 7)]
    plain = Ran(tmp_path / "plain", Task(), Data(kept), trainer=accumulating)
    [row] = ran.rows
    assert (row["step"], row["batch"], row["samples"]) == ("1", "3", "6.mp4; 7.mp4")
    assert equal(everything(ran.trainer, ran.task), everything(plain.trainer, plain.task))


def test_gradient_of_accumulated_batches_suspects_all_of_them(tmp_path: Path) -> None:
    task = Task()
    SpoilGradient(task, 3)
    [row] = Ran(tmp_path, task, Data(), trainer={"accumulate_grad_batches": 2}).rows
    assert (row["batch"], row["samples"]) == ("2 3", "4.mp4; 5.mp4; 6.mp4; 7.mp4")


def test_infinite_loss_with_finite_gradients_is_skipped(tmp_path: Path) -> None:
    task = Task(lambda number, loss: loss + (INF if number == 2 else 0))
    assert Ran(tmp_path, task, Data()).skipped("reason") == ["the loss is inf"]


@pytest.mark.parametrize("lag", [0, 1])
def test_bfloat16_is_guarded_alike(lag: int, tmp_path: Path) -> None:
    ran = Ran(tmp_path, *faulty("input", fused=True), trainer={"precision": "bf16-mixed"}, lag=lag)
    assert (ran.skipped("samples"), is_finite(ran.task)) == (["7.mp4"], True)
    assert equal(ran.watch.before[3], ran.watch.after[3])


def scaling(init_scale: float) -> dict[str, Any]:
    scaler = torch.amp.GradScaler("cpu", init_scale=init_scale)
    return {"plugins": [MixedPrecision("16-mixed", "cpu", scaler=scaler)]}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_gradients_that_a_scaler_overflows_are_its_own_business(tmp_path: Path) -> None:
    ran = Ran(tmp_path, Task(), Data(), trainer=scaling(2.0**40))
    assert ran.guard.skipped == 0
    assert ran.trainer.precision_plugin.scaler.get_scale() < 2.0**40
    assert is_finite(ran.task)


@pytest.mark.parametrize("kind", ["loss", "input"])
def test_loss_that_is_not_finite_is_skipped_under_a_scaler(kind: str, tmp_path: Path) -> None:
    ran = Ran(tmp_path, *faulty(kind), trainer=scaling(1.0))
    assert ran.skipped() == ["3"]
    assert equal(ran.watch.before[3], ran.watch.after[3])
    assert is_finite(ran.task)


def spiking(*batches: int) -> Task:
    task = Task()
    SpoilGradient(task, *batches, value=0, factor=1e6)
    return task


@pytest.mark.parametrize("lag", [0, 1])
def test_spike_is_skipped(lag: int, tmp_path: Path) -> None:
    task = Task(fused=lag == 1)
    SpoilGradient(task, 30, value=0, factor=1e6)
    ran = Ran(tmp_path, task, Data(), trainer={"max_epochs": 5}, spike_factor=50, lag=lag)
    [row] = ran.rows
    assert (row["step"], row["samples"]) == ("30", "12.mp4; 13.mp4")
    assert row["reason"].startswith("the gradient norm is ")
    assert ", expected at most " in row["reason"]
    assert equal(ran.watch.before[30], ran.watch.after[30])


def test_spike_does_not_raise_the_mean_that_it_is_measured_by(tmp_path: Path) -> None:
    trainer = {"max_epochs": 5}
    ran = Ran(tmp_path, spiking(30, 31, 32), Data(), trainer=trainer, spike_factor=50)
    assert ran.skipped() == ["30", "31", "32"]


def test_first_steps_are_no_spikes(tmp_path: Path) -> None:
    assert Ran(tmp_path, spiking(5), Data(), spike_factor=2).guard.skipped == 0


def test_finite_norms_are_no_spikes_unless_asked_for(tmp_path: Path) -> None:
    assert Ran(tmp_path, spiking(30), Data(), trainer={"max_epochs": 5}).guard.skipped == 0


class Unwaiting(FiniteSteps):
    """The callback, in whose checks waiting for the device is an error."""

    def on_train_batch_start(self, *place: Any) -> None:
        with unwaiting():
            super().on_train_batch_start(*place)

    def on_before_optimizer_step(self, *place: Any) -> None:
        with unwaiting():
            super().on_before_optimizer_step(*place)


@contextmanager
def unwaiting() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_step_on_cuda_is_skipped_without_waiting_for_the_device(kind: str, tmp_path: Path) -> None:
    trainer = {"accelerator": "gpu", "devices": 1}
    settings = {"trainer": trainer, "spike_factor": 1e9, "guard": Unwaiting}
    ran = Ran(tmp_path, *faulty(kind, fused=True), **settings)
    assert (ran.skipped(), is_finite(ran.task)) == (["3"], True)
    assert equal(ran.watch.before[3], ran.watch.after[3])
