"""The moving average of the weights: kept, validated, saved, resumed, and chosen."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_task import Data, logged, make_task, make_trainer
from torch import Tensor, nn

from video_uniformer.training.callbacks.weight_average import WeightAverage
from video_uniformer.training.tasks.classification import Classification
from video_uniformer.weights.reading import open_checkpoint

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec.*:FutureWarning",
    "ignore:The dirpath has changed",
)


class Snapshots(WeightAverage):
    """Keeps the network's tensors after every step."""

    def __init__(self, decay: float | None) -> None:
        super().__init__(decay)
        self.taken: list[dict[str, Tensor]] = []

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_fit_start(trainer, pl_module)
        self.taken = [_copy(pl_module.network)]

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, *rest)
        self.taken.append(_copy(pl_module.network))


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def fit(folder: Path, callback: WeightAverage, **settings: Any) -> tuple[Any, Classification]:
    task = make_task()
    trainer = make_trainer(folder, callbacks=[callback], max_epochs=2, **settings)
    trainer.fit(task, Data())
    return trainer, task


def test_every_step_moves_the_average_by_the_rule(tmp_path: Path) -> None:
    average = Snapshots(0.75)
    trainer, _ = fit(tmp_path, average)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["model_ema"]
    for name, first in average.taken[0].items():
        if not first.is_floating_point():
            continue
        expected = first.double()
        for later in average.taken[1:]:
            expected = 0.75 * expected + 0.25 * later[name].double()
        assert torch.allclose(saved[f"network.{name}"].double(), expected, atol=1e-6), name


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    average = Snapshots(0.0)
    fit(tmp_path, average, accumulate_grad_batches=2)
    assert average._average is not None
    assert int(average._average.n_averaged) == 1 + 2  # steps, and the start


def test_average_is_validated_beside_the_weights(tmp_path: Path) -> None:
    metrics = logged(fit(tmp_path, WeightAverage(0.0))[0])
    assert metrics["val/ema_loss"] == pytest.approx(metrics["val/loss"], abs=1e-4)
    assert metrics["val/ema_top1"] == metrics["val/top1"]
    slow = logged(fit(tmp_path, WeightAverage(0.9999))[0])
    assert slow["val/ema_loss"] != slow["val/loss"]


def test_without_a_decay_there_is_nothing(tmp_path: Path) -> None:
    trainer, _ = fit(tmp_path, WeightAverage())
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert "model_ema" not in torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert not [name for name in logged(trainer) if "ema" in name]


def test_resumed_average_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    ends = []
    for folder, start in (("whole", None), ("resumed", "whole/epoch=0-step=2.ckpt")):
        every = ModelCheckpoint(tmp_path / folder, save_top_k=-1)
        callbacks = [WeightAverage(0.5), every]
        trainer = make_trainer(
            tmp_path, callbacks=callbacks, max_epochs=2, enable_checkpointing=True
        )
        trainer.fit(make_task(), Data(), ckpt_path=start and tmp_path / start, weights_only=True)
        ends.append(torch.load(every.best_model_path, weights_only=True)["model_ema"])
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert ends[0].keys() == ends[1].keys()


def test_averaged_weights_of_a_file_are_chosen_by_its_name(tmp_path: Path) -> None:
    trainer, task = fit(tmp_path, WeightAverage(0.9))
    path = tmp_path / "a.ckpt"
    trainer.save_checkpoint(path)
    raw, averaged = open_checkpoint(path), open_checkpoint(f"{path}@ema")
    key = "head.proj.weight"
    assert torch.equal(raw.state[key], task.network.state_dict()[key])
    saved = torch.load(path, weights_only=True)["model_ema"]
    assert torch.equal(averaged.state[key], saved[f"network.{key}"])
    assert averaged.description == raw.description


def test_file_without_averaged_weights_is_refused(tmp_path: Path) -> None:
    trainer, _ = fit(tmp_path, WeightAverage())
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"a\.ckpt holds no averaged weights \(model_ema\)"):
        open_checkpoint(f"{tmp_path / 'a.ckpt'}@ema")


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_odd_decay_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=f"decay is {decay}, expected 0 to below 1, or null"):
        WeightAverage(decay)
