"""The classification task: what it trains on, how it evaluates, what its checkpoints say."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import DataLoader

from video_uniformer import ClipSpec, create_uniformer
from video_uniformer.data.mixing import Mixing
from video_uniformer.training.accounts import OK, SALVAGED, SKIPPED, SUBSTITUTED
from video_uniformer.training.classification import VideoClassification, _mean_loss
from video_uniformer.training.optim import adamw, warmup_cosine

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)

CLIP = ClipSpec(num_frames=2, stride=1, size=32, num_clips=2)


class Data(lightning.LightningDataModule):
    """Random clips, two videos a batch; class 0 is dark and class 1 bright; some may be bad."""

    def __init__(
        self,
        num_videos: int = 4,
        num_views: int = 2,
        scale: float = 1.0,
        bad: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.class_names = ["dark", "bright"]
        labels = torch.arange(num_videos) % 2
        noise = torch.randn(num_videos, num_views, 3, 2, 32, 32)
        videos = scale * (noise + 2 * labels.view(-1, 1, 1, 1, 1, 1))
        self.items = [
            {
                "video": torch.zeros_like(video) if bad.get(index) == SKIPPED else video,
                "label": label,
                "video_index": torch.tensor(index),
                "status": torch.tensor(bad.get(index, OK)),
                "problem": f"reason {index}" if index in bad else "",
            }
            for index, (video, label) in enumerate(zip(videos, labels, strict=True))
        ]

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.items, batch_size=2)  # type: ignore[arg-type]

    val_dataloader = test_dataloader = train_dataloader


def make_task(network: nn.Module | None = None, **settings: Any) -> VideoClassification:
    torch.manual_seed(1)
    return VideoClassification(
        create_uniformer("test", num_classes=2) if network is None else network,
        optimizer=partial(adamw, lr_per_32_videos=1e-2, batch_size=2),
        schedule=partial(warmup_cosine, warmup_epochs=0),
        clip=CLIP,
        **settings,
    )


def make_trainer(tmp_path: Path, **settings: Any) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        **{"max_epochs": 1, **settings},
    )


class Recorder:
    """Mixing that keeps what it was given and makes plain targets soft."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor]] = []

    def __call__(self, clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append((clips.clone(), labels.clone()))
        return clips, 0.75 * F.one_hot(labels, 2) + 0.25 * F.one_hot(1 - labels, 2)


def test_views_of_a_video_stand_side_by_side_in_the_batch(tmp_path: Path) -> None:
    mixing, data = Recorder(), Data(num_videos=2)
    make_trainer(tmp_path, limit_val_batches=0).fit(make_task(mixing=mixing), data)
    clips, labels = mixing.seen[0]
    first, second = data.items[0]["video"], data.items[1]["video"]
    assert labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(clips, torch.stack([first[0], first[1], second[0], second[1]]))


def logged(trainer: lightning.Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


class Fixed(nn.Module):
    """A network that answers the same logits for every clip, whatever happens."""

    def __init__(self, logits: Sequence[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.config = {"variant": "fixed"}

    def forward(self, video: Tensor) -> Tensor:
        return self.logits.expand(len(video), -1)


def fit_once(task: VideoClassification, tmp_path: Path, num_videos: int = 2) -> dict[str, float]:
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


def test_infinite_loss_ends_the_training_with_advice(tmp_path: Path) -> None:
    task = make_task(Fixed([float("nan"), 0.0]))
    message = "the loss is nan at step 0; a lower learning rate, weaker augmentation or .*32-true"
    with pytest.raises(FloatingPointError, match=message):
        fit_once(task, tmp_path)


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
    assert task.tables["test"].video_index.tolist() == [0, 1, 2]


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
    assert task.tables["val"].video_index.tolist() == [0, 1, 2, 3]


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


def test_checkpoint_says_everything_in_plain_values(tmp_path: Path) -> None:
    trainer, path = make_trainer(tmp_path, limit_val_batches=0), tmp_path / "last.ckpt"
    trainer.fit(make_task(fusion="probabilities"), Data())
    trainer.save_checkpoint(path)
    facts = torch.load(path, weights_only=True)["classifier"]
    assert facts == {
        "network": create_uniformer("test", num_classes=2).config,
        "clip": asdict(CLIP),
        "class_names": ["dark", "bright"],
        "fusion": "probabilities",
    }
    assert ClipSpec(**facts["clip"]) == CLIP


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


def losses_of(trainer: lightning.Trainer, task: VideoClassification, **fit: Any) -> list[float]:
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
    with pytest.raises(ValueError, match=r"evaluated 0 of 2 videos, .*; the first: reason 0"):
        make_trainer(tmp_path).validate(make_task(), data, verbose=False)


def test_evaluation_on_substitutes_is_refused(tmp_path: Path) -> None:
    data = Data(num_videos=2, bad={1: SUBSTITUTED})
    with pytest.raises(ValueError, match=r"video 1 was substituted \(reason 1\), expected an"):
        make_trainer(tmp_path).test(make_task(), data, verbose=False)
