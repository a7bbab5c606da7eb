"""The classification task: what it trains on, and how it evaluates."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import torch.nn.functional as F
from tiny_task import Data, Fixed, Recorder, logged, make_task, make_trainer
from torch import Tensor
from torch.optim import SGD

from video_uniformer import create_uniformer
from video_uniformer.training.tasks.classification import Classification, _mean_loss

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)


def test_views_of_a_video_stand_side_by_side_in_the_batch(tmp_path: Path) -> None:
    mixing, data = Recorder(), Data(num_videos=2)
    make_trainer(tmp_path, limit_val_batches=0).fit(make_task(mixing=mixing), data)
    clips, labels = mixing.seen[0]
    first, second = data.items[0]["video"], data.items[1]["video"]
    assert labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(clips, torch.stack([first[0], first[1], second[0], second[1]]))


def fit_once(task: Classification, tmp_path: Path, num_videos: int = 2) -> dict[str, float]:
    trainer = make_trainer(tmp_path, limit_val_batches=0)
    trainer.fit(task, Data(num_videos=num_videos))
    return logged(trainer)


def test_loss_of_plain_labels_is_cross_entropy(tmp_path: Path) -> None:
    metrics = fit_once(make_task(Fixed([1.0, 0.0])), tmp_path)
    right, wrong = F.log_softmax(torch.tensor([1.0, 0.0]), 0).tolist()
    assert metrics["train/loss"] == pytest.approx(-(right + wrong) / 2)
    assert metrics["train/top1"] == 0.5


def test_loss_of_mixed_labels_is_soft_cross_entropy(tmp_path: Path) -> None:
    metrics = fit_once(make_task(Fixed([1.0, 0.0]), mixing=Recorder()), tmp_path)
    right, wrong = F.log_softmax(torch.tensor([1.0, 0.0]), 0).tolist()
    of_each = -(0.75 * right + 0.25 * wrong), -(0.25 * right + 0.75 * wrong)
    assert metrics["train/loss"] == pytest.approx(sum(of_each) / 2)


class Drawing:
    """Mixing that keeps the random numbers it would have used."""

    def __init__(self) -> None:
        self.drawn: list[float] = []

    def __call__(self, clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.drawn.append(torch.rand(()).item())
        return clips, F.one_hot(labels, 2).float()


def test_random_numbers_of_a_step_belong_to_its_place_in_the_run(tmp_path: Path) -> None:
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        mixing = Drawing()
        task = make_task(mixing=mixing)
        make_trainer(tmp_path, max_epochs=2, limit_val_batches=0).fit(task, Data())
        drawn.append(mixing.drawn)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 4


class MixOfThree:
    """Mixing whose targets are 0.6 and 0.3 for classes 0 and 1, and 0.1 for class 2."""

    def __call__(self, clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return clips, torch.tensor([0.6, 0.3, 0.1]).expand(len(clips), -1)


@pytest.mark.parametrize(("logits", "top1"), [([1, 0, 0], 1), ([0, 1, 0], 1), ([0, 0, 1], 0)])
def test_either_of_two_mixed_classes_counts_as_right(
    logits: list[float], top1: float, tmp_path: Path
) -> None:
    task = make_task(Fixed([float(value) for value in logits]), mixing=MixOfThree())
    assert fit_once(task, tmp_path)["train/top1"] == top1


def test_unknown_fusion_is_refused() -> None:
    with pytest.raises(ValueError, match="fusion is 'sum', expected one of logits, probabilities"):
        make_task(fusion="sum")


@pytest.mark.parametrize("fusion", ["logits", "probabilities"])
def test_evaluation_fuses_the_views_of_each_video(fusion: str, tmp_path: Path) -> None:
    task, data = make_task(fusion=fusion), Data(num_videos=3)
    [metrics] = make_trainer(tmp_path).test(task, data, verbose=False)
    network, losses = task.network.eval(), []
    with torch.inference_mode():
        for item in data.items:
            logits = network(item["video"])
            probabilities = logits.softmax(1).mean(0)
            fused = {"logits": logits.mean(0), "probabilities": probabilities.log()}[fusion]
            losses.append(F.cross_entropy(fused, item["label"]).item())
    assert metrics["test/loss"] == pytest.approx(sum(losses) / 3, abs=1e-4)
    assert task.tables["test"].sample_index.tolist() == [0, 1, 2]


def test_evaluation_runs_in_float32_whatever_the_precision(tmp_path: Path) -> None:
    plain, mixed = make_task(), make_task()
    make_trainer(tmp_path).test(plain, Data(), verbose=False)
    make_trainer(tmp_path, precision="bf16-mixed").test(mixed, Data(), verbose=False)
    assert torch.equal(mixed.tables["test"].scores, plain.tables["test"].scores)


def test_training_runs_in_the_precision_that_is_asked_for(tmp_path: Path) -> None:
    task, types = make_task(), []
    task.network.head.register_forward_hook(lambda *call: types.append(call[2].dtype))
    make_trainer(tmp_path, precision="bf16-mixed", limit_val_batches=0).fit(task, Data())
    assert set(types) == {torch.bfloat16}


def test_validation_starts_anew_in_every_epoch(tmp_path: Path) -> None:
    task = make_task()
    make_trainer(tmp_path, max_epochs=2).fit(task, Data())
    assert task.tables["val"].sample_index.tolist() == [0, 1, 2, 3]


def test_learning_rate_moves_at_every_step(tmp_path: Path) -> None:
    task, rates = make_task(), []

    class Watch(lightning.Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    trainer = make_trainer(tmp_path, max_epochs=2, limit_val_batches=0, callbacks=[Watch()])
    trainer.fit(task, Data())
    peak = 1e-2 * 2 / 32
    quarter = 1e-6 + (peak - 1e-6) * (1 + 2**-0.5) / 2
    assert rates == pytest.approx([peak, quarter, (peak + 1e-6) / 2, peak + 1e-6 - quarter])


def test_two_videos_are_overfitted(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, max_epochs=20, check_val_every_n_epoch=20)
    task = make_task()
    task._optimizer = lambda network: SGD(network.parameters(), lr=0.1)
    trainer.fit(task, Data(num_videos=2))
    assert logged(trainer)["val/top1"] == 1


def test_training_a_light_network_trains_its_class_token_classifier(tmp_path: Path) -> None:
    network = create_uniformer("test_light", num_classes=2)
    task = make_task(network)
    trainer = make_trainer(tmp_path, limit_val_batches=0, limit_train_batches=1)
    before = network.head.cls_proj.weight.detach().clone()
    trainer.fit(task, Data())
    assert not torch.equal(network.head.cls_proj.weight, before)


def test_mean_loss_averages_classifiers() -> None:
    labels = torch.tensor([0, 1])
    outputs = torch.randn(2, 3), torch.randn(2, 3)
    expected = sum(float(F.cross_entropy(part, labels)) for part in outputs) / 2
    assert float(_mean_loss(outputs, labels)) == pytest.approx(expected)
