"""How a step or a list is shared out to batches and processes changes no result."""

import json
import sys
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from ranks import launch_ranks
from tiny_task import CLIP, make_task, make_trainer
from torch import Tensor, nn

from video_uniformer import create_uniformer
from video_uniformer.training.datamodule import DataModule

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)

NUM_CLASSES = 7
EVAL_SIZES = range(1, 9)


class Clips:
    """Random clips, brighter from class to class; an item depends on its index alone."""

    def __init__(self, num_videos: int) -> None:
        generator = torch.Generator().manual_seed(3)
        noise = torch.randn(num_videos, 1, 3, 2, CLIP.size, CLIP.size, generator=generator)
        self.labels = torch.arange(num_videos) % NUM_CLASSES
        self.videos = noise + self.labels.view(-1, 1, 1, 1, 1, 1)
        self.class_names = [f"class {number}" for number in range(NUM_CLASSES)]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, item: Any) -> dict[str, Tensor]:
        index = item[0] if isinstance(item, tuple) else item
        video, label = self.videos[index], self.labels[index]
        return {"video": video, "label": label, "video_index": torch.tensor(index)}


class Losses(lightning.Callback):
    """Keeps the loss of every batch; batch norms may be held in evaluation mode."""

    def __init__(self, is_frozen: bool) -> None:
        self.is_frozen = is_frozen
        self.losses: list[float] = []

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        for module in pl_module.modules():
            if isinstance(module, nn.BatchNorm3d) and self.is_frozen:
                module.eval()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.losses.append(float(trainer.callback_metrics["train/loss"]))


def data(root: Path, num_videos: int, **settings: Any) -> DataModule:
    clips = Clips(num_videos)
    datasets = dict.fromkeys(("train", "val", "test"), lambda **_: clips)
    return DataModule(root=root, datasets=datasets, num_workers=0, **settings)


def network() -> nn.Module:
    torch.manual_seed(1)
    return create_uniformer("test", num_classes=NUM_CLASSES)


def step_losses(tmp_path: Path, num_batches: int, *, is_frozen: bool) -> Tensor:
    """The losses of 20 steps of 8 videos, each the mean of its accumulated batches."""
    watch = Losses(is_frozen)
    settings = {"accumulate_grad_batches": num_batches, "callbacks": [watch]}
    trainer = make_trainer(tmp_path, max_epochs=10, limit_val_batches=0, **settings)
    trainer.fit(make_task(network()), data(tmp_path, 16, batch_size=8))
    return torch.tensor(watch.losses).view(20, num_batches).mean(1)


def test_accumulated_batches_follow_one_whose_norms_keep_their_statistics(tmp_path: Path) -> None:
    whole = step_losses(tmp_path, 1, is_frozen=True)
    assert (step_losses(tmp_path, 4, is_frozen=True) - whole).abs().max() < 1e-4
    assert whole[-1] < whole[0] - 0.1  # they learn meanwhile


def test_batch_norms_in_training_see_one_accumulated_batch_at_a_time(tmp_path: Path) -> None:
    whole = step_losses(tmp_path, 1, is_frozen=False)
    assert (step_losses(tmp_path, 4, is_frozen=False) - whole).abs().max() > 1e-2


def validate(folder: Path, **settings: Any) -> list[dict[str, float]]:
    """The metrics of 11 videos with batches of each size."""
    torch.set_num_threads(1)
    task = make_task(network())
    return [
        make_trainer(folder, **settings).validate(
            task, data(folder, 11, batch_size=1, eval_batch_size=size), verbose=False
        )[0]
        for size in EVAL_SIZES
    ]


def main() -> None:
    """One process's part of the validations."""
    folder = Path(sys.argv[1])
    found = validate(folder, devices=2, strategy="ddp")
    rank = torch.distributed.get_rank()
    (folder / f"{rank}.json").write_text(json.dumps(found))


@pytest.mark.slow
def test_validation_metrics_depend_on_neither_batch_size_nor_processes(tmp_path: Path) -> None:
    expected, *others = validate(tmp_path)
    assert (expected["val/evaluated"], expected["val/listed"]) == (11, 11)
    assert 0 < expected["val/top1"] < expected["val/top5"] < 1
    ranks = launch_ranks(main, str(tmp_path), cwd=tmp_path)
    assert [rank.status for rank in ranks] == [0, 0], ranks[0].err
    others += json.loads((tmp_path / "0.json").read_text())
    assert len(others) == 2 * len(EVAL_SIZES) - 1
    for found in others:
        assert found.pop("val/loss") == pytest.approx(expected["val/loss"], abs=1e-5)
        assert found == {name: expected[name] for name in expected if name != "val/loss"}
