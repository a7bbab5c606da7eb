"""What the checkpoints of the classification task say, and what a training starts from."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from tiny_task import CLIP, Data, make_task, make_trainer
from torch import nn

from video_uniformer import ClipSpec, create_uniformer
from video_uniformer.description import Description, plain_values
from video_uniformer.training.tasks.classification import Classification

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)


def test_checkpoint_says_everything_in_plain_values(tmp_path: Path) -> None:
    trainer, path = make_trainer(tmp_path, limit_val_batches=0), tmp_path / "last.ckpt"
    trainer.fit(make_task(fusion="probabilities"), Data())
    trainer.save_checkpoint(path)
    facts = torch.load(path, weights_only=True)["description"]
    assert facts == {
        "task": "video_classification",
        "network": create_uniformer("test", num_classes=2).config,
        "input": plain_values(Description(input=CLIP))["input"],
        "class_names": ["dark", "bright"],
        "fusion": "probabilities",
    }
    assert ClipSpec(**facts["input"]) == CLIP


class Loader:
    """`load_weights` that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, network: nn.Module, init: str, class_names: list[str] | None) -> str:
        self.asked.append(init)
        return "all of it"


def test_training_starts_from_the_weights_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Loader()
    make_trainer(tmp_path).fit(make_task(init="some.pth", load_weights=load), Data())
    assert load.asked == ["some.pth"]
    assert "weights from some.pth: all of it" in capsys.readouterr().out


def test_second_fit_goes_on_from_where_the_first_ended(tmp_path: Path) -> None:
    load = Loader()
    task = make_task(init="some.pth", load_weights=load)
    for _ in range(2):
        make_trainer(tmp_path, limit_val_batches=0).fit(task, Data())
    assert load.asked == ["some.pth"]


def test_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "three.ckpt"
    trainer = make_trainer(tmp_path, limit_val_batches=0, limit_train_batches=1)
    trainer.fit(make_task(create_uniformer("test", num_classes=3)), Data())
    trainer.save_checkpoint(path)
    message = f"ckpt_path is {path}, whose network has num_classes 3, expected 2 as in this"
    with pytest.raises(ValueError, match=message):
        make_trainer(tmp_path).fit(make_task(), Data(), ckpt_path=path, weights_only=True)


def test_testing_does_not_load_the_first_weights(tmp_path: Path) -> None:
    load = Loader()
    task = make_task(init="some.pth", load_weights=load)
    make_trainer(tmp_path).test(task, Data(), verbose=False)
    assert not load.asked


def losses_of(trainer: lightning.Trainer, task: Classification, **fit: Any) -> list[float]:
    """The training loss of each step, and the validation losses at the end."""
    losses: list[float] = []

    class Watch(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            losses.append(float(trainer.callback_metrics["train/loss"]))

    trainer.callbacks.append(Watch())
    trainer.fit(task, Data(), **fit)
    return [*losses, float(trainer.callback_metrics["val/loss"])]


@pytest.mark.slow
def test_resuming_gives_the_losses_of_an_uninterrupted_run(tmp_path: Path) -> None:
    whole = losses_of(make_trainer(tmp_path, max_epochs=4), make_task())
    path = tmp_path / "half.ckpt"

    class Stop(lightning.Callback):
        def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(path)

    losses_of(make_trainer(tmp_path, max_epochs=4, callbacks=[Stop()]), make_task())
    resumed = make_trainer(tmp_path, max_epochs=4)
    rest = losses_of(resumed, make_task(), ckpt_path=path, weights_only=True)
    assert rest == whole[4:]
