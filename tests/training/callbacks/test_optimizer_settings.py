"""What is asked for when a training is resumed is what it uses."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lightning import Callback, LightningModule, Trainer
from tiny_task import Data, make_task, make_trainer

from video_uniformer.training.callbacks.optimizer_settings import OptimizerSettings
from video_uniformer.training.optim import adamw, warmup_cosine

pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")

Settings = dict[str, Any]
BEFORE = {"lr_per_32_videos": 1e-2, "weight_decay": 0.05}


class Watch(Callback):
    """Note rate and decay of both groups at every step."""

    lr_scale = 1.0

    def __init__(self) -> None:
        self.seen: list[tuple[float, ...]] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        groups = trainer.optimizers[0].param_groups
        self.seen.append(tuple(group[name] for group in groups for name in ("lr", "weight_decay")))


def train(
    tmp_path: Path, settings: Settings, epochs: int, resume: bool = False, scale: float = 1.0
) -> Watch:
    watch = Watch()
    watch.lr_scale = scale
    task = make_task()
    task._optimizer = partial(adamw, batch_size=2, **settings)
    task._schedule = partial(_four_epochs)
    trainer = make_trainer(tmp_path, max_epochs=epochs, callbacks=[OptimizerSettings(), watch])
    path = tmp_path / "saved.ckpt"
    trainer.fit(task, Data(), ckpt_path=path if resume else None, weights_only=True)
    if not resume:
        trainer.save_checkpoint(path)
    return watch


def _four_epochs(optimizer: Any, *, total_steps: float, steps_per_epoch: float) -> Any:
    """The schedule of a training of four epochs, whenever this one ends."""
    del total_steps
    return warmup_cosine(
        optimizer, total_steps=4 * steps_per_epoch, steps_per_epoch=steps_per_epoch
    )


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_resumed_training_has_the_rate_and_decay_that_it_is_given(
    scale: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = {"lr_per_32_videos": 2e-3, "weight_decay": 0.1}
    whole = train(tmp_path, after, epochs=4).seen
    train(tmp_path, BEFORE, epochs=2)
    capsys.readouterr()
    resumed = train(tmp_path, after, epochs=4, resume=True, scale=scale).seen
    rates = [[scale * row[0] for row in whole[4:]], [row[0] for row in resumed]]
    end = 1e-6  # of the schedule, which is not scaled
    assert rates[1] == pytest.approx(rates[0], abs=2 * end)
    assert [row[1::2] for row in resumed] == [(0.1, 0.0)] * 4
    shown = f"peak learning rate {2e-3 * scale / 16:g} (was 0.000625)"
    assert f"resumed with weight decay 0.1 (was 0.05), {shown}" in capsys.readouterr().out


def test_training_that_resumes_unchanged_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(tmp_path, BEFORE, epochs=4).seen
    train(tmp_path, BEFORE, epochs=2)
    capsys.readouterr()
    assert train(tmp_path, BEFORE, epochs=4, resume=True).seen == whole[4:]
    assert "resumed with" not in capsys.readouterr().out
