"""A whole training with token labels, whose maps a network trained here has made."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_task import logged, make_trainer

from video_uniformer import create_uniformer
from video_uniformer.cli.token_labels import main as label
from video_uniformer.clip import ImageSpec
from video_uniformer.data.annotations import read_list
from video_uniformer.data.image.dataset import ImageDataset
from video_uniformer.data.image.label_maps import LabelMaps
from video_uniformer.data.image.token_label_transforms import token_label_transform
from video_uniformer.data.image.train_transforms import train_transform
from video_uniformer.data.image.transforms import eval_transform
from video_uniformer.training.callbacks.step_seeds import StepSeeds
from video_uniformer.training.datamodule import DataModule
from video_uniformer.training.optim import adamw, warmup_cosine
from video_uniformer.training.tasks.classification import Classification
from video_uniformer.training.token_labels import TokenLabelLoss

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
    ),
]
SPEC = ImageSpec(64, crop_share=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sixteen noisy pictures: class 0 dark, class 1 bright."""
    draw, lines = np.random.RandomState(0), []
    for number in range(16):
        grey = 60 + 130 * (number % 2)
        pixels = np.clip(draw.normal(grey, 25, (48, 60, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png {number % 2}\n")
    (tmp_path / "list.csv").write_text("".join(lines))
    return tmp_path


def data(root: Path, transform: Any) -> DataModule:
    annotations = partial(read_list, path="list.csv")
    train = partial(ImageDataset, annotations, transform=transform, seed=0)
    held = partial(ImageDataset, annotations, transform=eval_transform(SPEC))
    return DataModule(
        root=root,
        datasets={"train": train, "val": held, "test": held},
        batch_size=4,
        num_workers=0,
        decoder=None,
        class_names=["dark", "bright"],
    )


def task(*, token_labels: bool) -> Classification:
    torch.manual_seed(1)
    return Classification(
        create_uniformer("test", ndim=2, num_classes=2, token_labels=token_labels),
        optimizer=partial(adamw, lr_per_32_videos=4e-2, batch_size=4),
        schedule=partial(warmup_cosine, warmup_epochs=0),
        input=SPEC,
        token_labels=TokenLabelLoss(2, transposes_boxes=False) if token_labels else None,
    )


def train(root: Path, task: Classification, transform: Any) -> tuple[Path, Mapping[str, float]]:
    """Fit for two epochs and test; the checkpoint and the metrics."""
    trainer = make_trainer(root, max_epochs=2, callbacks=[StepSeeds()])
    trainer.fit(task, data(root, transform))
    fitted = logged(trainer)
    trainer.test(task, data(root, transform), verbose=False)
    path = root / f"{'student' if task.network.config['token_labels'] else 'teacher'}.ckpt"
    trainer.save_checkpoint(path)
    return path, fitted | logged(trainer)


def test_network_learns_from_the_maps_of_one_trained_before(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = train_transform(SPEC, augment=None, color_jitter=0, erase_prob=0, scale=(0.5, 1))
    teacher, _ = train(root, task(token_labels=False), plain)
    with pytest.raises(SystemExit) as ended:
        label([str(root), "--checkpoint", str(teacher), "--output", str(root / "labels")])
    assert ended.value.code == 0
    assert "labelled 16 of 16 pictures" in capsys.readouterr().out
    (root / "labels" / "3.pt").unlink()  # it has its plain label everywhere
    transform = token_label_transform(SPEC, LabelMaps(root, root / "labels", (2, 2, 2)))
    student, metrics = train(root, task(token_labels=True), transform)
    assert np.isfinite(metrics["train/loss"])
    assert metrics["test/evaluated"] == 16
    assert metrics["test/top1"] >= 0.9
    said = torch.load(student, weights_only=True)["description"]
    assert said["network"]["token_labels"]


def test_training_with_token_labels_repeats_itself(root: Path) -> None:
    (root / "labels").mkdir()
    torch.save(torch.zeros(2, 2, 2, 2), root / "labels" / "0.pt")
    transform = token_label_transform(SPEC, LabelMaps(root, root / "labels", (2, 2, 2)))
    first, second = (train(root, task(token_labels=True), transform)[1] for _ in range(2))
    assert first == second
