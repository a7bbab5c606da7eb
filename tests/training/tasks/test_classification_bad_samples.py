"""The classification task with bad videos: trained without them, and every one accounted for."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import torch.nn.functional as F
from tiny_task import Data, Fixed, Recorder, logged, make_task, make_trainer
from torch import Tensor

from video_uniformer.data.video.mixing import Mixing
from video_uniformer.outcomes import SALVAGED, SKIPPED, SUBSTITUTED

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)


def test_skipped_videos_are_neither_mixed_nor_trained_on(tmp_path: Path) -> None:
    mixing, data = Recorder(), Data(num_videos=2, bad={0: SKIPPED})
    task = make_task(Fixed([1.0, 0.0]), mixing=mixing)
    trainer = make_trainer(tmp_path, limit_val_batches=0)
    trainer.fit(task, data)
    clips, labels = mixing.seen[0]
    assert torch.equal(clips, data.items[1]["video"])
    assert labels.tolist() == [1, 1]
    right, wrong = F.log_softmax(torch.tensor([1.0, 0.0]), 0).tolist()
    metrics = logged(trainer)
    assert metrics["train/loss"] == pytest.approx(-(0.75 * wrong + 0.25 * right))
    assert (metrics["train/evaluated"], metrics["train/listed"]) == (1, 2)


def test_skipped_videos_do_not_touch_batch_norms(tmp_path: Path) -> None:
    states: list[dict[str, Tensor]] = []
    for data in (Data(bad={1: SKIPPED, 3: SKIPPED}), Data(bad={1: SKIPPED, 3: SKIPPED})):
        for index in (1, 3):
            data.items[index]["video"] = torch.full((2, 3, 2, 32, 32), 9.0 * len(states))
        task = make_task()
        make_trainer(tmp_path, limit_val_batches=0).fit(task, data)
        states.append(task.network.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_salvaged_and_substituted_videos_are_trained_on(tmp_path: Path) -> None:
    mixing, bad = Recorder(), {0: SALVAGED, 1: SUBSTITUTED}
    make_trainer(tmp_path, limit_val_batches=0).fit(make_task(mixing=mixing), Data(2, bad=bad))
    assert mixing.seen[0][1].tolist() == [0, 0, 1, 1]


def test_only_clip_that_is_left_is_not_mixed(tmp_path: Path) -> None:
    mixing, data = Mixing(2), Data(num_videos=2, num_views=1, bad={0: SKIPPED})
    trainer = make_trainer(tmp_path, limit_val_batches=0)
    trainer.fit(make_task(Fixed([1.0, 0.0]), mixing=mixing), data)
    wrong = F.log_softmax(torch.tensor([1.0, 0.0]), 0)[1].item()
    assert logged(trainer)["train/loss"] == pytest.approx(-wrong)


def test_step_without_videos_gives_every_parameter_a_gradient_of_zero(tmp_path: Path) -> None:
    gradients: dict[str, Tensor | None] = {}

    class Watch(lightning.Callback):
        def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
            gradients.update({name: p.grad for name, p in pl_module.named_parameters()})

    trainer = make_trainer(tmp_path, limit_val_batches=0, callbacks=[Watch()])
    trainer.fit(make_task(mixing=Recorder()), Data(2, bad={0: SKIPPED, 1: SKIPPED}))
    assert gradients
    assert all(gradient is not None and not gradient.any() for gradient in gradients.values())
    assert "train/loss" not in logged(trainer)


def test_metrics_rest_on_the_videos_that_were_read(tmp_path: Path) -> None:
    data = Data(num_videos=5, bad={1: SKIPPED, 3: SALVAGED, 4: SKIPPED})
    [with_bad] = make_trainer(tmp_path).test(make_task(), data, verbose=False)
    data.items = [data.items[index] for index in (0, 2, 3)]
    [good_alone] = make_trainer(tmp_path).test(make_task(), data, verbose=False)
    assert with_bad == {**good_alone, "test/listed": 5}
    assert good_alone["test/evaluated"] == good_alone["test/listed"] == 3


def test_validation_says_on_how_many_of_how_many_videos_it_rests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = make_trainer(tmp_path)
    trainer.fit(make_task(Fixed([1.0, 0.0])), Data(num_videos=5, bad={1: SKIPPED, 4: SKIPPED}))
    metrics = logged(trainer)
    assert (metrics["val/evaluated"], metrics["val/listed"]) == (3, 5)
    [line] = [text for text in capsys.readouterr().out.splitlines() if text]
    loss = f"{metrics['val/loss']:.4f}"
    assert line == f"epoch 0: evaluated 3 of 5: loss {loss}, top1 66.67 %"


def test_limited_validation_tells_the_length_of_the_list(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, limit_val_batches=1)
    trainer.fit(make_task(), Data(num_videos=5))
    assert (logged(trainer)["val/evaluated"], logged(trainer)["val/listed"]) == (2, 5)


def test_validation_on_no_video_is_refused(tmp_path: Path) -> None:
    data = Data(num_videos=2, bad={0: SKIPPED, 1: SKIPPED})
    with pytest.raises(ValueError, match=r"evaluated 0 of 2 samples, .*; the first: reason 0"):
        make_trainer(tmp_path).validate(make_task(), data, verbose=False)


def test_evaluation_on_substitutes_is_refused(tmp_path: Path) -> None:
    data = Data(num_videos=2, bad={1: SUBSTITUTED})
    with pytest.raises(ValueError, match=r"sample 1 was substituted \(reason 1\), expected an"):
        make_trainer(tmp_path).test(make_task(), data, verbose=False)
